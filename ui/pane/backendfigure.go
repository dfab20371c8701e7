package pane

import (
	"math"
	"strconv"

	"pilothouse/ui/widget"
)

// onlyWhole are columns that a backend has as a whole, and none of its replicas.
var onlyWhole = map[string]bool{"ttft p95": true, "t/s/req": true, "5xx/m": true, "tok/s": true, "preempt/m": true, "req/s": true, "ttft p50": true, "per tok": true, "t/s": true}

// figure is a column with a number; "" is no data.
func (l *backendTable) figure(head string, v *backendRow) (string, widget.Style) {
	if v.r != nil && onlyWhole[head] {
		return " ", widget.Plain
	}
	switch head {
	case "run":
		return strconv.Itoa(v.running), widget.Plain
	case "wait":
		if v.queued < 0 && v.behind < 0 {
			return "", widget.Muted
		}
		if v.waiting() > 0 {
			return strconv.Itoa(v.waiting()), widget.Warn
		}
		return "0", widget.Plain
	case "t/s/req":
		return widget.Figure(v.each), widget.Plain
	case "t/s":
		text := widget.Figure(v.each)
		if text == "" {
			return "", widget.Muted
		}
		if v.each < 999.5 {
			text = strconv.Itoa(int(math.Round(v.each)))
		}
		return text + " t/s", widget.Plain
	case "5xx/m":
		return perMinuteCell(v.errors, widget.Bad)
	case "preempt/m":
		return perMinuteCell(v.preempts, widget.Warn)
	case "prefix":
		if math.IsNaN(v.prefix) {
			return "", widget.Muted
		}
		return strconv.Itoa(int(math.Round(100*v.prefix))) + "%", widget.Plain
	case "up":
		if k := v.replicas(); len(k) == 1 && k[0].Container != nil && k[0].Container.State == "running" && !k[0].Container.Started.IsZero() {
			return widget.Age(l.now.Sub(k[0].Container.Started)), widget.Plain
		}
		return "", widget.Muted
	case "sent", "failed":
		return v.count(head)
	}
	if !v.seen {
		return "", widget.Muted
	}
	return v.rate(head), widget.Plain
}

// rate is what only a backend as a whole has.
func (v *backendRow) rate(head string) string {
	switch head {
	case "req/s":
		return widget.Figure(v.rates.Requests)
	case "tok/s":
		return widget.Figure(v.rates.Tokens)
	case "ttft p50":
		return widget.Duration(v.rates.FirstP50)
	case "ttft p95":
		return widget.Duration(v.rates.FirstP95)
	case "per tok":
		return widget.Duration(v.rates.PerTokP50)
	}
	return ""
}

// count is what has been counted since the start.
func (v *backendRow) count(head string) (string, widget.Style) {
	var n uint64
	rs := v.replicas()
	for i := range rs {
		if head == "sent" {
			n += rs[i].Requests
		} else {
			n += rs[i].Failures
		}
	}
	return widget.Count(n), widget.Plain
}

// perMinuteCell is a rate of something that should not happen: whole ones, of
// which a little is not nothing.
func perMinuteCell(v float64, st widget.Style) (string, widget.Style) {
	switch {
	case math.IsNaN(v) || v < 0:
		return "", widget.Muted
	case v == 0:
		return "0", widget.Plain
	case v < 999.5:
		return strconv.Itoa(int(math.Max(1, math.Round(v)))), st
	}
	return widget.Figure(v), st
}
