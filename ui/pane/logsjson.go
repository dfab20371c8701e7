package pane

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxLaidOut is the longest JSON that is taken apart: it is read when it comes,
// whether it will be seen or not.
const maxLaidOut = 16 << 10

// logField is one field of a line in JSON.
type logField struct{ name, value string }

// layOut makes a JSON object with a message `message key=value key=value`, with
// its time and level in their columns. It tells whether it was one.
func (e *logEntry) layOut() bool {
	fields, ok := logFields(e.raw)
	if !ok {
		return false
	}
	var msg, level, stamp string
	var b strings.Builder
	has := false
	for _, f := range fields {
		switch f.name {
		case "msg", "message":
			msg, has = f.value, true
		case "level", "severity", "levelname":
			level = f.value
		case "time", "ts", "timestamp":
			stamp = f.value
		default:
			b.WriteString(" " + f.name + "=" + fieldValue(f.value))
		}
	}
	if !has {
		return false
	}
	e.shown = msg + b.String()
	if e.shown == "" {
		e.shown = " "
	}
	e.word = strings.ToUpper(level)
	e.grade = logLevels[leadingWord(e.word)] // slog writes ERROR+2 for one that has no name
	if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && e.at.IsZero() {
		e.at = at
	}
	return true
}

// logFields reads a JSON object in the order in which it is written; values that
// are objects or lists stay JSON.
func logFields(s string) ([]logField, bool) {
	d := jsontext.NewDecoder(strings.NewReader(s))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, false
	}
	var fields []logField
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		f := logField{name: name.String()}
		if d.PeekKind() == '"' {
			t, err := d.ReadToken()
			if err != nil {
				return nil, false
			}
			f.value = t.String()
		} else {
			v, err := d.ReadValue()
			if err != nil {
				return nil, false
			}
			f.value = string(v)
		}
		fields = append(fields, f)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	return fields, d.InputOffset() == int64(len(strings.TrimRight(s, " \t\r\n")))
}

// fieldValue is a value as it stands behind key=, in quotes where it would run into the
// next.
func fieldValue(v string) string {
	if v == "" || !strings.HasPrefix(v, "{") && !strings.HasPrefix(v, "[") && strings.ContainsAny(v, " \"=\n\t") {
		return strconv.Quote(v)
	}
	return v
}
