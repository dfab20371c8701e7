package backends

import "time"

// State is what the gateway holds of one replica. The zero value is Unknown:
// nothing has been heard of it yet.
type State uint8

const (
	Unknown  State = iota // no probe has ended yet; picked only when nothing better is there
	Healthy               // probes and traffic succeed
	Degraded              // it failed lately, but not often enough to be left out, or is let in on trial, one request at a time
	Down                  // left out: it fails
	Starting              // left out: nothing listens yet, and has not since the pool or its container was started
	Loading               // left out: it is there, and does not serve its model yet
	Hung                  // left out: it has work, and makes no progress with it
	Draining              // an operator took it out; what runs there may end
)

var stateNames = [...]string{"unknown", "healthy", "degraded", "down", "starting", "loading", "hung", "draining"}

func (s State) String() string { return stateNames[s] }

// Snapshot is the pool at one moment. It is immutable: readers may keep it,
// and must not change it.
type Snapshot struct {
	At       time.Time
	Backends []BackendStatus // in the order of the configuration
	Hosts    []HostStatus    // the Docker engines, in the order of the configuration; none: no backend has a container
	Jobs     []Job           // those under way, oldest first, and then those that have ended, newest first, at most 50
}

// Known tells whether something has been heard of every replica, and of every
// container unless its engine can't be asked.
func (s *Snapshot) Known() bool {
	away := map[string]bool{}
	for _, h := range s.Hosts {
		away[h.Name] = h.Err != ""
	}
	for _, b := range s.Backends {
		for _, r := range b.Replicas {
			if r.State == Unknown || r.Container != nil && r.Container.At.IsZero() && r.Container.Err == "" && !away[r.Container.Host] {
				return false
			}
		}
	}
	return true
}

// BackendStatus is one backend: one model, served by one or more replicas.
type BackendStatus struct {
	Name       string
	Model      string
	Aliases    []string
	Routes     []string
	MaxContext int // tokens
	Replicas   []ReplicaStatus
}

// Available counts the replicas that may be sent work.
func (b *BackendStatus) Available() int {
	n := 0
	for i := range b.Replicas {
		if b.Replicas[i].Available() {
			n++
		}
	}
	return n
}

// ReplicaStatus is one engine behind one URL. Counts are since the start of
// the process.
type ReplicaStatus struct {
	URL      string
	State    State
	Reason   string        // why it is in that state, in words; never text that a backend sent
	Since    time.Time     // of the state
	LastOK   time.Time     // last sign of life: a probe that succeeded, or bytes that spared one; zero: none yet
	Share    float64       // of the work that others get; below 1 while it comes back, see Replica.Share
	InFlight int           // requests that the gateway has with it now
	Booked   int64         // tokens of KV cache that those are expected to come to
	Capacity int64         // of its KV cache, in tokens; 0: nobody knows
	Idle     int           // kept-alive connections without a request
	Requests uint64        // sent, retries included
	Failures uint64        // that counted against its health
	Engine   *EngineStatus // what it tells itself, as of its At; nil: not asked yet

	Container *ContainerStatus // nil: none is configured
	Drained   *Drained         // by whom; nil: it is not

	CapacityFrom Source // who says what Capacity is
	Live         int64  // of Booked, tokens that should be in the cache by now
	Reading      int64  // tokens of prompts that no answer has begun for
	Sequences    int64  // that those in flight are for it: one for each answer to each prompt
	Bound        int64  // sequences that its engine computes at once, as far as was learnt; 0: not known
}

// Drained is that an operator, or a job, took a replica out of work.
type Drained struct {
	At     time.Time
	By     string
	Reason string
	Job    int // the last one that did so; 0: it was no job
}

// Available tells whether it may be sent work.
func (r *ReplicaStatus) Available() bool {
	return r.State == Unknown || r.State == Healthy || r.State == Degraded
}
