package desk

import (
	"context"
	"net/http"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// Platform is what is seen and acted on. Its parts may be called at once. That of
// a [Seat] takes whose order it is from the seat: authors, operators, and those that
// by names, are left empty there.
type Platform struct {
	Jobs    Jobs
	Drains  Drains
	Logs    Logs
	Pool    Pool
	Gateway Gateway // nil: none serves, only the containers are there
	Books   Books   // nil: likewise
	Models  Models  // nil: likewise
}

// Jobs do something to replicas and their containers. A *backends.Lifecycle has
// them, and is [Drains] and [Logs], too.
type Jobs interface {
	// Preview returns what Begin would do, and does nothing.
	Preview(ctx context.Context, o backends.Order) ([]backends.Part, error)
	// Begin looks at the containers, starts the job and returns it. The job goes
	// on when ctx has ended.
	Begin(ctx context.Context, o backends.Order) (backends.Job, error)
	Job(id int) (backends.Job, bool)
	// CancelJob has one end at its next step; [backends.ErrNoJob]: none is under way.
	CancelJob(id int, by string) error
}

// Drains take replicas out of work and in again. An order's action means
// nothing here. They return the URLs of the replicas, and wait for nothing.
type Drains interface {
	Drain(ctx context.Context, o backends.Order) ([]string, error)
	Undrain(ctx context.Context, o backends.Order) ([]string, error)
}

// Logs tells the lines of a container's log, or of those of all replicas of a
// backend. It returns when each has been told all that was asked for, or ctx ends.
type Logs interface {
	Logs(ctx context.Context, name string, o backends.LogOptions, each func(container string, l backends.LogLine)) error
}

// Pool is what the backends are like; a *backends.Pool. Snapshot never blocks.
type Pool interface{ Snapshot() *backends.Snapshot }

// Gateway is what serves; a *gateway.Gateway. What it ends it also writes down.
type Gateway interface {
	Snapshot() *gateway.Snapshot
	// CancelRequest ends one; false: none of that id is in flight.
	CancelRequest(ctx context.Context, id, by, reason string) (bool, error)
	// CancelOrg ends all of an organisation, and returns how many those were.
	CancelOrg(ctx context.Context, org, by, reason string) (int, error)
}

// Models are asked in an operator's own name; a *gateway.Gateway. A body is JSON,
// and path one of the gateway's own, as "/v1/chat/completions". The answer's body
// must be closed; the end of ctx breaks it off.
type Models interface {
	// Ask goes the way of clients' requests. [gateway.ErrNotServing]: that is over.
	Ask(ctx context.Context, operator, path string, body []byte) (*http.Response, error)
	// AskReplica goes to one replica, past the gateway, whatever state it is in.
	// [gateway.ErrNoReplica]: none has that URL.
	AskReplica(ctx context.Context, operator, replicaURL, path string, body []byte) (*http.Response, error)
}

// Record is what the ledger tells, whether a gateway serves or not.
type Record interface {
	Usage(ctx context.Context, q ledger.Query) ([]ledger.Sum, error)
	// Grants returns the grants that are valid, or all there ever were.
	Grants(ctx context.Context, all bool) ([]ledger.Grant, error)
	// Audit returns what operators did last, newest first, at most so many.
	Audit(ctx context.Context, most int) ([]ledger.Event, error)
}

// Books are what a serving gateway knows of the use of it; a *gateway.Gateway.
type Books interface {
	Record
	// Quotas returns the windows of every organisation as they are now, the
	// organisations by name.
	Quotas(ctx context.Context) ([]gateway.OrgQuotas, error)
	// Grant makes one and returns it with its id.
	Grant(ctx context.Context, g ledger.Grant) (ledger.Grant, error)
	Revoke(ctx context.Context, id, by string) (ledger.Grant, error)
}
