package play

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// offer is what the word at the cursor may become.
type offer struct {
	from int // the byte of the cursor's line at which the word begins
	list []candidate
	at   int
	off  int
}

// offerRows is how many candidates are shown at once.
const offerRows = 8

// completeWord completes the word before the cursor, and tells whether one is begun:
// one that is whole is not. A word that is not known keeps the keys, too, lest what is
// typed behind it be taken for commands.
func (p *SQL) completeWord() bool {
	line := p.statement.lines[p.statement.row][:p.statement.col]
	if line == "" || !wordEnd(line) && !strings.HasSuffix(line, ".") {
		return false
	}
	found, whole := p.openOffer(false)
	if !found && !whole {
		p.say("nothing is known that begins so: shift-tab goes back, esc stops typing")
	}
	return found || !whole
}

// wordEnd tells whether a line ends in a word.
func wordEnd(line string) bool {
	return strings.TrimRightFunc(line, wordly) != line || strings.HasSuffix(line, `"`)
}

// openOffer offers what fits; a single candidate is taken at once, unless all are to
// be seen. It tells whether there is any, or else whether the word is whole.
func (p *SQL) openOffer(all bool) (found, whole bool) {
	e := p.statement
	p.colour()
	at := e.at()
	from, list, whole := complete(p.snap.Schema, p.snap.Kind, e.text(), p.colours.tokens, at)
	p.offer = nil
	start := e.col - (at - from)
	if len(list) == 0 || start < 0 { // a name in quotes may have begun lines before
		return false, whole
	}
	p.offer = &offer{from: start, list: list}
	if len(list) == 1 && !all {
		p.take()
	}
	return true, false
}

// take puts the chosen candidate in.
func (p *SQL) take() {
	o := p.offer
	p.offer = nil
	p.statement.replace(o.from, o.list[o.at].text)
}

// choosing takes a key while something is offered; false: it is the editor's, and
// what is offered follows it.
func (p *SQL) choosing(k tea.KeyPressMsg) bool {
	o := p.offer
	switch k.String() {
	case "tab", "down", "ctrl+n", "ctrl+space":
		o.at = (o.at + 1) % len(o.list)
	case "shift+tab", "up", "ctrl+p":
		o.at = (o.at + len(o.list) - 1) % len(o.list)
	case "pgdown":
		o.at = min(o.at+offerRows, len(o.list)-1)
	case "pgup":
		o.at = max(o.at-offerRows, 0)
	case "enter":
		p.take()
	default:
		was := p.statement.version
		p.offer = nil
		if k.Text == "" && k.String() != "backspace" || !p.statement.press(k) {
			return false
		}
		line := p.statement.lines[p.statement.row][:p.statement.col]
		if p.statement.version != was && (wordEnd(line) || strings.HasSuffix(line, ".")) {
			p.openOffer(true)
		}
	}
	return true
}

// drawOffer draws what is offered below the cursor, or above it where there is more
// room.
func (p *SQL) drawOffer(c *widget.Canvas, cx, cy int) {
	o := p.offer
	rows := min(offerRows, len(o.list))
	y := cy + 1
	if below, above := c.H-y, cy; below < rows && above > below {
		rows = min(rows, above)
		y = cy - rows
	} else {
		rows = min(rows, below)
	}
	if rows <= 0 {
		return
	}
	o.off = max(o.off, o.at-rows+1)
	o.off = max(0, min(o.off, o.at, len(o.list)-rows))
	names, notes := 0, 0
	for i := o.off; i < o.off+rows; i++ {
		names = max(names, lineCells(c.Theme, o.list[i].name, 40))
		notes = max(notes, lineCells(c.Theme, o.list[i].note, 30))
	}
	names, notes = min(names, 40), min(notes, 30)
	w := min(c.W, names+notes+5)
	x := max(0, min(cx-1, c.W-w))
	list := widget.NewCanvas(c.Theme, w, rows)
	for i := range rows {
		k := &o.list[o.off+i]
		list.Text(0, i, w, widget.Plain, strings.Repeat(" ", w))
		mark, noted := " ", widget.Muted
		if o.off+i == o.at {
			mark, noted = c.Theme.Pointer, widget.Plain
		}
		list.Text(0, i, 1, widget.Plain, mark)
		n, _ := fitCells(c.Theme, k.name, names+1)
		list.Text(1, i, min(names, w-1), widget.Plain, k.name[:n])
		n, _ = fitCells(c.Theme, k.note, notes+1)
		list.Text(names+3, i, w-names-4, noted, k.note[:n])
		if o.off+i == o.at {
			list.Mark(0, i, w, widget.Selected|widget.Inverse)
		} else {
			list.Mark(0, i, w, widget.Track)
		}
	}
	c.Lay(x, y, list)
}
