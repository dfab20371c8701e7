package play

import (
	"slices"

	"pilothouse/ui/chat"
	"pilothouse/ui/widget"
)

// chatScroll is which lines of a conversation are shown. It stays where it is while
// lines come in below, or follows them.
type chatScroll struct {
	off    int
	follow bool
	reveal bool // the selected turn is to be shown
	rows   int  // of the last drawing
	lines  int
}

func (s *chatScroll) page(by int) { s.to(s.off + by*max(1, s.rows-1)) }

func (s *chatScroll) to(off int) {
	s.off = max(0, min(off, s.lines-s.rows))
	s.follow = s.off >= s.lines-s.rows
}

// fit takes the sizes of a drawing in.
func (s *chatScroll) fit(lines, rows int) {
	s.lines, s.rows = lines, rows
	if s.follow {
		s.off = lines
	}
	s.off = max(0, min(s.off, lines-rows))
}

// chatAnswer is an answer as it is drawn, kept while its conversation is open.
type chatAnswer struct {
	text, thought *markdown
	question      []line // of its turn, where it is the first answer
	questionW     int
}

// question gives a turn's question in w cells.
func (c *Chat) question(t *chat.Turn, w int) []line {
	d := c.drawn[t.Answers[0].ID]
	if d == nil {
		return fold(t.Question, w, c.theme.ASCII())
	}
	if d.questionW != w {
		d.question, d.questionW = fold(t.Question, w, c.theme.ASCII()), w
	}
	return d.question
}

// answer draws what an answer has in w cells.
func (c *Chat) answer(a *chat.Answer, w int) *chatAnswer {
	d := c.drawn[a.ID]
	if d == nil || d.text.w != w {
		d = &chatAnswer{text: &markdown{pens: c.pens, w: w}, thought: &markdown{pens: c.pens, w: w, plain: true}}
		c.drawn[a.ID] = d
	}
	d.text.set(a.Text, !a.State.Running())
	d.thought.set(a.Reasoning, !a.State.Running() || a.Text != "")
	return d
}

// late tells whether there is more to draw than was drawn in one go.
func (c *Chat) late() bool {
	for _, d := range c.drawn {
		if d.text.late || d.thought.late {
			return true
		}
	}
	return false
}

// chatBlock is lines of a conversation that belong together.
type chatBlock struct {
	lines int
	turn  int
	draw  func(cv *widget.Canvas, x, y, w, i int) // line i
}

// drawAnswers draws the questions and answers in w by h cells.
func (c *Chat) drawAnswers(cv *widget.Canvas, x, y, w, h int) {
	open := c.open()
	if open == nil || len(open.Turns) == 0 {
		for i, l := range fold("Does the model answer, how fast, and is the answer right? Ask it. enter sends, alt-enter begins a new line; /help lists the commands, c asks the gateway and a replica at once, B sends a small burst.",
			max(1, w-4), c.theme.ASCII()) {
			if i+1 < h {
				drawLine(cv, x+2, y+1+i, w-4, l, widget.Muted)
			}
		}
		return
	}
	blocks, total, from := c.blocks(open, w), 0, -1
	for i := range blocks {
		if blocks[i].turn == c.at && from < 0 {
			from = total
		}
		total += blocks[i].lines
	}
	c.scroll.fit(total, h)
	if c.scroll.reveal {
		c.scroll.reveal = false
		c.scroll.to(from)
	}
	at := -c.scroll.off
	for i := range blocks {
		b := &blocks[i]
		for l := max(0, -at); l < b.lines && at+l < h; l++ {
			b.draw(cv, x, y+at+l, w, l)
			if b.turn == c.at && c.part == chatAnswers && c.focused {
				cv.Text(x, y+at+l, 1, widget.Focused, c.theme.Vertical)
			}
		}
		at += b.lines
	}
	if c.scroll.off+h < total {
		more := " " + widget.Count(uint64(total-c.scroll.off-h)) + " lines more "
		cv.Right(x, y+h-1, w, widget.Muted|widget.Inverse, more)
	}
}

// blocks are a conversation's, in w cells.
func (c *Chat) blocks(open *chat.Conversation, w int) (all []chatBlock) {
	if len(c.drawn) > 2*chat.MostTargets*len(open.Turns)+8 { // of answers that were replaced
		clear(c.drawn)
	}
	// The newest first, where there is more than is drawn for one picture.
	c.pens.budget = drawBudget
	for i := range slices.Backward(open.Turns) {
		for j := range open.Turns[i].Answers {
			c.answer(&open.Turns[i].Answers[j], c.answerWidth(&open.Turns[i], w))
		}
	}
	for i := range open.Turns {
		t := &open.Turns[i]
		add := func(lines int, draw func(cv *widget.Canvas, x, y, w, i int)) {
			all = append(all, chatBlock{lines, i, draw})
		}
		if i > 0 {
			add(1, func(*widget.Canvas, int, int, int, int) {})
		}
		asked := c.question(t, max(1, w-4))
		add(len(asked), func(cv *widget.Canvas, x, y, w, l int) {
			if l == 0 {
				cv.Text(x+1, y, 2, widget.Focused, c.theme.Pointer)
			}
			drawLine(cv, x+3, y, w-4, asked[l], widget.Bold)
		})
		if beside(t, w) {
			n, draw := c.columns(t, w)
			add(n, draw)
		} else {
			for j := range t.Answers {
				n, draw := c.column(&t.Answers[j], c.answerWidth(t, w), len(t.Answers) > 1 && i == c.at && j == c.side)
				add(n, func(cv *widget.Canvas, x, y, _, l int) { draw(cv, x+3, y, l) })
			}
		}
		if len(t.Answers) == 2 {
			text := c.difference(&t.Answers[0], &t.Answers[1])
			add(1, func(cv *widget.Canvas, x, y, w, _ int) { cv.Text(x+3, y, w-3, widget.Muted, text) })
		}
	}
	return all
}

// beside tells whether a turn's answers are drawn beside each other in w cells.
func beside(t *chat.Turn, w int) bool {
	const narrow = 50 // two columns have no room below it
	return len(t.Answers) == 2 && w >= narrow
}

// answerWidth is how many of w cells an answer of a turn has.
func (c *Chat) answerWidth(t *chat.Turn, w int) int {
	if beside(t, w) {
		return (w - 6) / 2
	}
	return max(1, w-4)
}

// columns draw two answers beside each other.
func (c *Chat) columns(t *chat.Turn, w int) (int, func(cv *widget.Canvas, x, y, w, i int)) {
	half := c.answerWidth(t, w)
	selected := c.open() != nil && c.at < len(c.open().Turns) && t == &c.open().Turns[c.at]
	left, drawLeft := c.column(&t.Answers[0], half, selected && c.side == 0)
	right, drawRight := c.column(&t.Answers[1], half, selected && c.side == 1)
	return max(left, right), func(cv *widget.Canvas, x, y, _, i int) {
		if i < left {
			drawLeft(cv, x+3, y, i)
		}
		cv.Text(x+3+half+1, y, 1, widget.Muted, c.theme.Vertical)
		if i < right {
			drawRight(cv, x+3+half+3, y, i)
		}
	}
}

// column draws an answer in w cells: whose it is and its figures, what the model
// thought, what it said, what went wrong.
func (c *Chat) column(a *chat.Answer, w int, selected bool) (int, func(cv *widget.Canvas, x, y, i int)) {
	d := c.drawn[a.ID] // answer has made it
	st := stateStyle(a.State)
	// Nothing of the head is cut where it can go on in another line.
	head := fold(c.theme.Mark(st)+" "+a.Target.String()+" "+c.theme.Dot+" "+c.figures(a), w, c.theme.ASCII())
	var wrong []line
	if a.Error != "" {
		text := a.Error
		if a.Code != "" {
			text = a.Code + ": " + text
		}
		wrong = fold(c.theme.Bad+" "+text, w, c.theme.ASCII())
	}
	if d.text.late {
		wrong = append(wrong, line{{widget.Muted, "drawing"}})
	}
	thought, text := d.thought.lines(), d.text.lines()
	return len(head) + thought + text + len(wrong), func(cv *widget.Canvas, x, y, i int) {
		switch {
		case i < len(head):
			drawLine(cv, x, y, w, head[i], widget.Muted)
			if i == 0 {
				cv.Text(x, y, 1, st, c.theme.Mark(st))
			}
			if selected {
				cv.Mark(x, y, w, widget.Selected)
			}
		case i < len(head)+thought:
			drawLine(cv, x, y, w, d.thought.line(i-len(head)), widget.Muted)
		case i < len(head)+thought+text:
			drawLine(cv, x, y, w, d.text.line(i-len(head)-thought), widget.Plain)
		default:
			drawLine(cv, x, y, w, wrong[i-len(head)-thought-text], widget.Bad)
		}
	}
}

// age is how long ago a conversation was changed, or the tokens of what is under way.
func (c *Chat) age(of *chat.Conversation) string {
	if c.now.IsZero() || of.Changed.IsZero() {
		return ""
	}
	if of.Running() {
		n := 0
		for _, a := range of.Turns[len(of.Turns)-1].Answers {
			t, _ := a.Tokens()
			n += t
		}
		return widget.Figure(float64(n)) + " tok"
	}
	return widget.Age(c.now.Sub(of.Changed))
}
