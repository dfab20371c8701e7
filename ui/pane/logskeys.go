package pane

import (
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// LogKeys are the keys of the logs besides those that move.
type LogKeys struct {
	Ranges                                                     [len(logRanges)]key.Binding // what part of the log
	Stamps, Wrap, Before, After, Next, Previous, Context, Save key.Binding
}

// logRange is a part of a log that can be asked for.
type logRange struct {
	key, name string
	span      time.Duration // the last so long; 0: other
	head      bool          // from the beginning; otherwise, without a span, the end
}

var logRanges = [...]logRange{
	{"0", "tail", 0, false},
	{"1", "head", 0, true},
	{"2", "1 min", time.Minute, false},
	{"3", "5 min", 5 * time.Minute, false},
	{"4", "15 min", 15 * time.Minute, false},
	{"5", "30 min", 30 * time.Minute, false},
	{"6", "60 min", time.Hour, false},
}

// newLogKeys gives the usual keys.
func newLogKeys() LogKeys {
	bind := func(desc string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(keys[0], desc))
	}
	k := LogKeys{
		Stamps:   bind("timestamps", "t"),
		Wrap:     bind("wrap", "w"),
		Before:   bind("log before", "<"),
		After:    bind("next log", ">"),
		Next:     bind("next match, or error", "n"),
		Previous: bind("match or error before", "N"),
		Context:  bind("all lines, matches marked", "x"),
		Save:     bind("save to a file", "v"),
	}
	for i, r := range logRanges {
		k.Ranges[i] = bind(r.name, r.key)
	}
	return k
}

// LogKeys are the pane's own keys. Save is the root's to act on, which others
// cannot: it is to write Save's text to a file.
func (p *Logs) LogKeys() LogKeys { return p.own }

// Wants tells whether a key is the pane's while it has the focus, although it has
// another meaning elsewhere: digits, of views and of time.
func (p *Logs) Wants(k tea.KeyPressMsg) bool {
	return key.Matches(k, p.own.Ranges[:]...) || key.Matches(k, p.keys.Right)
}

// Keys implements Pane.
func (p *Logs) Keys() []key.Binding {
	own := p.own
	keys := []key.Binding{own.After, own.Ranges[0], own.Ranges[1], own.Next, own.Wrap, own.Stamps, own.Save}
	if p.filter.re != nil {
		keys = append(keys, own.Context)
	}
	if p.sel != 0 || p.pan > 0 {
		keys = append([]key.Binding{p.keys.Follow}, keys...)
	}
	keys = append(keys, own.Ranges[2:]...)
	keys = append(keys, own.Before, own.Previous)
	keys = append(keys, p.keys.vertical()...)
	if !p.wrap {
		keys = append(keys, p.keys.Left, p.keys.Right)
	}
	return keys
}

// press applies a key.
func (p *Logs) press(k tea.KeyPressMsg) {
	p.pic.drop()
	p.arrange() // what is on the screen by now, drawn or not
	for i := range p.own.Ranges {
		if key.Matches(k, p.own.Ranges[i]) {
			p.chooseRange(i)
			return
		}
	}
	switch {
	case key.Matches(k, p.own.Stamps):
		p.stamps = !p.stamps
	case key.Matches(k, p.own.Wrap):
		p.wrap, p.pan = !p.wrap, 0
	case key.Matches(k, p.own.Before):
		p.turn(-1)
	case key.Matches(k, p.own.After):
		p.turn(1)
	case key.Matches(k, p.own.Next):
		p.seek(1)
	case key.Matches(k, p.own.Previous):
		p.seek(-1)
	case key.Matches(k, p.own.Context) && p.filter.re != nil:
		p.context = !p.context
	case key.Matches(k, p.keys.Left):
		p.pan = max(0, p.pan-p.stride())
	case key.Matches(k, p.keys.Right) && !p.wrap:
		p.pan = max(p.pan, min(p.pan+p.stride(), p.longest()-p.stride()))
	default:
		p.move(k)
	}
}

// stride is how far one key pans.
func (p *Logs) stride() int { return max(1, p.textW/3) }

// longest is how many bytes the longest line on the screen has: as many cells at
// least, but for wide characters and escapes, which nobody has to read to their
// end.
func (p *Logs) longest() int {
	most := 0
	for _, l := range p.placed {
		most = max(most, len(p.line(l.at).text()))
	}
	return most
}

// move applies a key that moves among the lines.
func (p *Logs) move(k tea.KeyPressMsg) {
	n := p.count()
	if key.Matches(k, p.keys.Follow) {
		p.sel, p.pan = 0, 0
		p.seen = p.buf.next
		return
	}
	if n == 0 {
		return
	}
	to := n - 1
	if p.atHead() {
		to = 0
	}
	page := max(1, len(p.placed)-1)
	still := p.sel == 0 // the first key only takes hold of a line
	if !still {
		to = p.find(p.sel)
	}
	switch {
	case key.Matches(k, p.keys.Up):
		if !still {
			to--
		}
	case key.Matches(k, p.keys.Down):
		if !still {
			to++
		}
	case key.Matches(k, p.keys.PageUp):
		to -= page
	case key.Matches(k, p.keys.PageDown):
		to += page
	case key.Matches(k, p.keys.Top):
		to = 0
	case key.Matches(k, p.keys.Bottom):
		to = n - 1
	default:
		return
	}
	p.choose(to)
}

// choose selects the nearest there is to the i-th of the lines shown, at its place
// on the screen, or at the edge at which it comes in.
func (p *Logs) choose(i int) {
	n := p.count()
	if n == 0 {
		p.sel = 0
		return
	}
	i = max(0, min(i, n-1))
	p.row = 0
	if len(p.placed) > 0 && i > p.placed[len(p.placed)-1].at {
		p.row = p.linesH // as far down as there is room
	}
	for _, l := range p.placed {
		if l.at == i && l.skip == 0 {
			p.row = l.y
		}
	}
	if p.sel == 0 {
		p.seen = p.buf.next
	}
	p.sel = p.line(i).seq
	p.arrange()
}

// seek selects the next match in a direction; where nothing is looked for, the
// next error. With none selected it is the newest.
func (p *Logs) seek(by int) {
	n := p.count()
	i := n
	if p.sel != 0 && n > 0 {
		i = p.find(p.sel)
		// It may not be shown itself, as it doesn't match.
		switch at := p.line(i).seq; {
		case by > 0 && at > p.sel:
			i--
		case by < 0 && at < p.sel:
			i++
		}
	} else {
		by = -1
	}
	for i += by; i >= 0 && i < n; i += by {
		e := p.line(i)
		if p.filter.re == nil && e.grade == widget.Bad || p.filter.re != nil && (!p.context || p.isHit(e.seq)) {
			p.choose(i)
			p.reveal(e)
			return
		}
	}
}

// isHit tells whether a line matches, as far as that is known.
func (p *Logs) isHit(seq uint64) bool {
	_, ok := slices.BinarySearch(p.hits.seqs, seq)
	return ok
}

// reveal pans to the match in a line, if it isn't to be seen.
func (p *Logs) reveal(e *logEntry) {
	if p.wrap || p.filter.re == nil {
		return
	}
	text, _ := firstCells(p.pic.theme, e.text(), maxSearched)
	at := p.filter.re.FindStringIndex(text)
	if at == nil {
		return
	}
	from, to := p.pic.theme.Width(text[:at[0]]), p.pic.theme.Width(text[:at[1]])
	if from < p.pan+1 || to > p.pan+p.textW-1 {
		p.pan = max(0, to-p.textW*2/3)
		if to <= p.textW-1 {
			p.pan = 0
		}
	}
}
