package play

import (
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// Bounds of what is typed.
const (
	chatLines  = 1000    // the text area looks at all of them for each key
	chatLetter = 200_000 // characters
)

// chatEdit is the message that is being typed. The text area edits; what is drawn goes
// through the canvas, as what was pasted may be anything.
type chatEdit struct {
	area   textarea.Model
	recall int // lines back in the history; 0: none
	kept   string
}

func newChatEdit() *chatEdit {
	e := &chatEdit{area: textarea.New()}
	e.area.CharLimit, e.area.MaxHeight = chatLetter, chatLines
	e.area.KeyMap.Paste.SetEnabled(false)         // it would be the clipboard of this host
	e.area.KeyMap.CopySelection.SetEnabled(false) // and so would this
	e.area.KeyMap.InsertNewline.SetKeys("alt+enter", "ctrl+j", "shift+enter")
	e.area.SetWidth(chatLetter) // lines are folded where they are drawn
	e.area.Focus()
	return e
}

func (e *chatEdit) text() string { return e.area.Value() }

func (e *chatEdit) set(text string) {
	e.area.SetValue(text)
	e.recall = 0
}

// paste puts text in at the cursor, and tells whether all of it had room.
func (e *chatEdit) paste(text string) bool {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	room := chatLines - e.area.LineCount() + 1
	whole := len(lines) <= room
	e.area.InsertString(strings.Join(lines[:min(len(lines), max(room, 1))], "\n"))
	e.recall = 0
	return whole && e.area.Length() < chatLetter
}

// press takes a key in, and tells whether the text is another one.
func (e *chatEdit) press(k tea.KeyPressMsg) bool {
	before := e.area.Value()
	e.area, _ = e.area.Update(k)
	if e.area.Value() == before {
		return false
	}
	e.recall = 0
	return true
}

// older and newer go through what was sent before; they tell whether there was more.
func (e *chatEdit) older(history []string) bool {
	if e.area.Line() > 0 || e.recall >= len(history) {
		return false
	}
	if e.recall == 0 {
		e.kept = e.text()
	}
	at := e.recall + 1
	e.set(history[len(history)-at])
	e.recall = at
	e.area.MoveToBegin() // the next one up goes on
	e.area.CursorEnd()
	return true
}

func (e *chatEdit) newer(history []string) bool {
	if e.recall == 0 || e.area.Line() < e.area.LineCount()-1 {
		return false
	}
	at := e.recall - 1
	if at == 0 || at > len(history) {
		e.set(e.kept)
	} else {
		e.set(history[len(history)-at])
	}
	e.recall = at
	return true
}

// rows are the lines around the cursor as they are drawn, at most h, and where in them
// it is.
func (e *chatEdit) rows(w, h int, ascii bool) (rows []string, x, y int) {
	lines := strings.Split(e.text(), "\n")
	row := min(e.area.Line(), len(lines)-1)
	first, last := max(0, row-h), min(len(lines), row+h+1)
	for i := first; i < last; i++ {
		s, cursor := clean(lines[i], ascii), -1
		if i == row {
			letters := []rune(lines[i])
			cursor = len(clean(string(letters[:min(e.area.Column(), len(letters))]), ascii))
		}
		for from := 0; ; {
			n := fitting(s[from:], w-1) // the cursor has room behind the last one
			if cursor >= from && (cursor < from+n || from+n == len(s)) {
				x, y = cells(s[from:min(cursor, len(s))]), len(rows)
			}
			rows = append(rows, s[from:from+n])
			if from += n; from >= len(s) {
				break
			}
		}
	}
	if over := max(0, min(y-h/2, len(rows)-h)); over > 0 {
		rows, y = rows[over:], y-over
	}
	return rows[:min(len(rows), h)], x, y
}

// height is how many rows the text wants, at most most.
func (e *chatEdit) height(w, most int, ascii bool) int {
	rows, _, _ := e.rows(w, most, ascii)
	return max(1, len(rows))
}

// draw draws it in w by h cells.
func (e *chatEdit) draw(c *widget.Canvas, x, y, w, h int, focused bool) {
	rows, cx, cy := e.rows(w-2, h, c.Theme.ASCII())
	prompt := widget.Muted
	if focused {
		prompt = widget.Focused
	}
	c.Text(x, y, 1, prompt, c.Theme.Pointer)
	for i, r := range rows {
		c.Text(x+2, y+i, w-2, widget.Plain, r)
	}
	if focused && cy < h {
		at := x + 2 + cx
		if at >= x+2+cells(rows[cy]) {
			c.Text(at, y+cy, 1, widget.Plain, " ")
		}
		c.Mark(at, y+cy, 1, widget.Inverse)
	}
	if e.text() == "" {
		c.Text(x+3, y, w-3, widget.Muted, "ask something, or / for a command")
	}
}
