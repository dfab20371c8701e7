package ui

import (
	"time"

	"pilothouse/ui/pane"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Of what is on its way: how soon a quota's end is a finding, from which share of
// it on, and how many sequences thrown out in the last minute are one.
const (
	soon      = time.Hour
	soonShare = 0.5
	preempts  = 3
)

// findSoon looks at what will hurt somebody if it goes on.
func findSoon(d pane.Data, add adder) {
	if d.Trends == nil {
		return
	}
	for _, b := range poolNames(d) {
		n := 0.0
		for _, v := range d.Trends.Series(past.Preempts, b, d.Now, 10*time.Second, 6) {
			if v > 0 { // false for NaN
				n += 10 * v
			}
		}
		if n >= preempts {
			add(rankPreempt, widget.Warn, backend(b), "%s: its engine threw out %.0f sequences in the last minute to make room: its KV cache is too small for what it was sent", b, n)
		}
	}
	if d.Past == nil {
		return
	}
	for _, o := range d.Past.Quotas {
		for _, w := range o.Windows {
			share := float64(w.Used+w.Reserved) / float64(w.Limit)
			if w.Limit <= 0 || share < soonShare || w.Remaining() == 0 { // which is told elsewhere
				continue
			}
			at := past.Foresee(d.Trends, o.Org, &w, d.Now).Out
			if at.IsZero() || at.Sub(d.Now) > soon {
				continue
			}
			whose := o.Org
			if w.Key != "" {
				whose += ", key " + w.Key
			}
			add(rankQuota, widget.Warn, pane.Ref{Kind: pane.RefOrg, Name: o.Org}, "%s: %s runs out in %s, at %s, as it is used now; its requests get 429 then",
				whose, w.Name, widget.Age(at.Sub(d.Now)), at.UTC().Format("15:04 UTC"))
		}
	}
}
