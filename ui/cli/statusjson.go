package cli

import (
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// statusListing is what "status --json" prints. Names are stable and carry the
// unit, times are in UTC, and what is not known is null. Text is "" where there
// is none.
type statusListing struct {
	At       time.Time     `json:"at"`
	Verdict  string        `json:"verdict"`
	Gateway  *gatewayItem  `json:"gateway"` // null: none serves here
	Backends []backendItem `json:"backends"`
	Jobs     []jobItem     `json:"jobs"`   // those under way, oldest first, then those that have ended, newest first
	Hosts    []hostItem    `json:"docker"` // the engines
}

// gatewayItem is the gateway; rates are over the last five seconds.
type gatewayItem struct {
	At       time.Time  `json:"at"` // when the figures were taken
	Started  *time.Time `json:"started"`
	Listen   string     `json:"listen"`
	Draining bool       `json:"draining"` // nothing new is taken
	InFlight int        `json:"in_flight"`
	Queued   int        `json:"queued"`
	Requests float64    `json:"requests_per_second"`
	Tokens   float64    `json:"tokens_per_second"`
	Errors   float64    `json:"errors_per_second"`
	FirstP95 *float64   `json:"first_token_p95_seconds"` // of the last minute
}

type backendItem struct {
	Name     string        `json:"name"`
	Model    string        `json:"model"`
	Aliases  []string      `json:"aliases"`
	Routes   []string      `json:"routes"`
	Serving  int           `json:"serving"` // replicas that are known to be fit for work
	Queue    *queueItem    `json:"queue"`
	Replicas []replicaItem `json:"replicas"`
}

type queueItem struct {
	Waiting int     `json:"waiting"`
	Tokens  int64   `json:"tokens"`
	Oldest  float64 `json:"oldest_seconds"`
}

// replicaItem is a replica. What the gateway has with it is not known where none
// serves.
type replicaItem struct {
	URL       string         `json:"url"`
	State     string         `json:"state"`
	Available bool           `json:"available"` // it may be sent work
	Reason    string         `json:"reason"`
	Since     *time.Time     `json:"since"`
	LastOK    *time.Time     `json:"last_ok"`
	Share     float64        `json:"share"` // of the work that others get
	InFlight  *int           `json:"in_flight"`
	Booked    *int64         `json:"kv_booked_tokens"`
	Capacity  *int64         `json:"kv_capacity_tokens"`
	Requests  *uint64        `json:"requests"`
	Failures  *uint64        `json:"failures"`
	Engine    *engineItem    `json:"engine"`
	Container *containerItem `json:"container"` // null: none is configured
	Drained   *drainedItem   `json:"drained"`   // null: it is not
}

type engineItem struct {
	At       *time.Time `json:"at"` // when it was read last
	Started  *time.Time `json:"started"`
	Running  *int       `json:"running"`
	Waiting  *int       `json:"waiting"`
	KVUsage  *float64   `json:"kv_usage"` // 0 to 1
	Sleeping bool       `json:"sleeping"`
	Error    string     `json:"error"` // why it could not be read; the rest is older then
}

type containerItem struct {
	Name     string       `json:"name"`
	Host     string       `json:"host"`
	State    string       `json:"state"` // "": there is none
	Words    string       `json:"words"`
	Image    string       `json:"image"`
	Ours     bool         `json:"ours"`
	Started  *time.Time   `json:"started"`
	Restarts *int         `json:"restarts"`
	Changes  []changeItem `json:"changes"`
	At       *time.Time   `json:"at"` // null: it has not been read yet
	Error    string       `json:"error"`
}

type drainedItem struct {
	At     *time.Time `json:"at"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	Job    *int       `json:"job"` // null: it was none
}

type hostItem struct {
	Name  string     `json:"name"`
	Error string     `json:"error"` // why it can't be asked; "": it can
	Since *time.Time `json:"since"`
}

func newStatusListing(pool *backends.Snapshot, g desk.Gateway, now time.Time) statusListing {
	s := statusListing{At: now, Backends: make([]backendItem, len(pool.Backends)), Jobs: make([]jobItem, len(pool.Jobs)), Hosts: make([]hostItem, len(pool.Hosts))}
	var snap *gateway.Snapshot
	if g != nil {
		snap = g.Snapshot()
		s.Gateway = newGatewayItem(snap)
	}
	for i := range pool.Backends {
		s.Backends[i] = newBackendItem(&pool.Backends[i], snap)
	}
	for i := range pool.Jobs {
		s.Jobs[i] = newJobItem(&pool.Jobs[i])
	}
	for i, h := range pool.Hosts {
		s.Hosts[i] = hostItem{h.Name, h.Err, known(h.Since)}
	}
	s.Verdict = s.verdict()
	return s
}

func newGatewayItem(snap *gateway.Snapshot) *gatewayItem {
	g := &gatewayItem{At: snap.At.UTC(), Started: known(snap.Started), Listen: snap.Listen, Draining: snap.Draining, InFlight: snap.InFlight,
		Requests: snap.Now.Requests, Tokens: snap.Now.Tokens, Errors: snap.Now.Errors}
	for _, q := range snap.Queues {
		g.Queued += q.Waiting
	}
	if p95 := snap.Now.FirstP95.Seconds(); p95 > 0 {
		g.FirstP95 = &p95
	}
	return g
}

func newBackendItem(b *backends.BackendStatus, snap *gateway.Snapshot) backendItem {
	item := backendItem{Name: b.Name, Model: b.Model, Aliases: list(b.Aliases), Routes: list(b.Routes), Replicas: make([]replicaItem, len(b.Replicas))}
	for i := range b.Replicas {
		r := &b.Replicas[i]
		if r.Available() && r.State != backends.Unknown {
			item.Serving++
		}
		item.Replicas[i] = newReplicaItem(r, snap != nil)
	}
	if snap != nil {
		q := snap.Queues[b.Name]
		item.Queue = &queueItem{q.Waiting, q.Tokens, q.Oldest.Seconds()}
	}
	return item
}

func newReplicaItem(r *backends.ReplicaStatus, served bool) replicaItem {
	item := replicaItem{URL: r.URL, State: r.State.String(), Available: r.Available(), Reason: r.Reason,
		Since: known(r.Since), LastOK: known(r.LastOK), Share: r.Share, Capacity: above(r.Capacity, 1)}
	if served {
		item.InFlight, item.Booked, item.Requests, item.Failures = &r.InFlight, &r.Booked, &r.Requests, &r.Failures
	}
	if e := r.Engine; e != nil {
		item.Engine = &engineItem{At: known(e.At), Error: e.Err}
		if !e.At.IsZero() { // or else nothing but the error means anything
			item.Engine.Started, item.Engine.Sleeping = known(e.Started), e.Sleeping
			item.Engine.Running, item.Engine.Waiting, item.Engine.KVUsage = above(e.Running, 0), above(e.Waiting, 0), above(e.KVUsage, 0)
		}
	}
	if c := r.Container; c != nil {
		item.Container = &containerItem{Name: c.Name, Host: c.Host, State: c.State, Words: c.Words, Image: c.Image, Ours: c.Ours,
			Started: known(c.Started), Changes: changeItems(c.Changes), At: known(c.At), Error: c.Err}
		if !c.At.IsZero() {
			item.Container.Restarts = &c.Restarts
		}
	}
	if d := r.Drained; d != nil {
		item.Drained = &drainedItem{known(d.At), d.By, d.Reason, above(d.Job, 1)}
	}
	return item
}

// above is a number that is known from least on: null below.
func above[N int | int64 | float64](n, least N) *N {
	if n < least {
		return nil
	}
	return &n
}
