// Package docker runs and watches the containers in which the backends live:
// create, start, stop, restart, remove, inspect, logs, stats, events, on one or
// several Docker engines (a unix socket, TCP with TLS, or SSH).
//
// It guarantees:
//   - No call hangs. Each has a deadline of its own besides its caller's, and
//     the streams (logs with Follow, Events, a pull) ask the engine now and then
//     whether it is still there. An engine that can't be reached, that does not
//     answer in time, or whose answer is not Docker's is an *[EngineError].
//   - Memory is bounded, whatever the other side sends.
//   - What the other side wrote is quoted where it gets into an error, and is
//     without control characters in [Container], [Event] and [Progress]. A log's
//     [Line] is as the container wrote it: who shows it escapes it.
//   - A container that Pilothouse has not created is found by its name, can be
//     read, started, stopped and restarted, and is never removed.
//   - A name is a name: what Docker also takes for one, the beginning of another
//     container's id, is not found.
//   - A secret's value gets into the container's environment and nowhere else.
//
// It refuses an engine whose API is older than 1.40 (Docker 19.03), TCP without
// TLS, and publishing a port without saying on which address.
//
// All methods of [Engine] may be called at once. Spec, Plan, Container and the
// rest are plain values.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"
)

// What is ours carries these labels, and nobody else may set them.
const (
	labelPrefix  = "pilothouse."
	labelManaged = labelPrefix + "managed" // "true"
	labelBackend = labelPrefix + "backend" // its name
	labelSpec    = labelPrefix + "spec"    // what it was made from, as JSON, with secrets hashed
)

// heavyWork is what the engine gets besides the host's time-out for what is work
// to it: creating, starting, stopping and removing containers.
const heavyWork = 50 * time.Second

// Engine is one Docker engine. It connects when it is used.
type Engine struct {
	host    Host
	timeout time.Duration
	heavy   time.Duration // timeout and heavyWork
	way     *transport
	api     atomic.Pointer[client.Client] // nil: to be agreed with the engine what it speaks
	nets    sync.Mutex                    // one network at a time is looked for and created
}

// Open makes an Engine of a host that was filled and validated. It reads the
// certificates, and does not connect. The caller closes it.
func Open(h Host) (*Engine, error) {
	h.Fill()
	if err := h.Validate(); err != nil {
		return nil, err
	}
	to, _ := parseTarget(h.Host)
	way, err := newTransport(&h, to)
	if err != nil {
		return nil, err
	}
	return &Engine{host: h, timeout: time.Duration(h.Timeout), heavy: time.Duration(h.Timeout) + heavyWork, way: way}, nil
}

// Close ends the connections that are idle. Calls that are under way end with
// their contexts. It may be called twice.
func (e *Engine) Close() error {
	e.way.base.CloseIdleConnections()
	return nil
}

// Name is the host's.
func (e *Engine) Name() string { return e.host.Name }

// client is what the engine is talked to with, after it has said what it speaks.
func (e *Engine) client(ctx context.Context) (*client.Client, error) {
	if c := e.api.Load(); c != nil {
		return c, nil
	}
	c, err := e.through(e.way)
	if err != nil {
		return nil, err
	}
	is, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	switch {
	case is.APIVersion != "" && !atLeast(is.APIVersion, client.MinAPIVersion):
		return nil, &EngineError{Kind: Nonsense, Detail: fmt.Sprintf("it speaks version %s of the API; %s or newer is needed (Docker 19.03)", quote(is.APIVersion), client.MinAPIVersion)}
	case err != nil:
		return nil, err
	case is.APIVersion == "":
		return nil, &EngineError{Kind: Nonsense, Detail: "it does not say which version of the API it speaks"}
	}
	e.api.CompareAndSwap(nil, c)
	return c, nil
}

// through makes a client whose calls go a certain way.
func (e *Engine) through(way http.RoundTripper, more ...client.Opt) (*client.Client, error) {
	c, err := client.New(append(more, client.WithHost("tcp://"+e.way.address), client.WithScheme(e.way.scheme),
		client.WithHTTPClient(&http.Client{Transport: way, CheckRedirect: client.CheckRedirect}),
		client.WithUserAgent("pilothouse"))...)
	if err != nil {
		return nil, fmt.Errorf("make a client for %q: %w", e.host.Host, err)
	}
	return c, nil
}

// atLeast compares two versions like 1.41.
func atLeast(version, least string) bool {
	number := func(s string) (major, minor int, ok bool) {
		a, b, found := strings.Cut(s, ".")
		major, err := strconv.Atoi(a)
		minor, err2 := strconv.Atoi(b)
		return major, minor, found && err == nil && err2 == nil
	}
	major, minor, ok := number(version)
	wantMajor, wantMinor, _ := number(least)
	return ok && (major > wantMajor || major == wantMajor && minor >= wantMinor)
}

// do makes one call that takes no longer than within. doing is what it does, for
// its errors. f returns the client's errors as they are.
func (e *Engine) do(ctx context.Context, doing string, within time.Duration, f func(context.Context, *client.Client) error) error {
	call, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	c, err := e.client(call)
	if err == nil {
		err = f(call, c)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && call.Err() != nil {
		return e.explain(ctx, doing, slow(within))
	}
	return e.explain(ctx, doing, err)
}

func slow(within time.Duration) *EngineError {
	return &EngineError{Kind: Slow, Detail: "within " + within.String()}
}

// explain says what an error of the client means.
func (e *Engine) explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		if err = context.Cause(ctx); !known(err) { // else why a stream was given up
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
	}
	if o, ok := errors.AsType[*outcome](err); ok {
		err = o.err
	}
	if t, ok := errors.AsType[*EngineError](err); ok {
		if t.Host != "" {
			return t
		}
		e.api.Store(nil) // it may come back as another
		return &EngineError{e.host.Name, doing, t.Kind, t.Detail}
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		if r.Host != "" {
			return r
		}
		return &Refusal{e.host.Name, doing, r.Status, r.Message}
	}
	if known(err) {
		return err
	}
	return &EngineError{e.host.Name, doing, Nonsense, unreadable(err)}
}

// begin makes a call whose answer is a stream, of which the head has to come in
// time. The stream lasts until ctx ends or end is called.
func (e *Engine) begin(ctx context.Context, f func(context.Context, *client.Client) error) (end func(), err error) {
	call, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(e.timeout, func() { cancel(slow(e.timeout)) })
	c, err := e.client(call)
	if err == nil {
		err = f(call, c)
	}
	if !late.Stop() {
		err = context.Cause(call)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return func() { cancel(nil) }, nil
}

// known tells whether an error is one of this package's.
func known(err error) bool {
	_, engine := errors.AsType[*EngineError](err)
	_, refusal := errors.AsType[*Refusal](err)
	_, missing := errors.AsType[*NotFoundError](err)
	_, foreign := errors.AsType[*NotOursError](err)
	return engine || refusal || missing || foreign
}

// watch asks the engine every now and then whether it is there, and cancels with
// what is wrong with it when it is not, until ctx ends.
func (e *Engine) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(e.timeout)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.Ping(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
				return
			}
		}
	}
}

// Ping tells whether the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	return e.do(ctx, "ask whether it is there", e.timeout, func(ctx context.Context, c *client.Client) error {
		_, err := c.Ping(ctx, client.PingOptions{})
		return err
	})
}

// Version is what an engine is.
type Version struct {
	Engine string // like "20.10.24"
	API    string // that is spoken with it, like "1.41"
	OS     string // "linux"
	Arch   string // "amd64"
}

// Version asks the engine what it is.
func (e *Engine) Version(ctx context.Context) (Version, error) {
	var v Version
	err := e.do(ctx, "ask for its version", e.timeout, func(ctx context.Context, c *client.Client) error {
		is, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
		if err == nil && is.Version == "" {
			return &EngineError{Kind: Nonsense, Detail: "a version without a number"}
		}
		v = Version{plain(is.Version), c.ClientVersion(), plain(is.Os), plain(is.Arch)}
		return err
	})
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// watching watches until the function that it returns is called, which waits for
// its end.
func (e *Engine) watching(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.watch(ctx, cancel)
	}()
	return func() { end(); <-done }
}

// ended is what the clean end of a stream means that should not end.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return &EngineError{Kind: Away, Detail: "it ended the stream"}
	}
	return err
}
