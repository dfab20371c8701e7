package play

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// stripped is text without colours.
func stripped(s string) string { return ansi.Strip(s) }

// editWith presses keys by their names, and types what stands behind a quote.
func editWith(e *editor, keys string) {
	for _, k := range strings.Fields(keys) {
		if s, ok := strings.CutPrefix(k, "'"); ok {
			for _, r := range s {
				e.press(sqlKey(string(r)))
			}
			continue
		}
		e.press(sqlKey(k))
	}
}

func TestEditor(t *testing.T) {
	for _, tt := range []struct {
		name, before string // the cursor is at the end
		keys         string
		want         string // | is the cursor
	}{
		{"typing", "", "'abc", "abc|"},
		{"a blank", "", "'a space 'b", "a b|"},
		{"a new line keeps its indent", "  a", "enter 'b", "  a\n  b|"},
		{"back over a line", "a\nb", "left backspace", "a|b"},
		{"delete over a line", "a\nb", "up delete", "a|b"},
		{"one character, whatever it is made of", "ae\u0301", "backspace", "a|"},
		{"a wide one", "a長", "left 'x", "ax|長"},
		{"a word back", "select  foo", "ctrl+w", "select  |"},
		{"a word back over its blanks", "select foo  ", "ctrl+w", "select |"},
		{"words", "one two", "ctrl+left ctrl+left ctrl+right 'x", "onex| two"},
		{"to the start", "abc def", "ctrl+left ctrl+u", "|def"},
		{"to the end", "abc def", "home ctrl+k", "|"},
		{"the end of a line goes", "a\nb", "up ctrl+k", "a|b"},
		{"up and down keep the cell", "abcdef\nx\nabcdef", "up up 'X", "abcdefX|\nx\nabcdef"},
		{"up from the first line", "abc", "up 'x", "x|abc"},
		{"undo of what was typed", "", "'abc ctrl+z", "|"},
		{"undo and redo", "", "'abc space 'def ctrl+z ctrl+z ctrl+y", "abc |"},
		{"undo of a cut", "abc", "ctrl+u ctrl+z", "abc|"},
		{"nothing to undo", "", "ctrl+z ctrl+y 'a", "a|"},
		{"a change ends what can be done again", "", "'abc ctrl+z 'x ctrl+y", "x|"},
		{"keys without a meaning", "a", "ctrl+x alt+q", "a|"},
		{"the very start and end", "a\nb", "ctrl+home 'x ctrl+end 'y", "xa\nby|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEditor(plainTheme(), false, 1000)
			e.set(tt.before)
			e.undo = nil
			editWith(e, tt.keys)
			text := e.text()
			if got := text[:e.at()] + "|" + text[e.at():]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEditorBounds(t *testing.T) {
	e := newEditor(plainTheme(), false, 10)
	e.insert(strings.Repeat("長", 9))
	if e.text() != "長長長" {
		t.Errorf("%q is kept of a long text", e.text())
	}
	e.insert("xyz")
	if len(e.text()) != 10 {
		t.Errorf("%d bytes, want 10", len(e.text()))
	}
	e = newEditor(plainTheme(), true, 100)
	e.insert("two\r\nlines\rof\xff")
	if e.text() != "two lines of\uFFFD" {
		t.Errorf("one line is %q", e.text())
	}
	if e.press(sqlKey("enter")) || e.press(sqlKey("up")) {
		t.Error("an editor of one line took a key of several")
	}
	e = newEditor(plainTheme(), false, maxSQL)
	for range 100 {
		e.set(strings.Repeat("x", maxSQL-1))
		e.set("")
	}
	size := 0
	for _, u := range e.undo {
		size += len(u.text)
	}
	if size > maxUndo || len(e.undo) < 10 {
		t.Errorf("%d bytes in %d steps can be undone", size, len(e.undo))
	}
}

// The cursor is in the window, wherever it goes.
func TestEditorFollows(t *testing.T) {
	th := plainTheme()
	e := newEditor(th, false, maxSQL)
	e.set(strings.Repeat(strings.Repeat("長い行 line ", 20)+"\n", 30))
	for _, k := range []string{"ctrl+home", "end", "left", "down", "home", "pgdown", "end", "up", "ctrl+end", "up", "end", "ctrl+left"} {
		e.press(sqlKey(k))
		c := widget.NewCanvas(th, 30, 5)
		cx, cy := e.draw(c, 0, 0, 30, 5, editorLook{focused: true, numbers: true, wrong: -1})
		if cx < 0 || cx >= 30 || cy < 0 || cy >= 5 {
			t.Errorf("after %s the cursor is at %d, %d", k, cx, cy)
		}
		sqlShaped(t, c.String(), 30, 5)
	}
}
