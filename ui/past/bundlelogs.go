package past

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"pilothouse/backends"
)

// Bounds of the logs in a bundle.
const (
	mostContainers = 64
	tailLines      = 1000
	tailBytes      = 256 << 10        // of one container
	tailWithin     = 5 * time.Second  // for one container
	tailsWithin    = 20 * time.Second // for all
	tailsAtOnce    = 8
)

// logs adds the ends of logs.
func (a *archive) logs(ctx context.Context, o BundleOptions, m Moment, end, now time.Time) {
	if o.Log != nil {
		var b strings.Builder
		lines, _ := o.Log.Lines(0)
		for _, l := range lines {
			if !l.At.After(end) || now.Sub(end) < time.Minute {
				b.WriteString(line(scrub(l.Text)) + "\n")
			}
		}
		a.add("logs/gateway.log", "the gateway's own log, its last 1,000 lines", []byte(b.String()))
	}
	names := containers(m.Pool)
	if o.Logs == nil || len(names) == 0 {
		return
	}
	if len(names) > mostContainers {
		a.note("logs of %d containers beyond the first %d", len(names)-mostContainers, mostContainers)
		names = names[:mostContainers]
	}
	ctx, cancel := context.WithTimeout(ctx, tailsWithin)
	defer cancel()
	tails := make([]*tail, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, tailsAtOnce)
	for i, n := range names {
		tails[i] = &tail{until: end.Add(time.Second), past: now.Sub(end) >= time.Minute}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			tails[i].read(ctx, o.Logs, n, end)
		})
	}
	wg.Wait()
	for i, n := range names {
		t := tails[i]
		if t.err != nil {
			a.note("the log of container %q, after %s: %v", n, counted(len(t.lines), "line"), t.err)
		}
		if len(t.lines) > 0 || t.err == nil {
			a.add("logs/container-"+n+".log", "a container's log, the last lines of the 15 minutes", []byte(strings.Join(t.lines, "")))
		}
	}
}

// containers are the names of those that there are, each once.
func containers(p *backends.Snapshot) (names []string) {
	if p == nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range p.Backends {
		for k := range p.Backends[i].Replicas {
			if c := p.Backends[i].Replicas[k].Container; c != nil && !seen[c.Name] {
				seen[c.Name] = true
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// tail is the last lines of a container's log before a moment.
type tail struct {
	until time.Time
	past  bool // that moment is some time ago: lines after it are left out

	mu    sync.Mutex
	lines []string
	bytes int
	ended bool // what comes now comes too late
	err   error
}

// read reads it. It returns in time, whether its engine does or not.
func (t *tail) read(ctx context.Context, logs Logs, name string, end time.Time) {
	ctx, cancel := context.WithTimeout(ctx, tailWithin)
	defer cancel()
	o := backends.LogOptions{Since: end.Add(-keptShort * time.Second), Tail: tailLines}
	if t.past {
		o.Tail = 0
	}
	done := make(chan error, 1)
	go func() {
		done <- logs.Logs(ctx, name, o, func(_ string, l backends.LogLine) {
			if !t.take(l) {
				cancel()
			}
		})
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.err = err
	}
	t.ended = true
}

// take takes a line, and tells whether more are wanted.
func (t *tail) take(l backends.LogLine) bool {
	text := fmt.Sprintf("%s %s\n", l.At.UTC().Format("2006-01-02T15:04:05.000Z"), cut(line(scrub(l.Text[:min(len(l.Text), mostLine)])), mostLine))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	if t.past && l.At.After(t.until) {
		t.ended = true
		return false
	}
	t.lines = append(t.lines, text)
	t.bytes += len(text)
	for t.bytes > tailBytes || len(t.lines) > tailLines {
		t.bytes -= len(t.lines[0])
		t.lines = t.lines[1:]
	}
	return true
}
