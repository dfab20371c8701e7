package ui

import (
	"context"
	"errors"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/pane"
)

var (
	errNoContainers = errors.New("no container's log can be read here")
	errNoOwnLog     = errors.New("the gateway's own log can't be read here")
	errStuck        = errors.New("the reading before this one does not end; waiting for it")
)

// readContainer reads a container's log from where the last attempt got to.
func (f *feed) readContainer(ctx context.Context, q pane.LogQuery) error {
	if f.logs == nil {
		return errNoContainers
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	at := f.place()
	o := backends.LogOptions{Since: q.Since, Follow: q.Follow}
	if !q.Head {
		o.Tail = q.Lines
	}
	skip := 0
	if at.lines > 0 {
		o.Since, o.Tail, skip = at.at, 0, at.same
	}
	quiet := time.AfterFunc(feedQuiet, func() { f.reached(q) })
	defer quiet.Stop()
	well := time.AfterFunc(feedWell, func() { f.update(q, func(s *pane.LogBatch) { s.Err = "" }) })
	defer well.Stop()
	full := false
	err := f.logs.Logs(ctx, q.Source, o, func(_ string, l backends.LogLine) {
		if full {
			return
		}
		if skip > 0 && l.At.Equal(at.at) {
			skip-- // it has been told
			return
		}
		if full = f.line(q, pane.LogLine{At: l.At, Text: l.Text, Stderr: l.Stream.String() == "stderr"}); full {
			enough()
		}
	})
	if full {
		return nil
	}
	return err
}

// readOwn reads this process's log.
func (f *feed) readOwn(ctx context.Context, q pane.LogQuery) error {
	if f.own == nil {
		return errNoOwnLog
	}
	for {
		at := f.place()
		lines, next := f.own.Lines(at.own)
		if at.own > 0 {
			f.missed(q, int(next-at.own)-len(lines))
		} else if n := len(lines); !q.Head && q.Lines > 0 && n > q.Lines {
			lines = lines[n-q.Lines:]
		}
		for i, line := range lines {
			l := pane.LogLine{Text: line.Text, At: stamp(line.Text)}
			if (l.At.IsZero() || !l.At.Before(q.Since)) && f.line(q, l) {
				return nil
			}
			f.advance(q, next-uint64(len(lines)-1-i))
		}
		f.advance(q, next)
		if !q.Follow {
			return nil
		}
		if at.own == 0 {
			f.reached(q)
		}
		if !sleep(ctx, feedOwn) {
			return ctx.Err()
		}
	}
}

// advance notes how far this process's log was read.
func (f *feed) advance(q pane.LogQuery, to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want == q {
		f.at.own = to
	}
}

// missed counts lines that the log has let go before they were read.
func (f *feed) missed(q pane.LogQuery, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want == q && n > 0 {
		f.tray.miss(n)
		f.changed = true
	}
}

// line takes a line in, and tells whether no more are wanted.
func (f *feed) line(q pane.LogQuery, l pane.LogLine) (enough bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want != q {
		return true
	}
	if f.at.lines++; l.At.Equal(f.at.at) {
		f.at.same++
	} else {
		f.at.at, f.at.same = l.At, 1
	}
	f.at.bytes += len(l.Text)
	f.state.Err, f.state.Retry = "", time.Time{}
	f.tray.put(l)
	f.changed = true
	// Of the first lines none may be dropped.
	return q.Head && (q.Lines > 0 && f.at.lines >= q.Lines || f.at.bytes > feedBytes/2)
}

// stamp is the time in a line that slog has written as JSON, which begins with it;
// zero: there is none.
func stamp(text string) time.Time {
	const field = `"time":"`
	_, rest, ok := strings.Cut(text[:min(len(text), 80)], field)
	if !ok {
		return time.Time{}
	}
	s, _, _ := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return at
}
