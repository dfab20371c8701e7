package ask

import (
	"regexp"
	"strings"
	"unicode"
)

// Parse takes a model's answer apart: what it thought, and its SQL, which is "" where
// there is none. The text may be what has come so far; whole says that no more comes.
//
// What stands between <think> and </think> is reasoning, and so is all text around
// the block of code that holds the SQL: the last one that is marked as SQL, or the
// last one that is marked as nothing. Where a whole answer has no such block, a
// paragraph that reads like a query is taken.
func Parse(text string, whole bool) (reasoning, sql string) {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n")
	thought, said := unthink(text, whole)
	b, ok := lastSQL(blocks(said))
	if !ok && whole {
		if b, ok = bare(said); !ok {
			// An answer that was cut while it thought may have a draft in it.
			if b, ok = lastSQL(blocks(thought)); ok {
				return strings.TrimSpace(thought), clean(b.text)
			}
		}
	}
	if !ok {
		return joined(thought, untagged(said)), ""
	}
	return joined(thought, untagged(said[:b.start]), untagged(said[b.end:])), clean(b.text)
}

// unthink parts what a model thought from what it said.
func unthink(text string, whole bool) (thought, said string) {
	const open, shut = "<think>", "</think>"
	body := strings.TrimLeft(text, " \n\t")
	inner, opened := strings.CutPrefix(body, open)
	if before, after, ok := strings.Cut(inner, shut); ok {
		// Some templates put the opening tag into the prompt.
		if opened || !strings.Contains(before, "```") {
			return before, after
		}
	}
	switch {
	case opened:
		return inner, ""
	case !whole && body != "" && strings.HasPrefix(open, body): // half of a tag
		return "", ""
	}
	return "", text
}

// block is a block of code: what is in it, and where in the text it begins and ends
// with its marks.
type block struct {
	text       string
	info       string // what it is marked as
	start, end int
}

const fence = "```"

// blocks are those of a text, the last of which may have no end yet.
func blocks(text string) (all []block) {
	for at := 0; ; {
		i := strings.Index(text[at:], fence)
		if i < 0 {
			return all
		}
		b := block{start: at + i, end: len(text)}
		from := b.start + len(fence)
		for from < len(text) && text[from] == '`' {
			from++
		}
		n := from
		for n < len(text) && (isLetter(text[n]) || text[n] >= '0' && text[n] <= '9') {
			n++
		}
		// A word on the line of the mark is what it is marked as, unless it begins
		// the query: "```SELECT 1```".
		if word := strings.ToLower(text[from:n]); !queries(word) {
			b.info, from = word, n
		}
		body := text[from:]
		if j := strings.Index(body, fence); j >= 0 {
			b.end, body = from+j+len(fence), body[:j]
			for b.end < len(text) && text[b.end] == '`' {
				b.end++
			}
		} else {
			body = strings.TrimRight(body, "`") // half of the mark that ends it
		}
		b.text = strings.TrimSpace(body)
		all = append(all, b)
		at = b.end
	}
}

// lastSQL is the block that holds the query.
func lastSQL(all []block) (best block, ok bool) {
	marked := false
	for _, b := range all {
		sql := dialects[b.info]
		if b.text != "" && (sql || b.info == "" && !marked) {
			best, ok, marked = b, true, marked || sql
		}
	}
	return best, ok
}

// dialects are what blocks with SQL are marked as.
var dialects = map[string]bool{"sql": true, "sqlite": true, "sqlite3": true, "postgres": true, "postgresql": true, "pgsql": true, "psql": true}

// queryLine is how a line begins that begins a query.
var queryLine = regexp.MustCompile(`(?im)^[ \t]*(select[ \t\n]|with[ \t\n]+(recursive[ \t\n]+)?["\w]+[ \t\n]*(\([^)]*\))?[ \t\n]*as[ \t\n]*\()`)

// bare finds a query outside of all blocks: in the last paragraph that has one, from
// there to its semicolon or its end.
func bare(text string) (block, bool) {
	text = untaggedInPlace(text)
	for end := len(text); end > 0; {
		start := strings.LastIndex(text[:end], "\n\n") + 1
		part := text[start:end]
		if m := queryLine.FindStringIndex(part); m != nil {
			q := part[m[0]:]
			if i := strings.Index(q, ";"); i >= 0 {
				q = q[:i+1]
			}
			if strings.Contains(q, ";") || reads(q) {
				return block{text: strings.TrimSpace(q), start: start + m[0], end: start + m[0] + len(q)}, true
			}
		}
		end = max(0, start-1)
	}
	return block{}, false
}

// reads tells a query from a sentence that begins like one.
func reads(q string) bool {
	q = strings.TrimSpace(q)
	return strings.HasPrefix(q, "SELECT") || strings.HasPrefix(q, "WITH") || strings.Contains(q, "\nfrom ")
}

func queries(word string) bool {
	switch word {
	case "select", "with", "values", "explain":
		return true
	}
	return false
}

var tags = regexp.MustCompile(`</?(think|answer)>`)

// untagged is a text without the tags that models were trained to put around its
// parts.
func untagged(s string) string { return tags.ReplaceAllString(s, "") }

// untaggedInPlace has blanks in their place, so that offsets stay.
func untaggedInPlace(s string) string {
	return tags.ReplaceAllStringFunc(s, func(t string) string { return strings.Repeat(" ", len(t)) })
}

func joined(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, "\n\n")
}

// clean is SQL without control characters, which belong in none, and bounded.
func clean(sql string) string {
	return strings.TrimSpace(clip(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, sql), maxSQL))
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
