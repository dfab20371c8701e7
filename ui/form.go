package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
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
	tell    func() []pane.Fact // what is so by now, in place of facts; nil: they stay
	fields  []*field
	verb    string // on the other button
	no      string // on the one that does nothing; "": Cancel
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

// bindings say what the keys do where the focus is.
func (f *form) bindings() []key.Binding {
	as := func(b key.Binding, words string) key.Binding {
		return key.NewBinding(key.WithKeys(b.Keys()...), key.WithHelp(b.Help().Key, words))
	}
	at := f.at - len(f.fields)
	if at < 0 {
		return []key.Binding{as(f.keys.Accept, "next field"), as(f.keys.Previous, "back"), as(f.keys.Close, "close")}
	}
	all := []key.Binding{as(f.keys.Next, "next"), as(f.keys.Accept, strings.ToLower(f.labels()[at])), as(f.keys.Close, "close")}
	if f.must() >= 0 && !f.ready() {
		all = append(all, key.NewBinding(key.WithKeys("a"), key.WithHelp("letters", "type the name")))
	}
	return all
}

// must is the field of the name that has to be typed; -1: there is none.
func (f *form) must() int {
	return slices.IndexFunc(f.fields, func(fi *field) bool { return fi.must != "" })
}

// ready tells whether nothing is in the way of doing it.
func (f *form) ready() bool {
	must := f.must()
	return !f.looking && (must < 0 || f.fields[must].typed() == f.fields[must].must)
}

// typed is what a field holds.
func (fi *field) typed() string { return strings.TrimSpace(fi.in.value()) }

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
	if must := f.must(); must >= 0 && !typing && (strings.TrimSpace(k.Text) != "" || k.Code == tea.KeyBackspace) {
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
		values[i] = fi.typed()
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
