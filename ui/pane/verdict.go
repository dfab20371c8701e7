package pane

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/widget"
)

// last is the last step of a kind; nil: there is none.
func last[T gateway.Step](e *gateway.Explanation) (found *T) {
	for _, s := range e.Steps {
		if is, ok := s.(T); ok {
			found = &is
		}
	}
	return found
}

// verdict says why it ended as it did, in one line.
func (w *words) verdict() string {
	end := last[gateway.Ended](w.Explanation)
	if end == nil {
		return fmt.Sprintf("in flight for %s: %s", took(w.Duration), w.Phase)
	}
	switch end.End {
	case gateway.EndDone:
		if w.First > 0 {
			return fmt.Sprintf("answered in %s, the first byte after %s", took(w.Duration), took(w.First))
		}
		return "answered in " + took(w.Duration)
	case gateway.EndClientLeft:
		return "the client closed its connection after " + took(end.At.Sub(w.Start))
	case gateway.EndInterrupted:
		return interrupted(end) + " after " + took(end.At.Sub(w.Start))
	case gateway.EndBackendFailed:
		return w.failed(end)
	}
	return w.refused(end)
}

// interrupted says who ended it.
func interrupted(s *gateway.Ended) string {
	switch {
	case s.Cause == gateway.CauseCancelled && s.By != "":
		return s.By + " cancelled it"
	case s.Cause == gateway.CauseCancelled:
		return "an operator cancelled it"
	case s.Cause == gateway.CauseStopping:
		return "the gateway's stop ended it"
	}
	return "the gateway failed on it"
}

// failed says what the backend did wrong.
func (w *words) failed(s *gateway.Ended) string {
	where := w.Backend
	if w.Replica != "" {
		where = address(w.Replica)
	}
	switch s.Cause {
	case gateway.CauseFirstByte:
		return fmt.Sprintf("%s sent no first byte within %s", where, took(s.Limit))
	case gateway.CauseNextByte:
		return fmt.Sprintf("%s stopped in its answer: no next byte within %s", where, took(s.Limit))
	case gateway.CauseTotal:
		return fmt.Sprintf("%s took longer than the %s that a request may take", where, took(s.Limit))
	}
	if p := last[gateway.Picked](w.Explanation); p != nil && p.Failure != "" {
		return fmt.Sprintf("%s: %s", where, failure(p.Failure))
	}
	return fmt.Sprintf("%s: its answer could not be passed on", where)
}

// refused says which step went no further.
func (w *words) refused(end *gateway.Ended) string {
	if q := last[gateway.Queued](w.Explanation); q != nil {
		switch q.Outcome {
		case gateway.LineTimeout:
			return fmt.Sprintf("no room at %s within %s: %s, needs %s", w.Backend, took(q.Limit), full(q.Booked, q.Capacity), count(q.Needs))
		case gateway.LineFull, gateway.LinePushedOut:
			return fmt.Sprintf("the queue of %s was full: %s, needs %s; %s", w.Backend, full(q.Booked, q.Capacity), count(q.Needs), ahead(q))
		case gateway.LineTooLarge:
			return fmt.Sprintf("it may come to %s KV tokens, and the largest replica of %s holds %s", count(q.Needs), w.Backend, count(q.Capacity))
		}
	}
	if r := last[gateway.Reserved](w.Explanation); r != nil && r.Outcome == gateway.ReserveExceeded {
		win, asked := exceeded(r)
		return fmt.Sprintf("%s asked, and %s of %s; begins anew %s", asked, left(win), count(win.Limit), moment(win.ResetsAt))
	}
	if a := last[gateway.Accepted](w.Explanation); a != nil {
		switch {
		case a.Limited:
			return fmt.Sprintf("its address has asked too often: %s of a burst of %s, and %g req/s", count(a.Used), count(a.Burst), a.Rate)
		case a.Key != gateway.KeyValid && a.Key != gateway.KeyUnchecked:
			return strings.Join(accepted(&gateway.Accepted{Key: a.Key, Scope: a.Scope}), ", ")
		}
	}
	switch {
	case end.Cause == gateway.CauseStopping || w.Retry.From == gateway.RetryStop:
		return "the gateway was stopping"
	case end.Param != "":
		return fmt.Sprintf("its parameter %s is not accepted", end.Param)
	case w.Retry.From == gateway.RetryHealth:
		return fmt.Sprintf("no replica of %s was fit for work", w.Backend)
	case w.First > 0:
		return fmt.Sprintf("%s refused it", w.Backend)
	}
	return w.outcome()
}

// outcome is the status with its code.
func (w *words) outcome() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", w.Status, w.Code))
}

// answer says what the client was told.
func (w *words) answer() string {
	end := last[gateway.Ended](w.Explanation)
	switch {
	case end == nil && w.First > 0:
		return "under way"
	case end == nil:
		return "none yet"
	case end.End == gateway.EndClientLeft && w.First == 0:
		return "none: the client had left"
	case w.Retry.After <= 0:
		return w.outcome()
	}
	return fmt.Sprintf("%s, Retry-After %d %s", w.outcome(), w.Retry.Seconds(), w.retry())
}

// retry says how Retry-After was found.
func (w *words) retry() string {
	r := &w.Retry
	switch r.From {
	case gateway.RetryAddress:
		return "= until its address may ask again"
	case gateway.RetryWindow:
		if s := last[gateway.Reserved](w.Explanation); s != nil {
			win, _ := exceeded(s)
			return fmt.Sprintf("= until %s, when %s begins anew", moment(win.ResetsAt), win.Name)
		}
	case gateway.RetryLine:
		if r.PerSecond <= 0 {
			return "= the least: how fast requests end is not known yet"
		}
		text := fmt.Sprintf("%s KV tokens ahead / %s that end a second", count(r.Tokens), count(int64(math.Round(r.PerSecond))))
		switch at := math.Ceil(float64(r.Tokens) / r.PerSecond); {
		case at < r.After.Seconds():
			return "= the least, above " + text
		case at > r.After.Seconds()+1: // the tokens were rounded
			return "= the most, below " + text
		}
		return "= " + text
	case gateway.RetryHealth:
		return "= until replicas are probed again"
	case gateway.RetryStore:
		return "= how often the store is tried again"
	case gateway.RetryBackend:
		return "as the backend said"
	}
	return "= at once, elsewhere"
}

// count writes a number with thousands set apart.
func count(n int64) string { return widget.Count(uint64(max(n, 0))) }

func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// took is a time that is known, so that nothing is "0 ms".
func took(d time.Duration) string {
	if d <= 0 {
		return "0 ms"
	}
	return widget.Duration(d)
}

// size writes bytes in thousands of them.
func size(n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10) + " B"
	case n < 999_950:
		return strconv.FormatFloat(float64(n)/1e3, 'f', 1, 64) + " KB"
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
}

// moment writes the end of a window: midnight of a day.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }
