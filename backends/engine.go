package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// EngineStatus is what an engine tells of itself, from its GET /metrics, summed
// over the engines behind the address. What it does not tell is "no data", never
// 0; an engine without metrics has no data at all, which is no error. It is
// immutable.
type EngineStatus struct {
	At      time.Time // when it was read, on our clock; zero: never yet, and nothing below but Err means anything
	Started time.Time // the engine's process, by its own clock; zero: no data. Its counts begin anew with it

	Running  int     // requests that it computes; -1: no data
	Waiting  int     // requests in its queue; -1: no data
	Deferred int     // of Waiting, those that wait for something else than room; -1: no data
	KVUsage  float64 // of its cache, 0 to 1, over the engines by their size; -1: no data
	KVTokens int64   // that its cache holds; 0: not told

	Prompt        int64 // tokens of prompts that it has read, with vLLM those from its prefix cache included; -1: no data
	Generation    int64 // tokens that it has generated; -1: no data
	Preemptions   int64 // times that it put a request back for want of room; -1: no data
	Iterations    int64 // steps that it has made; -1: no data. vLLM counts those that gave somebody a token
	PrefixQueries int64 // tokens looked up in its prefix cache; -1: no data
	PrefixHits    int64 // tokens found there; -1: no data

	Sleeping bool   // it was put to sleep (vLLM's sleep mode), its weights not on the GPU
	Err      string // why the last reading failed, in words, never text that a backend sent; the rest is the one before it. "": it did not
}

// noData is an engine that tells nothing.
func noData() EngineStatus {
	return EngineStatus{Running: -1, Waiting: -1, Deferred: -1, KVUsage: -1,
		Prompt: -1, Generation: -1, Preemptions: -1, Iterations: -1, PrefixQueries: -1, PrefixHits: -1}
}

// An engine that has a request of ours is read every health.interval, others
// this often, and those that have no metrics in case that they get some. A
// reading takes no longer and no more than this; vLLM's text has 100 kB or so
// for each engine in it.
const (
	readIdle   = 5 * time.Second
	readNone   = time.Minute
	readWithin = 4 * time.Second
	readMost   = 4 << 20 // bytes
)

// errNoMetrics is an engine that has none: Ollama, or llama.cpp without
// --metrics (which answers 501).
var errNoMetrics = errors.New("no metrics")

// Engine is what the engine told last; nil: nothing has been read yet. It may be
// old: see its At, and Err.
func (r *Replica) Engine() *EngineStatus { return r.engine.Load() }

// scrape reads the engine's metrics until ctx ends: one reading at a time. That
// they can't be read is nothing to the replica's health.
func (r *Replica) scrape(ctx context.Context, client *http.Client, changed func()) {
	var last *EngineStatus // that was read
	for {
		began := time.Now()
		at := r.circuit.now()
		next, err := r.read(ctx, client)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil:
			r.progress.read(at, last, &next)
			r.corrected(last, &next)
			last = &next
		case err == errNoMetrics:
			next.At = r.circuit.now()
		default:
			if next = noData(); last != nil {
				next = *last
			}
			next.Err = err.Error()
			began = time.Now() // who is slow gets a pause
		}
		r.engine.Store(&next)
		changed()
		if !r.due(ctx, began, err == errNoMetrics) {
			return
		}
	}
}

// due waits until the next reading is, and tells whether there is to be one.
func (r *Replica) due(ctx context.Context, began time.Time, none bool) bool {
	for {
		interval := time.Duration(r.settings.Load().health.Interval)
		every := max(interval, readIdle)
		switch {
		case none:
			every = max(interval, readNone)
		case r.inflight.Load() > 0:
			every = interval
		}
		wait := every - time.Since(began)
		if wait <= 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(wait, interval)):
		}
	}
}

func (r *Replica) read(ctx context.Context, client *http.Client) (EngineStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	resp, err := r.get(ctx, client, "/metrics")
	if err != nil {
		return noData(), errors.New(plainly(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return noData(), errNoMetrics
	default:
		return noData(), fmt.Errorf("read metrics: status %d", resp.StatusCode)
	}
	body := &io.LimitedReader{R: resp.Body, N: readMost + 1}
	s, err := parseStatus(body)
	switch {
	case body.N == 0:
		return noData(), fmt.Errorf("read metrics: more than %d MiB", readMost>>20)
	case ctx.Err() != nil:
		return noData(), errors.New(plainly(ctx.Err()))
	case err != nil:
		return noData(), err
	}
	s.At = r.circuit.now()
	return s, nil
}

// plainly says why there was no answer. The error's own text may quote what the
// backend sent, so it is not used.
func plainly(err error) string {
	var no syscall.Errno
	var host *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("read metrics: not within %v", readWithin)
	case errors.As(err, &host):
		return "read metrics: the host's name is not known"
	case errors.As(err, &no):
		return "read metrics: " + no.Error()
	case errors.Is(err, errMute):
		return "read metrics: " + errMute.Error()
	}
	return "read metrics: no answer that can be understood"
}
