package play

import (
	"fmt"
	"slices"
	"strconv"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/chat"
	"pilothouse/ui/widget"
)

// chatSetting is a line of the settings.
type chatSetting struct {
	label, value string
	command      string // that changes it, with its value
	ways         []string
}

// settingRows are the settings as they are.
func (c *Chat) settingRows() []chatSetting {
	s := c.settings()
	number := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'g', -1, 64)
	}
	var most, seed, stop string
	if s.MaxTokens != nil {
		most = strconv.Itoa(*s.MaxTokens)
	}
	if s.Seed != nil {
		seed = strconv.FormatInt(*s.Seed, 10)
	}
	if len(s.Stop) > 0 {
		stop = strconv.Quote(s.Stop[0])
	}
	rows := []chatSetting{
		{label: "model", value: s.Model, command: "/model ", ways: c.models()},
		{label: "target", value: targetOf(&s).String(), command: "/target ", ways: c.targetNames()},
		{label: "compared", value: comparedOf(&s), command: "/compare ", ways: append([]string{"off"}, c.replicas(s.Model)...)},
		{label: "system", value: s.System, command: "/system "},
		{label: "temperature", value: number(s.Temperature), command: "/set temperature "},
		{label: "top_p", value: number(s.TopP), command: "/set top_p "},
		{label: "max_tokens", value: most, command: "/set max_tokens "},
		{label: "seed", value: seed, command: "/set seed "},
		{label: "stop", value: stop, command: "/set stop "},
	}
	return rows
}

func targetOf(s *chat.Settings) chat.Target {
	if len(s.Targets) == 0 {
		return chat.Target{}
	}
	return s.Targets[0]
}

// comparedOf is what the gateway is compared with.
func comparedOf(s *chat.Settings) string {
	if len(s.Targets) < 2 {
		return "off"
	}
	return s.Targets[1].String()
}

// pressSettings takes a key in of the settings.
func (c *Chat) pressSettings(k tea.KeyPressMsg) {
	rows := c.settingRows()
	r := rows[c.setting]
	switch {
	case key.Matches(k, c.keys.Up):
		c.setting = max(0, c.setting-1)
	case key.Matches(k, c.keys.Down):
		c.setting = min(len(rows)-1, c.setting+1)
	case key.Matches(k, c.keys.Top):
		c.setting = 0
	case key.Matches(k, c.keys.Bottom):
		c.setting = len(rows) - 1
	case key.Matches(k, c.keys.Left, c.keys.Right) && len(r.ways) > 0:
		by := 1
		if key.Matches(k, c.keys.Left) {
			by = -1
		}
		at := max(slices.Index(r.ways, r.value), 0)
		to := r.ways[(at+by+len(r.ways))%len(r.ways)]
		if r.label == "compared" { // nothing is asked for that
			c.say("", c.change(func(s *chat.Settings) error {
				if s.Targets = nil; to != "off" {
					s.Targets = []chat.Target{{}, {Replica: to}}
				}
				return nil
			}))
			return
		}
		c.say("", c.command(r.command+to))
	case key.Matches(k, c.keys.Change):
		c.prompt(r.command + r.value)
	}
}

// drawSettings draws them, and the figures of the selected answer below, in w by h
// cells.
func (c *Chat) drawSettings(cv *widget.Canvas, x, y, w, h int) {
	c.caption(cv, x, y, w, "settings", c.part == chatSettings)
	row := 1
	for i, r := range c.settingRows() {
		if row >= h {
			return
		}
		st, value := widget.Plain, r.value
		if value == "" {
			st, value = widget.Muted, "default"
			if r.label == "system" || r.label == "stop" {
				value = "none"
			}
		}
		cv.Text(x, y+row, 12, widget.Muted, r.label)
		cv.Text(x+13, y+row, w-13, st, oneRow(value))
		if c.part == chatSettings && i == c.setting {
			cv.Mark(x, y+row, w, widget.Selected)
		}
		row++
	}
	_, a := c.selected()
	if row += 1; a == nil || row >= h {
		return
	}
	c.caption(cv, x, y+row, w, "answer "+strconv.Itoa(c.at+1), false)
	row++
	for _, f := range c.facts(a) {
		if row >= h {
			return
		}
		cv.Text(x, y+row, 12, widget.Muted, f.Label)
		cv.Text(x+13, y+row, w-13, widget.Plain, f.Text)
		row++
	}
	if b := c.snap.Burst; b != nil && row+1 < h {
		c.caption(cv, x, y+row+1, w, "burst", false)
		cv.Text(x, y+row+2, w, widget.Plain, burstLine(b))
	}
}

// oneRow is the first of a text's lines, with a mark where more come.
func oneRow(s string) string {
	for i := range len(s) {
		if s[i] == '\n' {
			return fmt.Sprintf("%s ...", s[:i])
		}
	}
	return s
}
