package backends

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// What is known of a replica's health, and who says it: requests, probes,
// progress, an operator, and who starts its container.

// Answered notes that a request got an answer below status 500.
func (r *Replica) Answered() { r.circuit.answered() }

// Failed notes a sign of ill health that a request met. A time-out is none
// while the engine gets on: it is busy.
func (r *Replica) Failed(f Failure) {
	if f == TimedOut {
		s := r.settings.Load()
		w := r.flight.waits()
		within := min(stillFor, time.Duration(s.timeouts.FirstByte)/2, time.Duration(s.timeouts.NextByte)/2)
		if r.moves(max(within, w.patience(s.context))) {
			return
		}
	}
	r.failures.Add(1)
	r.circuit.fail(f)
}

// Progressed notes that some of an answer came. It is called for each event of a
// stream, and costs a store at most.
func (r *Replica) Progressed() {
	if t := r.clock.Load(); r.bytes.Load() != t { // many streams at once: mostly it was stored
		r.bytes.Store(t)
	}
}

// Drain takes it out of work until Undrain: nothing new is sent to it, and what
// is there may end. Neither probes nor a reload of the configuration change
// that. The reason is shown.
func (r *Replica) Drain(reason string) { r.circuit.retire(true, reason) }

// Undrain ends a drain. A replica that is well comes back bit by bit.
func (r *Replica) Undrain() { r.circuit.retire(false, "") }

// retire drains it for somebody, or with nil ends that.
func (r *Replica) retire(d *Drained) {
	r.drained.Store(d)
	if d == nil {
		r.Undrain()
	} else {
		r.Drain(d.words())
	}
}

// serves tells whether it may be sent work.
func (r *Replica) serves() bool { return r.circuit.choice() > 0 }

// Starting tells that its engine was started at a time, as by its container's
// start. It is sent no work until its health check succeeds again.
func (r *Replica) Starting(since time.Time, reason string) { r.circuit.start(Starting, since, reason) }

// Loading tells that its container has run since a time. From then on it loads
// its model, also where nothing listens yet: vLLM opens its port late.
func (r *Replica) Loading(since time.Time, reason string) { r.circuit.start(Loading, since, reason) }

// Share is how much of the work that others get it may have, above 0 and to 1:
// less than 1 for a while after it came back, and never where no other replica
// of its backend can be picked.
func (r *Replica) Share() float64 {
	s := r.circuit.damp.share(r.circuit.now())
	if s < 1 && r.alone() {
		return 1
	}
	return s
}

// alone tells whether no other replica of its backend can be picked.
func (r *Replica) alone() bool {
	peers := r.peers.Load()
	return peers == nil || !slices.ContainsFunc(*peers, func(p *Replica) bool { return p != r && p.circuit.choice() > 0 })
}

// look judges its progress, every lookEvery.
func (r *Replica) look() {
	now := r.circuit.now()
	r.clock.Store(now.UnixNano())
	var bytes time.Time
	if t := r.bytes.Load(); t != 0 {
		bytes = time.Unix(0, t)
	}
	s := r.settings.Load()
	moved, stuck := r.progress.look(now, bytes, r.flight.waits(), time.Duration(s.health.HungAfter), s.context)
	switch {
	case stuck != "":
		r.circuit.stuck(stuck)
	case moved:
		r.circuit.moved()
	case r.inflight.Load() == 0:
		r.circuit.rested()
	}
}

// moves tells whether its engine did anything less than d ago.
func (r *Replica) moves(d time.Duration) bool {
	now := r.circuit.now()
	return now.UnixNano()-r.bytes.Load() < int64(d) || r.progress.stepped(now, d)
}

// client asks the engine about itself, beside its work.
func (r *Replica) client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: r.tls, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// watch probes the replica until ctx ends. Bytes of an answer are a better sign
// than any probe: while they come, and nothing else is open, none is made.
func (r *Replica) watch(ctx context.Context, client *http.Client) {
	for {
		h := r.settings.Load().health
		if !r.circuit.needsProbe() && r.circuit.now().UnixNano()-r.bytes.Load() < int64(h.Interval) {
			r.circuit.alive()
		} else {
			o := r.probe(ctx, client, h)
			if ctx.Err() != nil {
				return
			}
			r.probed(o)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(h.Interval)):
		}
	}
}

// busy tells whether its engine has work, and either gets on with it or has not
// had it for long enough to tell.
func (r *Replica) busy() bool {
	w := r.flight.waits()
	within := max(stillFor, w.patience(r.settings.Load().context))
	longest := earlier(w.first, w.more)
	return r.moves(within) || !longest.IsZero() && r.circuit.now().Sub(longest) < within
}

// probed takes what came of a probe. One that was not answered in time says
// nothing of an engine that is busy.
func (r *Replica) probed(o outcome) {
	switch {
	case o == succeeded:
		r.circuit.probed()
	case o == silent && r.busy():
	default:
		r.failures.Add(1)
		r.circuit.unwell(o)
	}
}

// probe asks for the health path, and whoever is to be let in also which models
// it serves. A replica that has work is asked for nothing but the health path.
func (r *Replica) probe(ctx context.Context, client *http.Client, h Health) outcome {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.Timeout))
	defer cancel()
	resp, err := r.get(ctx, client, h.Path)
	if err != nil {
		return outcomeOf(err)
	}
	resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable:
		return unready
	case resp.StatusCode/100 != 2:
		return errored
	case r.circuit.excluded() && r.lacksModel(ctx, client):
		return lacking
	}
	return succeeded
}

// outcomeOf says why a probe got no answer.
func outcomeOf(err error) outcome {
	var host *net.DNSError
	var timed net.Error
	switch {
	case errors.As(err, &timed) && timed.Timeout():
		return silent
	case errors.As(err, &host):
		return unnamed
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, errMute), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return brokeOff
	}
	return unclear
}

// modelsMost bounds what is read of /v1/models.
const modelsMost = 1 << 20

// lacksModel tells whether the engine says that it serves other models only.
// What is no list says nothing. Nor does the list of an engine that answers to
// names which are not in it: llama.cpp to any, Ollama without the tag.
func (r *Replica) lacksModel(ctx context.Context, client *http.Client) bool {
	resp, err := r.get(ctx, client, "/v1/models")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false
	}
	var list models
	if json.NewDecoder(io.LimitReader(resp.Body, modelsMost)).Decode(&list) != nil {
		return false
	}
	return list.lacks(r.settings.Load().model)
}

// models is the body of an engine's /v1/models.
type models struct {
	Object string `json:"object"`
	Data   []struct {
		ID      string `json:"id"`
		OwnedBy string `json:"owned_by"`
	} `json:"data"`
}

// lacks tells whether the model is not served. owned_by is what vLLM, SGLang and
// the simulator say of themselves there: those list all names they answer to.
func (m *models) lacks(model string) bool {
	exact := []string{"vllm", "sglang", "pilothouse-sim"}
	for _, d := range m.Data {
		if d.ID == model || !slices.Contains(exact, d.OwnedBy) {
			return false
		}
	}
	return m.Object == "list"
}

// get asks for a path of the engine's, with the backend's key.
func (r *Replica) get(ctx context.Context, client *http.Client, path string) (*http.Response, error) {
	return r.ask(ctx, client, "GET", path, "")
}

// errMute is that a connection was made, and ended with no byte of an answer. The
// errors for that are as many as the moments at which it can end, and not all of
// net/http's have a name.
var errMute = errors.New("the connection ended without an answer")

// ask sends the engine a request of the gateway's own.
func (r *Replica) ask(ctx context.Context, client *http.Client, method, path, body string) (*http.Response, error) {
	scheme := "http://"
	if r.tls != nil {
		scheme = "https://"
	}
	var connected, spoke atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
		GotFirstResponseByte: func() { spoke.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, scheme+r.host+r.prefix+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key := r.settings.Load().key; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil && connected.Load() && !spoke.Load() {
		err = fmt.Errorf("%w: %w", errMute, err)
	}
	return resp, err
}
