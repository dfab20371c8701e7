package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
)

// hands is a platform that notes what is done to it.
type hands struct {
	done  []string
	order backends.Order // the last one
	parts []backends.Part
	err   error
	there bool // the request that is to be cancelled
	snap  *gateway.Snapshot
}

func (h *hands) note(format string, args ...any) error {
	h.done = append(h.done, fmt.Sprintf(format, args...))
	return h.err
}

func (h *hands) Preview(context.Context, backends.Order) ([]backends.Part, error) {
	return h.parts, h.err
}

func (h *hands) Begin(_ context.Context, o backends.Order) (backends.Job, error) {
	h.order = o
	return backends.Job{ID: 7}, h.note("%s %v", o.Action, o.Names)
}

func (h *hands) Job(int) (backends.Job, bool) { return backends.Job{}, false }

func (h *hands) CancelJob(id int, by string) error { return h.note("cancel job %d by %s", id, by) }

func (h *hands) Drain(_ context.Context, o backends.Order) ([]string, error) {
	h.order = o
	return []string{"u"}, h.note("drain %v", o.Names)
}

func (h *hands) Undrain(_ context.Context, o backends.Order) ([]string, error) {
	h.order = o
	return []string{"u"}, h.note("undrain %v", o.Names)
}

func (h *hands) Logs(context.Context, string, backends.LogOptions, func(string, backends.LogLine)) error {
	return nil
}

func (h *hands) Snapshot() *gateway.Snapshot { return h.snap }

func (h *hands) CancelRequest(_ context.Context, id, by, reason string) (bool, error) {
	return h.there, h.note("cancel %s by %s: %s", id, by, reason)
}

func (h *hands) CancelOrg(_ context.Context, org, by, reason string) (int, error) {
	return 3, h.note("cancel all of %s by %s: %s", org, by, reason)
}

// acting is a dashboard on a bad night, at which somebody can do something.
func acting(t *testing.T, role desk.Role) (*Model, *hands) {
	t.Helper()
	h := &hands{there: true}
	d := trouble()
	h.snap = d.Gateway
	o := with(d)
	o.Seat = desk.New(desk.Platform{Jobs: h, Drains: h, Logs: h, Gateway: h}, desk.Options{Now: func() time.Time { return night }}).
		Seat(desk.Operator{Name: "ana", Role: role, From: "203.0.113.9"})
	m := sized(o, 120, 40)
	t.Cleanup(m.close)
	return m, h
}

// do presses keys, and takes in what comes of them.
func do(m *Model, keys ...string) {
	for _, k := range keys {
		_, cmd := m.Update(press(k))
		m.View()
		for cmd != nil {
			msg := cmd()
			if _, ok := msg.(answer); !ok {
				break
			}
			_, cmd = m.Update(msg)
			m.View()
		}
	}
}

// spell types a text.
func spell(m *Model, text string) {
	for _, r := range text {
		do(m, string(r))
	}
}

// Nothing is done before it was looked at, confirmed, and its name typed where
// that takes the last replica; then the order has who gave it, and why.
func TestRestart(t *testing.T) {
	m, h := acting(t, desk.Hand)
	h.parts = []backends.Part{{Backend: "text2sql", Replica: "http://text2sql:8000", Container: "vllm-text2sql", Steps: []backends.StepName{backends.StepDrain, backends.StepStop}}}
	do(m, "R")
	if s := content(m); !strings.Contains(s, "restart text2sql") || !strings.Contains(s, "> Cancel <") {
		t.Fatalf("no form with Cancel chosen:\n%s", s)
	}
	do(m, "enter")
	if len(h.done) > 0 || len(m.dialogs) > 0 {
		t.Fatalf("Cancel did %v", h.done)
	}
	do(m, "R", "tab", "enter") // without the name
	if s := content(m); len(h.done) > 0 || !strings.Contains(s, "type text2sql to go on") {
		t.Fatalf("the last replica was restarted without its name: %v\n%s", h.done, s)
	}
	do(m, "tab") // to Cancel: what is typed there is the name all the same
	spell(m, "text2sql")
	if s := content(m); !strings.Contains(s, "[ text2sql") {
		t.Fatalf("the letters went elsewhere:\n%s", s)
	}
	do(m, "shift+tab")
	spell(m, "hung q9")
	do(m, "shift+tab")
	spell(m, "45s")
	do(m, "tab", "tab", "tab", "tab", "enter")
	if len(h.done) != 1 || h.done[0] != "restart [text2sql]" {
		t.Fatalf("done is %v", h.done)
	}
	if o := h.order; o.Author != "ana from 203.0.113.9" || o.Reason != "hung q9" || o.Drain != 45*time.Second || !o.Last {
		t.Errorf("the order is %+v", o)
	}
	if _, ok := m.dialogs[0].(*jobDialog); !ok {
		t.Error("its progress is not shown")
	}
}

func TestRestartThatIsRefused(t *testing.T) {
	m, h := acting(t, desk.Hand)
	h.err = errors.New("docker has gone away")
	do(m, "R")
	if s := content(m); !strings.Contains(s, "docker has gone away") {
		t.Errorf("nothing says why not:\n%s", s)
	}
	do(m, "tab", "enter")
	if len(h.done) > 0 {
		t.Errorf("it was done all the same: %v", h.done)
	}
}

// What comes after its form was closed matters to nobody.
func TestLateAnswer(t *testing.T) {
	m, _ := acting(t, desk.Hand)
	_, cmd := m.Update(press("R"))
	m.Update(press("esc"))
	m.Update(press("D"))
	before := content(m)
	m.Update(cmd())
	if content(m) != before {
		t.Error("the answer went to another form")
	}
}

func TestRoles(t *testing.T) {
	m, h := acting(t, desk.Viewer)
	for _, k := range []string{"R", "D", "U", "X", "O", "C", "T", "V", "S"} {
		do(m, k)
		if len(m.dialogs) > 0 || !strings.Contains(content(m), "yours is viewer") {
			t.Errorf("%s:\n%s", k, content(m))
		}
	}
	do(m, ":")
	if s := content(m); !strings.Contains(s, "needs the role operator, and yours is viewer") {
		t.Errorf("the palette doesn't say why:\n%s", s)
	}
	spell(m, "restart")
	do(m, "enter")
	if len(h.done) > 0 {
		t.Errorf("a viewer did %v", h.done)
	}
	do(m, "esc")
	if s := content(m); !strings.Contains(s, "R restart: operators only") {
		t.Errorf("nothing says who may:\n%s", s)
	}
}

func TestDrain(t *testing.T) {
	m, h := acting(t, desk.Hand)
	do(m, "D", "tab", "enter")
	if len(h.done) > 0 {
		t.Fatal("the last replica was drained without its name")
	}
	spell(m, "text2sql")
	do(m, "tab", "tab", "enter")
	if len(h.done) != 1 || h.done[0] != "drain [text2sql]" || h.order.Author != "ana from 203.0.113.9" || !h.order.Last {
		t.Fatalf("%v, %+v", h.done, h.order)
	}
	if s := content(m); !strings.Contains(s, "1 replica of text2sql drained; U ends that") {
		t.Errorf("no outcome:\n%s", s)
	}
	do(m, "U")
	if s := content(m); len(m.dialogs) > 0 || !strings.Contains(s, "end the drain: nothing is drained") {
		t.Fatalf("the drain of nothing is to be ended:\n%s", s)
	}
	r := &m.opts.Pool.(*fixedPool).s.Backends[0].Replicas[0]
	r.State, r.Drained = backends.Draining, &backends.Drained{At: night, By: "ana"}
	m.refresh()
	do(m, "D")
	if s := content(m); len(m.dialogs) > 0 || !strings.Contains(s, "drain: it is drained already") {
		t.Fatalf("it is to be drained twice:\n%s", s)
	}
	do(m, "U", "tab", "enter")
	if len(h.done) != 2 || h.done[1] != "undrain [text2sql]" {
		t.Errorf("%v", h.done)
	}
}

func TestCancel(t *testing.T) {
	m, h := acting(t, desk.Hand)
	m.data.Gateway.InFlight = len(m.data.Gateway.Live)
	do(m, "4", "down", "X", "tab", "enter")
	id := m.data.Gateway.Live[0].ID
	if len(h.done) != 1 || h.done[0] != "cancel "+id+" by ana from 203.0.113.9: " {
		t.Fatalf("%v, want %s", h.done, id)
	}
	h.there = false
	do(m, "X", "tab", "enter")
	if s := content(m); !strings.Contains(s, "is not in flight any more") {
		t.Errorf("no outcome:\n%s", s)
	}
	for range 2 * len(m.data.Gateway.Live) {
		do(m, "down")
	}
	if s := content(m); strings.Contains(s, "X cancel request  ") || !strings.Contains(s, "O cancel all of its org") {
		t.Errorf("of one that has ended there is offered:\n%s", s)
	}
	do(m, "X")
	if s := content(m); len(m.dialogs) > 0 || !strings.Contains(s, "cancel request: it has ended") {
		t.Errorf("one that has ended can be cancelled:\n%s", s)
	}
	do(m, "g", "O", "tab", "enter")
	if len(h.done) != 2 {
		t.Fatalf("all of an organisation without its name: %v", h.done)
	}
	spell(m, "acme")
	do(m, "tab", "tab", "enter")
	if len(h.done) != 3 || h.done[2] != "cancel all of acme by ana from 203.0.113.9: " {
		t.Errorf("%v", h.done)
	}
}

func TestCancelJob(t *testing.T) {
	m, h := acting(t, desk.Hand)
	do(m, "C")
	if len(m.dialogs) > 0 || !strings.Contains(content(m), "no job is under way") {
		t.Error("a job that isn't there can be cancelled")
	}
	pool := *m.data.Pool
	pool.Jobs = []backends.Job{{ID: 7, Action: backends.ActRestart, Names: []string{"chat"}, Author: "bo", State: backends.Running, Began: night}}
	m.opts.Pool.(*fixedPool).s = &pool
	do(m, "ctrl+r", "J", "C", "tab", "enter")
	if len(h.done) != 1 || h.done[0] != "cancel job 7 by ana from 203.0.113.9" {
		t.Errorf("%v", h.done)
	}
}

// What is granted is read by the command of the same name; while it is wrong the
// form stays, with what it says.
func TestGrant(t *testing.T) {
	m, _ := acting(t, desk.Admin)
	var got []string
	m.opts.Command = func(_ context.Context, args []string, _, errOut io.Writer) int {
		got = args
		if strings.Contains(strings.Join(args, " "), "5M") {
			fmt.Fprintln(errOut, "acme has 5,000,000 more tokens a day.")
			return 0
		}
		fmt.Fprintln(errOut, `pilothouse: --tokens "no" is no whole number`)
		return 2
	}
	do(m, "4", "down", "T", "down", "down", "down") // over Cancel and the button to the first field, and the next
	spell(m, "no")
	do(m, "down", "down", "down", "down", "down", "enter")
	if s := content(m); len(m.dialogs) != 1 || !strings.Contains(s, "is no whole number") {
		t.Fatalf("%v\n%s", got, s)
	}
	do(m, "down", "down") // over the first field
	for range 2 {
		m.Update(tea.KeyPressMsg{Code: tea.KeyBackspace})
		m.Update(tea.KeyPressMsg{Code: tea.KeyDelete})
	}
	spell(m, "5M")
	do(m, "down", "down", "down", "down", "down", "enter")
	if s := content(m); len(m.dialogs) != 0 || !strings.Contains(s, "acme has 5,000,000 more") {
		t.Fatalf("%v\n%s", got, s)
	}
	if want := "grant --org=acme --window=day --until=12h --reason= --tokens=5M"; strings.Join(got, " ") != want {
		t.Errorf("ran %q, want %q", got, want)
	}
}

func TestIncident(t *testing.T) {
	m, _ := acting(t, desk.Hand)
	do(m, "S")
	if !strings.Contains(content(m), "nothing of the past is kept here") {
		t.Error("nothing says that it can't be")
	}
	m.opts.Save = func(_ context.Context, s *desk.Seat, at time.Time) (string, error) {
		return at.Format("/var/lib/pilothouse/incident-1504 by ") + s.Operator().Name, nil
	}
	do(m, "S")
	if !strings.Contains(content(m), "saved /var/lib/pilothouse/incident-0312 by ana") {
		t.Errorf("no outcome:\n%s", content(m))
	}
}

// The palette finds by a few letters, and acts on what was found.
func TestPalette(t *testing.T) {
	m, _ := acting(t, desk.Hand)
	do(m, ":")
	spell(m, "rstcht")
	if s := content(m); !strings.Contains(s, "restart chat") {
		t.Fatalf("not found:\n%s", s)
	}
	do(m, "enter")
	if s := content(m); len(m.dialogs) != 1 || !strings.Contains(s, "restart chat") {
		t.Errorf("not begun:\n%s", s)
	}
	do(m, "esc", ":")
	spell(m, "zzz")
	do(m, "enter")
	if s := content(m); !strings.Contains(s, "nothing is called so") {
		t.Errorf("found something:\n%s", s)
	}
	do(m, "esc", ":")
	spell(m, "quotas")
	do(m, "enter")
	if m.at != atQuotas {
		t.Errorf("the view is %s", m.now().name)
	}
}

// Every action and every key is in the palette.
func TestPaletteHasAll(t *testing.T) {
	m, _ := acting(t, desk.Admin)
	d := m.palette().(*paletteDialog)
	var names []string
	for _, c := range d.all {
		names = append(names, c.name)
	}
	all := strings.Join(names, "\n")
	for i := range actions {
		if !strings.Contains(all, actions[i].title()) {
			t.Errorf("no %s", actions[i].title())
		}
	}
	for _, b := range m.keys.global() {
		words := m.keys.words(b)
		if b.Enabled() && !slices.Contains(names, words) {
			t.Errorf("no %s", words)
		}
		if words == b.Help().Desc || len(strings.Fields(words)) < 3 {
			t.Errorf("%q doesn't say what happens", words)
		}
	}
}

// A finding's key acts on what it is about, and shows it.
func TestFindingActs(t *testing.T) {
	m, _ := acting(t, desk.Hand)
	if r := m.subject(); r != (pane.Ref{Kind: pane.RefBackend, Name: "text2sql"}) {
		t.Fatalf("keys act on %+v", r)
	}
	do(m, "!", "enter")
	if m.at != atBackends || m.list().Selected() != (pane.Ref{Kind: pane.RefBackend, Name: "text2sql"}) {
		t.Errorf("%s shows %+v", m.now().name, m.list().Selected())
	}
}
