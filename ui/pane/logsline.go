package pane

import (
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// logEntry is a line as it is kept: taken apart once, when it comes.
type logEntry struct {
	seq    uint64
	at     time.Time
	raw    string // as it was written, without colours
	shown  string // what is drawn in place of raw from from; "": that itself
	from   int
	proc   string // which process wrote it, and where in its source
	file   string
	word   string // its level, as it is called there; an event's kind
	grade  widget.Style
	stderr bool
	lost   bool // it stands for lines that were lost
}

// newLogEntry takes a line apart. Lines of vLLM lose what a column shows anyway,
// JSON becomes its message and its fields.
func newLogEntry(l LogLine) logEntry {
	e := logEntry{at: l.At, raw: stripColours(strings.Trim(l.Text, "\r")), stderr: l.Stderr}
	if strings.HasPrefix(e.raw, "{") && len(e.raw) <= maxLaidOut && e.layOut() {
		return e
	}
	if strings.IndexByte(e.raw, '\r') >= 0 { // looking from the end takes ten times as long
		i := strings.LastIndexByte(e.raw, '\r')
		// A progress bar, drawn over itself. What is seen of it says so, lest
		// anything be hidden this way.
		e.shown = e.raw[i:]
	}
	e.header()
	return e
}

// text is what is drawn of it.
func (e *logEntry) text() string {
	if e.shown != "" {
		return e.shown
	}
	return e.raw[e.from:]
}

// size is what it costs to keep.
func (e *logEntry) size() int { return len(e.raw) + len(e.shown) }

// logLevels are the words for levels, and what they mean to the one who looks.
var logLevels = map[string]widget.Style{
	"TRACE": widget.Muted, "DEBUG": widget.Muted, "INFO": widget.Muted, "NOTICE": widget.Muted,
	"WARN": widget.Warn, "WARNING": widget.Warn,
	"ERROR": widget.Bad, "CRITICAL": widget.Bad, "FATAL": widget.Bad, "PANIC": widget.Bad,
}

// header finds the level, the process and the place in the beginning of a line,
// as vLLM, its web server and most Python programs write it:
//
//	(EngineCore_DP0 pid=271) INFO 11-22 03:10:58 [core.py:71] Initializing …
//	INFO:     10.0.0.7:41234 - "GET /health HTTP/1.1" 200 OK
//	2026-11-22 03:10:58,104 - WARNING - autotuner.py:262 - …
func (e *logEntry) header() {
	rest := e.raw
	if proc, behind, ok := cutProcess(rest); ok {
		e.proc, rest = proc, behind
		e.from = len(e.raw) - len(rest)
	}
	word := leadingWord(rest)
	grade, known := logLevels[word]
	if !known {
		e.word, e.grade = levelWithin(rest)
		return
	}
	behind := rest[len(word):]
	switch {
	case strings.HasPrefix(behind, ":"):
		behind = strings.TrimLeft(behind[1:], " ")
	case strings.HasPrefix(behind, " "):
		behind = cutStamp(behind[1:])
		if file, after, ok := cutPlace(behind); ok {
			e.file, behind = file, after
		}
	default: // INFO[0042] …
		e.word, e.grade = word, grade
		return
	}
	e.word, e.grade, e.from = word, grade, len(e.raw)-len(behind)
}

// cutProcess takes "(name pid=1) " off.
func cutProcess(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return "", s, false
	}
	in, _, ok := strings.Cut(s[1:min(len(s), 64)], ")")
	if !ok {
		return "", s, false
	}
	name, pid, ok := strings.Cut(in, " pid=")
	if !ok || !onlyDigits(pid) {
		return "", s, false
	}
	return name, strings.TrimPrefix(s[len(in)+2:], " "), true
}

// leadingWord is the capital letters that a line begins with.
func leadingWord(s string) string {
	n := 0
	for n < len(s) && n < 12 && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	return s[:n]
}

// cutStamp takes "11-22 03:10:58 " off.
func cutStamp(s string) string {
	const form = "00-00 00:00:00 "
	if len(s) < len(form) {
		return s
	}
	for i := range len(form) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (form[i] == '0') || !digit && s[i] != form[i] {
			return s
		}
	}
	return s[len(form):]
}

// cutPlace takes "[core.py:71] " off.
func cutPlace(s string) (place, rest string, ok bool) {
	if !strings.HasPrefix(s, "[") {
		return "", s, false
	}
	place, _, ok = strings.Cut(s[1:min(len(s), 96)], "]")
	if !ok || !strings.Contains(place, ":") {
		return "", s, false
	}
	return place, strings.TrimPrefix(s[len(place)+2:], " "), true
}

func onlyDigits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// levelWithin finds a level that doesn't come first, or what says without one that
// something has failed.
func levelWithin(s string) (string, widget.Style) {
	head := s[:min(len(s), 80)]
	if strings.HasPrefix(head, "Traceback (most recent call last)") || strings.HasPrefix(head, "panic: ") {
		return "", widget.Bad
	}
	// "torch.OutOfMemoryError: CUDA out of memory"
	if name, _, ok := strings.Cut(head, ": "); ok && !strings.ContainsAny(name, " \t") &&
		(strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Exception")) {
		return "", widget.Bad
	}
	for i := 0; i < len(head); {
		w := leadingWord(head[i:])
		if grade, ok := logLevels[w]; ok && (i == 0 || !isLetter(head[i-1])) && (i+len(w) == len(s) || !isLetter(s[i+len(w)])) {
			return w, grade
		}
		i += max(1, len(w))
	}
	return "", widget.Plain
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
