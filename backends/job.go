package backends

import (
	"errors"
	"fmt"
	"time"

	"pilothouse/backends/docker"
)

// Action is what is done to replicas and their containers.
type Action string

// The actions of a job.
const (
	ActRestart Action = "restart" // drain, stop, start, load, warm up, take in again: one replica after the other
	ActStart   Action = "start"   // start, load, warm up, take in
	ActStop    Action = "stop"    // drain, stop
	ActUp      Action = "up"      // make every container as it is configured, and have it serve
	ActDown    Action = "down"    // drain, stop and remove every container
)

// Order is what an operator wants done.
type Order struct {
	Action Action
	Names  []string      // backends, or single replicas by their container's name or URL; none, for ActUp and ActDown: all that have a container
	Drain  time.Duration // that requests in flight have to end; 0: the backend's drain_timeout
	Last   bool          // even where no other replica of the backend can take over
	Author string        // who orders it
	Reason string        // why; "": not told
}

// JobState is how far a job is, or its part of one replica.
type JobState string

// The states of a job. All but Running are final, for it and for its parts.
const (
	Running     JobState = "running"
	Done        JobState = "done"
	Failed      JobState = "failed"
	Cancelled   JobState = "cancelled"
	Interrupted JobState = "interrupted" // Pilothouse ended before anything was done that has to be finished
)

// StepName is one step of what is done to a replica.
type StepName string

// The steps, in the order in which they come; which there are depends on what
// is done.
const (
	StepImage  StepName = "image"    // the engine gets the image
	StepDrain  StepName = "draining" // nothing new is sent there; what is in flight may end
	StepStop   StepName = "stopping"
	StepRemove StepName = "removing"
	StepCreate StepName = "creating"
	StepStart  StepName = "starting"
	StepLoad   StepName = "loading" // the engine runs, and does not serve its model yet
	StepWarm   StepName = "warm-up" // one real request of one token
	StepAdmit  StepName = "readmitting"
)

// Job is an order under way, or one that has ended. It is immutable.
type Job struct {
	ID         int // counts up, also over restarts of the process
	Action     Action
	Names      []string // as ordered
	Author     string
	Reason     string
	Began      time.Time
	Ended      time.Time // zero: it has not
	State      JobState
	Cancelling bool   // it ends at the next step that it can end at
	Err        string // why it failed: the first of its parts that did
	Parts      []Part
}

// Part is what a job does to one replica. It is immutable.
type Part struct {
	Backend   string
	Replica   string     // its URL
	Container string     // its name
	Host      string     // the [[docker]] that it is on
	Steps     []StepName // all that there will be; none: nothing is to do
	Past      []Step     // those that have begun
	State     JobState   // "": it has not begun
	Why       string     // why there is nothing to do, or what is done that was not asked for in so many words
	Changes   []Change   // for which the container is made anew
	Ended     time.Time  // zero: it has not, or there was nothing to do
	Err       string     // why it failed, or was not done
}

// Step is one that has begun.
type Step struct {
	Name  StepName
	Began time.Time
	Ended time.Time // zero: it is under way, or was when the part failed
	Note  string    // how it stands, in words; a line of the container's log is quoted in it
}

// Now is the step under way; nil: none is.
func (p *Part) Now() *Step {
	if n := len(p.Past); n > 0 && p.Past[n-1].Ended.IsZero() && p.State == Running {
		return &p.Past[n-1]
	}
	return nil
}

// What is told of containers in docker's own terms, for those who see only this
// package.
type (
	// LogOptions say what of a container's log is read.
	LogOptions = docker.LogOptions
	// LogLine is one line of it, as the container wrote it.
	LogLine = docker.Line
	// Change is a setting that a container was made with otherwise than it is configured now.
	Change = docker.Change
)

// ContainerStatus is a replica's container, as the engine told of it last.
type ContainerStatus struct {
	Name     string
	ID       string    // 64 digits; "": there is none
	Host     string    // the [[docker]] that it is on
	State    string    // created, running, paused, restarting, removing, exited or dead; "": there is none
	Words    string    // the same at more length: "exited with code 137: out of memory"
	Image    string    // that it was made of
	Ours     bool      // Pilothouse has created it
	Started  time.Time // zero: never
	Restarts int       // by the engine on its own
	Changes  []Change  // between it and its configuration; none: it is up to date
	At       time.Time // of the reading; zero: it has not been read yet
	Err      string    // why it could not be read the last time; the rest is older then

	asked time.Time // when the reading was begun: an older one says nothing any more
}

// HostStatus is one of the Docker engines.
type HostStatus struct {
	Name  string
	Err   string    // why it can't be asked; "": it can
	Since time.Time // that it is so
}

// OrderError is an order that can't be carried out as it was given. Nothing was
// done.
type OrderError struct {
	Name   string // of the backend, the container or the job
	Why    string
	Remedy string // "": none
	Last   bool   // an order with Last would be carried out
	Busy   bool   // another job has it
}

func (e *OrderError) Error() string {
	s := fmt.Sprintf("%q: %s", e.Name, e.Why)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// ErrNoJob is that there is no such job, or that it has ended.
var ErrNoJob = errors.New("no such job is under way")
