package play

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// rebuilt is the text that the spans of all lines have.
func rebuilt(text string, h *highlighter) (string, error) {
	var b strings.Builder
	lines := strings.Split(text, "\n")
	if len(h.starts) != len(lines) {
		return "", fmt.Errorf("%d lines of spans for %d", len(h.starts), len(lines))
	}
	for i, l := range lines {
		at := 0
		for _, s := range h.line(i) {
			if s.from != at || s.to < s.from || s.to > len(l) {
				return "", fmt.Errorf("span %v at %d of a line of %d", s, at, len(l))
			}
			b.WriteString(l[s.from:s.to])
			at = s.to
		}
		if at != len(l) {
			return "", fmt.Errorf("spans end at %d of a line of %d", at, len(l))
		}
		if i < len(lines)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}

// Highlighting never changes a text, whatever it is.
func FuzzHighlight(f *testing.F) {
	for _, s := range hostileTexts {
		f.Add(s, true)
	}
	f.Add(fixtureSQL, false)
	f.Add("SELECT E'a\\'b' /* a /* b */ c */ FROM \"x\"\"y\" WHERE $tag$ it's $tag$ = $1 -- end", true)
	f.Add("SELECT [a b], `c`, 'it''s', x'00', 1e-5, .5, r.at", false)
	f.Fuzz(func(t *testing.T, s string, postgres bool) {
		kind := query.SQLite
		if postgres {
			kind = query.Postgres
		}
		at := 0
		for _, k := range sqlTokens(s, kind) {
			if k.from != at || k.to <= k.from {
				t.Fatalf("token %v at %d", k, at)
			}
			at = k.to
		}
		if at != len(s) {
			t.Fatalf("tokens end at %d of %d", at, len(s))
		}
		var h highlighter
		h.set(s, kind)
		if got, err := rebuilt(s, &h); err != nil || got != s {
			t.Fatalf("%v: %q became %q", err, s, got)
		}
	})
}

func TestHighlight(t *testing.T) {
	for _, tt := range []struct {
		kind query.Kind
		sql  string
		want string // k keyword, l literal, m muted, . plain, by byte
	}{
		{query.SQLite, "SELECT a", "kkkkkk.."},
		{query.SQLite, "r.at", "...."}, // what stands behind a dot is a name
		{query.SQLite, "'a''b' x", "llllll.."},
		{query.SQLite, "-- select", "mmmmmmmmm"},
		{query.SQLite, "/* /* */ from", "mmmmmmmm.kkkk"},
		{query.Postgres, "/* /* */ from", "mmmmmmmmmmmmm"},
		{query.Postgres, "/* /* */ */ from", "mmmmmmmmmmm.kkkk"},
		{query.Postgres, "E'\\'' from", "lllll.kkkk"},
		{query.SQLite, "[select] from", ".........kkkk"},
		{query.Postgres, "$a$from$a$ from", "llllllllll.kkkk"},
		{query.Postgres, "$1 from", ".l.kkkk"},
		{query.SQLite, "1.5e-3+x", "llllll.."},
		{query.SQLite, `"from" x`, "........"},
		{query.SQLite, "'a\nb' x", "ll.ll.."},
	} {
		var h highlighter
		h.set(tt.sql, tt.kind)
		got := []byte(strings.Repeat(".", len(tt.sql)))
		from := 0
		for i, l := range strings.Split(tt.sql, "\n") {
			for _, s := range h.line(i) {
				mark := map[widget.Style]byte{widget.Focused: 'k', widget.Unknown: 'l', widget.Muted: 'm', widget.Plain: '.'}[s.style]
				for at := s.from; at < s.to; at++ {
					got[from+at] = mark
				}
			}
			from += len(l) + 1
		}
		if strings.TrimRight(string(got), " ") != tt.want {
			t.Errorf("%s: %q is\n%s, want\n%s", tt.kind, tt.sql, got, tt.want)
		}
	}
}

// What is opened and not closed, a thousand times over, takes the time of its length:
// eight times the text may not take a hundred times as long.
func TestHighlightIsLinear(t *testing.T) {
	for _, piece := range []string{"/*", "'", "\"", "$a$", "$", "[", "--", "e'\\", "select ", "a.", "1e", "(", "\n", "長", "\xff", "/*/", "x y z "} {
		for _, kind := range []query.Kind{query.SQLite, query.Postgres} {
			took := func(n int) time.Duration {
				s := strings.Repeat(piece, n/len(piece))
				least := time.Hour
				for range 3 {
					var h highlighter
					h.set("", kind)
					start := time.Now()
					h.set(s, kind)
					for i := range h.starts {
						h.line(i)
					}
					least = min(least, time.Since(start))
				}
				return least
			}
			short, long := took(maxSQL/2), took(maxSQL*4)
			if long > 100*short && long > time.Second {
				t.Errorf("%q in %s: %v for %d bytes, %v for %d", piece, kind, short, maxSQL/2, long, maxSQL*4)
			}
		}
	}
}
