// Package past keeps how the platform was: series of what is measured, what
// happened, and the pictures themselves, so that a dashboard can go back to a
// moment with all its views. Everything is in memory and bounded, however many
// organisations, replicas and GPUs there are and however long the process lives.
//
// A [Recorder] looks once a second at the snapshots that gateway, backends and gpu
// publish, and every two seconds, apart from that, at the books. It never holds any
// of them up, and a ledger that hangs does not hold it up. What it hands out is
// immutable: readers may keep it, and must not change it. All but [Recorder.Run] may
// be called at any time by many at once.
//
// What is not known is NaN, or missing, never 0. Nothing secret is kept; names and
// texts may come from anywhere, and have to be escaped before a terminal sees them.
package past

import (
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gpu"
)

// Metric is what a series measures.
type Metric string

// The metrics. Those of a backend are also there for the whole gateway, under
// the name "".
const (
	Requests Metric = "requests"    // answers per second
	Tokens   Metric = "tokens"      // generated per second
	Errors   Metric = "errors"      // answers of 500 and up and broken streams, per second
	InFlight Metric = "in flight"   // requests
	Waiting  Metric = "waiting"     // requests in the gateway's queue
	FirstP95 Metric = "ttft p95"    // seconds to the first token
	KV       Metric = "kv"          // share of the engine's cache in use, 0 to 1; of a backend only
	Running  Metric = "running"     // sequences that the engine computes; of a backend only
	Preempts Metric = "preemptions" // per second; of a backend only
	Spent    Metric = "spent"       // share of a quota window, 0 to 1; of the window's name only
)

// WindowName is the name of a quota window's series.
func WindowName(org, key, window string) string { return org + "\x00" + key + "\x00" + window }

// Trends gives series. It never waits for more than another reader.
type Trends interface {
	// Series returns n samples, step apart, of which the last is that of the end;
	// NaN where nothing is known. Steps of less than ten seconds reach back 15
	// minutes, others 24 hours.
	Series(m Metric, of string, end time.Time, step time.Duration, n int) []float64
}

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	KindBackend  Kind = "backend" // a replica changed its state
	KindGPU      Kind = "gpu"     // an XID, or a device changed its state
	KindQuota    Kind = "quota"   // a window passed 80, 90, 100 %
	KindJob      Kind = "job"     // something was done to containers
	KindOperator Kind = "operator"
	KindGateway  Kind = "gateway"
)

// Event is something that happened. Names in it may come from anywhere.
type Event struct {
	At     time.Time
	Kind   Kind
	Object string // the backend's, GPU's, organisation's or operator's name
	Text   string // in plain words
	Grade  Grade
}

// Grade is how bad an event is.
type Grade int

// The grades.
const (
	Plain Grade = iota
	Good
	Warn
	Bad
)

// Snapshot is what happened and what is counted, at one moment. It is immutable.
type Snapshot struct {
	At       time.Time
	Events   []Event // newest first, at most 512
	Quotas   []gateway.OrgQuotas
	QuotasAt time.Time // when those were read; zero: never
	Grants   []ledger.Grant
	Audit    []ledger.Event // newest first, at most 200
	Err      string         // why the books could not be read last; "": they could
	Oldest   time.Time      // the first moment that Recorder.At knows
}

// Moment is the platform as it was.
type Moment struct {
	At      time.Time
	Gateway *gateway.Snapshot
	Pool    *backends.Snapshot
	GPUs    *gpu.Snapshot
	Past    *Snapshot
}
