// Package sim imitates GPUs: NVIDIA L4s that follow the load of the simulated
// backends which "run" on them. It is a gpu.Source, and says that it is
// simulated.
//
// Utilisation is the share of the last second in which the backend computed.
// Memory is what the backend holds: vLLM takes its weights and its whole KV
// cache at the start, so it does not move with requests, and falls when the
// backend stops. Power follows the work within seconds, up to the cap, and
// says so by its clock and its throttle reason; temperature follows power
// within minutes. What a card can't measure, such as a fan that it hasn't, it
// says so.
//
// Faults are played on request: see [Source.Fault].
package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pilothouse/gpu"
)

// Work is what a card does. It is asked once a second, by one goroutine.
type Work interface {
	// Busy is the share of the last second that went into reading prompts and
	// into generating tokens, each 0 to 1.
	Busy() (prefill, decode float64)
	// Memory is what is held of the card's memory, in bytes; 0: nothing runs.
	Memory() float64
}

// Card is one GPU.
type Card struct {
	Serves string // the backend that works on it
	Work   Work
}

// Source is a host's simulated GPUs. Its methods may be called by many at
// once.
type Source struct {
	cards  []Card
	states []*state

	mu     sync.Mutex
	untold []gpu.Event
	told   chan struct{} // holds one when there is something untold
}

var (
	_ gpu.Source  = (*Source)(nil)
	_ gpu.Watcher = (*Source)(nil)
)

// New makes a source with the cards in the order of their indices.
func New(cards ...Card) *Source {
	s := &Source{cards: cards, told: make(chan struct{}, 1)}
	for i, c := range cards {
		s.states = append(s.states, &state{work: c.Work, serves: c.Serves, pid: firstPID + i, changed: make(chan struct{})})
	}
	return s
}

// Name is "sim".
func (s *Source) Name() string { return "sim" }

// Simulated is true.
func (s *Source) Simulated() bool { return true }

// Devices lists the cards, whatever their faults; it never fails.
func (s *Source) Devices(context.Context) (gpu.Listing, error) {
	list := make([]gpu.Device, len(s.cards))
	for i, c := range s.cards {
		list[i] = gpu.Device{Index: i, Name: "NVIDIA L4", UUID: uuid(i), PCI: fmt.Sprintf("0000:%02x:00.0", 3+i), Serves: c.Serves}
	}
	return gpu.Listing{Driver: "550.54.15", CUDA: "12.4", Devices: list}, nil
}

func uuid(index int) string { return fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", index) }

// Read measures a card; it fails for an index that there is no card of, and as
// the card's fault has it.
func (s *Source) Read(ctx context.Context, index int, due gpu.Group) (gpu.Sample, error) {
	if index < 0 || index >= len(s.states) {
		return gpu.Sample{}, fmt.Errorf("read simulated gpu %d: there are %d", index, len(s.states))
	}
	c := s.states[index]
	if err := c.reached(ctx); err != nil {
		return gpu.Sample{}, err
	}
	return c.read(time.Now(), due), nil
}
