package past

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pilothouse/backends"
)

var none = math.NaN()

// at is a moment, so many seconds after one that all steps begin at.
func at(sec int) time.Time { return time.Unix(1_800_000_000+int64(sec), 0) }

func recorded(values map[int]float64, upto int) *Recorder {
	r := New(Sources{}, Options{})
	for sec := range upto + 1 {
		if v, ok := values[sec]; ok {
			r.series.add(at(sec).Unix(), []value{{name{Tokens, "chat"}, v}})
		}
	}
	return r
}

// Samples are means of spans that begin at whole multiples of the step, cut at the
// end; nothing is made up where nothing is known, but for one second that was missed.
func TestSeries(t *testing.T) {
	values := map[int]float64{}
	for sec := range 60 {
		values[sec] = float64(sec)
	}
	delete(values, 41)
	for sec := 45; sec < 50; sec++ {
		delete(values, sec)
	}
	r := recorded(values, 59)
	for _, tt := range []struct {
		what string
		end  int
		step time.Duration
		n    int
		want []float64
	}{
		{"seconds", 59, time.Second, 3, []float64{57, 58, 59}},
		{"a part of one is none", 59, time.Second / 3, 2, []float64{58, 59}},
		{"the one after stands in for one that was missed", 43, time.Second, 4, []float64{40, 42, 42, 43}},
		{"more are not known", 50, time.Second, 7, []float64{44, none, none, none, none, none, 50}},
		{"fives, cut at the end", 57, 5 * time.Second, 3, []float64{none, 52, 56}},
		{"fives a second on", 58, 5 * time.Second, 3, []float64{none, 52, 56.5}},
		{"tens", 59, 10 * time.Second, 3, []float64{34.5, 42.2, 54.5}},
		{"before the beginning", 9, 10 * time.Second, 3, []float64{none, none, 4.5}},
		{"fifteens out of tens", 59, 15 * time.Second, 2, []float64{(34.5*10 + 42.2*5) / 15, (42.2*5 + 54.5*10) / 15}},
		{"after the end", 61, time.Second, 3, []float64{59, none, none}},
		{"none", 59, time.Second, 0, nil},
	} {
		wantSeries(t, tt.what, r.Series(Tokens, "chat", at(tt.end), tt.step, tt.n), tt.want)
	}
	wantSeries(t, "another", r.Series(Tokens, "sql", at(59), time.Second, 2), []float64{none, none})
	wantSeries(t, "another metric", r.Series(Errors, "chat", at(59), time.Second, 2), []float64{none, none})
	r.Series(Tokens, "chat", at(59), 1<<62, 3) // takes no time
}

// A picture moves on without changing its shape: what is not cut at the end stays.
func TestSeriesStands(t *testing.T) {
	values := map[int]float64{}
	for sec := range 400 {
		values[sec] = math.Mod(float64(sec*sec), 97)
	}
	r := recorded(values, 399)
	before := r.Series(Tokens, "chat", at(389), 10*time.Second, 20)
	after := r.Series(Tokens, "chat", at(399), 10*time.Second, 20)
	wantSeries(t, "ten seconds on", after[:19], before[1:])
}

// Seconds reach back 15 minutes and tens a day; what time set back makes double is
// forgotten.
func TestSeriesReach(t *testing.T) {
	r := New(Sources{}, Options{})
	add := func(sec int) { r.series.add(at(sec).Unix(), []value{{name{KV, "chat"}, float64(sec)}}) }
	const day = 24 * 60 * 60
	for sec := range day + 1000 {
		add(sec)
	}
	end := at(day + 999)
	s := r.Series(KV, "chat", end, time.Second, 1000)
	if !math.IsNaN(s[99]) || s[100] != float64(day+999-899) {
		t.Errorf("15 minutes begin with %v, %v", s[99], s[100])
	}
	s = r.Series(KV, "chat", end, 10*time.Second, 8700)
	if !math.IsNaN(s[59]) || math.IsNaN(s[60]) {
		t.Errorf("the day begins with %v, %v", s[59], s[60])
	}
	add(day + 900) // set back
	s = r.Series(KV, "chat", at(day+903), time.Second, 5)
	wantSeries(t, "set back", s, []float64{day + 899, day + 900, none, none, none})
	s = r.Series(KV, "chat", at(day+900), time.Second, 900) // its first 99 had been overwritten
	if !math.IsNaN(s[98]) || s[99] != day+100 {
		t.Errorf("behind what was set back there are %v, %v", s[98], s[99])
	}
}

// However many names come and go, there are so many series; one that gets values
// makes room for nobody.
func TestSeriesBounded(t *testing.T) {
	r := New(Sources{}, Options{})
	add := func(sec int, of string) { r.series.add(at(sec).Unix(), []value{{name{Spent, of}, 1}}) }
	for i := range mostSeries {
		add(i/100, fmt.Sprint(i)) // 0 to 10 s
	}
	add(11, "late")
	if n := len(r.series.all); n != mostSeries || r.series.all[name{Spent, "late"}] != nil {
		t.Errorf("%d series; a new one drove out one in use", n)
	}
	add(unusedFor, "late")
	if n := len(r.series.all); n != mostSeries || r.series.all[name{Spent, "late"}] == nil {
		t.Errorf("%d series; the one unused for longest made no room", n)
	}
	for sec := 61; sec <= 24*60*60+180; sec += 60 {
		add(sec-sec%60, "late")
	}
	if n := len(r.series.all); n != 1 {
		t.Errorf("%d series after a day without values, want 1", n)
	}
}

// Every metric is there, for the gateway and each backend; what is stale, or was
// never told, is not known.
func TestSamples(t *testing.T) {
	f := newPlant(0, 2, 3).run(130)
	last := func(m Metric, of string) float64 { return f.Series(m, of, f.now, time.Second, 1)[0] }
	g := f.g.s
	for m, want := range map[Metric]float64{Requests: g.Now.Requests, Tokens: g.Now.Tokens, Errors: 0, InFlight: float64(g.InFlight), Waiting: float64(g.Queues["model-00"].Waiting + g.Queues["model-01"].Waiting), FirstP95: none, KV: none} {
		wantSeries(t, "gateway's "+string(m), []float64{last(m, "")}, []float64{want})
	}
	r := g.Backends["model-01"]
	e := f.p.s.Backends[1].Replicas[0].Engine
	for m, want := range map[Metric]float64{Requests: r.Requests, Tokens: r.Tokens, InFlight: float64(r.InFlight), FirstP95: r.FirstP95.Seconds(),
		KV: e.KVUsage, Running: float64(e.Running), Waiting: float64(g.Queues["model-01"].Waiting), Spent: none} {
		wantSeries(t, "backend's "+string(m), []float64{last(m, "model-01")}, []float64{want})
	}
	pre := 0.0
	for _, v := range f.Series(Preempts, "model-01", f.now, time.Second, 120) {
		pre += v
	}
	if math.Abs(pre-2) > 0.01 { // its readings lie two seconds apart
		t.Errorf("%.2f preemptions in two minutes, want 2", pre)
	}
	wantSeries(t, "a quota", []float64{last(Spent, WindowName("org-002", "", "tokens_per_day"))}, []float64{57 * 130 * 3 / 30e6})
	if v := last(Spent, WindowName("org-002", "", "requests_per_month")); !math.IsNaN(v) {
		t.Errorf("a window without a limit is %v full", v)
	}
	f.now = f.now.Add(40 * time.Second) // nobody publishes anything
	f.step(f.now)
	for _, m := range []Metric{Requests, KV, Running, InFlight} {
		if v := last(m, "model-01"); !math.IsNaN(v) {
			t.Errorf("%s of a stale snapshot is %v", m, v)
		}
	}
}

// Preemptions are what an engine's count grew by, in the time between its readings.
// An engine that was started anew, or counts anew, has done none yet.
func TestPreemptions(t *testing.T) {
	s := sampler{preempts: map[replica]preempts{}}
	for i, tt := range []struct {
		sec, started int
		count        int64
		want         float64 // NaN: not known
	}{
		{0, 0, 40, none}, {2, 0, 46, 3}, {2, 0, 46, 3}, {7, 0, 46, 0}, {9, 8, 60, none}, {11, 8, 62, 1}, {13, 8, 5, none}, {15, 8, 6, .5}, {17, 8, -1, none},
	} {
		e := &backends.EngineStatus{At: at(tt.sec), Started: at(tt.started), Preemptions: tt.count}
		got, ok := s.preempted(replica{"chat", "http://chat"}, e)
		if !ok {
			got = none
		}
		if !same64(got, tt.want) {
			t.Errorf("reading %d: %v a second, want %v", i, got, tt.want)
		}
	}
	s.forget(&backends.Snapshot{})
	if len(s.preempts) != 0 {
		t.Error("a replica that is no more is remembered")
	}
}
