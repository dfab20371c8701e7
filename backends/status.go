package backends

import "time"

// State is what the gateway holds of one replica. The zero value is Unknown:
// nothing has been heard of it yet.
type State uint8

const (
	Unknown  State = iota // no probe has ended yet; picked only when nothing better is there
	Healthy               // probes and traffic succeed
	Degraded              // it failed lately, but not often enough to be left out
	Down                  // left out: the circuit is open
	Trial                 // the circuit is half open: one request at a time decides
	Draining              // an operator took it out; what runs there may end
)

var stateNames = [...]string{"unknown", "healthy", "degraded", "down", "trial", "draining"}

func (s State) String() string { return stateNames[s] }

// Snapshot is the pool at one moment. It is immutable: readers may keep it,
// and must not change it.
type Snapshot struct {
	At       time.Time
	Backends []BackendStatus // in the order of the configuration
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
	Reason   string    // why it is in that state, in words; never text that a backend sent
	Since    time.Time // of the state
	LastOK   time.Time // last successful probe; zero: none yet
	InFlight int       // requests that the gateway has with it now
	Idle     int       // kept-alive connections without a request
	Requests uint64    // sent, retries included
	Failures uint64    // that counted against its health
}

// Available tells whether it may be sent work.
func (r *ReplicaStatus) Available() bool {
	return r.State != Down && r.State != Draining
}
