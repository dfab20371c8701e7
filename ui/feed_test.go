package ui

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
)

// container is a log that grows, and that can be away.
type container struct {
	mu      sync.Mutex
	lines   []backends.LogLine
	err     error // of readings that begin now
	broken  chan error
	deaf    bool // it doesn't hear that a reading is over
	free    chan struct{}
	asked   []backends.LogOptions
	reading int
	most    int // readings at once
}

func newContainer() *container {
	return &container{broken: make(chan error), free: make(chan struct{})}
}

func (c *container) write(texts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range texts {
		c.lines = append(c.lines, backends.LogLine{At: time.Now(), Stream: 1, Text: s})
	}
}

func (c *container) set(err error) { c.mu.Lock(); c.err = err; c.mu.Unlock() }

func (c *container) options() []backends.LogOptions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func (c *container) Logs(ctx context.Context, name string, o backends.LogOptions, each func(string, backends.LogLine)) error {
	c.mu.Lock()
	c.asked = append(c.asked, o)
	c.reading++
	c.most = max(c.most, c.reading)
	err, deaf, told := c.err, c.deaf, 0
	for told < len(c.lines) && c.lines[told].At.Before(o.Since) {
		told++
	}
	if o.Tail > 0 {
		told = max(told, len(c.lines)-o.Tail)
	}
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.reading--; c.mu.Unlock() }()
	if deaf {
		<-c.free
		each(name, backends.LogLine{At: time.Now(), Stream: 1, Text: "late"})
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	for {
		c.mu.Lock()
		lines := slices.Clone(c.lines[told:])
		told += len(lines)
		c.mu.Unlock()
		for _, l := range lines {
			if each(name, l); ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if !o.Follow {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case err := <-c.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// told is what a dashboard has been told, which takes all the time.
type told struct {
	f     *feed
	lines []string
	last  pane.LogBatch
	lost  int
}

// wait lets time pass, with a look four times a second.
func (d *told) wait(t time.Duration) {
	for end := time.Now().Add(t); time.Now().Before(end); {
		time.Sleep(250 * time.Millisecond)
		d.take()
	}
}

func (d *told) take() bool {
	synctest.Wait()
	b, ok := d.f.take()
	if !ok {
		return false
	}
	d.last = b
	d.lost += b.Dropped
	for _, l := range b.Lines {
		d.lines = append(d.lines, l.Text)
	}
	return true
}

func (d *told) want(t *testing.T, lines string) {
	t.Helper()
	if got := strings.Join(d.lines, " "); got != lines {
		t.Errorf("told %q, want %q", got, lines)
	}
}

// tail is a question as the logs pane asks it.
func tail(generation int) pane.LogQuery {
	return pane.LogQuery{Kind: pane.LogContainer, Source: "vllm", Lines: 3, Follow: true, Generation: generation}
}

// feeding runs a test with a feed, in a bubble whose goroutines must all have ended
// at its end.
func feeding(t *testing.T, run func(*testing.T, *container, *told)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newContainer()
		d := &told{f: newFeed(c, nil)}
		run(t, c, d)
		d.f.close()
		d.f.close()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.reading != 0 || c.most > 1 {
			t.Errorf("%d readings go on, %d were under way at once", c.reading, c.most)
		}
	})
}

func TestFeedFollows(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		c.write("a", "b", "c", "d")
		if d.take() {
			t.Error("told something that nobody asked for")
		}
		d.f.ask(tail(7))
		d.take()
		d.want(t, "b c d")
		if d.last.Generation != 7 || d.last.Done || d.last.Err != "" {
			t.Errorf("the answer is %+v", d.last)
		}
		if d.take() {
			t.Error("told twice")
		}
		time.Sleep(time.Second)
		c.write("e")
		d.wait(time.Second)
		d.f.ask(tail(7)) // the same again changes nothing
		d.wait(time.Second)
		d.want(t, "b c d e")
		if n := len(c.options()); n != 1 {
			t.Errorf("read %d times", n)
		}
	})
}

func TestFeedAnswersTheLastQuestion(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		c.write("a", "b", "c", "d")
		for i := range 50 {
			d.f.ask(tail(i + 1))
		}
		q := tail(100)
		q.Lines, q.Follow = 1, false
		d.f.ask(q)
		d.take()
		d.want(t, "d")
		if d.last.Generation != 100 || !d.last.Done {
			t.Errorf("the answer is %+v", d.last)
		}
	})
}

func TestFeedStopsAtTheHead(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		c.write("a", "b", "c", "d")
		q := tail(1)
		q.Head, q.Follow, q.Lines = true, false, 2
		d.f.ask(q)
		d.take()
		d.want(t, "a b")
		if o := c.options()[0]; !d.last.Done || o.Tail != 0 || o.Follow {
			t.Errorf("asked for %+v, told %+v", o, d.last)
		}
	})
}

// A screen that looks away and comes back misses nothing and hears nothing twice.
func TestFeedGoesOn(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		c.write("a", "b")
		d.f.ask(tail(1))
		d.take()
		d.f.ask(pane.LogQuery{})
		synctest.Wait()
		c.write("same time") // as b
		time.Sleep(time.Second)
		c.write("c", "d", "e", "f")
		if d.take() {
			t.Error("told what nobody wants to know now")
		}
		d.f.ask(tail(1))
		d.wait(time.Second)
		d.want(t, "a b same time c d e f")
	})
}

func TestFeedTriesAgain(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		began := time.Now()
		c.set(errors.New("can't be reached"))
		d.f.ask(tail(1))
		d.take()
		if d.last.Err != "can't be reached" || d.last.Done || !d.last.Retry.Equal(began.Add(time.Second)) {
			t.Errorf("told %+v", d.last)
		}
		d.wait(5 * time.Minute)
		// After 1, 3, 7, 15, 31 seconds, then twice a minute.
		if n := len(c.options()); n < 13 || n > 16 {
			t.Errorf("%d attempts in five minutes", n)
		}
		c.write("a")
		c.set(nil)
		d.wait(31 * time.Second)
		d.want(t, "a")
		if d.last.Err != "" || !d.last.Retry.IsZero() {
			t.Errorf("all is well, but told %+v", d.last)
		}
		time.Sleep(time.Second)
		c.write("b")
		d.wait(time.Second)
		c.broken <- errors.New("went away")
		d.take()
		if d.last.Err != "went away" {
			t.Errorf("told %+v", d.last)
		}
		c.write("c")
		d.wait(1250 * time.Millisecond) // it begins with a short wait again
		d.want(t, "a b c")
	})
}

// That a quiet log was reached is told, and that it can be again.
func TestFeedOfAQuietLog(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		d.f.ask(tail(1))
		if d.wait(2 * time.Second); d.last.Generation != 0 {
			t.Error("told at once that there is nothing")
		}
		if d.wait(2 * time.Second); d.last.Generation != 1 || d.last.Err != "" {
			t.Errorf("told %+v", d.last)
		}
		c.broken <- errors.New("went away")
		if d.wait(5 * time.Second); d.last.Err != "went away" {
			t.Errorf("told %+v", d.last)
		}
		if d.wait(15 * time.Second); d.last.Err != "" {
			t.Errorf("all is well, but told %+v", d.last)
		}
	})
}

// The one who has the log may ignore that it should stop: nothing waits for it but
// the next reading, which says so.
func TestFeedOfADeafLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContainer()
		c.deaf = true
		d := &told{f: newFeed(c, nil)}
		d.f.ask(tail(1))
		synctest.Wait()
		d.f.ask(tail(2))
		if d.wait(3 * time.Second); d.last.Err != errStuck.Error() || d.last.Generation != 2 {
			t.Errorf("told %+v", d.last)
		}
		c.mu.Lock()
		c.deaf = false
		c.mu.Unlock()
		c.write("a")
		c.free <- struct{}{}
		d.wait(time.Second)
		if d.want(t, "a"); d.last.Err != "" {
			t.Errorf("all is well, but told %+v", d.last)
		}
		c.mu.Lock()
		c.deaf = true
		c.mu.Unlock()
		d.f.ask(tail(3))
		synctest.Wait()
		began := time.Now()
		if d.f.close(); time.Since(began) != feedGrace {
			t.Errorf("close took %s", time.Since(began))
		}
		close(c.free)
	})
}

// Of more than there is room for the newest are kept, and the others counted.
func TestFeedIsBounded(t *testing.T) {
	feeding(t, func(t *testing.T, c *container, d *told) {
		q := tail(1)
		q.Lines = 0
		d.f.ask(q)
		for i := range feedLines + 5 {
			c.write(fmt.Sprint(i))
		}
		time.Sleep(time.Second)
		d.take()
		if len(d.lines) != feedLines || d.lost != 5 || d.lines[0] != "5" {
			t.Errorf("%d lines from %q on, %d lost", len(d.lines), d.lines[0], d.lost)
		}
		d.lines, d.lost = nil, 0
		big := strings.Repeat("x", 1<<20)
		for range feedBytes>>20 + 3 {
			c.write(big)
		}
		time.Sleep(time.Second)
		if d.take(); len(d.lines) != feedBytes>>20 || d.lost != 3 {
			t.Errorf("%d megabytes, %d lost", len(d.lines), d.lost)
		}
	})
}

// ring is a gateway's own log.
type ring struct {
	mu   sync.Mutex
	gone uint64
	kept []string
}

func (r *ring) write(lines ...string) { r.mu.Lock(); r.kept = append(r.kept, lines...); r.mu.Unlock() }

func (r *ring) Lines(after uint64) ([]past.LogLine, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := min(max(after, r.gone)-r.gone, uint64(len(r.kept)))
	var lines []past.LogLine
	for _, text := range r.kept[from:] {
		lines = append(lines, past.LogLine{Text: text})
	}
	return lines, r.gone + uint64(len(r.kept))
}

func TestFeedOfTheGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ring{}
		d := &told{f: newFeed(nil, r)}
		defer func() { d.f.close() }()
		line := func(s string) string {
			return fmt.Sprintf(`{"time":%q,"msg":%q}`, time.Now().UTC().Format(time.RFC3339Nano), s)
		}
		r.write(line("a"), line("b"), line("c"), "d")
		time.Sleep(time.Minute)
		now := time.Now()
		r.write(line("e"))
		q := tail(1)
		q.Kind, q.Source = pane.LogGateway, ""
		d.f.ask(q)
		if d.take(); len(d.lines) != 3 || !d.last.Lines[2].At.Equal(now) {
			t.Errorf("told %v", d.last.Lines)
		}
		d.f.ask(pane.LogQuery{})
		synctest.Wait()
		r.write("f")
		d.f.ask(q)
		if d.wait(time.Second); !strings.HasSuffix(strings.Join(d.lines, " "), " f") || len(d.lines) != 4 {
			t.Errorf("told %q", d.lines)
		}
		r.mu.Lock() // it lets go what was never read
		r.gone, r.kept = r.gone+uint64(len(r.kept))+7, []string{"z"}
		r.mu.Unlock()
		if d.wait(time.Second); d.lost != 7 || d.lines[4] != "z" {
			t.Errorf("told %q, %d lost", d.lines, d.lost)
		}
		q.Generation, q.Since, q.Lines, q.Follow = 2, now, 0, false
		r.mu.Lock()
		r.kept = []string{line("old"), "x"}
		r.mu.Unlock()
		time.Sleep(time.Second)
		q.Since = time.Now()
		d.lines = nil
		d.f.ask(q)
		if d.wait(time.Second); !d.last.Done || len(d.lines) != 1 {
			t.Errorf("told %q, %+v", d.lines, d.last)
		}
	})
}

func TestFeedOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &told{f: newFeed(nil, nil)}
		d.f.close() // nothing was started
		d = &told{f: newFeed(nil, nil)}
		d.f.ask(tail(1))
		if d.take(); d.last.Err != errNoContainers.Error() {
			t.Errorf("told %+v", d.last)
		}
		d.f.ask(pane.LogQuery{Kind: pane.LogGateway, Generation: 2, Follow: true})
		if d.take(); d.last.Err != errNoOwnLog.Error() {
			t.Errorf("told %+v", d.last)
		}
		d.f.close()
		d.f.ask(tail(3))
		if d.take() {
			t.Errorf("told %+v after the end", d.last)
		}
	})
}

// Whatever is asked in whatever order, each answer is a run of the log without gaps
// or doubles, and nothing is left behind. Run it with the race detector.
func TestFeedUnderHaste(t *testing.T) {
	c, r := newContainer(), &ring{}
	haste(t, c, nil, pane.LogContainer, func(s string) { c.write(s) })
	haste(t, nil, r, pane.LogGateway, func(s string) { r.write(s) })
}

func haste(t *testing.T, logs desk.Logs, own OwnLog, kind pane.LogKind, write func(string)) {
	before := runtime.NumGoroutine()
	f := newFeed(logs, own)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(fmt.Sprint(i))
				runtime.Gosched()
			}
		}
	})
	last := map[int]int{}
	take := func() {
		b, _ := f.take()
		for _, l := range b.Lines {
			var n int
			fmt.Sscan(l.Text, &n)
			if was, ok := last[b.Generation]; ok && n != was+1 && b.Dropped == 0 {
				t.Fatalf("%s, generation %d: line %d behind line %d", kind, b.Generation, n, was)
			}
			last[b.Generation] = n
		}
		runtime.Gosched()
	}
	for i := range 300 {
		q := tail(i/4 + 1)
		q.Kind = kind
		if i%4 == 2 {
			q = pane.LogQuery{}
		}
		f.ask(q)
		for range 20 {
			take()
		}
	}
	// However little came of the haste, the last question is answered in the end.
	for end := time.Now().Add(20 * time.Second); len(last) == 0 && time.Now().Before(end); {
		take()
	}
	close(stop)
	writer.Wait()
	f.close()
	if len(last) == 0 {
		t.Errorf("%s: nothing was told", kind)
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of what were %d before", runtime.NumGoroutine(), before)
		}
	}
}
