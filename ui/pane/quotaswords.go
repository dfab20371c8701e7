package pane

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/widget"
)

// quotaLabel is a window's name for people: tokens/day.
func quotaLabel(name string) string { return strings.Replace(name, "_per_", "/", 1) }

// quotaShort is the same in seven cells: tok/day, req/mon.
func quotaShort(name string) string {
	what, per, _ := strings.Cut(name, "_per_")
	return what[:min(3, len(what))] + "/" + per[:min(3, len(per))]
}

// quotaAmount writes a limit, which is mostly round, in short: 10M, 12.5M, 100k,
// 912,440.
func quotaAmount(n int64) string {
	for _, u := range [...]struct {
		of   int64
		unit string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= u.of && n%(u.of/10) == 0 {
			return strconv.FormatFloat(float64(n)/float64(u.of), 'f', -1, 64) + u.unit
		}
	}
	return quotaCount(n)
}

// quotaCount writes an amount in full.
func quotaCount(n int64) string {
	if n < 0 {
		return "-" + widget.Count(uint64(-n))
	}
	return widget.Count(uint64(n))
}

// quotaPercent writes a share in at most four cells. What isn't all is not said
// to be 100 %, nor a little nothing.
func quotaPercent(share float64) string {
	if math.IsNaN(share) {
		return ""
	}
	p := math.Round(100 * share)
	switch {
	case share < 1 && p >= 100:
		p = 99
	case share > 0 && p == 0:
		return "<1%"
	}
	return strconv.Itoa(int(min(max(p, 0), 999))) + "%"
}

// perHour writes how fast a window is used up, in its own units: 4.3M/h.
func (w *quotaWindow) perHour() string {
	if math.IsNaN(w.pace) || w.limit <= 0 {
		return ""
	}
	return widget.Figure(w.pace*float64(w.limit)*3600) + "/h"
}

// quotaClock writes a moment near now: 04:40Z, or 29 Nov.
func quotaClock(t, now time.Time) string {
	if t = t.UTC(); t.Sub(now).Abs() <= quotaDay {
		return t.Format("15:04Z")
	}
	return t.Format("2 Jan")
}

// outlook is what becomes of a window, in eight cells, and its style.
func (w *quotaWindow) outlook(t *widget.Theme, now time.Time) (string, widget.Style) {
	st := w.grade()
	switch {
	case w.limit <= 0:
		return "no limit", widget.Muted
	case w.spent():
		return t.Bad + " spent", st
	case !w.out.IsZero():
		return t.Warn + " " + quotaClock(w.out, now), st
	case st == widget.Warn && math.IsNaN(w.pace):
		return t.Warn + " " + t.None, st
	case st == widget.Warn:
		return t.Warn + " lasts", st
	case math.IsNaN(w.pace):
		return "", widget.Muted
	}
	return "lasts", widget.Muted
}

// fate is the same in a sentence of at most room cells, where that is at least
// twenty.
func (w *quotaWindow) fate(now time.Time, room int) string {
	long, short := quotaMoment(w.resets, now)
	if w.monthly() { // its first day says more than which day of the week that is
		long, short = w.resets.UTC().Format("2 Jan 15:04 UTC"), w.resets.UTC().Format("2 Jan")
	}
	verb, brief := "", ""
	switch {
	case w.limit <= 0:
		return "no limit"
	case w.spent():
		verb, brief = "spent until ", "spent to "
	case !w.out.IsZero():
		long, short = quotaMoment(w.out, now)
		verb, brief = "runs out ", "runs out "
	case math.IsNaN(w.pace):
		verb, brief = "resets ", "resets "
	default:
		verb, brief = "lasts until ", "lasts to "
	}
	if len(verb)+len(long) <= room {
		return verb + long
	}
	return brief + short
}

// quotaMoment writes a moment to come with its day, unless that is today's, in
// full and in at most ten cells.
func quotaMoment(t, now time.Time) (long, short string) {
	t, now = t.UTC(), now.UTC()
	switch midnight := now.Truncate(quotaDay); {
	case t.Truncate(quotaDay).Equal(midnight):
		return t.Format("15:04 UTC"), t.Format("15:04Z")
	case t.After(midnight) && t.Before(midnight.Add(7*quotaDay)):
		return t.Format("Mon 15:04 UTC"), t.Format("Mon 15:04Z")
	}
	return t.Format("2 Jan 15:04 UTC"), t.Format("2 Jan")
}

// grantLine is a grant in a line.
func grantLine(g *ledger.Grant, now time.Time) string {
	text := "+" + quotaAmount(g.Amount) + " " + quotaLabel(g.Window) + " until " + quotaClock(g.Until, now) + " by " + g.Author
	if g.Reason != "" {
		text += ": " + g.Reason
	}
	return text
}
