package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// factsDialog tells what is known of a thing.
type factsDialog struct {
	reading
	keys   keyMap
	title  string
	facts  []pane.Fact
	copied bool
	page   page
}

func (d *factsDialog) bindings() []key.Binding {
	return []key.Binding{d.keys.Copy, d.keys.Close, d.keys.Scrolling.Up, d.keys.Scrolling.Down}
}

func (d *factsDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok:
	case key.Matches(k, d.keys.Close, d.keys.Describe, d.keys.Accept):
		return true, nil
	case key.Matches(k, d.keys.Copy):
		d.copied = true
		return false, copied(plainFacts(d.title, d.facts))
	default:
		d.page.turn(k, d.keys)
	}
	return false, nil
}

func (d *factsDialog) view(t *widget.Theme, w, h int) string {
	bw := min(w, 100)
	lines := factLines(t, d.facts, bw-6)
	bh := min(h, len(lines)+4)
	note := d.page.fit(len(lines), bh-4)
	if d.copied {
		note = "copied, where the terminal allows it"
	}
	c := widget.NewCanvas(t, bw-2, bh-2)
	drawFacts(c, 2, 1, lines[d.page.off:min(len(lines), d.page.off+d.page.rows)])
	return widget.Box(t, bw, bh, true, widget.Title{Name: d.title, Note: note}, c.String())
}

// factLine is one line of a fact that may need several.
type factLine struct {
	label, text string
	at          int // where the text begins
	grave       bool
}

// factLines wraps facts to w cells.
func factLines(t *widget.Theme, facts []pane.Fact, w int) []factLine {
	at := 0
	for _, f := range facts {
		at = max(at, min(t.Width(f.Label), w/3))
	}
	at += 2
	var lines []factLine
	labelled := false // until then nothing stands beside what has no label
	for _, f := range facts {
		label, at := f.Label, at
		if labelled = labelled || label != ""; !labelled {
			at = 0
		}
		// Cleaned first: what is wrapped must be what is drawn.
		text := widget.Clean(f.Text, t.ASCII())
		if len(text) > maxFact {
			text = text[:maxFact]
		}
		for l := range strings.SplitSeq(ansi.Wrap(text, max(1, w-at), ""), "\n") {
			lines = append(lines, factLine{label, l, at, f.Grave})
			label = ""
		}
	}
	return lines
}

// maxFact is how many bytes of a text are worth reading in a dialog.
const maxFact = 8 << 10

// drawFacts draws lines from x, y on.
func drawFacts(c *widget.Canvas, x, y int, lines []factLine) {
	for i, l := range lines {
		c.Text(x, y+i, max(0, l.at-2), widget.Muted, l.label)
		c.Text(x+l.at, y+i, c.W-x-l.at-1, widget.Plain, l.text)
	}
}

// plainFacts is facts as text to take elsewhere.
func plainFacts(title string, facts []pane.Fact) string {
	var b strings.Builder
	b.WriteString(widget.Clean(title, false))
	for _, f := range facts {
		b.WriteString("\n" + widget.Clean(f.Label, false) + "\t" + widget.Clean(f.Text, false))
	}
	return b.String()
}
