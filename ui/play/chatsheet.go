package play

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/chat"
	"pilothouse/ui/widget"
)

// chatSheet lies over the answers: a text that is read, or a question before something
// is done.
type chatSheet struct {
	title string
	// make gives its lines for a width.
	make  func(w int) []line
	copy  string // what the copy key takes; "": nothing
	live  bool   // its lines change by themselves
	off   int
	rows  int // of the last drawing
	lines []line
	width int

	verb string // of the button beside Cancel
	do   func()
	yes  bool // it has the focus, and not Cancel
}

// pressSheet takes a key in of the sheet.
func (c *Chat) pressSheet(k tea.KeyPressMsg) {
	s := c.sheet
	switch {
	case key.Matches(k, c.keys.SheetClose):
		if s.live && c.snap.Burst != nil && c.snap.Burst.Running && k.Code == tea.KeyEscape {
			c.stop()
			return
		}
		c.sheet = nil
	case s.do != nil && key.Matches(k, c.keys.Next, c.keys.Previous, c.keys.Left, c.keys.Right):
		s.yes = !s.yes
	case s.do != nil && key.Matches(k, c.keys.Send):
		c.sheet = nil
		if s.yes {
			s.do()
		}
	case key.Matches(k, c.keys.Copy) && s.copy != "":
		c.wants = append(c.wants, Want{Clipboard: s.copy})
		c.say("sent to the terminal's clipboard, where it allows that", nil)
	case key.Matches(k, c.keys.Up):
		s.off--
	case key.Matches(k, c.keys.Down):
		s.off++
	case key.Matches(k, c.keys.PageUp):
		s.off -= max(1, s.rows-1)
	case key.Matches(k, c.keys.PageDown):
		s.off += max(1, s.rows-1)
	case key.Matches(k, c.keys.Top):
		s.off = 0
	case key.Matches(k, c.keys.Bottom):
		s.off = len(s.lines)
	}
}

// drawSheet draws it in w by h cells.
func (c *Chat) drawSheet(cv *widget.Canvas, x, y, w, h int) {
	s := c.sheet
	if s.lines == nil || s.width != w || s.live {
		s.lines, s.width = s.make(w), w
	}
	c.caption(cv, x, y, w, s.title, true)
	s.rows = max(0, h-1)
	if s.do != nil {
		s.rows = max(0, h-3)
		labels, at := []string{"Cancel", s.verb}, x+1
		for i, l := range labels {
			st, text := widget.Plain, "  "+l+"  "
			if (i == 1) == s.yes {
				st, text = widget.Focused|widget.Inverse, "> "+l+" <"
			}
			at += cv.Text(at, y+h-1, x+w-at, st, text) + 2
		}
	}
	s.off = max(0, min(s.off, len(s.lines)-s.rows))
	for i := range min(s.rows, len(s.lines)-s.off) {
		drawLine(cv, x, y+1+i, w, s.lines[s.off+i], widget.Plain)
	}
}

// ask opens a question before something is done, with Cancel focused.
func (c *Chat) ask(title, verb string, facts []string, do func()) {
	c.sheet = &chatSheet{title: title, verb: verb, do: do, make: func(w int) []line {
		return fold("\n"+strings.Join(facts, "\n"), w, c.theme.ASCII())
	}}
}

// askDelete asks whether to delete a conversation.
func (c *Chat) askDelete(of *chat.Conversation) {
	id := of.ID
	c.ask("delete a conversation", "Delete", []string{
		"Conversation: " + nameOf(of), fmt.Sprintf("Questions: %d", len(of.Turns)), "Its file is removed, too. /export saves it first."},
		func() { c.say("deleted", c.opts.Room.Delete(id)) })
}

// openRaw shows a request and its response as they went over the wire.
func (c *Chat) openRaw(a *chat.Answer) {
	request, response := a.Request, a.Response
	if request == "" {
		request = "It is not kept any more: raw bytes are, of the newest answers, while the process lives."
	}
	all := "Request to " + a.Target.String() + ", POST /v1/chat/completions\n\n" + request + "\n\nResponse, status " + strconv.Itoa(a.Status) +
		", X-Request-Id " + a.RequestID + "\n\n" + response
	c.sheet = &chatSheet{title: "raw", copy: all, make: func(w int) []line {
		return fold(all, w, c.theme.ASCII())
	}}

}

// openHelp shows the commands.
func (c *Chat) openHelp() {
	c.sheet = &chatSheet{title: "commands", make: func(w int) (lines []line) {
		for _, cmd := range chatCommands() {
			lines = append(lines, line{{widget.Focused, fmt.Sprintf("%-9s", cmd.name)}, {widget.Plain, " " + cmd.args}})
			for _, l := range fold(cmd.desc, max(1, w-10), c.theme.ASCII()) {
				lines = append(lines, append(line{{text: "          "}}, l...))
			}
		}
		return lines
	}}
}

// burstCommand asks for a burst of a size.
func (c *Chat) burstCommand(arg string) error {
	size := [2]int{8, 64}
	for i, f := range strings.Fields(arg) {
		n, err := strconv.Atoi(f)
		if err != nil || i > 1 {
			return fmt.Errorf("burst %q: want the number of requests and that of tokens", arg)
		}
		size[i] = n
	}
	return c.askBurst(size[0], size[1])
}

// askBurst asks whether to send a burst where the conversation goes.
func (c *Chat) askBurst(requests, tokens int) error {
	s := c.settings()
	if s.Model == "" {
		s.Model = c.firstModel()
	}
	spec := chat.BurstSpec{Model: s.Model, Target: targetOf(&s), Requests: requests, Tokens: tokens}
	if err := spec.Check(); err != nil {
		c.say("", err)
		return err
	}
	c.ask("send a burst", "Send", []string{
		"Model: " + spec.Model, "Target: " + spec.Target.String(),
		fmt.Sprintf("Load: %d requests at once, %d tokens each, %s tokens in all", requests, tokens, widget.Count(uint64(requests*tokens))),
		"Others wait behind it, and through the gateway it counts against quotas."},
		func() {
			if err := c.opts.Room.Burst(spec); err != nil {
				c.say("", err)
				return
			}
			c.openBurst()
		})
	return nil
}

// openBurst shows how the newest burst does.
func (c *Chat) openBurst() {
	c.sheet = &chatSheet{title: "burst", live: true, make: func(w int) []line {
		if c.snap.Burst == nil {
			return nil
		}
		return c.burstLines(c.snap.Burst, w)
	}}
}

// burstLine is a burst in one line.
func burstLine(b *chat.Burst) string {
	state := "done"
	switch {
	case b.Running:
		state = "running"
	case b.Cancelled:
		state = "cancelled"
	}
	return fmt.Sprintf("%s, %d of %d ended, %d failed", state, b.Done+b.Failed, b.Requests, b.Failed)
}

// burstLines draw a burst: its figures and how its times are spread.
func (c *Chat) burstLines(b *chat.Burst, w int) (lines []line) {
	add := func(st widget.Style, text string) { lines = append(lines, line{{st, clean(text, c.theme.ASCII())}}) }
	add(widget.Plain, fmt.Sprintf("%d requests of %d tokens to %s, %s", b.Requests, b.BurstSpec.Tokens, b.Target, b.Model))
	st := widget.Good
	switch {
	case b.Failed > 0:
		st = widget.Bad
	case b.Cancelled:
		st = widget.Warn
	case b.Running:
		st = widget.Unknown
	}
	rate := ""
	if b.Took > 0 {
		rate = widget.Figure(float64(b.Came) / b.Took.Seconds())
	}
	add(st, c.theme.Mark(st)+" "+burstLine(b)+fmt.Sprintf(", %s tokens in %s, %s tok/s together", widget.Count(uint64(b.Came)), c.orNone(widget.Duration(b.Took)), c.orNone(rate)))
	for _, e := range b.Errors {
		lines = append(lines, fold(fmt.Sprintf("%d times: %s", e.Count, e.Text), w, c.theme.ASCII())...)
	}
	lines = append(lines, c.spreadLines("time to first token", &b.First, w)...)
	return append(lines, c.spreadLines("time between two tokens", &b.PerToken, w)...)
}

// spreadLines draw times: their quantiles and a bar for each range.
func (c *Chat) spreadLines(title string, s *chat.Spread, w int) []line {
	const ranges = 8
	lines := []line{nil, {{widget.Bold, title}, {widget.Plain, fmt.Sprintf("   p50 %s   p95 %s   max %s   of %s", c.fine(s.Quantile(0.5)), c.fine(s.Quantile(0.95)),
		c.fine(s.Most), widget.Count(uint64(s.Count)))}}}
	bars := s.Bars(ranges)
	most := 1
	for _, b := range bars {
		most = max(most, b.Count)
	}
	for _, b := range bars {
		label := fmt.Sprintf("%7s %s %7s %6s ", c.fine(b.From), c.theme.Arrow, c.fine(b.To), widget.Count(uint64(b.Count)))
		lines = append(lines, line{{widget.Muted, label}, {widget.Fill, c.bar(b.Count, most, w-cells(label))}})
	}
	return lines
}

// fine is a time with tenths of a millisecond where it has few.
func (c *Chat) fine(d time.Duration) string {
	if d > 0 && d < 10*time.Millisecond {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	}
	return c.orNone(widget.Duration(d))
}

// bar is one of a length in w cells, for n of most.
func (c *Chat) bar(n, most, w int) string {
	if w < 1 || n == 0 {
		return ""
	}
	steps := len(c.theme.Bars) - 1
	eighths := max(1, n*w*steps/most)
	full := strings.Repeat(c.theme.Bars[steps], eighths/steps)
	if part := eighths % steps; part > 0 {
		full += c.theme.Bars[part]
	}
	return full
}

// nameOf is a conversation's name, or what stands for it.
func nameOf(c *chat.Conversation) string {
	if c.Name == "" {
		return "new"
	}
	return c.Name
}
