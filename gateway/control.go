package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
)

// openBooks makes the windows and has them go on where the ledger says they
// were left.
func (g *Gateway) openBooks() error {
	o := quota.Options{Clock: g.clock.now, AllowOnLoss: g.quota.OnStoreLoss == "allow", Log: g.log}
	if g.redis != nil {
		o.Lessor = g.redis
		g.redis.ShareGrants(shared{g})
		if g.quota.ShareAddressRates {
			g.redis.ShareAddresses(func() *quota.Addresses { return g.settings.Load().addresses })
		}
	}
	g.windows = quota.NewWindows(o)
	g.audit = &auditor{pool: g.pool.Snapshot, sums: g.ledger, flight: g.inFlight, shared: g.redis != nil, log: g.log}
	at := g.clock.now()
	counts, err := g.ledger.Counts(at)
	if err != nil {
		return fmt.Errorf("read what was used before: %w", err)
	}
	used := make([]quota.Count, len(counts))
	for i, c := range counts {
		used[i] = quota.Count{Org: c.Org, Key: c.Key, DayRequests: c.DayRequests, DayTokens: c.DayTokens,
			MonthRequests: c.MonthRequests, MonthTokens: c.MonthTokens}
	}
	g.windows.Restore(at, used)
	return g.takeGrants(context.Background())
}

// runBooks runs what counts until the last request has been counted.
func (g *Gateway) runBooks(group *errgroup.Group, work context.Context) {
	group.Go(func() error { return g.ledger.Run(work) })
	group.Go(func() error { return g.windows.Run(work) })
	group.Go(func() error { g.audit.run(work); return nil })
	if g.redis != nil {
		group.Go(func() error { return g.redis.Run(work) })
	}
}

// inFlight adds up, for the audit, what requests in flight have used.
func (g *Gateway) inFlight() map[string]inFlight {
	all := map[string]inFlight{}
	t := now()
	g.listener.check(func(c *conn) {
		r := c.request.Load()
		if r == nil {
			return
		}
		rec := r.snapshot(t)
		f := all[rec.Replica]
		switch rec.Phase {
		case PhasePrefill:
			f.Open.Prompt += mostOpen
			f.Open.Completion += mostOpen
		case PhaseDecode:
			f.Seen.Prompt += int64(rec.Prompt)
			f.Seen.Completion += int64(rec.Output)
			f.Open.Completion += mostOpen
		default:
			return
		}
		all[rec.Replica] = f
	})
	for _, replica := range g.directs.replicas() {
		f := all[replica]
		f.Open.Prompt += mostOpen
		f.Open.Completion += mostOpen
		all[replica] = f
	}
	return all
}

// mostOpen is what an engine may have counted at most for a request that has
// not said so: as much as engines' contexts usually hold.
const mostOpen = 32 << 10

// Drifts are the ledger held against the engines' own counts, some seconds old.
func (g *Gateway) Drifts() []Drift { return g.audit.drifts() }

// Usage sums up what the ledger holds of requests that have ended.
func (g *Gateway) Usage(ctx context.Context, q ledger.Query) ([]ledger.Sum, error) {
	return g.ledger.Usage(ctx, q)
}

// OrgQuotas are the windows of one organisation, and those of its keys that
// have limits of their own.
type OrgQuotas struct {
	Org     string
	Windows []quota.Window
}

// Quotas are the windows of all organisations as they are now, by name. Operators
// are among them once they have asked for something.
func (g *Gateway) Quotas(context.Context) ([]OrgQuotas, error) { return g.quotas(), nil }

func (g *Gateway) quotas() []OrgQuotas {
	var all []OrgQuotas
	def := &g.settings.Load().org
	orgs := g.keys.Orgs()
	if !slices.ContainsFunc(orgs, func(o *keys.Org) bool { return o.Name == Operators }) {
		if own := (&keys.Org{Name: Operators}); g.used(own) {
			orgs = append(slices.Clip(orgs), own)
		}
	}
	for _, o := range orgs {
		q := OrgQuotas{Org: o.Name, Windows: g.windows.Glance(quota.Who{Org: o.Name, Limits: def.of(o)})}
		for _, k := range o.Keys {
			if own := ownLimits(k); own != (quota.Limits{}) {
				for _, w := range g.windows.Glance(quota.Who{Org: o.Name, Key: k.ID, Limits: def.of(o), KeyLimits: own}) {
					if w.Key != "" {
						q.Windows = append(q.Windows, w)
					}
				}
			}
		}
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b OrgQuotas) int { return strings.Compare(a.Org, b.Org) })
	return all
}

// used tells whether anything is, of an organisation's windows.
func (g *Gateway) used(o *keys.Org) bool {
	return slices.ContainsFunc(g.windows.Glance(quota.Who{Org: o.Name, Limits: g.settings.Load().org.of(o)}),
		func(w quota.Window) bool { return w.Used+w.Reserved > 0 })
}

// tight lists the windows that are nearly used up.
func (g *Gateway) tight() []TightWindow {
	var out []TightWindow
	for _, q := range g.quotas() {
		for _, w := range q.Windows {
			if w.Limit > 0 && w.Remaining() < (w.Limit+tightShare-1)/tightShare {
				out = append(out, TightWindow{q.Org, w})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b TightWindow) int {
		return cmp.Compare(float64(a.Remaining())/float64(a.Limit), float64(b.Remaining())/float64(b.Limit))
	})
	return out[:min(len(out), maxTight)]
}

const (
	tightShare = 20
	maxTight   = 20
)

// Grants lists the grants that are valid, or all there ever were.
func (g *Gateway) Grants(ctx context.Context, all bool) ([]ledger.Grant, error) {
	return g.ledger.Grants(ctx, all)
}

// Audit lists what operators did last, newest first, at most so many.
func (g *Gateway) Audit(ctx context.Context, most int) ([]ledger.Event, error) {
	return g.ledger.Audit(ctx, most)
}

// Grant adds to a window of an organisation for a time, at once. In a fleet the
// other gateways have it within seconds.
func (g *Gateway) Grant(ctx context.Context, gr ledger.Grant) (ledger.Grant, error) {
	made, err := g.ledger.AddGrant(ctx, gr)
	if err != nil {
		return made, err
	}
	return made, g.takeGrants(ctx)
}

// Revoke ends a grant before its time.
func (g *Gateway) Revoke(ctx context.Context, id, by string) (ledger.Grant, error) {
	gr, err := g.ledger.RevokeGrant(ctx, id, by)
	if err != nil {
		return gr, err
	}
	return gr, g.takeGrants(ctx)
}

// takeGrants puts the ledger's grants in force.
func (g *Gateway) takeGrants(ctx context.Context) error {
	all, err := g.ledger.Grants(ctx, false)
	if err != nil {
		return fmt.Errorf("read the grants: %w", err)
	}
	in := make([]quota.Grant, len(all))
	for i, gr := range all {
		in[i] = quota.Grant{ID: gr.ID, Org: gr.Org, Window: gr.Window, Amount: gr.Amount, Until: gr.Until}
	}
	g.windows.SetGrants(in)
	return nil
}

// shared is the ledger's grants as a fleet shares them.
type shared struct{ g *Gateway }

func (s shared) Local() ([]quota.SharedGrant, error) {
	all, err := s.g.ledger.Grants(context.Background(), true)
	if err != nil {
		return nil, err
	}
	var out []quota.SharedGrant
	now := s.g.clock.now()
	for _, gr := range all {
		if !gr.Until.After(now) {
			continue
		}
		text, err := json.Marshal(gr)
		if err != nil {
			return nil, err
		}
		out = append(out, quota.SharedGrant{ID: gr.ID, Revoked: !gr.Revoked.IsZero(), Text: text, Ends: gr.Until})
	}
	return out, nil
}

func (s shared) Merge(in []quota.SharedGrant) error {
	var grants []ledger.Grant
	for _, sg := range in {
		var gr ledger.Grant
		if err := json.Unmarshal(sg.Text, &gr); err != nil {
			return fmt.Errorf("read the shared grant %q: %w", sg.ID, err)
		}
		grants = append(grants, gr)
	}
	changed, err := s.g.ledger.MergeGrants(context.Background(), grants)
	if err != nil || !changed {
		return err
	}
	return s.g.takeGrants(context.Background())
}
