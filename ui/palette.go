package ui

import (
	"fmt"
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/sahilm/fuzzy"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// command is an entry of the palette.
type command struct {
	name string
	key  string // "": it has none
	why  string // why it can't be done now; "": it can
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
		c := command{name: a.title(), why: m.refusal(a, r), do: func(m *Model) tea.Cmd { return m.begin(a, r) }}
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
			return tea.RequestBackgroundColor
		}})
	}
	if m.opts.Seat != nil {
		all = append(all, command{name: "who is attached, and what they look at", do: func(m *Model) tea.Cmd { m.open(m.attached()); return nil }})
	}
	return all
}

var themeWords = map[widget.Palette]string{
	widget.Auto: "theme auto: after the terminal's background", widget.Dark: "theme dark: for a dark background", widget.Light: "theme light: for a light background",
	widget.ColourBlind: "theme colour-blind: blue for good, orange for bad",
}

// words say what a key of global does.
func (k keyMap) words(b key.Binding) string {
	for i, v := range k.Views {
		if v.Help() == b.Help() {
			return "go to view " + viewNames[i]
		}
	}
	for _, of := range []struct {
		b     key.Binding
		words string
	}{
		{k.Next, "move the focus to the next pane"},
		{k.Previous, "move the focus to the previous pane"},
		{k.Enter, "open the selected row, or tell why something is wrong"},
		{k.Filter, "filter the list while you type"},
		{k.NextMatch, "next row that matches the filter"},
		{k.PrevMatch, "previous row that matches the filter"},
		{k.Sort, "sort the list by its next order"},
		{k.Describe, "describe the selected row: all that is known of it"},
		{k.Copy, "copy the selected row to the terminal's clipboard"},
		{k.Logs, "show the logs of what is selected"},
		{k.Findings, "list all findings, the most urgent first"},
		{k.Try, "show a curl line to try the gateway with"},
		{k.Help, "help: all keys that work here"},
		{k.Palette, "commands: this list"},
		{k.Full, "full screen for the focused pane, and back"},
		{k.Pause, "pause the picture, and go on"},
		{k.Earlier, "go back ten seconds in time"},
		{k.Later, "go forth ten seconds in time"},
		{k.Now, "go back to now"},
		{k.NextView, "go to the next view"},
		{k.PrevView, "go to the previous view"},
		{k.Mouse, "turn the mouse on or off"},
		{k.Refresh, "refresh: read all figures now"},
		{k.Redraw, "redraw the screen, should something have spoilt it"},
		{k.Quit, b.Help().Desc + ": " + quitWords[b.Help().Desc]},
		{k.Interrupt, b.Help().Desc + ", without a question"},
	} {
		if of.b.Help() == b.Help() {
			return of.words
		}
	}
	return b.Help().Desc
}

// quitWords say what happens in the end.
var quitWords = map[string]string{
	"back, then quit":  "at last it asks what becomes of the gateway",
	"back, then leave": "the gateway goes on",
}

// attached tells who else looks, at what.
func (m *Model) attached() dialog {
	me := m.opts.Seat.Operator()
	facts := []pane.Fact{{Label: "you", Text: me.Author() + ", " + string(me.Role)}}
	for _, p := range m.others {
		facts = append(facts, pane.Fact{Label: p.Name, Text: presenceWords(p, m.data)})
	}
	if len(m.others) == 0 {
		facts = append(facts, pane.Fact{Text: "Nobody else is attached."})
	}
	return &factsDialog{keys: m.keys, title: "who is attached", facts: facts}
}

func presenceWords(p desk.Presence, d pane.Data) string {
	from := p.From
	if from == "" {
		from = "this host"
	}
	text := fmt.Sprintf("%s, from %s for %s", p.Role, from, widget.Age(d.Now.Sub(p.Since)))
	if p.View != "" {
		text += ", looks at " + p.View
	}
	if p.Doing != "" {
		text += ", is about to " + p.Doing
	}
	return text
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
	s := d.m.keys.Scrolling
	return []key.Binding{d.m.keys.Accept, key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "close")),
		key.NewBinding(key.WithKeys("up"), key.WithHelp("up", s.Up.Help().Desc)), key.NewBinding(key.WithKeys("down"), key.WithHelp("down", s.Down.Help().Desc))}
}

// find looks for what was typed.
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
	for _, m := range fuzzy.Find(text, names) {
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
	return widget.Box(t, bw, bh, true, widget.Title{Name: "commands", Note: fmt.Sprintf("%d of %d", len(d.found), len(d.all))}, c.String())
}
