package play

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// Bounds of what is typed.
const (
	maxSQL      = 64 << 10 // bytes
	maxQuestion = 4 << 10
	maxUndo     = 1 << 20 // bytes of all that can be undone
)

// editor is text that is typed, of one line or of several. There is no clipboard in
// it: that of this host is not that of the terminal.
type editor struct {
	theme  *widget.Theme
	lines  []string // at least one
	single bool     // there is only one line
	most   int      // bytes

	row, col int // of the cursor: the line, and the byte in it
	goal     int // the cell that up and down keep to; -1: where the cursor is
	top      int // the first line shown
	left     int // the first cell shown

	undo, redo []editorState
	joined     bool // the last change was one typed character: the next joins it
	version    int  // grows with each change of the text
}

// editorState is what an undo goes back to.
type editorState struct {
	text     string
	row, col int
}

func newEditor(t *widget.Theme, single bool, most int) *editor {
	return &editor{theme: t, lines: []string{""}, single: single, most: most, goal: -1}
}

func (e *editor) text() string { return strings.Join(e.lines, "\n") }

func (e *editor) empty() bool { return len(e.lines) == 1 && e.lines[0] == "" }

// at is the byte of the text before which the cursor is.
func (e *editor) at() int {
	n := e.col
	for _, l := range e.lines[:e.row] {
		n += len(l) + 1
	}
	return n
}

// set replaces the text, which can be undone. The cursor is at its end.
func (e *editor) set(text string) {
	text = e.kept(text, e.most)
	if text == e.text() {
		return
	}
	e.remember(false)
	e.put(text)
	e.row = len(e.lines) - 1
	e.col = len(e.lines[e.row])
	e.top, e.left = 0, 0
}

// put makes a text the editor's, and leaves the cursor to the caller.
func (e *editor) put(text string) {
	e.lines = strings.Split(text, "\n")
	e.version++
	e.goal = -1
}

// kept is as much of a text as has room in so many bytes, with line feeds alone
// between lines; in an editor of one line blanks.
func (e *editor) kept(s string, room int) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	if e.single {
		s = strings.ReplaceAll(s, "\n", " ")
	}
	s = headBytes(s, max(0, room))
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// remember keeps the text as it is for undo. Typed characters join what was kept
// before the first of them.
func (e *editor) remember(typed bool) {
	if typed && e.joined {
		return
	}
	e.joined = typed
	e.redo = nil
	e.undo = append(e.undo, editorState{e.text(), e.row, e.col})
	size := 0
	for i := len(e.undo) - 1; i >= 0; i-- {
		if size += len(e.undo[i].text) + 64; size > maxUndo {
			e.undo = append([]editorState(nil), e.undo[i+1:]...)
			break
		}
	}
}

// travel goes from one state to the last of a list, and keeps the one that it was.
func (e *editor) travel(from, to *[]editorState) {
	if len(*from) == 0 {
		return
	}
	last := len(*from) - 1
	state := (*from)[last]
	*from = (*from)[:last]
	*to = append(*to, editorState{e.text(), e.row, e.col})
	e.put(state.text)
	e.row, e.col, e.joined = state.row, state.col, false
}

// insert puts text in at the cursor, as much of it as has room.
func (e *editor) insert(s string) {
	s = e.kept(s, e.most-len(e.text()))
	if s == "" {
		return
	}
	e.remember(utf8.RuneCountInString(s) == 1 && s != "\n" && s != " ")
	e.splice(s)
}

// splice puts text in at the cursor, and the cursor behind it.
func (e *editor) splice(s string) {
	line := e.lines[e.row]
	parts := strings.Split(line[:e.col]+s+line[e.col:], "\n")
	tail := len(line) - e.col
	e.lines = append(e.lines[:e.row], append(parts, e.lines[e.row+1:]...)...)
	e.row += len(parts) - 1
	e.col = len(e.lines[e.row]) - tail
	e.version++
	e.goal = -1
}

// replace puts text in the place of the bytes of the cursor's line from from to the
// cursor; what has no room leaves all as it is.
func (e *editor) replace(from int, s string) {
	if len(e.text())-(e.col-from)+len(s) > e.most {
		return
	}
	e.remember(false)
	line := e.lines[e.row]
	e.lines[e.row], e.col = line[:from]+line[e.col:], from
	e.splice(e.kept(s, len(s)*2))
}

// cut takes out what is between two places.
func (e *editor) cut(row, col, toRow, toCol int) {
	if row == toRow && col == toCol {
		return
	}
	e.remember(false)
	line := e.lines[row][:col] + e.lines[toRow][toCol:]
	e.lines = append(e.lines[:row], append([]string{line}, e.lines[toRow+1:]...)...)
	e.row, e.col = row, col
	e.version++
	e.goal = -1
}

// press takes a key in, and tells whether it was one of the editor's.
func (e *editor) press(k tea.KeyPressMsg) bool {
	if e.move(k.String()) {
		e.joined = false
		return true
	}
	return e.change(k)
}

// change applies a key that changes the text.
func (e *editor) change(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "enter", "shift+enter":
		if e.single {
			return false
		}
		line := e.lines[e.row][:e.col]
		e.insert("\n" + line[:len(line)-len(strings.TrimLeft(line, " \t"))])
	case "backspace", "ctrl+h", "shift+backspace":
		e.cutBack(e.before())
	case "delete", "ctrl+d":
		row, col := e.after()
		e.cut(e.row, e.col, row, col)
	case "ctrl+w", "alt+backspace", "ctrl+backspace":
		e.cutBack(e.wordBefore())
	case "alt+d", "ctrl+delete":
		row, col := e.wordAfter()
		e.cut(e.row, e.col, row, col)
	case "ctrl+u":
		e.cutBack(e.row, 0)
	case "ctrl+k":
		if e.col == len(e.lines[e.row]) && e.row+1 < len(e.lines) {
			e.cut(e.row, e.col, e.row+1, 0)
			break
		}
		e.cut(e.row, e.col, e.row, len(e.lines[e.row]))
	case "ctrl+z":
		e.travel(&e.undo, &e.redo)
	case "ctrl+y", "ctrl+shift+z":
		e.travel(&e.redo, &e.undo)
	default:
		if k.Text == "" || k.Mod&(tea.ModCtrl|tea.ModAlt) != 0 {
			return false
		}
		e.insert(k.Text)
	}
	return true
}

// cutBack takes out what is between a place and the cursor.
func (e *editor) cutBack(row, col int) { e.cut(row, col, e.row, e.col) }
