package openai

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// refStream is the plain version of Stream: it sees the whole answer at once.
type refStream struct {
	blocks    []string // what the client gets, an entry for each event; see refCanon
	usage     Usage
	hasUsage  bool
	events    int
	malformed int
	done      bool
	failed    bool
}

// refBlocks splits a whole answer into events, each a list of lines. Blank
// lines that end nothing are left out. rest is the event that is incomplete.
func refBlocks(b []byte) (blocks [][]string, rest string) {
	text := string(b)
	var lines []string
	start := 0
	for text[start:] != "" {
		i := strings.IndexAny(text[start:], "\r\n")
		if i < 0 {
			break
		}
		line := text[start : start+i]
		start += i + 1
		if text[start-1] == '\r' && strings.HasPrefix(text[start:], "\n") {
			start++
		}
		if line != "" {
			lines = append(lines, line)
			continue
		}
		if lines != nil {
			blocks = append(blocks, lines)
		}
		lines = nil
		text, start = text[start:], 0
	}
	return blocks, text
}

func refData(lines []string, first bool) (data string, has bool) {
	var pieces []string
	for i, line := range lines {
		if first && i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if name, value, _ := strings.Cut(line, ":"); name == "data" {
			pieces = append(pieces, strings.TrimPrefix(value, " "))
		}
	}
	return strings.Join(pieces, "\n"), pieces != nil
}

// refCanon writes an event in a form that is equal for equal events: as it is
// where nothing was taken out of it, else its other lines and its members.
func refCanon(lines []string, members []refMember, first bool) string {
	var others []string
	for i, line := range lines {
		if first && i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if name, _, _ := strings.Cut(line, ":"); name != "data" {
			others = append(others, line)
		}
	}
	return fmt.Sprintf("%q %q", others, members)
}

func refFilter(b []byte, include, continuous bool) refStream {
	var r refStream
	blocks, rest := refBlocks(b)
	for i, lines := range blocks {
		first := i == 0 && !strings.ContainsAny(string(b[:1]), "\r\n")
		for _, line := range lines {
			if name, _, _ := strings.Cut(line, ":"); name == "error" {
				r.failed = true
			}
		}
		data, has := refData(lines, first)
		asIs := strings.Join(lines, "\n")
		trimmed := string(bytes.TrimSpace([]byte(data)))
		members, err := refMembers([]byte(data))
		switch {
		case !has || trimmed == "":
			r.blocks = append(r.blocks, asIs)
			continue
		case trimmed == "[DONE]":
			r.done = true
			return r
		case err != nil:
			r.malformed++
			r.blocks = append(r.blocks, asIs)
			continue
		}
		choices, bare, usage := false, false, false
		for _, m := range members {
			switch m.name {
			case "choices":
				bare = strings.HasPrefix(m.raw, "[") && strings.Trim(m.raw[1:len(m.raw)-1], " \t\r\n") == ""
				choices = strings.HasPrefix(m.raw, "[") && !bare
			case "error":
				r.failed = r.failed || m.raw != "null"
			case "object":
				if s, err := strconv.Unquote(m.raw); err == nil && s == "error" {
					r.failed = true
				}
			case "usage":
				if u, ok := refUsage(m.raw); ok {
					usage = true
					r.hasUsage = true
					r.usage.raise(u)
				}
			}
		}
		if choices {
			r.events++
		}
		if !include && bare && usage {
			continue
		}
		var left []refMember
		for _, m := range members {
			object := strings.HasPrefix(m.raw, "{")
			if m.name == "usage" && (!include || !continuous && object && choices) {
				continue
			}
			left = append(left, m)
		}
		if len(left) == len(members) {
			r.blocks = append(r.blocks, asIs)
		} else {
			r.blocks = append(r.blocks, refCanon(lines, left, first))
		}
	}
	if data, ok := strings.CutPrefix(rest, "data:"); ok && string(bytes.TrimSpace([]byte(data))) == "[DONE]" {
		r.done = true
	}
	return r
}

func refUsage(raw string) (u Usage, ok bool) {
	members, err := refMembers([]byte(raw))
	if err != nil {
		return u, false
	}
	for _, m := range members {
		n, plain := refCount(m.raw)
		switch m.name {
		case "prompt_tokens", "completion_tokens", "total_tokens":
			u.Absurd = u.Absurd || !plain
		}
		switch m.name {
		case "prompt_tokens":
			u.Prompt = max(u.Prompt, n)
		case "completion_tokens":
			u.Completion = max(u.Completion, n)
		case "total_tokens":
			u.Total = max(u.Total, n)
		case "prompt_tokens_details":
			details, _ := refMembers([]byte(m.raw))
			for _, d := range details {
				if d.name == "cached_tokens" {
					n, plain := refCount(d.raw)
					u.Cached = max(u.Cached, n)
					u.Absurd = u.Absurd || !plain
				}
			}
		}
	}
	return u, true
}

func refCount(raw string) (n int, plain bool) {
	v, err := strconv.ParseInt(raw, 10, 32)
	if err != nil || v < 0 || raw == "-0" {
		return 0, raw == "null"
	}
	return int(v), true
}
