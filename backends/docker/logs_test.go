package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// read reads a log to its end.
func read(t testing.TB, e *Engine, name string, o LogOptions) []Line {
	t.Helper()
	var all []Line
	if err := e.Logs(t.Context(), name, o, func(l Line) { all = append(all, l) }); err != nil {
		t.Fatal(err)
	}
	return all
}

func texts(all []Line) []string {
	var out []string
	for _, l := range all {
		out = append(out, l.Text)
	}
	return out
}

// finished runs a container to its end.
func finished(t *testing.T, e *Engine, s Spec) {
	t.Helper()
	run(t, e, s)
	until(t, "its end", func() bool { return inspect(t, e, s.Name).State == "exited" })
}

func TestLogs(t *testing.T) {
	e, d := local(t)
	s := talker(t, d, "", "out:one", "err:two", "out:", "out:  three ü\x1b[31m", "err:four")
	finished(t, e, s)
	all := read(t, e, s.Name, LogOptions{})
	var outs, errs []string
	for i, l := range all {
		if l.Stream == Stdout {
			outs = append(outs, l.Text)
		} else {
			errs = append(errs, l.Text)
		}
		if time.Since(l.At) > time.Minute || l.Cut != 0 {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	if !slices.Equal(outs, []string{"one", "", "  three ü\x1b[31m"}) || !slices.Equal(errs, []string{"two", "four"}) {
		t.Errorf("stdout %q, stderr %q", outs, errs)
	}
	for n := range 7 {
		if n == 0 {
			continue
		}
		if got, want := texts(read(t, e, s.Name, LogOptions{Tail: n})), texts(all[max(0, len(all)-n):]); !slices.Equal(got, want) {
			t.Errorf("the last %d: %q, want %q", n, got, want)
		}
	}
	if got := read(t, e, s.Name, LogOptions{Tail: -1}); len(got) != 0 {
		t.Errorf("none: %q", texts(got))
	}
	for i := range all {
		want := slices.DeleteFunc(slices.Clone(all), func(l Line) bool { return l.At.Before(all[i].At) })
		if got := read(t, e, s.Name, LogOptions{Since: all[i].At}); !slices.Equal(texts(got), texts(want)) {
			t.Errorf("since line %d: %q, want %q", i, texts(got), texts(want))
		}
	}
	if got := read(t, e, s.Name, LogOptions{Since: time.Now().Add(time.Hour)}); len(got) != 0 {
		t.Errorf("since the future: %q", texts(got))
	}
}

// Lines of any length: a megabyte whole, three cut with a mark, and the last
// lines are lines, though the engine counts pieces.
func TestLongLines(t *testing.T) {
	e, d := local(t)
	for _, tty := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal %v", tty), func(t *testing.T) {
			s := talker(t, d, "", "out:before", "long:1000000", "long:3000000", "long:16384", "long:32768", "out:after")
			foreign(t, d.Client(t), s, tty, nil)
			if err := e.Start(t.Context(), s.Name); err != nil {
				t.Fatal(err)
			}
			until(t, "its end", func() bool { return inspect(t, e, s.Name).State == "exited" })
			all := read(t, e, s.Name, LogOptions{})
			if len(all) != 6 {
				t.Fatalf("%d lines", len(all))
			}
			digits := strings.Repeat("0123456789", 300_000)
			for i, want := range []string{"before", digits[:1_000_000], digits[:maxLine] + fmt.Sprintf("… [%d more bytes]", 3_000_000-maxLine+tailOf(tty)), digits[:16384], digits[:32768], "after"} {
				if all[i].Text != want {
					t.Errorf("line %d has %d bytes, want %d: …%q", i, len(all[i].Text), len(want), all[i].Text[max(0, len(all[i].Text)-60):])
				}
			}
			if all[2].Cut == 0 || all[1].Cut != 0 {
				t.Errorf("cut: %d and %d", all[1].Cut, all[2].Cut)
			}
			for n := 1; n <= 7; n++ {
				if got, want := read(t, e, s.Name, LogOptions{Tail: n}), all[max(0, len(all)-n):]; !slices.Equal(got, want) {
					t.Errorf("the last %d: %d lines, want %d", n, len(got), len(want))
				}
			}
		})
	}
}

// tailOf is what a terminal adds to a line: a carriage return.
func tailOf(tty bool) int {
	if tty {
		return 1
	}
	return 0
}

// says waits until a container has written a line so many times.
func says(t *testing.T, e *Engine, name, text string, times int) {
	t.Helper()
	until(t, fmt.Sprintf("%q to be written", text), func() bool {
		lines := slices.DeleteFunc(texts(read(t, e, name, LogOptions{})), func(l string) bool { return l != text })
		return len(lines) >= times
	})
}

// following is a log that is followed.
type following struct {
	mu   sync.Mutex
	all  []Line
	end  context.CancelFunc
	done chan error
}

func follow(t *testing.T, e *Engine, name string, o LogOptions) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &following{end: cancel, done: make(chan error, 1)}
	o.Follow = true
	go func() {
		f.done <- e.Logs(ctx, name, o, func(l Line) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.all = append(f.all, l)
		})
	}()
	t.Cleanup(cancel)
	return f
}

func (f *following) texts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return texts(f.all)
}

// has waits until there are that many lines.
func (f *following) has(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d lines", n), func() bool { return len(f.texts()) >= n })
}

// A log is followed over restarts of its container, by whoever: each line once.
func TestFollow(t *testing.T) {
	e, d := local(t)
	for name, o := range map[string]struct {
		LogOptions
		first int // of the lines of the first run
	}{"all": {LogOptions{}, 0}, "last 3": {LogOptions{Tail: 3}, 198}, "new": {LogOptions{Tail: -1}, 201}} {
		t.Run(name, func(t *testing.T) {
			s := talker(t, d, "", "lines:200", "err:ready", "wait", "lines:100")
			run(t, e, s)
			until(t, "its lines", func() bool { return len(read(t, e, s.Name, LogOptions{})) == 201 })
			f := follow(t, e, s.Name, o.LogOptions)
			if o.Tail >= 0 {
				f.has(t, 201-o.first)
			} else {
				// Nothing to be seen yet: wait until the engine serves the log.
				until(t, "the log to be followed", func() bool { return strings.Contains(stacks(), "docker.demux(") })
			}
			for i := range 3 {
				if err := e.Restart(t.Context(), s.Name); err != nil {
					t.Fatal(err)
				}
				f.has(t, (i+1)*302+201-o.first)
			}
			if err := e.Stop(t.Context(), s.Name); err != nil {
				t.Fatal(err)
			}
			want := texts(read(t, e, s.Name, LogOptions{}))
			if len(want) != 4*(201+1+100) {
				t.Fatalf("%d lines in the log", len(want))
			}
			want = want[o.first:]
			f.has(t, len(want))
			f.end()
			if err := <-f.done; err == nil || !strings.Contains(err.Error(), "canceled") {
				t.Errorf("ended with %v", err)
			}
			if got := f.texts(); !slices.Equal(got, want) {
				t.Errorf("%d lines, want %d; they differ first at %d", len(got), len(want), differ0(got, want))
			}
		})
	}
}

func differ0(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// A container that was stopped for a while is waited for, one that was removed
// is not.
func TestFollowStopped(t *testing.T) {
	e, d := local(t)
	s := talker(t, d, "", "out:up", "wait")
	create(t, e, s)
	f := follow(t, e, s.Name, LogOptions{})
	until(t, "the start to be waited for", func() bool { return strings.Contains(stacks(), "docker.(*logs).follow(") })
	for i := range 2 { // while it waits, too
		if err := e.Start(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
		f.has(t, 2*i+1)
		if err := e.Stop(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
		f.has(t, 2*i+2)
	}
	if got := f.texts(); !slices.Equal(got, []string{"up", "terminated", "up", "terminated"}) {
		t.Errorf("%q", got)
	}
	if err := e.Remove(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	is[*NotFoundError](t, <-f.done)
}
