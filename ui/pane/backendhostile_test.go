package pane

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/past"
)

// backendShape checks that a picture has h lines of w cells, whichever way a
// terminal counts them, and holds nothing but text and colours.
func backendShape(t *testing.T, name, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%s: %d lines at %dx%d", name, len(lines), w, h)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("%s: line %d is %d or %d cells at %dx%d: %q", name, i, g, wc, w, h, l)
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%s: %U in line %d at %dx%d: %q", name, r, i, w, h, l)
			}
		}
	}
}

// backendNasty are names as an attacker would choose them.
var backendNasty = []string{
	"", "acme", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\u009b31m", "\x9b2J", "a\nb\r\nc\td", "\u202egnp.exe", "z\u200be\ufeffo", "東京都庁舎第一本庁舎", "e\u0301\u0302", "\u0301",
	"👩\u200d👩\u200d👧", "🇩🇪🇫🇷", "\xff\xfe", "\x00", "\u2028", strings.Repeat("長", 300), strings.Repeat("x", 5000), "─│╭", strings.Repeat("a\u0300", 50), "a \" b; \"c\\", "!x",
}

func newBackendDice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 11)) }

// wildTrends gives anything.
type wildTrends struct{ r *rand.Rand }

func (w wildTrends) Series(_ past.Metric, _ string, _ time.Time, _ time.Duration, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = wildNumber(w.r)
	}
	return s
}

func wildNumber(r *rand.Rand) float64 {
	return [...]float64{0, 0.1, 0.97, 99.97, 1e9, 1e300, math.Inf(1), math.NaN(), -1}[r.IntN(9)]
}

// hostileBackends is a platform of the worst that there may be.
func hostileBackends(r *rand.Rand) Data {
	name := func() string {
		return backendNasty[r.IntN(len(backendNasty))] + backendNasty[r.IntN(len(backendNasty))]
	}
	ago := func() time.Time { return backendNight.Add(-time.Duration(r.Int64N(1<<62) >> r.IntN(62))) }
	num := func() int { return int(r.Int64N(1<<40)>>r.IntN(40)) - 1 }
	d := Data{Now: backendNight}
	if r.IntN(12) == 0 {
		return d
	}
	if r.IntN(4) > 0 {
		d.Trends = wildTrends{r}
	}
	d.Pool = &backends.Snapshot{At: ago()}
	d.Gateway = &gateway.Snapshot{Backends: map[string]gateway.Rates{}, Queues: map[string]queue.Status{}}
	d.GPUs, d.Past = &gpu.Snapshot{At: ago()}, &past.Snapshot{}
	for range r.IntN(9) {
		b := backends.BackendStatus{Name: name(), Model: name(), MaxContext: num()}
		for range r.IntN(4) {
			x := backends.ReplicaStatus{URL: name(), State: backends.State(r.IntN(int(backends.Draining) + 1)), Reason: name(), Since: ago(), LastOK: ago(), Share: wildNumber(r), InFlight: num(), Booked: int64(num()), Capacity: int64(num()),
				Live: int64(num()), Requests: r.Uint64(), Failures: r.Uint64(), Sequences: int64(num()), Bound: int64(num())}
			if r.IntN(3) > 0 {
				x.Engine = &backends.EngineStatus{At: ago(), Started: ago(), Running: num(), Waiting: num(), Deferred: num(), KVUsage: wildNumber(r), KVTokens: int64(num()), Prompt: int64(num()), Preemptions: int64(num()), PrefixQueries: int64(num()), PrefixHits: int64(num()), Err: name()}
			}
			if r.IntN(3) > 0 {
				x.Container = &backends.ContainerStatus{Name: name(), ID: name(), Host: name(), State: name(), Words: name(), Image: name(), Started: ago(), At: ago(), Err: name(), Restarts: num(), Changes: []backends.Change{{Field: name(), Have: name(), Want: name()}}}
			}
			if r.IntN(3) == 0 {
				x.Drained = &backends.Drained{At: ago(), By: name(), Reason: name(), Job: r.IntN(3)}
			}
			if r.IntN(3) == 0 {
				d.Pool.Jobs = append(d.Pool.Jobs, hostileJob(r, b.Name, x.URL))
			}
			d.GPUs.GPUs = append(d.GPUs.GPUs, gpu.GPU{Index: num(), Host: name(), Name: name(), Serves: b.Name, At: ago(), State: gpu.State(r.IntN(int(gpu.Gone) + 1)), Sample: gpu.Sample{Util: gpu.Read(wildNumber(r), backendNight)}})
			d.Gateway.Live = append(d.Gateway.Live, gateway.Record{Org: name(), Backend: b.Name, Replica: x.URL, Phase: gateway.Phase(r.IntN(6)), Prompt: num(), Output: num()})
			b.Replicas = append(b.Replicas, x)
		}
		d.Gateway.Backends[b.Name] = gateway.Rates{Requests: wildNumber(r), Tokens: wildNumber(r), Errors: wildNumber(r), FirstP95: time.Duration(num())}
		d.Gateway.Queues[b.Name] = queue.Status{Waiting: num(), Oldest: time.Duration(num())}
		d.Past.Events = append(d.Past.Events, past.Event{At: ago(), Kind: past.KindJob, Object: b.Name, Text: name(), Grade: past.Grade(r.IntN(4))})
		d.Pool.Backends = append(d.Pool.Backends, b)
	}
	return d
}

// hostileJob is a job of a replica in any state, sound or not.
func hostileJob(r *rand.Rand, backend, url string) backends.Job {
	name := func() string { return backendNasty[r.IntN(len(backendNasty))] }
	states := [...]backends.JobState{"", backends.Running, backends.Done, backends.Failed, backends.Cancelled, backends.Interrupted}
	j := backends.Job{ID: r.IntN(3), Action: backends.Action(name()), Names: []string{name(), name()}, Author: name(), Began: nightAgo(time.Minute), State: states[r.IntN(len(states))], Cancelling: r.IntN(3) == 0, Err: name()}
	for range 1 + r.IntN(3) {
		p := backends.Part{Backend: backend, Replica: url, Container: name(), Why: name(), State: states[r.IntN(len(states))], Err: name()}
		if r.IntN(4) > 0 {
			p.Steps = restartSteps
			p.Past = append(pastSteps(time.Minute, 0, 4, 1)[:r.IntN(4)], backends.Step{Name: backends.StepLoad, Began: nightAgo(time.Second), Note: name() + `; its log's last line: "` + name()})
		}
		j.Parts = append(j.Parts, p)
	}
	return j
}
