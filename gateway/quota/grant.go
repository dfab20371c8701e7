package quota

import "time"

// Grant adds to one window of an organisation until it ends.
type Grant struct {
	ID     string
	Org    string
	Window string // its name
	Amount int64  // requests or tokens; more than 0
	Until  time.Time
}

// SetGrants puts these grants in force, and no others. A window without a limit
// has no use for one.
func (w *Windows) SetGrants(grants []Grant) {
	byOrg := make(map[string][]Grant)
	for _, g := range grants {
		byOrg[g.Org] = append(byOrg[g.Org], g)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grants = byOrg
	for org, a := range w.orgs {
		a.mu.Lock()
		a.grants = byOrg[org]
		a.share.wanted(a)
		a.mu.Unlock()
	}
}

// limit is a window's limit with the grants that are in force.
func (a *account) limit(window int, limit int64, at time.Time) int64 {
	if limit <= 0 {
		return limit
	}
	for i := range a.grants {
		if g := &a.grants[i]; g.Window == windows[window].name && at.Before(g.Until) {
			limit = add(limit, max(g.Amount, 0))
		}
	}
	return limit
}
