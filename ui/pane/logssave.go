package pane

import (
	"fmt"
	"strings"

	"pilothouse/ui/widget"
)

// Save is all lines that are shown, or would be if there were room, for a file:
// each with its time, its stream and what was written, harmless to a terminal. name
// is one for the file.
func (p *Logs) Save() (name, text string) {
	var b strings.Builder
	n := p.count()
	for i := range n {
		e := p.line(i)
		if !e.at.IsZero() {
			b.WriteString(e.at.UTC().Format("2006-01-02T15:04:05.000Z "))
		}
		switch {
		case e.lost:
			b.WriteString("--- ")
		case p.source.kind == LogContainer && e.stderr:
			b.WriteString("stderr ")
		case p.source.kind == LogContainer:
			b.WriteString("stdout ")
		case p.source.kind == LogPast:
			b.WriteString(e.word + " ")
		}
		b.WriteString(widget.Clean(e.raw, false) + "\n")
	}
	return fmt.Sprintf("%s-%s.log", logFileName(p.source.title()), p.now.UTC().Format("20060102T150405Z")), b.String()
}

// logFileName makes a name harmless to a file system and a shell.
func logFileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && (isLetter(byte(r)) || r >= '0' && r <= '9' || r == '-' || r == '.') {
			return r
		}
		return '-'
	}, frontBytes(s, 80))
	if s = strings.Trim(s, "-."); s == "" {
		return "log"
	}
	return s
}

// Copy is the selected line as it was written, without colours; "": none is
// selected.
func (p *Logs) Copy() string {
	if p.sel == 0 || p.count() == 0 {
		return ""
	}
	return p.line(p.find(p.sel)).raw
}

// Bounds of what is described of a line.
const (
	maxLogDescribed = 8 << 10 // bytes
	logFactBytes    = 512     // bytes of one fact
)

// Describe implements List.
func (p *Logs) Describe() (title string, facts []Fact) {
	if p.sel == 0 || p.count() == 0 {
		return "", nil
	}
	e := p.line(p.find(p.sel))
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, Fact{Label: label, Text: text})
		}
	}
	if !e.at.IsZero() {
		add("time", e.at.UTC().Format("2006-01-02 15:04:05.000 UTC")+", "+widget.Age(p.now.Sub(e.at))+" ago")
	}
	if p.source.kind == LogContainer && !e.lost {
		add("stream", map[bool]string{false: "standard output", true: "standard error"}[e.stderr])
	}
	if p.source.kind == LogPast {
		add("kind", e.word)
	} else {
		add("level", e.word)
	}
	add("process", e.proc)
	add("place", e.file)
	if strings.HasPrefix(e.raw, "{") && e.shown != "" {
		fields, _ := logFields(e.raw)
		for _, f := range fields {
			add(f.name, f.value)
		}
		return "line of " + p.source.title(), facts
	}
	return "line of " + p.source.title(), append(facts, writtenFacts(e.raw)...)
}

// writtenFacts is a line as it was written, in pieces.
func writtenFacts(raw string) []Fact {
	var facts []Fact
	label, rest := "text", raw
	for len(rest) > 0 && len(raw)-len(rest) < maxLogDescribed {
		piece := frontBytes(rest, logFactBytes)
		if piece == "" { // no text at all
			piece = rest[:min(len(rest), logFactBytes)]
		}
		facts, label, rest = append(facts, Fact{Label: label, Text: piece}), "", rest[len(piece):]
	}
	if rest != "" {
		facts = append(facts, Fact{Text: widget.Count(uint64(len(rest))) + " bytes more"})
	}
	return facts
}
