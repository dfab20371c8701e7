package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/widget"
)

// helpDialog lists the keys that work, as the key map has them.
type helpDialog struct {
	keys     keyMap
	sections []helpSection
	page     page
}

type helpSection struct {
	title string
	keys  []key.Binding
}

func (d *helpDialog) bindings() []key.Binding {
	return []key.Binding{d.keys.Close, d.keys.Scrolling.Up, d.keys.Scrolling.Down}
}

func (d *helpDialog) update(k tea.KeyPressMsg) (done bool, cmd tea.Cmd) {
	if key.Matches(k, d.keys.Close, d.keys.Help, d.keys.Accept) {
		return true, nil
	}
	d.page.turn(k, d.keys)
	return false, nil
}

func (d *helpDialog) view(t *widget.Theme, w, h int) string {
	type line struct {
		key, desc string
		head      bool
	}
	var lines []line
	for _, s := range d.sections {
		if len(lines) > 0 {
			lines = append(lines, line{})
		}
		lines = append(lines, line{desc: s.title, head: true})
		for _, k := range s.keys {
			if k.Enabled() {
				lines = append(lines, line{key: k.Help().Key, desc: k.Help().Desc})
			}
		}
	}
	bw, bh := min(w, 46), min(h, len(lines)+2)
	note := d.page.fit(len(lines), bh-2)
	c := widget.NewCanvas(t, bw-2, bh-2)
	for i := range d.page.rows {
		l := lines[d.page.off+i]
		if l.head {
			c.Text(2, i, bw-5, widget.Bold, l.desc)
			continue
		}
		c.Text(4, i, 12, widget.Bold, l.key)
		c.Text(17, i, bw-20, widget.Plain, l.desc)
	}
	return widget.Box(t, bw, bh, true, "help", note, c.String())
}
