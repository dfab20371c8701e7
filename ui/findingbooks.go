package ui

import (
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// findBooks looks at what is counted and written down.
func findBooks(d pane.Data, add adder) {
	if d.Gateway == nil {
		return
	}
	b := &d.Gateway.Books
	l := &b.Ledger
	since := ""
	if !l.Since.IsZero() {
		since = " for " + widget.Age(d.Now.Sub(l.Since))
	}
	switch {
	case l.Refusing && !b.Pass:
		add(rankLedger, widget.Bad, pane.Ref{}, "the ledger can't be written%s, every request gets 503: %s", since, l.Err)
	case l.Refusing || l.Backlog > 0:
		add(rankLedger, widget.Bad, pane.Ref{}, "the ledger can't be written%s, requests go on without it (%d wait in memory, %d lost): %s", since, l.Backlog, l.Lost, l.Err)
	case l.Err != "":
		add(rankLedger, widget.Warn, pane.Ref{}, "the ledger's database can't be written%s, %s in its journal: %s", since, waiting(int(l.WaitingRows)), l.Err)
	case l.Lost > 0:
		add(rankDrift, widget.Warn, pane.Ref{}, "%s missing in the ledger: they could not be written in time", widget.Many(int(l.Lost), "request"))
	}
	if l.Damaged > 0 {
		add(rankDrift, widget.Warn, pane.Ref{}, "%s of the ledger's journal damaged: what they held is missing", widget.Many(int(l.Damaged), "byte"))
	}
	if f := &b.Fleet; b.Shared && f.Err != "" {
		what := "leases in hand are used up, then requests get 503"
		if f.Allowing {
			what = "each gateway then counts for itself"
		}
		add(rankStore, widget.Warn, pane.Ref{}, "the quota store is away for %s, %s: %s", widget.Age(d.Now.Sub(f.Since)), what, f.Err)
	}
	for _, w := range b.Tight {
		whose := w.Org
		if w.Key != "" {
			whose += ", key " + w.Key
		}
		if w.Remaining() == 0 {
			add(rankQuota, widget.Warn, pane.Ref{Kind: pane.RefOrg, Name: w.Org}, "%s: %s is used up, its requests get 429 for %s", whose, w.Name, widget.Age(w.ResetsAt.Sub(d.Now)))
		}
	}
	for i := range b.Audit {
		if a := &b.Audit[i]; a.Suspicious() {
			add(rankDrift, widget.Warn, backend(a.Backend), "%s: the engine counts %+d prompt and %+d completion tokens beyond the ledger's", a.Backend, a.Prompt(), a.Completion())
		}
	}
}
