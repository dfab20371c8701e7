package play

import (
	"fmt"
	"strings"

	"pilothouse/ui/widget"
)

// Where the parts stand: from which width the list and the settings are beside the
// answers, and how wide they are.
const (
	chatListFrom, chatListW         = 100, 28
	chatSettingsFrom, chatSettingsW = 170, 44
	chatEditRows                    = 8 // at most, of the editor
)

// View is the picture.
func (c *Chat) View(w, h int) string {
	if !c.shown || c.keptW != w || c.keptH != h || c.late() {
		c.kept, c.keptW, c.keptH, c.shown = c.paint(w, h), w, h, true
	}
	return c.kept
}

// paint draws the picture.
func (c *Chat) paint(w, h int) string {
	c.canvas.Reset(c.theme, w, h)
	cv := &c.canvas
	if c.opts.Room == nil {
		why := c.opts.Why
		if why == "" {
			why = "There is no playground here."
		}
		for i, l := range fold(why, max(1, w-2), c.theme.ASCII()) {
			drawLine(cv, 1, 1+i, w-2, l, widget.Muted)
		}
		return cv.String()
	}
	x, right := 0, w
	if w >= chatListFrom {
		c.drawList(cv, 0, 0, chatListW, h)
		c.upright(cv, chatListW, h)
		x = chatListW + 2
	}
	if w >= chatSettingsFrom {
		right = w - chatSettingsW - 2
		c.upright(cv, right, h)
		c.drawSettings(cv, right+2, 0, chatSettingsW, h)
	}
	if right < w {
		right--
	}
	c.drawTalk(cv, x, right-x, w, h)
	return cv.String()
}

// upright draws a line from top to bottom.
func (c *Chat) upright(cv *widget.Canvas, x, h int) {
	for y := range h {
		cv.Text(x, y, 1, widget.Muted, c.theme.Vertical)
	}
}

// caption draws the name of a part.
func (c *Chat) caption(cv *widget.Canvas, x, y, w int, text string, focused bool) {
	st := widget.Bold
	if focused && c.focused {
		st = widget.Focused | widget.Bold
		text = c.theme.Pointer + text
	}
	cv.Text(x, y, w, st, text)
}

// drawTalk draws the conversation: its head, the answers or what lies over them, a line
// of figures, and the editor.
func (c *Chat) drawTalk(cv *widget.Canvas, x, w, whole, h int) {
	if w < 1 || h < 1 {
		return
	}
	typing := min(c.edit.height(max(3, w-2), chatEditRows, c.theme.ASCII()), max(1, h/3))
	if c.sheet != nil {
		typing = 1
	}
	top := 1
	if h < 6 {
		top = 0
	}
	body := max(0, h-top-1-typing)
	if top > 0 {
		c.drawHead(cv, x, w)
	}
	switch {
	case c.sheet != nil:
		c.drawSheet(cv, x, top, w, body)
	case c.part == chatList && whole < chatListFrom:
		c.drawList(cv, x, top, w, body)
	case c.part == chatSettings && whole < chatSettingsFrom:
		c.drawSettings(cv, x, top, w, body)
	default:
		c.drawAnswers(cv, x, top, w, body)
	}
	if y := top + body; y < h {
		c.drawFigures(cv, x, y, w)
	}
	if y := top + body + 1; y < h {
		c.edit.draw(cv, x, y, w, h-y, c.focused && c.Typing())
	}
}

// drawHead tells which conversation it is, of whom and how it is asked.
func (c *Chat) drawHead(cv *widget.Canvas, x, w int) {
	s := c.settings()
	name := "no conversation yet"
	if open := c.open(); open != nil {
		name = nameOf(open)
	}
	if c.snap.Loading {
		name = "reading the conversations"
	}
	model := s.Model
	if model == "" {
		model = c.firstModel()
	}
	to := targetOf(&s).String()
	if len(s.Targets) > 1 {
		to += " and " + s.Targets[1].String()
	}
	about := model + " " + c.theme.Arrow + " " + to
	room := min(c.theme.Width(about), max(0, w*2/3))
	n := cv.Text(x, 0, max(0, w-room-2), widget.Bold, name)
	if c.part == chatAnswers && c.focused && c.sheet == nil {
		cv.Mark(x, 0, n, widget.Selected)
	}
	if model != "" {
		cv.Right(x+w-room, 0, room, widget.Muted, about)
	}
}

// drawFigures draws what was last said, or what can be typed on, or a burst under way,
// or the selected answer's figures, with a rule around.
func (c *Chat) drawFigures(cv *widget.Canvas, x, y, w int) {
	cv.Text(x, y, w, widget.Muted, strings.Repeat(c.theme.Horizontal, w))
	st, text := widget.Plain, ""
	_, a := c.selected()
	switch {
	case c.says != "":
		if text = c.says; c.wrong {
			st, text = widget.Bad, c.theme.Bad+" "+text
		}
	case c.offers != nil:
		text = "tab: " + strings.Join(c.offers.words, "  ")
		if o := c.offers; o.at >= 0 {
			text = "tab: " + strings.Join(append(append([]string{}, o.words[o.at:]...), o.words[:o.at]...), "  ")
		}
	case c.again >= 0:
		st, text = widget.Warn, fmt.Sprintf("%s question %d anew: what came after it is replaced; esc leaves it", c.theme.Warn, c.again+1)
	case len(c.snap.Notes) > 0 && a == nil:
		st, text = widget.Warn, c.theme.Warn+" "+c.snap.Notes[0]
	case c.snap.Burst != nil && c.snap.Burst.Running:
		text = "burst: " + burstLine(c.snap.Burst)
	case a != nil:
		st = stateStyle(a.State)
		text = c.theme.Mark(st) + " " + c.figures(a)
	}
	if text != "" && w > 4 {
		cv.Text(x+2, y, min(w-2, c.theme.Width(text)+2), st, " "+text+" ")
	}
}

// drawList draws the conversations in w by h cells.
func (c *Chat) drawList(cv *widget.Canvas, x, y, w, h int) {
	all := c.snap.Conversations
	c.caption(cv, x, y, w, "conversations", c.part == chatList && c.sheet == nil)
	rows := h - 1
	from := max(0, min(c.listed-rows/2, len(all)-rows))
	for i := 0; i < rows && from+i < len(all); i++ {
		of := all[from+i]
		mark, st := " ", widget.Plain
		switch {
		case of.Running():
			mark, st = c.theme.Unknown, widget.Unknown
		case of.ID == c.id:
			mark, st = c.theme.Pointer, widget.Focused
		}
		at := y + 1 + i
		cv.Text(x, at, 1, st, mark)
		cv.Text(x+2, at, max(0, w-12), widget.Plain, nameOf(of))
		cv.Right(x+w-9, at, 8, widget.Muted, c.age(of))
		if from+i == c.listed && c.part == chatList {
			cv.Mark(x, at, w, widget.Selected)
		}
	}
	if len(all) == 0 && rows > 0 {
		cv.Text(x+2, y+1, w-2, widget.Muted, "none yet")
	}
}
