package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Event is something that has happened to a container, or to the connection
// over which that is told.
type Event struct {
	At        time.Time
	Action    string // the engine's word: create, start, restart, stop, die, kill, oom, pause, unpause, destroy, rename, "health_status: unhealthy"; or Lost or Back
	ID        string
	Container string // its name
	Image     string
	ExitCode  int    // of die
	Backend   string // whose it is, by its label; "": nobody's
	Err       error  // of Lost
	// Of Back: what has happened from then to At may be missing among the events.
	// The engine tells the last 256 again that it remembers, which it does not
	// over a restart of its own.
	Since time.Time
}

// Actions of the connection itself.
const (
	Lost = "lost" // the engine can't be asked, see Err; said once
	Back = "back" // it can be asked again, see Since
)

// told are the events that are asked for. Those of health checks (exec_…) would
// come every few seconds for each container.
var told = []string{"create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "destroy", "rename", "update", "health_status"}

const (
	againFirst = 100 * time.Millisecond
	againMost  = 5 * time.Second
)

// Events tells each event of all containers, and connects again whenever the
// engine has gone, until ctx ends. It calls each from one goroutine; while that
// takes its time the engine waits.
func (e *Engine) Events(ctx context.Context, each func(Event)) {
	filters := make(client.Filters).Add("type", "container").Add("event", told...)
	s := stream{known: time.Now(), each: each}
	wait := againFirst
	for ctx.Err() == nil {
		var since time.Time
		if !s.last.IsZero() {
			since = s.last.Add(1) // the engine remembers
		} else if s.lost {
			since = s.known
		}
		err := e.subscribe(ctx, filters, since, func() { wait = againFirst; s.opened() }, s.message)
		if ctx.Err() != nil {
			return
		}
		s.closed(err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, againMost)
	}
}

// stream is what is known of the events so far.
type stream struct {
	each  func(Event)
	lost  bool
	known time.Time // until when nothing is missing
	last  time.Time // of the last event, by the engine's clock
}

func (s *stream) opened() {
	if now := time.Now(); s.lost {
		s.lost = false
		s.each(Event{At: now, Action: Back, Since: s.known})
		s.known = now
	}
}

func (s *stream) closed(err error) {
	if !s.lost {
		s.lost = true
		s.each(Event{At: time.Now(), Action: Lost, Err: err})
	}
}

func (s *stream) message(m events.Message) {
	at := time.Unix(0, m.TimeNano).UTC()
	if m.TimeNano == 0 {
		at = time.Unix(m.Time, 0).UTC()
	}
	s.last, s.known = at, time.Now()
	code, _ := strconv.Atoi(m.Actor.Attributes["exitCode"]) // "" but for die
	s.each(Event{
		At: at, Action: plain(string(m.Action)), ID: plain(m.Actor.ID), Container: plain(m.Actor.Attributes["name"]),
		Image: plain(m.Actor.Attributes["image"]), ExitCode: code, Backend: plain(m.Actor.Attributes[labelBackend]),
	})
}

// subscribe tells events from since on, zero: from now on, until ctx ends or the
// engine does. opened is called when it has begun.
func (e *Engine) subscribe(ctx context.Context, filters client.Filters, since time.Time, opened func(), each func(events.Message)) error {
	const doing = "read events"
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun := make(chan struct{})
	var from client.EventsResult
	end, err := e.begin(ctx, func(ctx context.Context, c *client.Client) error {
		api, err := e.through(&noticing{e.way, begun}, client.WithAPIVersion(c.ClientVersion()))
		if err != nil {
			return err
		}
		options := client.EventsListOptions{Filters: filters}
		if !since.IsZero() {
			options.Since = unix(since)
		}
		from = api.Events(ctx, options)
		select {
		case <-begun:
			return nil
		case err := <-from.Err:
			return err
		}
	})
	if err != nil {
		return e.explain(ctx, doing, err)
	}
	defer end()
	opened()
	defer e.watching(ctx, cancel)()
	for {
		select {
		case m := <-from.Messages:
			if m.Action == "" || m.Actor.ID == "" {
				return e.explain(ctx, doing, nonsense("an event without its action or container"))
			}
			each(m)
		case err := <-from.Err:
			if errors.Is(err, context.Canceled) && ctx.Err() == nil || err == nil {
				err = &EngineError{Kind: Away, Detail: "it ended the stream"}
			}
			return e.explain(ctx, doing, ended(err))
		}
	}
}

// noticing tells when a stream's head has come, which the client does not.
type noticing struct {
	way   http.RoundTripper
	begun chan struct{} // closed then
}

func (n *noticing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.way.RoundTrip(req)
	if err == nil {
		close(n.begun)
	}
	return resp, err
}

// unix is a time as the engine takes it.
func unix(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
