package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// What vLLM prints while it serves: uvicorn's line for each request, and every ten
// seconds one of its own.

// logged is a line as vLLM's own logger prints it.
func logged(at time.Time, level, text string) string {
	return level + " " + at.Format("01-02 15:04:05") + " " + text
}

// quiet tells whether requests for a path are left out of the access log, as by
// vLLM's --disable-access-log-for-endpoints: those that the gateway makes by itself,
// some every second.
func quiet(path string) bool {
	return slices.Contains([]string{"/health", "/ping", "/metrics"}, path)
}

// accessed prints an answer's line when its head goes out, as uvicorn does; an
// answer that never got one has no line.
type accessed struct {
	http.ResponseWriter
	request *http.Request
	console func(string)
	printed bool
}

// Unwrap has http.NewResponseController find what is below.
func (a *accessed) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *accessed) WriteHeader(status int) {
	if !a.printed {
		a.printed = true
		a.console(access(a.request, status))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *accessed) Write(p []byte) (int, error) {
	if !a.printed {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// access is uvicorn's line for a request. What a client may have put into the
// query is not told.
func access(r *http.Request, status int) string {
	return fmt.Sprintf("INFO:     %s - \"%s %s HTTP/%d.%d\" %d %s", r.RemoteAddr, clip(r.Method), clip(r.URL.EscapedPath()), r.ProtoMajor, r.ProtoMinor, status, http.StatusText(status))
}

// reportEvery is vLLM's VLLM_LOG_STATS_INTERVAL, unless it is set.
const reportEvery = 10 * time.Second

// tally is what an engine has done by a moment.
type tally struct {
	at                 time.Time
	prompts, generated uint64 // tokens
}

// report prints what the engine does until ctx ends. Like vLLM it is silent when
// nothing was read or generated in this span and in the one before: also where the
// engine hangs.
func (s *Server) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	before, worked := tally{at: time.Now()}, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		line, is := s.engine.reported(before)
		works := is.prompts > before.prompts || is.generated > before.generated
		if works || worked {
			s.config.Console(line)
		}
		before, worked = is, works
	}
}

// reported is vLLM's line about the engine since a moment. Its hit rate is of all
// prompts so far, as in /metrics, where vLLM's is of the last thousand.
func (e *engine) reported(before tally) (string, tally) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, now := e.meter, tally{time.Now(), e.meter.prompts, e.meter.generated}
	span, rate := now.at.Sub(before.at).Seconds(), 0.0
	if m.queries > 0 {
		rate = 100 * float64(m.hits) / float64(m.queries)
	}
	return logged(now.at, "INFO", fmt.Sprintf("[loggers.py:257] Engine 000: Avg prompt throughput: %.1f tokens/s, Avg generation throughput: %.1f tokens/s, "+
		"Running: %d reqs, Waiting: %d reqs, GPU KV cache usage: %.1f%%, Prefix cache hit rate: %.1f%%",
		float64(now.prompts-before.prompts)/span, float64(now.generated-before.generated)/span,
		len(e.running), len(e.waiting), 100*float64(e.pool.used())/float64(e.pool.total), rate)), now
}
