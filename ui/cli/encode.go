package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// encode writes v as one line of JSON for another program. What does not print
// is escaped, so that a terminal on which it ends up takes no harm.
func encode(w io.Writer, v any) error {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeHidden(b.Bytes()))
	return err
}

// escapeHidden escapes the characters of JSON that don't print: encoding/json
// leaves delete, the controls of ISO 6429 and marks of direction as they are.
// Outside of strings there are none.
func escapeHidden(b []byte) []byte {
	hidden := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if bytes.IndexFunc(b, hidden) < 0 {
		return b
	}
	safe := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch high, low := utf16.EncodeRune(r); {
		case !hidden(r):
			safe = append(safe, b[:n]...)
		case high != unicode.ReplacementChar:
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
		b = b[n:]
	}
	return safe
}

// known is a moment as JSON has it: null where there is none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// list is what JSON has as [] where there is nothing.
func list[T any](items []T) []T { return append([]T{}, items...) }
