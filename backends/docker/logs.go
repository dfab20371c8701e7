package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// LogOptions say what of a container's log is read.
type LogOptions struct {
	Since  time.Time // zero: from its beginning
	Tail   int       // the last lines only; 0: all; negative: none that are there already
	Follow bool      // go on with what is written later, over restarts of the container, too
}

const (
	mostTail      = 100_000  // lines that Tail keeps until it knows which are the last,
	mostTailBytes = 64 << 20 // and their bytes
	spareTail     = 1024     // pieces that are read besides, where the log is read on
)

// Logs reads a container's log, both streams of it, and tells its lines in the
// order in which the engine has them. It calls each from one goroutine; while
// that takes its time the engine waits.
//
// With Follow it returns when ctx ends, with an *EngineError when the engine has
// gone, and with a *NotFoundError when the container was removed. Otherwise it
// returns at the end of the log.
func (e *Engine) Logs(ctx context.Context, name string, o LogOptions, each func(Line)) error {
	c, err := e.Inspect(ctx, name)
	if err != nil {
		return err
	}
	l := &logs{engine: e, of: c, doing: fmt.Sprintf("read the log of container %q", c.Name), since: o.Since}
	l.out = lines{each: each, tty: c.tty, take: func(_ Stream, at time.Time) bool {
		taken := l.seen.take(at)
		l.news = l.news || taken
		return taken
	}}
	if !o.Follow {
		if o.Tail != 0 {
			return e.explain(ctx, l.doing, l.tail(ctx, max(0, o.Tail), 0, each))
		}
		return e.explain(ctx, l.doing, l.read(ctx, "", false, &l.out))
	}
	return l.follow(ctx, o.Tail, each)
}

// logs is one reading of a log.
type logs struct {
	engine *Engine
	of     Container
	doing  string
	since  time.Time
	seen   seen
	out    lines
	news   bool // something was read since this was false
}

// read reads the log once, from behind what was seen of it.
func (l *logs) read(ctx context.Context, tail string, follow bool, to *lines) error {
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow, Tail: tail}
	since := l.seen.again()
	if since.Before(l.since) {
		since = l.since
	}
	if !since.IsZero() {
		options.Since = unix(since)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var in io.ReadCloser
	end, err := l.engine.begin(ctx, func(ctx context.Context, api *client.Client) (err error) {
		in, err = api.ContainerLogs(ctx, l.of.ID, options)
		return err
	})
	if r, ok := refusal(err); ok && r.Status == http.StatusNotFound {
		return l.missing()
	} else if err != nil {
		return err
	}
	defer end()
	defer in.Close()
	from := io.Reader(in)
	if !follow { // what is there comes without pauses
		idle := &idleReader{in: in, within: l.engine.timeout, give: func() { cancel(slow(l.engine.timeout)) }}
		defer idle.stop()
		from = idle
	}
	if err := demux(from, l.of.tty, to); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if !follow {
		to.flush()
	}
	return nil
}

// idleReader gives up what has nothing to say for too long.
type idleReader struct {
	in     io.Reader
	within time.Duration
	give   func()
	timer  *time.Timer
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.timer == nil {
		r.timer = time.AfterFunc(r.within, r.give)
	} else {
		r.timer.Reset(r.within)
	}
	n, err := r.in.Read(p)
	r.timer.Stop() // while its lines are told the engine may wait
	return n, err
}

func (r *idleReader) stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// tail tells the last n lines. The engine counts pieces where lines are meant,
// and the first that it gives may be the rest of one: so one more is asked for
// than is needed, and more again until there are lines enough.
//
// For the log to be read on, what lies before the pieces that were given has to
// be before some time, and what comes to be behind it, though pieces are not quite
// in order: so spare are asked for besides, and the time is the latest of the
// first half of those.
func (l *logs) tail(ctx context.Context, n, spare int, each func(Line)) error {
	n = min(n, mostTail)
	for ask := n + 1 + spare; ; ask *= 4 {
		l.seen = seen{}
		t := &tailed{most: n}
		to := &lines{each: t.line, tty: l.of.tty, take: func(s Stream, at time.Time) bool {
			if t.pieces++; t.pieces == 1 {
				t.first, t.firstAt = s, at
			}
			if t.pieces <= max(1, spare/2) {
				t.edge = max(t.edge, at.UnixNano())
			}
			return l.seen.take(at)
		}}
		if err := l.read(ctx, strconv.Itoa(ask), false, to); err != nil {
			return err
		}
		if cut := t.pieces >= ask; cut {
			t.drop()
			l.seen.forget(t.edge)
			if len(t.kept) < n && !t.full && ask < mostTail {
				continue
			}
		}
		for _, line := range t.kept[max(0, len(t.kept)-n):] {
			each(line)
		}
		return nil
	}
}

// tailed are the last lines so far: one more than are wanted.
type tailed struct {
	most    int
	kept    []Line
	bytes   int
	full    bool // some were let go
	pieces  int
	first   Stream // of the first piece
	firstAt time.Time
	edge    int64 // nanoseconds; what was read before is not after it
	partAt  int   // where in kept, from 1, the line is that the first piece belongs to; -1: no more
}

func (t *tailed) line(line Line) {
	if t.kept = append(t.kept, line); t.partAt == 0 && line.Stream == t.first {
		t.partAt = len(t.kept)
	}
	t.bytes += len(line.Text)
	for len(t.kept) > t.most+1 || t.bytes > mostTailBytes && len(t.kept) > 1 {
		t.bytes -= len(t.kept[0].Text)
		t.kept[0] = Line{}
		t.kept, t.full = t.kept[1:], true
		if t.partAt--; t.partAt <= 0 {
			t.partAt = -1
		}
	}
}

// drop lets go the line of which the beginning may be missing.
func (t *tailed) drop() {
	if i := t.partAt - 1; i >= 0 && t.kept[i].At.Equal(t.firstAt) {
		t.kept = append(t.kept[:i:i], t.kept[i+1:]...)
	}
}

// follow reads on and on. A reading ends with the container; the next begins
// when the engine tells that it was started. The events are asked for before the
// log is, and it is read again until that has brought nothing twice: so no start is
// missed, and what the engine kept back at the container's end comes with the next.
func (l *logs) follow(parent context.Context, tail int, each func(Line)) error {
	e := l.engine
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer e.watching(ctx, cancel)()

	opened, ended := make(chan struct{}), make(chan struct{})
	started, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	filters := make(client.Filters).Add("type", "container").Add("container", l.of.ID).Add("event", "start", "destroy")
	go func() {
		defer close(ended)
		err := e.subscribe(ctx, filters, time.Time{}, func() { close(opened) }, func(m events.Message) {
			to := started
			if m.Action == events.ActionDestroy {
				to = gone
			}
			select {
			case to <- struct{}{}:
			default:
			}
		})
		cancel(err)
	}()
	defer func() { cancel(nil); <-ended }()
	select {
	case <-opened:
	case <-ctx.Done():
		return e.explain(ctx, l.doing, ctx.Err())
	}

	if tail != 0 {
		if err := l.tail(ctx, max(0, tail), spareTail, each); err != nil {
			return e.explain(ctx, l.doing, err)
		}
	}
	for empty := 0; ; {
		l.news = false
		if err := l.read(ctx, "", true, &l.out); err != nil {
			return e.explain(ctx, l.doing, l.removed(ctx, err))
		}
		if empty++; l.news {
			empty = 0
		}
		if empty < 2 {
			continue
		}
		l.out.flush()
		select {
		case <-started:
			empty = 0
		case <-gone:
			return l.missing()
		case <-ctx.Done():
			return e.explain(ctx, l.doing, ctx.Err())
		}
	}
}

func (l *logs) missing() error {
	return &NotFoundError{Host: l.engine.host.Name, What: "container", Name: l.of.Name}
}

// removed is what an error means where the container is being removed, which
// engines refuse to read the log of.
func (l *logs) removed(ctx context.Context, err error) error {
	if _, ok := refusal(err); !ok {
		return err
	}
	c, again := l.engine.Inspect(ctx, l.of.ID)
	if _, gone := errors.AsType[*NotFoundError](again); gone || again == nil && (c.State == "removing" || c.State == "dead") {
		return l.missing()
	}
	return err
}
