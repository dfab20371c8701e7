package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Explainer tells what was decided about a request; a *gateway.Gateway. It waits
// for nobody.
type Explainer interface {
	// Explain tells of the newest of an id; false: it is not known any more.
	Explain(id string) (gateway.Explanation, bool)
}

// explainDialog tells why a request went as it did, as far as it has come.
type explainDialog struct {
	reading
	m    *Model
	ref  pane.Ref
	what *pane.Explained // as it was when it was looked at last
	page page
}

// explain opens what was decided about a request.
func (m *Model) explain(r pane.Ref) {
	d := &explainDialog{m: m, ref: r}
	if m.opts.Explainer == nil || !d.look() {
		if l := m.list(); l != nil {
			m.describe(l)
		} else {
			m.say(widget.Plain, "request "+r.ID+" is not known any more")
		}
		return
	}
	m.open(d)
}

// look asks again; what is forgotten meanwhile stays as it was.
func (d *explainDialog) look() bool {
	e, ok := d.m.opts.Explainer.Explain(d.ref.ID)
	if ok && !d.ref.Start.IsZero() && !e.Start.Equal(d.ref.Start) { // another of the same id
		ok = false
	}
	if ok {
		d.what = pane.Explain(&e)
	}
	return d.what != nil
}

func (d *explainDialog) bindings() []key.Binding {
	k := &d.m.keys
	all := []key.Binding{k.Close, k.Copy}
	if d.page.lines > d.page.rows {
		all = append(all, k.Scrolling.Up, k.Scrolling.Down)
	}
	return append(all, d.m.useful(d.ref, k.Cancel, k.CancelOrg, k.Logs)...)
}

func (d *explainDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	m := d.m
	switch {
	case !ok:
	case key.Matches(k, m.keys.Close, m.keys.Accept):
		return true, nil
	case key.Matches(k, m.keys.Copy):
		m.say(widget.Plain, "sent to the terminal's clipboard, where it allows that")
		return false, copied(d.text())
	case key.Matches(k, m.keys.Logs):
		m.shut(d)
		m.showLogs(d.ref)
		return true, nil
	case key.Matches(k, m.keys.Cancel, m.keys.CancelOrg):
		m.shut(d)
		return true, m.begin(m.actionOf(k), d.ref)
	default:
		d.page.turn(k, m.keys)
	}
	return false, nil
}

func (d *explainDialog) view(t *widget.Theme, w, h int) string {
	if !d.m.data.Rewound {
		d.look()
	}
	bw := min(w, 110)
	inner := max(0, bw-6)
	rows := d.what.Draw(widget.NewCanvas(t, inner, 0), 0)
	pad := 1
	if rows+4 > h { // rather a line more than a blank one
		pad = 0
	}
	bh := min(h, rows+2+2*pad)
	note := d.page.fit(rows, bh-2-2*pad)
	body := widget.NewCanvas(t, inner, d.page.rows)
	d.what.Draw(body, d.page.off)
	c := widget.NewCanvas(t, bw-2, bh-2)
	c.Lay(2, pad, body)
	return widget.Box(t, bw, bh, true, widget.Title{Name: "request " + d.what.ID + " " + t.Dot + " " + d.what.Why, Note: note}, c.String())
}

// text is what is shown, to take elsewhere.
func (d *explainDialog) text() string {
	var b strings.Builder
	x := d.what
	for _, l := range []string{"request " + x.ID, x.Why, x.Who, x.Verdict} {
		fmt.Fprintln(&b, widget.Clean(l, false))
	}
	for _, s := range x.Steps {
		fmt.Fprintln(&b, widget.Clean(s.Time+"  "+s.Step+"  "+s.Words, false))
	}
	fmt.Fprintln(&b, widget.Clean("answer  "+x.Answer, false))
	return b.String()
}
