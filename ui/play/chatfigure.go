package play

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pilothouse/ui/chat"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// chatRecord is what the gateway knows of an answer's request.
type chatRecord struct {
	ID, Org, Replica string
	Start            time.Time
	Phase            string
	For              time.Duration // so far, or in all
}

// record finds the newest of an answer's request.
func (c *Chat) record(a *chat.Answer) (r chatRecord, found bool) {
	if c.data.Gateway == nil || a.RequestID == "" || a.Target.Replica != "" {
		return r, false
	}
	for i := range c.data.Gateway.Recent {
		if g := &c.data.Gateway.Recent[i]; g.ID == a.RequestID {
			return chatRecord{g.ID, g.Org, g.Replica, g.Start, g.Phase.String(), g.Duration}, true
		}
	}
	for i := range c.data.Gateway.Live {
		if g := &c.data.Gateway.Live[i]; g.ID == a.RequestID {
			return chatRecord{g.ID, g.Org, g.Replica, g.Start, g.Phase.String(), g.Duration}, true
		}
	}
	return r, false
}

// stateStyle is how an answer's state looks.
func stateStyle(s chat.State) widget.Style {
	switch s {
	case chat.Done:
		return widget.Good
	case chat.Failed:
		return widget.Bad
	case chat.Cancelled, chat.Interrupted:
		return widget.Warn
	}
	return widget.Unknown
}

// stateWord is an answer's state, and what it waits for.
func (c *Chat) stateWord(a *chat.Answer) string {
	if a.State != chat.Waiting {
		return string(a.State)
	}
	if r, ok := c.record(a); ok && r.Phase != "ended" {
		return r.Phase
	}
	return string(a.State)
}

// queued is how long an answer's request waited for room.
func (c *Chat) queued(a *chat.Answer) string {
	wait, known := c.waits[a.RequestID]
	switch {
	case !known || wait < 0:
		return ""
	case wait == 0:
		return "none"
	}
	return widget.Duration(wait)
}

// took is how long an answer took, or takes.
func (c *Chat) took(a *chat.Answer) time.Duration {
	if a.State.Running() {
		return max(c.now.Sub(a.Start), a.Last)
	}
	return a.Took
}

// tokens are those of an answer; an estimate has a mark.
func chatTokens(a *chat.Answer) string {
	n, exact := a.Tokens()
	switch {
	case n == 0 && !exact:
		return ""
	case !exact:
		return "~" + widget.Count(uint64(n))
	}
	return widget.Count(uint64(n))
}

// rate is an answer's tokens a second.
func chatRate(a *chat.Answer) string {
	if a.Rate() == 0 {
		return ""
	}
	return widget.Figure(a.Rate())
}

// orNone is a figure, or the mark of none.
func (c *Chat) orNone(figure string) string {
	if figure == "" {
		return c.theme.None
	}
	return figure
}

// figures are an answer's in one line.
func (c *Chat) figures(a *chat.Answer) string {
	dot := " " + c.theme.Dot + " "
	parts := []string{c.stateWord(a)}
	if a.Target.Replica == "" {
		parts = append(parts, "queue "+c.orNone(c.queued(a)))
	}
	parts = append(parts, "first "+c.orNone(widget.Duration(a.First)), c.orNone(chatRate(a))+" tok/s", c.orNone(chatTokens(a))+" tokens",
		c.orNone(widget.Duration(c.took(a))))
	if a.Finish != "" && a.Finish != "stop" {
		parts = append(parts, "ended by "+a.Finish)
	}
	return strings.Join(parts, dot)
}

// facts are all that is known of an answer.
func (c *Chat) facts(a *chat.Answer) []pane.Fact {
	prompt := ""
	if a.Usage {
		prompt = widget.Count(uint64(a.Prompt))
		if a.Cached > 0 {
			prompt += ", " + widget.Count(uint64(a.Cached)) + " cached"
		}
	}
	status := ""
	if a.Status != 0 {
		status = strconv.Itoa(a.Status)
	}
	queue := c.orNone(c.queued(a))
	if a.Target.Replica != "" {
		queue = "past the gateway"
	}
	facts := []pane.Fact{
		{Label: "state", Text: c.stateWord(a)},
		{Label: "target", Text: a.Target.String()},
		{Label: "model", Text: a.Model},
		{Label: "queue", Text: queue},
		{Label: "first token", Text: c.orNone(widget.Duration(a.First))},
		{Label: "tokens/s", Text: c.orNone(chatRate(a))},
		{Label: "per token", Text: c.orNone(widget.Duration(a.PerToken()))},
		{Label: "longest gap", Text: c.orNone(widget.Duration(a.Longest))},
		{Label: "prompt", Text: c.orNone(prompt)},
		{Label: "completion", Text: c.orNone(chatTokens(a))},
		{Label: "took", Text: c.orNone(widget.Duration(c.took(a)))},
		{Label: "finish", Text: c.orNone(a.Finish)},
		{Label: "HTTP", Text: c.orNone(status)},
		{Label: "request", Text: c.orNone(a.RequestID)},
	}
	if a.Error != "" {
		facts = append(facts, pane.Fact{Label: "error", Text: a.Error})
	}
	return facts
}

// difference tells how two answers to one question differ.
func (c *Chat) difference(a, b *chat.Answer) string {
	var parts []string
	if a.First > 0 && b.First > 0 {
		parts = append(parts, "first token "+sooner(b.First-a.First))
	}
	if x, y := a.Rate(), b.Rate(); x > 0 && y > 0 {
		parts = append(parts, fmt.Sprintf("%+.0f %% tokens/s", math.Round((y/x-1)*100)+0))
	}
	switch {
	case a.State.Running() || b.State.Running():
		parts = append(parts, "still under way")
	case a.Text == b.Text && a.State == b.State:
		parts = append(parts, "the same text")
	case a.State != b.State:
		parts = append(parts, string(a.State)+" and "+string(b.State))
	default:
		parts = append(parts, "texts differ from character "+widget.Count(uint64(differsAt(a.Text, b.Text))))
	}
	return "straight: " + strings.Join(parts, " "+c.theme.Dot+" ")
}

// sooner is a difference of times in words.
func sooner(d time.Duration) string {
	switch {
	case d > 0:
		return widget.Duration(d) + " later"
	case d < 0:
		return widget.Duration(-d) + " sooner"
	}
	return "at the same time"
}

// differsAt is the first character in which two texts differ, counted from 1.
func differsAt(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return utf8.RuneCountInString(a[:n]) + 1
}
