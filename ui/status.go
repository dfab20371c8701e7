package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// segment is one fact of the status row.
type segment struct {
	worth int // where room is short the lowest goes first
	right bool
	text  []run
}

// run is text in one style.
type run struct {
	style widget.Style
	text  string
}

// statusRow draws row 1.
func (m *Model) statusRow() string { return segments(m.theme, m.w, m.statusSegments()) }

func (m *Model) statusSegments() []segment {
	t, o, d := m.theme, m.opts, m.data
	word, grade := verdict(d, m.findings)
	mark := t.Mark(grade)
	if word == verdicts[rankDraining] {
		mark = t.Drain
	}
	seg := []segment{
		{worth: 30, text: []run{{widget.Bold, "pilothouse"}}},
		{worth: 100, text: []run{{grade | widget.Bold, mark + " " + word}}},
	}
	if o.Demo {
		seg = append(seg[:1], segment{worth: 95, text: []run{{widget.Inverse, " DEMO "}}}, seg[1])
	}
	if d.Rewound {
		ago := "REWOUND " + widget.Age(m.clock().Sub(d.Now))
		seg = append(seg, segment{worth: 99, text: []run{{widget.Warn | widget.Inverse, " " + ago + " "}}})
	}
	if m.paused {
		seg = append(seg, segment{worth: 99, text: []run{{widget.Warn | widget.Inverse, " PAUSED "}}})
	}
	seg = append(seg, rateSegments(t, m.w, d)...)
	seg = append(seg, segment{worth: 50, right: true, text: []run{{widget.Plain, d.Now.UTC().Format("15:04:05Z")}}})
	if o.Seat != nil {
		seg = append(seg, m.operator())
	}
	if o.Version != "" {
		seg = append(seg, segment{worth: 10, right: true, text: []run{{widget.Muted, o.Version}}})
	}
	return seg
}

// operator is who looks, as what, and how many others do.
func (m *Model) operator() segment {
	who := m.opts.Seat.Operator()
	s := segment{worth: 20, right: true, text: []run{{widget.Plain, who.Name}}}
	if m.w >= 120 || who.Role != desk.Admin {
		s.text = append(s.text, run{widget.Muted, " " + string(who.Role)})
	}
	if n := len(m.others); n > 0 {
		s.worth = 40
		s.text = append(s.text, run{widget.Bold, fmt.Sprintf(" +%d", n)})
		if doing := m.others[n-1].Doing; doing != "" && m.w >= 160 {
			s.text = append(s.text, run{widget.Warn, " " + m.others[n-1].Name + ": " + doing})
		}
	}
	return s
}

// rateSegments are the gateway's figures, of fixed width so that nothing jumps.
func rateSegments(t *widget.Theme, w int, d pane.Data) []segment {
	requests, tokens, first, running, waiting, errors := "", "", "", "", "", ""
	style, wait, waitWorth := widget.Plain, widget.Plain, 15
	if g := d.Gateway; g != nil {
		queued := 0
		for _, q := range g.Queues {
			queued += q.Waiting
		}
		if waiting = fmt.Sprint(queued); queued > 0 {
			wait, waitWorth = widget.Warn, 76
		}
		requests, tokens = widget.Figure(g.Now.Requests), widget.Figure(g.Now.Tokens)
		first, running = widget.Duration(g.Now.FirstP95), fmt.Sprint(g.InFlight)
		if g.Now.Requests > 0 {
			share := min(100, 100*g.Now.Errors/g.Now.Requests)
			errors = fmt.Sprintf("%.1f%%", share)
			if share > 0 {
				style = widget.Bad
			}
		}
	}
	fact := func(worth int, label string, width int, value string, st widget.Style, unit string) segment {
		if value == "" {
			value, st = t.None, widget.Muted
		}
		value = strings.Repeat(" ", max(0, width-t.Width(value))) + value
		s := segment{worth: worth, text: []run{{st, value}}}
		if label != "" {
			s.text = append([]run{{widget.Muted, label + " "}}, s.text...)
		}
		if unit != "" {
			s.text = append(s.text, run{widget.Muted, " " + unit})
		}
		return s
	}
	ttft := "ttft p95"
	if w < 100 {
		ttft = "ttft"
	}
	return []segment{
		fact(80, "", 4, requests, widget.Plain, "req/s"),
		fact(70, "", 4, tokens, widget.Plain, "tok/s"),
		fact(60, ttft, 6, first, widget.Plain, ""),
		fact(75, "", 3, running, widget.Plain, "run"),
		fact(waitWorth, "", 2, waiting, wait, "wait"),
		fact(78, "err", 5, errors, style, ""),
	}
}

// segments draws as many facts as fit in one row, the right ones at its end.
func segments(t *widget.Theme, w int, seg []segment) string {
	const gap = 2
	width := func(s segment) int {
		n := gap
		for _, r := range s.text {
			n += t.Width(r.text)
		}
		return n
	}
	used := 0
	for _, s := range seg {
		used += width(s)
	}
	for used > w && len(seg) > 1 {
		least := 0
		for i, s := range seg {
			if s.worth < seg[least].worth {
				least = i
			}
		}
		used -= width(seg[least])
		seg = append(seg[:least:least], seg[least+1:]...)
	}
	c := widget.NewCanvas(t, w, 1)
	x, end := 1, w-1
	for _, s := range seg {
		if s.right {
			end -= width(s)
		}
	}
	end += gap
	for _, s := range seg {
		at := &x
		if s.right {
			at = &end
		}
		for _, r := range s.text {
			*at += c.Text(*at, 0, w-*at, r.style, r.text)
		}
		*at += gap
	}
	return c.String()
}

// attentionRow draws row 2: the most urgent finding, or in the demo what to
// try. It is "" when there is neither.
func (m *Model) attentionRow() string {
	t, w, o, d, fs := m.theme, m.w, m.opts, m.data, m.findings
	if len(fs) == 0 {
		if !o.Demo {
			return ""
		}
		return segments(t, w, trySegments(o, d))
	}
	c := widget.NewCanvas(t, w, 1)
	// The keys that act on it stand at the end, and how many more there are.
	keys := []run{{widget.Bold, findingsKey}, {widget.Muted, " why"}}
	if n := len(fs) - 1; n > 0 {
		keys = []run{{widget.Bold, findingsKey}, {widget.Muted, " why, "}, {widget.Plain, fmt.Sprintf("+%d", n)}}
	}
	if r := fs[0].about; r.Kind == pane.RefBackend && m.refusal(&actions[0], r) == "" && m.subject() == r && w >= 100 {
		keys = append(keys, run{widget.Bold, "  " + m.keys.Restart.Help().Key}, run{widget.Muted, " restart"})
	}
	end := w - 1
	for _, k := range keys {
		end -= t.Width(k.text)
	}
	for at, i := end, 0; i < len(keys); i++ {
		at += c.Text(at, 0, w-at, keys[i].style, keys[i].text)
	}
	x := 1 + c.Text(1, 0, w-1, fs[0].grade, t.Mark(fs[0].grade)+" ")
	f := &fs[0]
	room := end - x - 2
	full := widget.Clean(f.full(), t.ASCII())
	if t.Width(full) <= room {
		c.Text(x, 0, room, f.grade, full)
		return c.String()
	}
	// Details go first: what it is and whom it hurts stay.
	whom := f.whom.brief()
	if whom != "" {
		whom = " " + t.Dot + " " + whom
	}
	if n := t.Width(whom); n > room/2 {
		whom = ""
	} else {
		room -= n
	}
	x += c.Text(x, 0, room, f.grade, t.Shorten(widget.Clean(f.text, t.ASCII()), room))
	c.Text(x, 0, end-x-2, f.grade|widget.Bold, whom)
	return c.String()
}

// keysRow draws the last row: as many keys as there is room for, and the help
// at its end.
func keysRow(t *widget.Theme, w int, keys []hint, help *key.Binding) string {
	c := widget.NewCanvas(t, w, 1)
	end := w
	if help != nil {
		h := help.Help()
		end -= t.Width(h.Key) + 1 + t.Width(h.Desc) + 1
		c.Text(end, 0, w-end, widget.Bold, h.Key)
		c.Text(end+t.Width(h.Key)+1, 0, w-end, widget.Muted, h.Desc)
	}
	x := 1
	for _, k := range keys {
		if x+t.Width(k.key)+1+t.Width(k.desc)+2 > end {
			break
		}
		style := widget.Bold
		if k.off {
			style = widget.Muted
		}
		x += c.Text(x, 0, w-x, style, k.key) + 1
		x += c.Text(x, 0, w-x, widget.Muted, k.desc) + 2
	}
	return c.String()
}
