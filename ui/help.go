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

// helpDialog lists the keys that work, as the key map has them.
type helpDialog struct {
	reading
	keys     keyMap
	sections []helpSection
	page     page
}

type helpSection struct {
	title string
	keys  []key.Binding
	notes []string // besides
}

func (d *helpDialog) bindings() []key.Binding {
	if d.page.lines <= d.page.rows {
		return []key.Binding{d.keys.Close}
	}
	return []key.Binding{d.keys.Close, d.keys.Scrolling.Up, d.keys.Scrolling.Down}
}

func (d *helpDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return false, nil
	}
	if key.Matches(k, d.keys.Close, d.keys.Help, d.keys.Accept) {
		return true, nil
	}
	d.page.turn(k, d.keys)
	return false, nil
}

// Of a column of the help: its width, where the words begin behind the keys, and
// their room.
const (
	helpColumn = 38
	helpWords  = 13
	helpRoom   = helpColumn - helpWords - 3
)

// helpLine is a line of the help: a heading, or a key and what it does.
type helpLine struct {
	key, desc string
	head      bool
}

// lines are all there are, with paired keys on one.
func (d *helpDialog) lines(paired bool) []helpLine {
	var lines []helpLine
	for _, s := range d.sections {
		if len(lines) > 0 {
			lines = append(lines, helpLine{})
		}
		lines = append(lines, helpLine{desc: s.title, head: true})
		keys := slices.DeleteFunc(slices.Clone(s.keys), func(b key.Binding) bool { return !b.Enabled() })
		if paired {
			keys = d.paired(keys)
		}
		for _, k := range keys {
			lines = append(lines, helpLine{key: k.Help().Key, desc: k.Help().Desc})
		}
		for _, n := range s.notes {
			lines = append(lines, helpLine{desc: n})
		}
	}
	return lines
}

// pairs are keys that belong together and share a line.
func (k *keyMap) pairs() [][2]key.Binding {
	s := k.Scrolling
	all := [][2]key.Binding{{s.Up, s.Down}, {s.PageUp, s.PageDown}, {s.Top, s.Bottom}, {k.Drain, k.Undrain}, {k.Next, k.Previous},
		{k.NextMatch, k.PrevMatch}, {k.Earlier, k.Later}, {k.PrevView, k.NextView}, {k.Refresh, k.Redraw}}
	for i := 0; i+1 < len(k.Views); i += 2 {
		all = append(all, [2]key.Binding{k.Views[i], k.Views[i+1]})
	}
	return all
}

// paired has two keys that belong together as one, where the first of them is;
// unless they have been given longer names than a line takes.
func (d *helpDialog) paired(keys []key.Binding) []key.Binding {
	find := func(b key.Binding) int {
		return slices.IndexFunc(keys, func(k key.Binding) bool { return k.Help() == b.Help() })
	}
	for _, p := range d.keys.pairs() {
		i, k := find(p[0]), find(p[1])
		one, other := p[0].Help(), p[1].Help()
		name, words := one.Key+" "+other.Key, both(one.Desc, other.Desc)
		if i < 0 || k < 0 || len(name) >= helpWords || len(words) > helpRoom {
			continue
		}
		keys[min(i, k)] = key.NewBinding(key.WithKeys(append(p[0].Keys(), p[1].Keys()...)...), key.WithHelp(name, words))
		keys = slices.Delete(keys, max(i, k), max(i, k)+1)
	}
	return keys
}

// both joins what two keys do, with the words that they have in common once:
// "page up, down", "next, previous pane".
func both(one, other string) string {
	a, b := strings.Fields(one), strings.Fields(other)
	most, n := min(len(a), len(b))-1, 0
	for n < most && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n > 0 {
		return strings.Join(a[:len(a)-n], " ") + ", " + other
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return one + ", " + strings.Join(b[n:], " ")
}

// headed is lines in columns of some rows, in which no heading is the last of its
// column and no blank line the first.
func headed(all []helpLine, rows int) []helpLine {
	var lines []helpLine
	for _, l := range all {
		switch at := len(lines) % max(1, rows); {
		case at == 0 && l == helpLine{} && len(lines) > 0:
			continue
		case at == rows-1 && l.head && rows > 1:
			lines = append(lines, helpLine{})
		}
		lines = append(lines, l)
	}
	return lines
}

// view has as many columns as it takes to show all at once; where there is no room
// for so many, two keys on a line or no blank lines, and in the end it scrolls.
func (d *helpDialog) view(t *widget.Theme, w, h int) string {
	all := d.lines(false)
	room := max(1, h-2)
	most := max(1, (w-4)/helpColumn)
	if len(all) > most*room { // rather than to scroll
		all = d.lines(true)
	}
	if len(all) > most*room {
		all = slices.DeleteFunc(all, func(l helpLine) bool { return l == helpLine{} })
	}
	across := min(most, (len(all)+room-1)/room)
	rows := min(room, (len(all)+across-1)/across)
	lines := headed(all, rows)
	if len(lines) > across*rows && rows < room {
		rows++
		lines = headed(all, rows)
	}
	bw, bh := min(w, across*helpColumn+6), min(h, rows+2)
	note := d.page.fit(len(lines), across*rows)
	c := widget.NewCanvas(t, bw-2, bh-2)
	for i, l := range lines[d.page.off:min(len(lines), d.page.off+across*rows)] {
		x, y := 2+i/rows*helpColumn, i%rows
		switch {
		case l.head:
			c.Text(x, y, helpColumn-2, widget.Bold, l.desc)
		case l.key == "":
			c.Text(x+1, y, helpColumn-4, widget.Muted, l.desc)
		default:
			c.Text(x+1, y, helpWords-1, widget.Bold, l.key)
			c.Text(x+1+helpWords, y, helpRoom, widget.Plain, l.desc)
		}
	}
	return widget.Box(t, bw, bh, true, widget.Title{Name: "help", Note: note}, c.String())
}

// help lists the keys that work here.
func (m *Model) help() dialog {
	focus := m.now().focus
	name, _, _ := strings.Cut(title(focus), " "+m.theme.Dot)
	d := &helpDialog{keys: m.keys}
	if keys := focus.Keys(); len(keys) > 0 {
		d.sections = append(d.sections, helpSection{title: name, keys: keys})
	}
	if f, ok := focus.(interface{ FilterHelp() string }); ok {
		text := ansi.Wrap(f.FilterHelp(), helpColumn-4, "")
		d.sections = append(d.sections, helpSection{title: "filters", notes: strings.Split(text, "\n")})
	}
	if m.opts.Seat != nil {
		d.sections = append(d.sections, helpSection{title: "to act", keys: m.keys.acting()})
	}
	d.sections = append(d.sections, helpSection{title: "everywhere", keys: m.free(m.keys.global())})
	return d
}

func title(p pane.Pane) string {
	name, _ := p.Title()
	return name
}
