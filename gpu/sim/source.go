// Package sim imitates GPUs: NVIDIA L4s that follow the load of the simulated
// backends which "run" on them. It is a gpu.Source, and says that it is
// simulated.
//
// Utilisation is the share of the last second in which the backend computed.
// Memory is what the backend holds: vLLM takes its weights and its whole KV
// cache at the start, so it does not move with requests, and falls when the
// backend stops. Power follows the work within seconds, up to the cap, and
// says so by its clock and its throttle reason; temperature follows power
// within minutes.
package sim

import (
	"context"
	"fmt"
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
}

var _ gpu.Source = (*Source)(nil)

// New makes a source with the cards in the order of their indices.
func New(cards ...Card) *Source {
	s := &Source{cards: cards}
	for _, c := range cards {
		s.states = append(s.states, &state{work: c.Work})
	}
	return s
}

// Name is "sim".
func (s *Source) Name() string { return "sim" }

// Simulated is true.
func (s *Source) Simulated() bool { return true }

// Devices lists the cards; it never fails.
func (s *Source) Devices(context.Context) ([]gpu.Device, error) {
	list := make([]gpu.Device, len(s.cards))
	for i, c := range s.cards {
		list[i] = gpu.Device{Index: i, Name: "NVIDIA L4", UUID: fmt.Sprintf("GPU-00000000-0000-0000-0000-%012d", i), Serves: c.Serves}
	}
	return list, nil
}

// Read measures a card; it fails for an index that there is no card of.
func (s *Source) Read(_ context.Context, index int) (gpu.Sample, error) {
	if index < 0 || index >= len(s.states) {
		return gpu.Sample{}, fmt.Errorf("read simulated gpu %d: there are %d", index, len(s.states))
	}
	return s.states[index].read(time.Now()), nil
}
