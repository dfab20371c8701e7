package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// field is a line of a form.
type field struct {
	label string
	hint  string // behind it
	must  string // what has to be typed exactly; "": anything
	in    *input
}

// form asks before the world is changed: it tells what will come of it, takes
// what there is to say, and has Cancel focused when it opens.
type form struct {
	id      int // of what is asked for it
	keys    keyMap
	title   string
	about   string // what others are told that the operator is about to do
	facts   []pane.Fact
	fields  []*field
	verb    string // on the other button
	more    string // on a third one; "": there is none
	also    func() tea.Cmd
	looking bool   // what will come of it is not known yet
	wrong   string // why it can't be done as it stands
	// do does it, with what the fields hold; an error, even one without words,
	// keeps the form open.
	do func(values []string) (tea.Cmd, error)

	at int // what has the focus: a field, then Cancel, then the other button
}

func (f *form) doing() string { return f.about }

// open puts the focus on Cancel.
func (f *form) opened() *form {
	f.at = len(f.fields)
	return f
}

func (f *form) bindings() []key.Binding {
	return []key.Binding{f.keys.Next, f.keys.Accept, f.keys.Close}
}

func (f *form) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	typing := f.at < len(f.fields)
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		if typing {
			f.fields[f.at].in.press(msg)
		}
		return false, nil
	}
	// A name that has to be typed is typed there from whatever button: its letters
	// are keys too, and q would close the form and leave the rest to the view below.
	if must := slices.IndexFunc(f.fields, func(fi *field) bool { return fi.must != "" }); must >= 0 && !typing && strings.TrimSpace(k.Text) != "" {
		f.at, typing = must, true
	}
	n := len(f.fields) + len(f.labels())
	s := f.keys.Scrolling
	switch {
	case k.Code == tea.KeyEscape, !typing && key.Matches(k, f.keys.Close):
		return true, nil
	case key.Matches(k, f.keys.Next), k.Code == tea.KeyDown, !typing && key.Matches(k, s.Right):
		f.at = (f.at + 1) % n
	case key.Matches(k, f.keys.Previous), k.Code == tea.KeyUp, !typing && key.Matches(k, s.Left):
		f.at = (f.at + n - 1) % n
	case k.Code == tea.KeyEnter && typing:
		f.at++
	case k.Code == tea.KeyEnter && f.at == len(f.fields):
		return true, nil
	case k.Code == tea.KeyEnter && f.at == len(f.fields)+2:
		return true, f.also()
	case k.Code == tea.KeyEnter:
		return f.accept()
	case typing:
		f.fields[f.at].in.press(k)
		f.wrong = ""
	}
	return false, nil
}

// accept does what the form is about, if it can be done as it stands.
func (f *form) accept() (done bool, cmd tea.Cmd) {
	if f.looking {
		f.wrong = "still looking what would come of it"
		return false, nil
	}
	values := make([]string, len(f.fields))
	for i, fi := range f.fields {
		values[i] = strings.TrimSpace(fi.in.value())
		if fi.must != "" && values[i] != fi.must {
			f.wrong, f.at = "type "+fi.must+" to go on", i
			return false, nil
		}
	}
	cmd, err := f.do(values)
	if err != nil {
		f.wrong = err.Error()
		return false, cmd
	}
	return true, cmd
}

// formWidth is that of a form, inputWidth that of what is typed in it, and
// shortInput the least of that which hints leave.
const (
	formWidth  = 72
	inputWidth = 34
	shortInput = 12
)

func (f *form) view(t *widget.Theme, w, h int) string {
	bw := min(w, formWidth)
	lines := factLines(t, f.facts, bw-6)
	label := 0
	for _, fi := range f.fields {
		label = max(label, t.Width(widget.Clean(fi.label, t.ASCII())))
	}
	var wrong []string
	if f.wrong != "" {
		wrong = strings.Split(ansi.Wrap(widget.Clean(f.wrong, t.ASCII()), max(1, bw-8), ""), "\n")
	}
	tail := len(f.fields) + len(wrong) + 3 // with a blank line before, the buttons, and one below
	bh := min(h, len(lines)+tail+3)
	c := widget.NewCanvas(t, bw-2, bh-2)
	// The fields and buttons stay when the facts have no room.
	room := max(0, c.H-tail-1)
	drawFacts(c, 2, 1, lines[:min(len(lines), room)])
	y := max(0, c.H-tail) + 1
	room = inputWidth
	for _, fi := range f.fields { // a hint is worth more than room for a long text
		room = min(room, max(shortInput, c.W-label-11-t.Width(fi.hint)))
	}
	for i, fi := range f.fields {
		c.Text(2, y, label, widget.Muted, fi.label)
		f.draw(c, 2+label+2, y, room, fi, f.at == i)
		y++
	}
	for _, l := range wrong {
		c.Text(2, y, c.W-3, widget.Bad, t.Bad+" "+l)
		y++
	}
	f.buttons(c, max(y, c.H-2))
	note := ""
	if f.looking {
		note = "looking"
	}
	return widget.Box(t, bw, bh, true, widget.Title{Name: f.title, Note: note}, c.String())
}

// draw shows a field between brackets that are w cells apart, with its hint.
func (f *form) draw(c *widget.Canvas, x, y, w int, fi *field, focused bool) {
	w = min(w, c.W-x-4)
	if w < 1 {
		return
	}
	st := widget.Plain
	if focused {
		st = widget.Focused
	}
	c.Text(x, y, 1, st, "[")
	fi.in.draw(c, x+2, y, w, widget.Plain, focused)
	c.Text(x+w+3, y, 1, st, "]")
	c.Text(x+w+5, y, c.W-x-w-6, widget.Muted, fi.hint)
}

// labels are those of the buttons.
func (f *form) labels() []string {
	if f.more != "" {
		return []string{"Cancel", f.verb, f.more}
	}
	return []string{"Cancel", f.verb}
}

func (f *form) buttons(c *widget.Canvas, y int) {
	y = min(y, c.H-1)
	x := 2
	for i, label := range f.labels() {
		style, text := widget.Plain, "  "+label+"  "
		if f.at == len(f.fields)+i {
			style, text = widget.Focused|widget.Inverse, "> "+label+" <"
		}
		x += c.Text(x, y, c.W-x, style, text) + 3
	}
}
