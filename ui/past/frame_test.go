package past

import (
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gpu"
)

// heap is what is in use after a collection.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A day of a platform of 8 GPUs, 20 backends and 500 organisations fits, whole, and
// two take no more than one. PILOTHOUSE_DAY=1 lets them pass, which takes minutes;
// otherwise it is a third of an hour, and what a day comes to at its rate.
func TestDay(t *testing.T) {
	spell, spells := 1200, 1
	if os.Getenv("PILOTHOUSE_DAY") != "" {
		spell, spells = 3600, 48
	}
	span := time.Duration(spell*spells) * time.Second
	f := newPlant(8, 20, 500)
	mib := func(n int) float64 { return float64(n) / (1 << 20) }
	before, after := heap(), 0
	for range spells {
		f.run(spell)
		after = heap() - before
		t.Logf("after %v: heap %.1f MiB more; frames %.1f MiB: fine %.1f, coarse %.1f, books %.1f and %.1f; %d series; oldest %v ago", f.now.Sub(night), mib(after), mib(f.frames.bytes()),
			mib(f.frames.fine.size()), mib(f.frames.coarse.size()), mib(f.frames.fineBooks.size()), mib(f.frames.account.size()), len(f.series.all), f.now.Sub(f.Snapshot().Oldest))
	}
	passing := f.frames.fine.size() + f.frames.fineBooks.size()
	if day := passing + int(float64(f.frames.bytes()-passing)*coarseFor.Hours()/min(span, coarseFor).Hours()); day > budget {
		t.Errorf("frames of a day take %d bytes, more than %d", day, budget)
	}
	if after > budget+40<<20 {
		t.Errorf("the recorder takes %.1f MiB", mib(after))
	}
	want := min(span-time.Second, coarseFor)
	if got := f.now.Sub(f.Snapshot().Oldest); got < want || got > want+blockFrames*coarseEvery {
		t.Errorf("time goes back %v, want %v", got, want)
	}
	runtime.KeepAlive(f)
}

// Within a budget that does not suffice, the oldest go.
func TestBudget(t *testing.T) {
	f := newPlant(8, 20, 500)
	f.frames.budget = 1 << 20
	f.run(600)
	if n := f.frames.bytes(); n > 1<<20 || n < 1<<19 {
		t.Errorf("frames take %d bytes of 1 MiB", n)
	}
	m, ok := f.At(f.now)
	if !ok || !m.At.Equal(f.now) {
		t.Error("the newest frame is gone")
	}
	if _, ok := f.At(night.Add(time.Minute)); ok {
		t.Error("the oldest frame is still there")
	}
	if m, ok := f.At(f.Snapshot().Oldest); !ok || !m.At.Equal(f.Snapshot().Oldest) {
		t.Error("the oldest moment of the snapshot is not there")
	}
}

// A moment has what was published then: graphs, events and books end with it.
func TestAt(t *testing.T) {
	f := newPlant(2, 3, 4)
	if _, ok := f.At(night); ok {
		t.Error("something is known before the first look")
	}
	f.run(300)
	then, g, u, p := f.now, f.g.s, f.u.s, f.p.s
	quotas := f.books.quotas
	f.run(1500) // 25 minutes later
	late := f.now
	gs := f.g.s
	f.run(40)

	m, ok := f.At(late.Add(400 * time.Millisecond))
	if !ok || !m.At.Equal(late) {
		t.Fatalf("found %v, want %v", m.At, late)
	}
	if !reflect.DeepEqual(m.Gateway.History, gs.History) {
		t.Error("the gateway's history is not what it was 40 s ago")
	}
	if n := len(m.Gateway.Recent); n != fineRecords || m.Gateway.Recent[0] != gs.Recent[0] {
		t.Errorf("%d requests, and not those of then", n)
	}
	if m, ok = f.At(then.Add(9 * time.Second)); !ok || then.Sub(m.At) > coarseEvery || m.At.After(then.Add(9*time.Second)) {
		t.Fatalf("found %v, want %v", m.At, then)
	}
	if back := f.now.Sub(m.At); back < 15*time.Minute {
		t.Fatalf("%v ago is not long ago", back)
	}
	n := len(m.Gateway.History)
	if n == 0 || m.Gateway.History[n-1].Requests != seconds(m.At.Sub(night)) {
		t.Errorf("the history ends with %+v, want that of its moment", m.Gateway.History[n-1])
	}
	if len(m.Gateway.Recent) != plainRecords || m.Gateway.Listen != g.Listen {
		t.Errorf("%d requests on %s", len(m.Gateway.Recent), m.Gateway.Listen)
	}
	if got, want := m.Pool.Backends[1].Replicas[0].URL, p.Backends[1].Replicas[0].URL; got != want {
		t.Errorf("replica %s, want %s", got, want)
	}
	if got := m.GPUs.GPUs[1]; got.UUID != u.GPUs[1].UUID || got.Util.At().After(m.At) {
		t.Errorf("device %s, read %v", got.UUID, got.Util.At())
	}
	if m.Past.QuotasAt.After(m.At) || m.At.Sub(m.Past.QuotasAt) > booksEvery+readEvery || len(m.Past.Quotas) != len(quotas) {
		t.Errorf("quotas of %v", m.Past.QuotasAt)
	}
	if m.Past.Oldest != f.Snapshot().Oldest {
		t.Error("the oldest moment is another one")
	}
	if _, ok := f.At(night); ok {
		t.Error("something is known of before the beginning")
	}
	a, _ := f.At(then)
	b, _ := f.At(then)
	if a.Pool.Backends[0].Replicas[0].Engine != b.Pool.Backends[0].Replicas[0].Engine {
		t.Error("a moment that was looked at is read anew")
	}
}

// Histories of devices end at the moment: seconds where they are still there, else
// the mean of their ten; and they stay when their device has gone.
func TestAtDevices(t *testing.T) {
	f := newPlant(1, 1, 0).run(2000)
	check := func(ago time.Duration, exact int) {
		t.Helper()
		m, ok := f.At(f.now.Add(-ago))
		if !ok {
			t.Fatalf("nothing is known of %v ago", ago)
		}
		d := &m.GPUs.GPUs[0]
		end := seconds(m.At.Sub(night)) // the plant's tick
		if len(d.History) != keptShort {
			t.Fatalf("%d seconds of history, %v ago", len(d.History), ago)
		}
		for k := range exact {
			if got := d.History[keptShort-1-k].Util; got != float32((end-k)%100) {
				t.Fatalf("%d s before a moment %v ago: %v, want %v", k, ago, got, (end-k)%100)
			}
		}
		for k := exact; k < keptShort; k++ {
			// The mean of ten seconds is called after the last of them.
			if got, want := d.History[keptShort-1-k].Util, float32((end-k+9)/10*10); got != want {
				t.Fatalf("%d s before a moment %v ago: %v, want the mean of its ten, %v", k, ago, got, want)
			}
		}
		if got, want := d.LongAt, m.At.Add(-time.Duration(end%10)*time.Second); !got.Equal(want) || d.Long[len(d.Long)-1].Util != float32(end/10*10) {
			t.Errorf("the long history ends %v with %v, want %v", got, d.Long[len(d.Long)-1].Util, want)
		}
	}
	check(0, keptShort)
	check(60*time.Second, keptShort-60)
	check(950*time.Second, 0)
	last := f.now
	f.cards = nil
	f.run(5)
	if m, ok := f.At(last); !ok || len(m.GPUs.GPUs) != 1 || len(m.GPUs.GPUs[0].History) != keptShort {
		t.Error("the history of a device that has gone went with it")
	}
}

// What is over is as it is: jobs that had ended by then, events of devices.
func TestAtJobs(t *testing.T) {
	f := newPlant(1, 1, 0).run(10)
	job := backends.Job{ID: 7, Action: backends.ActRestart, Names: []string{"model-00"}, Author: "ana", Began: f.now, State: backends.Running}
	xid := gpu.XID{At: f.now, Last: f.now.Add(20 * time.Second), Count: 3, Code: 79}
	began := f.now
	show := func(j backends.Job) {
		f.now = f.now.Add(time.Second)
		f.tick++
		f.gateway()
		f.pool()
		f.devices()
		f.p.s.Jobs = []backends.Job{j}
		f.u.s.Events = []gpu.XID{xid}
		f.step(f.now)
	}
	show(job)
	job.State, job.Ended = backends.Done, f.now.Add(time.Second)
	show(job)
	for _, tt := range []struct {
		at   time.Time
		jobs int
		xids int
	}{{began.Add(-time.Second), 0, 0}, {began.Add(time.Second), 1, 1}, {f.now, 1, 1}} {
		m, ok := f.At(tt.at)
		if !ok || len(m.Pool.Jobs) != tt.jobs || len(m.GPUs.Events) != tt.xids {
			t.Fatalf("%v: jobs %+v, events %+v", tt.at, m.Pool.Jobs, m.GPUs.Events)
		}
		if tt.jobs > 0 && (m.Pool.Jobs[0].State == backends.Running) != (tt.at.Before(f.now)) {
			t.Errorf("%v: the job is %s", tt.at, m.Pool.Jobs[0].State)
		}
		if tt.xids > 0 && m.GPUs.Events[0].Last.After(tt.at) {
			t.Errorf("%v: an event was told last at %v", tt.at, m.GPUs.Events[0].Last)
		}
	}
}

// A clock that is set back loses what was later, and nothing else; once more, too.
func TestAtSetBack(t *testing.T) {
	f := newPlant(1, 2, 2).run(300)
	for _, by := range []time.Duration{2 * time.Minute, 5 * time.Second} {
		f.now = f.now.Add(-by)
		back, ids := f.now, map[time.Time]string{}
		for range 100 {
			f.second()
			ids[f.now] = f.g.s.Recent[0].ID
		}
		for when, id := range ids {
			if m, ok := f.At(when); !ok || !m.At.Equal(when) || m.Gateway.Recent[0].ID != id {
				t.Errorf("at %v: found %v, or what was before time was set back", when, m.At)
			}
		}
		if m, ok := f.At(back.Add(-time.Minute)); !ok || back.Sub(m.At) > time.Minute+coarseEvery {
			t.Errorf("found %v of before, at %v", m.At, back)
		}
		if s := f.Series(Requests, "", f.now, time.Second, 1); !same64(s[0], f.g.s.Now.Requests) {
			t.Error("series don't go on")
		}
	}
}

// One look.
func BenchmarkStep(b *testing.B) {
	f := newPlant(8, 20, 500).run(1000)
	var all []look
	for range 64 { // so that making snapshots is not measured
		f.run(1)
		all = append(all, *f.latest.Load())
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l := all[i%len(all)]
		f.now = f.now.Add(time.Second)
		g, p, u := *l.gateway, *l.pool, *l.gpus
		g.At, p.At, u.At = f.now, f.now, f.now
		f.g.s, f.p.s, f.u.s = &g, &p, &u
		f.Recorder.books.Store(l.books)
		f.step(f.now)
	}
}

// One look back, at a moment that nobody looked at before.
func BenchmarkAt(b *testing.B) {
	f := newPlant(8, 20, 500).run(1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.At(f.now.Add(-time.Duration(i*31%850) * time.Second))
	}
}
