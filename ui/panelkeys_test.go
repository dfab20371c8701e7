package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// helps are keys as the last row has them.
func helps(keys []key.Binding) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Help().Key+" "+k.Help().Desc)
	}
	return strings.Join(all, "; ")
}

// shown gives a panel's model at a size without colour.
func shown(t *testing.T, name string, w, h int) *Model {
	t.Helper()
	i := slices.IndexFunc(panels, func(p panel) bool { return p.name == name })
	return panels[i].come(t, looks["none"], w, h)
}

// The last row says what the keys do to what has the focus.
func TestPanelsSayTheirKeys(t *testing.T) {
	for name, want := range map[string]string{
		"last":       "tab next; enter cancel; esc close; letters type the name",
		"named":      "tab next; enter restart; esc close",
		"unnamed":    "enter next field; shift-tab back; esc close",
		"cancel":     "tab next; enter keep it; esc close",
		"cancel-job": "tab next; enter let it go on; esc close",
		"loading":    "esc hide; C cancel job; l its logs",
		"done":       "esc close; l its logs",
		"failed":     "esc close; R restart; U end the drain; l its logs",
		"explained":  "esc close; y copy; O cancel all of its org; l its logs",
		"help":       "esc close",
	} {
		m := shown(t, name, 80, 24)
		if got := helps(m.dialogs[len(m.dialogs)-1].bindings()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	m := shown(t, "explained", 80, 12)
	if got := helps(m.dialogs[0].bindings()); !strings.Contains(got, "up/k up; down/j down") {
		t.Errorf("of more than fits: %s", got)
	}
}

// What an impact tells is so now, however long the sheet is open.
func TestImpactStaysTrue(t *testing.T) {
	for _, name := range []string{"last", "drain"} {
		m := shown(t, name, 120, 40)
		if s := content(m); !strings.Contains(s, "6: globex 2") {
			t.Fatalf("%s:\n%s", name, s)
		}
		p := *m.data.Pool
		p.Backends = slices.Clone(p.Backends)
		p.Backends[1].Replicas = slices.Clone(p.Backends[1].Replicas)
		p.Backends[1].Replicas[0].InFlight = 5
		m.opts.Pool.(*fixedPool).s = &p
		m.Update(tick{})
		if s := content(m); !strings.Contains(s, "5: globex 2") {
			t.Errorf("%s: it tells what was:\n%s", name, s)
		}
	}
}

// Where there is no room what is worst is told, and that there is more.
func TestImpactInLittleRoom(t *testing.T) {
	m := shown(t, "last", 60, 9)
	s := content(m)
	if !strings.Contains(s, "■ left after  0 of 1 replica: the model") || !strings.Contains(s, "…") || !strings.Contains(s, "> Cancel <") || !strings.Contains(s, "type chat to confirm") {
		t.Errorf("%s", s)
	}
	m = shown(t, "impact", 80, 10)
	if s := content(m); strings.Contains(s, "■ left after") || !strings.Contains(s, "12: acme 2") || strings.Contains(s, "vllm-chat-0 on gpu") {
		t.Errorf("%s", s)
	}
	m = shown(t, "grant", 80, 7) // with the second of five fields chosen
	for _, label := range []string{"tokens", "requests", "until", "reason"} {
		if s := content(m); !strings.Contains(s, "▸ "+label) || !strings.Contains(s, "Cancel") {
			t.Errorf("what has the focus is not in sight:\n%s", s)
		}
		do(m, "tab")
	}
}

// Of several backends only those are marked that would be left with none.
func TestImpactMarksTheGrave(t *testing.T) {
	f := &form{facts: []pane.Fact{{Label: "left after", Text: "chat 10 of 12 replicas"}, {Label: "left after", Text: "text2sql 0 of 1 replica", Grave: true}, {Label: "queued", Text: "0 of 3"}}}
	th := widget.NewTheme(looks["none"])
	var got []bool
	for _, l := range f.told(th, 60) {
		got = append(got, l.grade == tellGrave && l.mark == th.Bad)
	}
	if !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("marked are %v", got)
	}
}

// Until it is known what would come of it nothing can be done, and that is told in
// every look.
func TestLooking(t *testing.T) {
	p := panel{"looking", func() pane.Data { return hung(1) }, []string{"!"}, false}
	m := p.come(t, looks["ascii"], 80, 24)
	do(m, "esc", "3", "down", "down")
	m.Update(press("R")) // and nothing comes of it yet
	f := m.dialogs[0].(*form)
	s := content(m)
	onlyASCII(t, s)
	if f.ready() || !strings.Contains(s, "looking what would come of it ~") {
		t.Errorf("it is ready:\n%s", s)
	}
	do(m, "tab", "enter")
	if s := content(m); !strings.Contains(s, "X still looking what would come of it") {
		t.Errorf("it was done unseen:\n%s", s)
	}
}

// A name that is typed is told to be right or wrong before it matters, and from a
// button a key that takes a letter back does that too.
func TestNameThatIsTyped(t *testing.T) {
	m := shown(t, "last", 80, 24)
	for _, of := range []struct{ typed, want, not string }{
		{"ch", "[ ch", "■ not its name"},
		{"x", "■ not its name", "● right"},
	} {
		spell(m, of.typed)
		if s := content(m); !strings.Contains(s, of.want) || strings.Contains(s, of.not) {
			t.Errorf("%q:\n%s", of.typed, s)
		}
	}
	do(m, "tab")
	m.Update(tea.KeyPressMsg{Code: tea.KeyBackspace})
	spell(m, "at")
	f := m.dialogs[0].(*form)
	if s := content(m); !strings.Contains(s, "● right") || !f.ready() {
		t.Errorf("chat is not right:\n%s", s)
	}
}

// Only where all that is drained hangs nothing is worth waiting for.
func TestStuck(t *testing.T) {
	for replicas, want := range map[int]bool{1: true, 3: false} {
		d := hung(replicas)
		if stuck(asked(d), d) != want {
			t.Errorf("of %d replicas: %v", replicas, !want)
		}
	}
	d := hung(1)
	parts := asked(d)
	parts[0].Steps = parts[0].Steps[2:]
	if stuck(parts, d) || stuck(nil, d) || stuck(asked(d), pane.Data{}) {
		t.Error("what isn't drained is stuck")
	}
}

// A job that failed leaves a replica out: the panel says so, and its keys act on
// that one; of a rolling restart its log is that which is shown.
func TestFailedJobCanBeHelped(t *testing.T) {
	roll := rollingJob()
	roll.State, roll.Ended = backends.Failed, night
	roll.Parts[1].State, roll.Parts[1].Ended, roll.Parts[1].Err = backends.Failed, night, "no room"
	roll.Parts[2].State = backends.Failed
	p := panel{"broken-roll", func() pane.Data { return during(roll, 3) }, []string{"J"}, false}
	for k, want := range map[string]string{"R": "restart http://chat-1:8000", "U": "end the drain of http://chat-1:8000", "l": ""} {
		m := p.come(t, looks["none"], 100, 30)
		if s := content(m); !strings.Contains(s, "▼ vllm-chat-1 stays out of work: R restarts it, U takes it in as it is") {
			t.Fatalf("nothing says what to do:\n%s", s)
		}
		do(m, k)
		switch {
		case k == "l":
			if s := content(m); m.at != atLogs || len(m.dialogs) > 0 || !strings.Contains(s, "vllm-chat-1") {
				t.Errorf("the log is another:\n%s", s)
			}
		case len(m.dialogs) != 1 || m.dialogs[0].(*form).title != want:
			t.Errorf("%s opens\n%s", k, content(m))
		}
	}
	// Of a backend with one replica it is the backend: its name is typed.
	m := shown(t, "failed", 100, 30)
	do(m, "R")
	if f := m.dialogs[0].(*form); f.title != "restart chat" {
		t.Errorf("R opens %s", f.title)
	}
	m = p.come(t, looks["none"], 100, 30)
	m.opts.Seat = seat(desk.Operator{Name: "eve", Role: desk.Viewer})
	if s := helps(m.dialogs[0].bindings()); s != "esc close; l its logs" || strings.Contains(alone(t, m), "restarts it") {
		t.Errorf("a viewer is offered %s", s)
	}
	// Somebody else has it out by now: that is not the job's to mend.
	m = p.come(t, looks["none"], 100, 30)
	r := &m.opts.Pool.(*fixedPool).s.Backends[1].Replicas[1]
	r.Drained = &backends.Drained{At: night, By: "bo"}
	m.Update(tick{})
	do(m, "R", "U")
	if s := helps(m.dialogs[0].bindings()); len(m.dialogs) != 1 || strings.Contains(content(m), "stays out") || s != "esc close; l its logs" {
		t.Errorf("it is offered where it doesn't help: %s\n%s", s, content(m))
	}
}

// The log is of the container that the job is at, then of one that did not come up,
// then of the last one.
func TestLogOfAJob(t *testing.T) {
	part := func(name string, s backends.JobState, past ...backends.Step) backends.Part {
		p := chatPart(past...)
		p.Container, p.State = name, s
		return p
	}
	begun := stepsOf(time.Minute, 1)
	for want, parts := range map[string][]backends.Part{
		"runs":   {part("failed", backends.Failed, begun...), part("runs", backends.Running, begun...), part("done", backends.Done, begun...)},
		"failed": {part("failed", backends.Failed, begun...), part("done", backends.Done, begun...), part("spared", backends.Failed)},
		"second": {part("first", backends.Done, begun...), part("second", backends.Done, begun...), part("idle", backends.Done)},
		"":       {part("", backends.Running, begun...)},
	} {
		if got := (&jobDialog{}).container(&backends.Job{Parts: parts}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Whoever looks at a job sees whom it keeps waiting.
func TestJobTellsWhoWaits(t *testing.T) {
	m := shown(t, "loading", 100, 30)
	if s := content(m); !strings.Contains(s, "▲ 4 requests wait for chat, the oldest for 30 s") {
		t.Errorf("%s", s)
	}
	q := m.data.Gateway.Queues["chat"]
	q.Waiting = 1
	m.data.Gateway.Queues["chat"] = q
	if s := alone(t, m); !strings.Contains(s, "1 request waits for chat") {
		t.Errorf("%s", s)
	}
	delete(m.data.Gateway.Queues, "chat")
	if s := alone(t, m); strings.Contains(s, "wait") {
		t.Errorf("%s", s)
	}
}

// The panel of a job keeps its size when there is less to say, and not a size that
// the screen hasn't.
func TestJobPanelDoesNotJump(t *testing.T) {
	m := shown(t, "loading", 100, 30)
	top := func() int {
		return slices.IndexFunc(strings.Split(content(m), "\n"), func(l string) bool { return strings.Contains(l, "▸restart chat") })
	}
	before := top()
	delete(m.data.Gateway.Queues, "chat")
	m.Update(press("x"))
	if after := top(); after != before || strings.Contains(content(m), "4 requests wait") {
		t.Errorf("it went from line %d to %d:\n%s", before, after, content(m))
	}
	m.Update(tea.WindowSizeMsg{Width: 60, Height: 8})
	shape(t, m.View().Content, 60, 8)
	alone(t, m)
}

// The dialog that cancels a job says what becomes of the container at each step.
func TestAfterCancel(t *testing.T) {
	down := chatJob(under(1, time.Second, ""))
	down.Action = backends.ActDown
	image := chatJob(backends.Step{Name: backends.StepImage, Began: night})
	for name, of := range map[string]struct {
		j    backends.Job
		want string
	}{
		"drain":   {drainingJob(), "Nothing was done to vllm-chat yet: it takes work again at once."},
		"image":   {image, "Nothing was done to vllm-chat yet."},
		"stop":    {chatJob(under(1, time.Second, "")), "vllm-chat is started all the same, and takes work when its health check succeeds."},
		"down":    {down, "vllm-chat is stopped all the same."},
		"load":    {loadingJob(), "vllm-chat takes work when its health check succeeds."},
		"rolling": {rollingJob(), "vllm-chat-1 takes work when its health check succeeds. Those whose turn is to come are left alone."},
		"between": {chatJob(stepsOf(time.Second, 1)...), "It ends at its next step."},
	} {
		if got := afterCancel(&of.j); got != of.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
