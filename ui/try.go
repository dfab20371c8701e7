package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// trySegments tell the demo's visitor where to send a request.
func trySegments(o Options, d pane.Data) []segment {
	if d.Gateway == nil {
		return []segment{{text: []run{{widget.Muted, "the gateway is starting"}}}}
	}
	return []segment{
		{worth: 3, text: []run{{widget.Muted, "try "}, {widget.Plain, d.Gateway.Listen}}},
		{worth: 2, text: []run{{widget.Muted, "key "}, {widget.Plain, o.DemoKey}}},
		{worth: 1, text: []run{{widget.Bold, "c"}, {widget.Muted, " a curl line to copy"}}},
	}
}

// curl is a command that works against the demo, in lines short enough for most
// screens; nil while its address is not known. Joined by line feeds they are one
// command to a shell.
func curl(o Options, d pane.Data) []string {
	if d.Gateway == nil || !bare(d.Gateway.Listen) || !bare(o.DemoKey) {
		return nil
	}
	return []string{
		"curl -N " + d.Gateway.Listen + `/v1/chat/completions \`,
		"  -H 'Authorization: Bearer " + o.DemoKey + `' \`,
		`  -H 'Content-Type: application/json' \`,
		`  -d '{"model":"` + demoModel(d) + `","stream":true,`,
		`       "messages":[{"role":"user","content":"Hello!"}]}'`,
	}
}

// demoModel is the model to talk to: of the first backend that has no route of
// its own for a special purpose, else of the first.
func demoModel(d pane.Data) string {
	model := ""
	if d.Pool != nil {
		for i := range d.Pool.Backends {
			b := &d.Pool.Backends[i]
			if !bare(b.Model) {
				continue
			}
			if len(b.Routes) == 0 {
				return b.Model
			}
			if model == "" {
				model = b.Model
			}
		}
	}
	return model
}

// bare tells whether text needs no quoting, in a shell or in JSON.
func bare(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._/:-[]", r):
		default:
			return false
		}
	}
	return s != ""
}

// tryDialog shows the command line by line, with nothing beside it, so that it
// can be copied off the screen.
type tryDialog struct {
	reading
	keys    keyMap
	command []string
	copied  bool
}

func (d *tryDialog) bindings() []key.Binding { return []key.Binding{d.keys.Copy, d.keys.Close} }

func (d *tryDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return false, nil
	}
	switch {
	case key.Matches(k, d.keys.Copy) && len(d.command) > 0:
		d.copied = true
		return false, copied(strings.Join(d.command, "\n"))
	case key.Matches(k, d.keys.Close, d.keys.Accept, d.keys.Try):
		return true, nil
	}
	return false, nil
}

func (d *tryDialog) view(t *widget.Theme, w, h int) string {
	lines := []string{""}
	if len(d.command) == 0 {
		lines = append(lines, "  The gateway's address is not known yet.")
	}
	for _, l := range d.command {
		// A line too long for the screen goes on in the next, as a terminal
		// would wrap it. It is ASCII throughout.
		for ; len(l) > w; l = l[w:] {
			lines = append(lines, l[:w])
		}
		lines = append(lines, l)
	}
	note := ""
	if d.copied {
		note = "sent to the terminal's clipboard, where it allows that"
	}
	lines = append(lines, "")
	h = min(h, len(lines)+2)
	c := widget.NewCanvas(t, w, h)
	rule := strings.Repeat(t.Horizontal, w)
	c.Text(0, 0, w, widget.Focused, rule)
	c.Text(2, 0, w-2, widget.Focused|widget.Bold, " send a request of your own ")
	for i, l := range lines {
		c.Text(0, i+1, w, widget.Plain, l)
	}
	c.Text(0, h-1, w, widget.Focused, rule)
	if note != "" {
		c.Text(2, h-1, w-2, widget.Focused, " "+note+" ")
	}
	return c.String()
}
