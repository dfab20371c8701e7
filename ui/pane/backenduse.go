package pane

import (
	"cmp"
	"slices"

	"pilothouse/gateway"
)

// backendUse is what one organisation has with a backend now.
type backendUse struct {
	org      string
	requests int // sent to a replica
	queued   int // waiting for room at one
	tokens   int // of prompts and answers, of those sent
	share    float64
}

// backendUses are the organisations with requests at a backend, or at one of its
// replicas, by what they take of it: tokens, or requests where none are known.
// The share is of the same.
func backendUses(live []gateway.Record, backend, replica string) []backendUse {
	var all []backendUse
	tokens, requests := 0, 0
	for i := range live {
		r := &live[i]
		if r.Backend != backend || replica != "" && r.Replica != replica || r.Phase == gateway.PhaseEnded || r.Org == "" {
			continue
		}
		at := slices.IndexFunc(all, func(u backendUse) bool { return u.org == r.Org })
		if at < 0 {
			at = len(all)
			all = append(all, backendUse{org: r.Org})
		}
		u := &all[at]
		if r.Phase < gateway.PhaseSending {
			u.queued++
			continue
		}
		n := max(0, r.Prompt) + max(0, r.Output)
		u.requests, u.tokens = u.requests+1, u.tokens+n
		requests, tokens = requests+1, tokens+n
	}
	for i := range all {
		switch u := &all[i]; {
		case tokens > 0:
			u.share = float64(u.tokens) / float64(tokens)
		case requests > 0:
			u.share = float64(u.requests) / float64(requests)
		}
	}
	slices.SortStableFunc(all, func(a, b backendUse) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(b.queued, a.queued), cmp.Compare(a.org, b.org))
	})
	return all
}
