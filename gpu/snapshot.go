package gpu

import "time"

// Snapshot is all GPUs at one moment. It is immutable: readers may keep it,
// and must not change it.
type Snapshot struct {
	At        time.Time
	Source    string       // "nvml", "sim"; of several all, with commas
	Driver    string       // of the first host that tells; "": not known
	CUDA      string       // the same
	Simulated bool         // no hardware is behind one of them; every screen says so
	Err       string       // why there are no GPUs at all; "": there are some, or nobody has answered yet
	Hosts     []HostStatus // in the order in which they were given
	GPUs      []GPU        // by host and index
	Events    []XID        // oldest first, at most 512
}

// HostStatus is what is known of one host's source.
type HostStatus struct {
	Name      string // "": this host
	Source    string
	Simulated bool
	Driver    string // version; "": not known
	CUDA      string // that the driver supports; "": not known
	Err       string // why its GPUs can't be listed; "": they can, or it has not answered yet
	Absent    bool   // it has no driver, or this binary can't ask one: no fault, unless GPUs are expected there
	EventsErr string // why some events of its GPUs aren't heard of; "": they are
}

// State is how it is about reading a GPU.
type State uint8

// The states. The zero value is that it has not been read yet.
const (
	Unread     State = iota
	OK               // its newest reading succeeded
	Hung             // a call has not returned in time; its readings age
	Lost             // it has fallen off the bus
	NeedsReset       // the driver wants it reset
	Mismatched       // the driver and its library are of different versions
	Failing          // readings fail for another reason
	Gone             // it is not listed any more; shown for an hour
)

func (s State) String() string {
	return [...]string{"not read yet", "ok", "hung", "lost", "reset needed", "driver mismatch", "failing", "gone"}[s]
}

// GPU is one device. Each reading carries its own age, so that a device whose
// driver hangs shows what was last known of it, as old as it is.
type GPU struct {
	Host   string // whose; "": this one
	Index  int    // on its host
	Name   string // "NVIDIA L4"
	UUID   string
	PCI    string // address, "0000:01:00.0"; "": not known
	Serves string // the backends, or else containers, that work on it; "" when none is known

	Sample // its newest readings; what is not measured again stays, and ages

	Processes []Owner // who is on it; nil: not known; empty: nobody

	// NewUncorrected counts the memory errors that ECC could not correct and that
	// came after the first reading; no data where they aren't counted.
	NewUncorrected Reading

	State State
	Since time.Time // of the state
	At    time.Time // of its last good answer; zero: none yet
	Err   string    // why it is in that state; "" when it is well

	History []Point   // one a second, oldest first, at most 15 minutes
	Long    []Point   // means of ten seconds each, oldest first, at most 24 hours
	LongAt  time.Time // when the newest of Long ended
}

// Age is how long before now the device last answered; 0 when it never did.
func (g *GPU) Age(now time.Time) time.Duration {
	if g.At.IsZero() {
		return 0
	}
	return max(0, now.Sub(g.At))
}

// Point is one second of a device's history, or the mean of several. A value
// is NaN where none had been measured in the last five seconds; Known tells.
type Point struct {
	Util  float32 // percent
	Mem   float32 // percent of the device's memory in use
	Power float32 // W
	Temp  float32 // °C
}

// Known tells whether a value of a Point was measured.
func Known(v float32) bool { return v == v }
