package pane

import (
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// drawing is a pane that draws one thing.
type drawing struct {
	t    *widget.Theme
	draw func(*widget.Canvas)
}

func (drawing) Title() (string, string) { return "", "" }
func (drawing) Update(tea.Msg)          {}
func (drawing) Keys() []key.Binding     { return nil }
func (drawing) SetFocus(bool)           {}
func (d drawing) View(w, h int) string {
	c := widget.NewCanvas(d.t, w, h)
	d.draw(c)
	return c.String()
}

// endedJob is a job that came to its end while it loaded.
func endedJob(s backends.JobState, why string) backends.Job {
	j := restartJob()
	j.State, j.Err, j.Ended = s, why, backendNight
	p := &j.Parts[0]
	p.State, p.Err, p.Ended = s, why, backendNight
	if s == backends.Interrupted {
		p.Past = p.Past[:1]
		p.Past[0].Ended = time.Time{}
	}
	return j
}

// drainingJob is one that has just begun, and is being cancelled.
func drainingJob() backends.Job {
	j := restartJob()
	j.Cancelling, j.Began = true, nightAgo(6*time.Second)
	j.Parts[0].Past = []backends.Step{{Name: backends.StepDrain, Began: nightAgo(6 * time.Second), Note: "6 in flight, 24 s left"}}
	return j
}

// brokenRoll is a rolling restart of which the second replica did not come up.
func brokenRoll() backends.Job {
	j := rollingJob()
	j.State, j.Ended, j.Err = backends.Failed, backendNight, `its container exited with code 1; its log's last line: "CUDA out of memory"`
	p := &j.Parts[1]
	p.State, p.Ended, p.Err = backends.Failed, backendNight, j.Err
	return j
}

func upJob() backends.Job {
	j := rollingJob()
	j.Action, j.Names = backends.ActUp, nil
	j.Parts[0].Steps, j.Parts[0].Past, j.Parts[0].Why, j.Parts[0].State = nil, nil, "it runs", backends.Done
	return j
}

var jobNights = map[string]backends.Job{
	"loading": restartJob(), "rolling": rollingJob(), "draining": drainingJob(), "done": lastJob(), "up": upJob(), "broken-roll": brokenRoll(),
	"failed":    endedJob(backends.Failed, `its container exited with code 137: out of memory; its log's last line: "killed"`),
	"cancelled": endedJob(backends.Cancelled, ""), "interrupted": endedJob(backends.Interrupted, ""),
}

func TestJobGoldens(t *testing.T) {
	for name, j := range jobNights {
		goldens(t, "job-"+name, [][2]int{{66, 13}, {66, 4}, {96, 13}, {30, 8}}, func(th *widget.Theme) Pane {
			return drawing{th, func(c *widget.Canvas) { DrawJob(c, 0, 0, c.W, c.H, &j, backendNight, lastJob()) }}
		})
	}
}

func TestJobLine(t *testing.T) {
	for name, want := range map[string]string{
		"loading":     "restart chat by ana: loading 29 s, 41% of last time",
		"rolling":     "restart chat by ana, 1 of 3 done, vllm-chat-1: loading 29 s, 41% of last time",
		"draining":    "restart chat by ana: draining 6 s, 6 in flight, 24 s left, being cancelled",
		"done":        "restart chat by bo done after 2m10s",
		"failed":      `restart chat by ana failed after 34 s: its container exited with code 137: out of memory; its log's last line: "killed"`,
		"cancelled":   "restart chat by ana cancelled after 34 s",
		"interrupted": "restart chat by ana interrupted after 34 s",
		"up":          "up everything by ana, 0 of 2 done, vllm-chat-1: loading 29 s, 41% of last time",
	} {
		j := jobNights[name]
		if name == "done" {
			j.Ended = j.Began.Add(130 * time.Second)
		}
		if got := JobLine(&j, backendNight, lastJob()); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	j := restartJob()
	if got := JobTitle(&j, backendNight); got != "restart chat, by ana, 00:34" {
		t.Errorf("its title is %q", got)
	}
	if got := JobLine(&j, backendNight); !strings.HasSuffix(got, "loading 29 s, nothing listens at its address") {
		t.Errorf("without an earlier job: %q", got)
	}
	if got := JobLine(&j, backendNight.Add(time.Minute), lastJob()); !strings.HasSuffix(got, "longer than last time (70 s)") {
		t.Errorf("longer than the last time: %q", got)
	}
}

// The time of another replica of the same backend will do, that of the same one
// is better, and the newest of those.
func TestLastStep(t *testing.T) {
	part := func(url string, ago time.Duration, seconds int) backends.Job {
		return backends.Job{Parts: []backends.Part{{Backend: "chat", Replica: url, Past: []backends.Step{{Name: backends.StepLoad, Began: nightAgo(ago), Ended: nightAgo(ago).Add(time.Duration(seconds) * time.Second)}}}}}
	}
	of := &backends.Part{Backend: "chat", Replica: "a"}
	for name, tt := range map[string]struct {
		jobs []backends.Job
		want int
	}{
		"none":          {nil, 0},
		"another":       {[]backends.Job{part("b", time.Hour, 50)}, 50},
		"the same":      {[]backends.Job{part("b", time.Hour, 50), part("a", 9*time.Hour, 70)}, 70},
		"other order":   {[]backends.Job{part("a", 9*time.Hour, 70), part("b", time.Hour, 50)}, 70},
		"the newest":    {[]backends.Job{part("a", 9*time.Hour, 70), part("a", time.Hour, 60)}, 60},
		"not begun yet": {[]backends.Job{{Parts: []backends.Part{{Backend: "chat", Replica: "a"}}}}, 0},
	} {
		if got, ok := lastStep(tt.jobs, of, backends.StepLoad); got != time.Duration(tt.want)*time.Second || ok != (tt.want > 0) {
			t.Errorf("%s: %v, want %d s", name, got, tt.want)
		}
	}
}

// In little room what is under way, or what went wrong, stays.
func TestJobPanelInLittleRoom(t *testing.T) {
	draw := func(j backends.Job, h int) (string, int) {
		c := widget.NewCanvas(theme(), 66, 20)
		n := DrawJob(c, 0, 0, 66, h, &j, backendNight)
		return ansi.Strip(c.String()), n
	}
	if s, n := draw(rollingJob(), 1); n != 1 || !strings.Contains(s, "loading") {
		t.Errorf("%d rows:\n%s", n, s)
	}
	if s, n := draw(brokenRoll(), 2); n != 2 || !strings.Contains(s, "vllm-chat-1") || !strings.Contains(s, "exited with code 1") {
		t.Errorf("%d rows:\n%s", n, s)
	}
	if _, n := draw(rollingJob(), 0); n != 0 {
		t.Errorf("%d rows in none", n)
	}
}

func TestJobPanelKeepsItsShape(t *testing.T) {
	r := newBackendDice(3)
	for range 300 {
		j := hostileJob(r, "chat", "http://x")
		w, h := 1+r.IntN(100), 1+r.IntN(20)
		c := widget.NewCanvas(theme(), w, h)
		if n := DrawJob(c, 0, 0, w, h, &j, backendNight, j); n > h {
			t.Fatalf("%d rows in %d", n, h)
		}
		backendShape(t, "job", c.String(), w, h)
		_, _ = JobLine(&j, backendNight, j), JobTitle(&j, backendNight)
	}
}
