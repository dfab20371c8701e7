package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// FaultKind names a way to misbehave.
type FaultKind string

const (
	SlowPrefill  FaultKind = "slow_prefill"  // the prompt takes Factor times as long
	Stall        FaultKind = "stall"         // after After events nothing more comes, and the connection stays open
	Reset        FaultKind = "reset"         // after After events the connection is reset (RST); After 0: before the head
	Truncate     FaultKind = "truncate"      // after After events the connection closes with no end of the body
	Malformed    FaultKind = "malformed"     // after After events one comes that is no JSON
	MissingUsage FaultKind = "missing_usage" // no usage, asked for or not
	Error500     FaultKind = "error_500"
	Error503     FaultKind = "error_503"
	Hang         FaultKind = "hang"      // accepted, and never answered; /health stays 200
	Unhealthy    FaultKind = "unhealthy" // /health and /ping answer 503; the rest works
	Freeze       FaultKind = "freeze"    // the engine makes no steps: requests are taken, /health stays 200, and what /metrics counts stands still
	Dead         FaultKind = "dead"      // /health and /ping answer 503; all other connections, those with an answer under way too, are reset
)

// Fault is one way to misbehave and how often. With neither Probability nor
// Next it strikes every request until the faults are set anew.
//
// Freeze and Dead are the engine's own, and those whose names begin with gpu_ its
// GPU's, for as long as they are set: they have neither Probability nor Next. A
// busy engine is no fault: send it work.
//
// All others but Unhealthy strike requests that generate; one decided on is
// acted out to the end, whatever is set meanwhile. Of the kinds that break an answer
// off, a request suffers only the first that strikes. An answer that is no
// stream has no events: with After above 0 it is broken in its middle, and
// with 0 before its first byte (Stall, Reset) or after its head (Truncate).
type Fault struct {
	Kind        FaultKind `json:"kind"`
	After       int       `json:"after,omitempty"`       // events of a stream; Stall, Reset, Truncate, Malformed
	Inside      bool      `json:"inside,omitempty"`      // Truncate: in the middle of the next chunk, not between two
	Factor      float64   `json:"factor,omitempty"`      // SlowPrefill; above 0
	Probability float64   `json:"probability,omitempty"` // of striking a request, 0 to 1
	Next        int       `json:"next,omitempty"`        // how many more requests it strikes
}

// FaultError is a fault that can't be acted out.
type FaultError struct {
	Field string // as in JSON
	Got   string
	Want  string
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("set fault: %s is %s, want %s", e.Field, e.Got, e.Want)
}

func (f Fault) check() error {
	bad := func(field, wanted string, got any) error {
		return &FaultError{Field: field, Got: fmt.Sprintf("%v", got), Want: wanted}
	}
	breaks := f.Kind == Stall || f.Kind == Reset || f.Kind == Truncate || f.Kind == Malformed
	switch {
	case !slices.Contains(faultKinds(), f.Kind):
		return bad("kind", "one of "+join(faultKinds()), strconv.Quote(string(f.Kind)))
	case f.After < 0 || f.After > 0 && !breaks:
		return bad("after", "0 or more, for stall, reset, truncate or malformed", f.After)
	case f.Inside && f.Kind != Truncate:
		return bad("inside", "false, except for truncate", f.Inside)
	case f.Kind == SlowPrefill && !(f.Factor > 0 && f.Factor <= 1e6):
		return bad("factor", "above 0, to 1000000", f.Factor)
	case f.Kind != SlowPrefill && f.Factor != 0:
		return bad("factor", "nothing, except for slow_prefill", f.Factor)
	case !(f.Probability >= 0 && f.Probability <= 1):
		return bad("probability", "0 to 1", f.Probability)
	case f.Next < 0:
		return bad("next", "0 or more", f.Next)
	case f.whole() && f.Probability > 0:
		return bad("probability", "nothing for what befalls the engine or its GPU: that lasts until the faults are set anew", f.Probability)
	case f.whole() && f.Next > 0:
		return bad("next", "nothing for what befalls the engine or its GPU: that lasts until the faults are set anew", f.Next)
	case f.Next > 0 && f.Probability > 0:
		return bad("next", "nothing beside probability", f.Next)
	}
	return nil
}

func faultKinds() []FaultKind {
	return append([]FaultKind{SlowPrefill, Stall, Reset, Truncate, Malformed, MissingUsage, Error500, Error503, Hang, Unhealthy, Freeze, Dead}, cardKinds()...)
}

// whole tells whether it befalls the engine or its GPU, and not a request.
func (f Fault) whole() bool { return f.Kind == Freeze || f.Kind == Dead || f.card() }

func join(kinds []FaultKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// ParseFault reads a fault as a command line gives it: the kind, then settings
// under their JSON names, "inside" alone meaning true:
//
//	stall
//	truncate,after=5,inside
//	reset,after=3,probability=0.1
//	slow_prefill,factor=8,next=2
//
// Errors are of type *FaultError.
func ParseFault(text string) (Fault, error) {
	parts := strings.Split(text, ",")
	f := Fault{Kind: FaultKind(parts[0])}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		var err error
		switch name {
		case "after":
			f.After, err = strconv.Atoi(value)
		case "next":
			f.Next, err = strconv.Atoi(value)
		case "factor":
			f.Factor, err = strconv.ParseFloat(value, 64)
		case "probability":
			f.Probability, err = strconv.ParseFloat(value, 64)
		case "inside":
			f.Inside = value == "" || value == "true"
			if !f.Inside && value != "false" {
				err = errors.New("no boolean")
			}
		default:
			return Fault{}, &FaultError{Field: "setting", Got: strconv.Quote(name),
				Want: "after, inside, factor, probability or next"}
		}
		if err != nil {
			return Fault{}, &FaultError{Field: name, Got: strconv.Quote(value), Want: "a value of its kind"}
		}
	}
	if err := f.check(); err != nil {
		return f, err
	}
	if f.card() {
		return f, noCard(f)
	}
	return f, nil
}

// plan is what befalls one request.
type plan struct {
	status  int     // 500 or 503; 0: none
	slow    float64 // prefill factor
	hang    bool
	noUsage bool
	breaks  *Fault // Stall, Reset, Truncate or Malformed; nil: none
}

// faults decides what befalls whom.
type faults struct {
	mu    sync.Mutex
	list  []Fault
	rand  *rand.Rand
	dying chan struct{} // closed while Dead is set
}

func newFaults(list []Fault, seed uint64) *faults {
	f := &faults{rand: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), dying: make(chan struct{})}
	f.set(list)
	return f
}

func (f *faults) set(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, is := has(f.list, Dead), has(list, Dead)
	f.list = slices.Clone(list)
	switch {
	case is && !was:
		close(f.dying)
	case was && !is:
		f.dying = make(chan struct{})
	}
}

func has(list []Fault, kind FaultKind) bool {
	return slices.ContainsFunc(list, func(f Fault) bool { return f.Kind == kind })
}

// death is closed once the engine dies.
func (f *faults) death() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dying
}

// dead tells whether it has died.
func (f *faults) dead() bool {
	select {
	case <-f.death():
		return true
	default:
		return false
	}
}

func (f *faults) get() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Fault{}, f.list...) // never nil: it is a list in JSON
}

// strike decides whether the fault at i strikes now; the lock is held. One
// that has struck its number of times must be dropped by the caller.
func (f *faults) strike(i int) bool {
	fault := &f.list[i]
	if fault.Probability > 0 {
		return f.rand.Float64() < fault.Probability
	}
	if fault.Next > 0 {
		if fault.Next--; fault.Next == 0 {
			fault.Next = spent
		}
	}
	return true
}

// spent marks a fault that has struck its number of times.
const spent = -1

func (f *faults) drop() {
	f.list = slices.DeleteFunc(f.list, func(x Fault) bool { return x.Next == spent })
}

// plan decides what befalls a request that generates.
func (f *faults) plan() plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := plan{slow: 1}
	for i := range f.list {
		fault := f.list[i]
		if fault.whole() || fault.Kind == Unhealthy {
			continue
		}
		broken := p.status != 0 || p.hang || p.breaks != nil
		switch fault.Kind {
		case SlowPrefill:
			if f.strike(i) {
				p.slow *= fault.Factor
			}
		case MissingUsage:
			p.noUsage = f.strike(i) || p.noUsage
		default:
			if broken || !f.strike(i) {
				continue
			}
			switch fault.Kind {
			case Error500:
				p.status = 500
			case Error503:
				p.status = 503
			case Hang:
				p.hang = true
			default:
				p.breaks = &fault
			}
		}
	}
	f.drop()
	return p
}

// unhealthy decides how a health probe is answered.
func (f *faults) unhealthy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	sick := false
	for i := range f.list {
		if f.list[i].Kind == Unhealthy {
			sick = f.strike(i) || sick
		}
	}
	f.drop()
	return sick
}

// parseFaults reads what POST /sim/faults takes: {"faults":[…]}.
func parseFaults(body []byte) ([]Fault, error) {
	var in struct {
		Faults *[]Fault `json:"faults"`
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	if d.More() {
		return nil, errors.New("read faults: more after the object")
	}
	if in.Faults == nil {
		return nil, errors.New(`read faults: no "faults"; an empty list clears them`)
	}
	return *in.Faults, nil
}
