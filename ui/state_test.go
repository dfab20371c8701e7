package ui

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/ui/desk"
	"pilothouse/ui/past"
)

// Who comes back finds the screen as it was: the view, its filter and order, and
// what was being typed.
func TestComeBack(t *testing.T) {
	d := desk.New(desk.Platform{}, desk.Options{Now: func() time.Time { return night }})
	o := with(calm())
	o.Seat = d.Seat(desk.Operator{Name: "ana", Role: desk.Hand})
	m := sized(o, 120, 40)
	do(m, "4", "s", "/")
	spell(m, "globex")
	do(m, "enter", "5", "4", "f", "/")
	spell(m, " ch")
	cut := content(m)
	m.close()

	o.Seat = d.Seat(desk.Operator{Name: "ana", Role: desk.Hand, From: "203.0.113.9"})
	again := sized(o, 120, 40)
	if s := content(again); !strings.Contains(s, "globex ch") || !again.full || again.at != atRequests || again.list().Sort() != 1 {
		t.Errorf("after the line was cut:\n%s\nbefore:\n%s", s, cut)
	}
	do(again, "enter")
	if f := again.list().Filter(); f != "globex ch" {
		t.Errorf("the filter is %q", f)
	}
	o.Seat = d.Seat(desk.Operator{Name: "bo", Role: desk.Hand})
	if m := sized(o, 120, 40); m.at != atOverview || m.filter != nil {
		t.Error("somebody else has ana's screen")
	}
}

func TestFilter(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	do(m, "4", "/")
	spell(m, "globex")
	s := content(m)
	if !strings.Contains(s, "/globex") || strings.Contains(s, "initech/ci") || !strings.Contains(s, "globex/web") {
		t.Fatalf("it doesn't filter while it is typed:\n%s", s)
	}
	do(m, "esc")
	if s := content(m); !strings.Contains(s, "initech/ci") {
		t.Errorf("esc doesn't clear it:\n%s", s)
	}
	do(m, "/")
	m.Update(tea.PasteMsg{Content: "acme\nrm -rf /"})
	do(m, "enter")
	if f := m.list().Filter(); f != "acme" {
		t.Errorf("pasted %q", f)
	}
	do(m, "q")
	if m.at != atOverview {
		t.Error("q doesn't go back")
	}
	do(m, "4", "esc")
	if m.list().Filter() != "" {
		t.Error("esc doesn't give the filter up")
	}
}

// Others see who is there, and what they are about to do.
func TestPresence(t *testing.T) {
	d := desk.New(desk.Platform{}, desk.Options{Now: func() time.Time { return night }})
	o := with(trouble())
	bo := d.Seat(desk.Operator{Name: "bo", Role: desk.Hand})
	defer bo.Enter(t.Context())()
	bo.Show("backends", "restart chat")
	o.Seat = d.Seat(desk.Operator{Name: "ana", Role: desk.Viewer})
	defer o.Seat.Enter(t.Context())()
	m := sized(o, 200, 60)
	if s := content(m); !strings.Contains(s, "ana viewer +1 bo: restart chat") {
		t.Errorf("nobody else is there:\n%s", strings.SplitN(s, "\n", 2)[0])
	}
	do(m, ":")
	spell(m, "attached")
	do(m, "enter")
	if s := content(m); !strings.Contains(s, "operator, from this host for 0 s, looks at backends, is about to restart chat") {
		t.Errorf("%s", s)
	}
	do(m, "esc", "5")
	if p := d.Present(); !slices.ContainsFunc(p, func(p desk.Presence) bool { return p.Name == "ana" && p.View == "quotas" }) {
		t.Errorf("others see %+v", p)
	}
}

// kept is a past that knows a frame a second.
type kept struct {
	s  *past.Snapshot
	at []time.Time // that were asked for
}

func (k *kept) Series(past.Metric, string, time.Time, time.Duration, int) []float64 { return nil }
func (k *kept) Snapshot() *past.Snapshot                                            { return k.s }
func (k *kept) At(t time.Time) (past.Moment, bool) {
	k.at = append(k.at, t)
	if t.Before(k.s.Oldest) {
		return past.Moment{}, false
	}
	d := trouble()
	d.Gateway = &gateway.Snapshot{At: t, InFlight: 77}
	return past.Moment{At: t, Gateway: d.Gateway, Pool: d.Pool, GPUs: d.GPUs, Past: k.s}, true
}

// All views go back together, nothing can be done there, and the way back is one
// key.
func TestRewind(t *testing.T) {
	o := with(calm())
	k := &kept{s: &past.Snapshot{At: night, Oldest: night.Add(-25 * time.Second)}}
	o.Past = k
	m := sized(o, 120, 40)
	do(m, ".")
	if m.data.Rewound {
		t.Error("there is no future")
	}
	do(m, ",", ",")
	s := content(m)
	if !strings.Contains(s, "REWOUND 20 s") || !strings.Contains(s, "03:12:24Z") || !strings.Contains(s, " 77 in flight") || !strings.Contains(s, "text2sql down") {
		t.Fatalf("not the moment that was asked for:\n%s", s)
	}
	do(m, ",")
	if s := content(m); !strings.Contains(s, "nothing older is kept") || !strings.Contains(s, "03:12:24Z") {
		t.Errorf("past the beginning:\n%s", s)
	}
	do(m, "R")
	if s := content(m); len(m.dialogs) > 0 || !strings.Contains(s, "you look at 03:12:24Z; 0 goes back to now") {
		t.Errorf("something can be done in the past:\n%s", s)
	}
	m.Update(tick{})
	if !strings.Contains(content(m), "03:12:24Z") {
		t.Error("a tick left the moment")
	}
	do(m, "0")
	if s := content(m); strings.Contains(s, "REWOUND") || !strings.Contains(s, "03:12:44Z") {
		t.Errorf("not back:\n%s", s)
	}
	do(m, ",", ".")
	if m.data.Rewound {
		t.Error("forth doesn't end at now")
	}
	o.Past = nil
	m = New(context.Background(), o)
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	do(m, ",")
	if !strings.Contains(content(m), "nothing of the past is kept here") {
		t.Error("nothing says that it can't")
	}
}

func TestViews(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	for i, name := range viewNames {
		do(m, string(rune('1'+i)))
		if m.now().name != name {
			t.Errorf("%d shows %s", i+1, m.now().name)
		}
		if i == atLogs {
			do(m, "q") // it has a use of its own for digits
		}
	}
	do(m, "1", "[")
	if m.at != atSQL {
		t.Errorf("[ shows %s", m.now().name)
	}
	do(m, "]")
	if m.at != atOverview {
		t.Errorf("] shows %s", m.now().name)
	}
}

// The mouse is off until it is asked for, so that text can be selected.
func TestMouse(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	if m.View().MouseMode != tea.MouseModeNone {
		t.Error("it is on")
	}
	do(m, "m")
	if m.View().MouseMode != tea.MouseModeCellMotion {
		t.Error("m doesn't turn it on")
	}
	var traffic slot
	for _, s := range m.slots {
		if s.pane == m.traffic {
			traffic = s
		}
	}
	m.Update(tea.MouseClickMsg{X: traffic.x + 3, Y: traffic.y + m.above() + 1, Button: tea.MouseLeft})
	if m.now().focus != m.traffic {
		t.Errorf("a click gave the focus to %s", focused(m))
	}
}
