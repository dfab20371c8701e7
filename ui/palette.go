package ui

import (
	"cmp"
	"fmt"
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/sahilm/fuzzy"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// command is an entry of the palette.
type command struct {
	name string
	key  string // "": it has none
	why  string // why it can't be done now; "": it can
	own  bool   // it is about what is selected
	do   func(*Model) tea.Cmd
}

// paletteDialog finds a command by a few of its letters.
type paletteDialog struct {
	reading
	m   *Model
	all []command
	in  *input

	found []int // into all
	at    int   // the one that is chosen, of found
	off   int
	rows  int
}

// palette lists everything that can be done, on what is selected first.
func (m *Model) palette() dialog {
	d := &paletteDialog{m: m, in: newInput("")}
	d.all = append(m.acts(), m.sights()...)
	d.find()
	return d
}

// acts are the commands that change the world: on the subject, and then on each
// backend there is.
func (m *Model) acts() []command {
	subject := m.subject()
	var now, others, all, cant []command
	add := func(a *action, r pane.Ref, keyed bool) {
		c := command{name: a.title(), why: m.refusal(a, r), own: keyed, do: func(m *Model) tea.Cmd { return m.begin(a, r) }}
		if slices.Contains(a.kinds, r.Kind) {
			c.name = a.name + " " + objectWords(a, r)
		}
		if keyed && a.key != nil {
			c.key = a.key(&m.keys).Help().Key
		}
		switch {
		case c.why != "":
			cant = append(cant, c)
		case len(a.kinds) == 0:
			all = append(all, c) // not what enter does before anything was typed
		case keyed:
			now = append(now, c)
		default:
			others = append(others, c)
		}
	}
	for i := range actions {
		a := &actions[i]
		add(a, subject, true)
		if m.data.Pool == nil || len(a.kinds) == 0 || a.kinds[0] != pane.RefBackend {
			continue
		}
		for k := range m.data.Pool.Backends {
			if r := backend(m.data.Pool.Backends[k].Name); r != subject {
				add(a, r, false)
			}
		}
	}
	return slices.Concat(now, others, all, cant)
}

// objectWords names what an action is done to.
func objectWords(a *action, r pane.Ref) string {
	switch r.Kind {
	case pane.RefReplica, pane.RefLog, pane.RefGrant:
		return r.ID
	case pane.RefRequest:
		if a.kinds[0] == pane.RefRequest {
			return r.ID
		}
	case pane.RefGPU:
		if r.Name == "" {
			return r.ID
		}
	}
	return r.Name
}

// sights are the commands that change only this screen.
func (m *Model) sights() []command {
	var all []command
	for _, b := range m.keys.global() {
		if !b.Enabled() {
			continue
		}
		k := b.Keys()[0]
		all = append(all, command{name: m.keys.words(b), key: b.Help().Key, do: func(m *Model) tea.Cmd { return m.global(keyOf(k)) }})
	}
	for _, p := range []widget.Palette{widget.Auto, widget.Dark, widget.Light, widget.ColourBlind} {
		all = append(all, command{name: themeWords[p], do: func(m *Model) tea.Cmd {
			m.look.Palette = p
			m.retheme()
			return say(ansi.RequestBackgroundColor)
		}})
	}
	if m.opts.Seat != nil {
		all = append(all, command{name: "who is attached, and what they look at", do: func(m *Model) tea.Cmd { m.open(m.attached()); return nil }})
	}
	return all
}

// keyOf makes a key's message from its name in a key map.
func keyOf(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "space": {Code: tea.KeySpace, Text: " "},
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape},
	}
	if k, ok := named[name]; ok {
		return k
	}
	if len(name) > 5 && name[:5] == "ctrl+" {
		return tea.KeyPressMsg{Code: rune(name[5]), Mod: tea.ModCtrl}
	}
	r := []rune(name)
	return tea.KeyPressMsg{Code: r[0], Text: name}
}

func (d *paletteDialog) bindings() []key.Binding {
	return []key.Binding{d.m.keys.Accept, key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "close")),
		key.NewBinding(key.WithKeys("up", "down"), key.WithHelp("up/down", "another"))}
}

// ownWorth is what it is worth, in the finder's points, that a command is about
// what is selected: more than that another backend's name begins with a letter that
// was typed.
const ownWorth = 20

// find looks for what was typed. What can't be done comes last.
func (d *paletteDialog) find() {
	d.found, d.at, d.off = d.found[:0], 0, 0
	text := d.in.value()
	if text == "" {
		for i := range d.all {
			d.found = append(d.found, i)
		}
		return
	}
	names := make([]string, len(d.all))
	for i, c := range d.all {
		names[i] = c.name
	}
	found := fuzzy.Find(text, names)
	worth := func(m fuzzy.Match) int {
		if d.all[m.Index].own {
			return m.Score + ownWorth
		}
		return m.Score
	}
	slices.SortStableFunc(found, func(a, b fuzzy.Match) int {
		if x, y := d.all[a.Index].why != "", d.all[b.Index].why != ""; x != y {
			if x {
				return 1
			}
			return -1
		}
		return cmp.Compare(worth(b), worth(a))
	})
	for _, m := range found {
		d.found = append(d.found, m.Index)
	}
}

func (d *paletteDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	last := len(d.found) - 1
	switch {
	case ok && k.Code == tea.KeyEscape:
		return true, nil
	case ok && k.Code == tea.KeyEnter && last < 0:
	case ok && k.Code == tea.KeyEnter:
		c := d.all[d.found[d.at]]
		d.m.shut(d)
		if c.why != "" {
			d.m.say(widget.Warn, c.name+": "+c.why)
			return true, nil
		}
		return true, c.do(d.m)
	case ok && k.Code == tea.KeyUp:
		d.at = max(0, d.at-1)
	case ok && k.Code == tea.KeyDown:
		d.at = max(0, min(last, d.at+1))
	case ok && k.Code == tea.KeyPgUp:
		d.at = max(0, d.at-d.rows)
	case ok && k.Code == tea.KeyPgDown:
		d.at = max(0, min(last, d.at+d.rows))
	default:
		before := d.in.value()
		if d.in.press(msg); d.in.value() != before {
			d.find()
		}
	}
	return false, nil
}

func (d *paletteDialog) view(t *widget.Theme, w, h int) string {
	const most = 18 // rows
	bw := min(w, 76)
	bh := min(h, min(len(d.all), most)+4)
	d.rows = max(1, bh-4)
	d.off = max(0, min(max(d.off, d.at-d.rows+1), d.at))
	c := widget.NewCanvas(t, bw-2, bh-2)
	x := 2 + c.Text(2, 0, c.W-2, widget.Focused|widget.Bold, ": ")
	d.in.draw(c, x, 0, c.W-x-2, widget.Plain, true)
	for i := range min(d.rows, len(d.found)-d.off) {
		cmd := d.all[d.found[d.off+i]]
		y := i + 2
		style, text := widget.Plain, cmd.name
		if cmd.why != "" {
			style = widget.Muted
		}
		room := c.W - 14
		n := c.Text(2, y, room, style, text)
		if cmd.why != "" {
			c.Text(2+n, y, room-n, widget.Muted, t.Shorten(widget.Clean(": "+cmd.why, t.ASCII()), room-n))
		}
		if style == widget.Plain {
			style = widget.Bold
		}
		c.Right(c.W-11, y, 9, style, cmd.key)
		if d.off+i == d.at {
			c.Text(0, y, 1, widget.Focused, t.Pointer)
			c.Mark(0, y, c.W, widget.Selected)
		}
	}
	if len(d.found) == 0 {
		c.Text(2, 2, c.W-3, widget.Muted, "nothing is called so")
	}
	note := fmt.Sprintf("%d of %d", len(d.found), len(d.all))
	if len(d.found) > d.rows {
		note = fmt.Sprintf("%d-%d of %d", d.off+1, min(d.off+d.rows, len(d.found)), len(d.found))
	}
	return widget.Box(t, bw, bh, true, widget.Title{Name: "commands", Note: note}, c.String())
}
