package sim

import "slices"

// Faults of the GPU that a server runs on. The server itself goes on: whoever
// watches the GPU sees them. One lasts until the faults are set without it, also
// over a restart of the container.
const (
	GPUXID  FaultKind = "gpu_xid"  // the driver tells an XID, and counts an error of memory that can't be corrected
	GPULost FaultKind = "gpu_lost" // it falls off the bus
	GPUHung FaultKind = "gpu_hung" // the driver doesn't answer
	GPUHot  FaultKind = "gpu_hot"  // it gets so hot that it slows down
	GPUFull FaultKind = "gpu_full" // its memory is all but full
)

func cardKinds() []FaultKind { return []FaultKind{GPUXID, GPULost, GPUHung, GPUHot, GPUFull} }

// card tells whether it befalls the GPU.
func (f Fault) card() bool { return slices.Contains(cardKinds(), f.Kind) }

// ofCard are those of a list that befall the GPU.
func ofCard(list []Fault) (all []Fault) {
	for _, f := range list {
		if f.card() {
			all = append(all, f)
		}
	}
	return all
}

// cardFault is the one that a GPU has by a list; "": none.
func cardFault(list []Fault) FaultKind {
	if of := ofCard(list); len(of) > 0 {
		return of[0].Kind
	}
	return ""
}

// checkCard reports what of a list can't befall the server's GPU.
func (c Config) checkCard(list []Fault) error {
	switch of := ofCard(list); {
	case len(of) > 0 && c.Card == nil:
		return noCard(of[0])
	case len(of) > 1:
		return &FaultError{Field: "kind", Got: string(of[0].Kind) + " beside " + string(of[1].Kind), Want: "one fault of the GPU at a time"}
	}
	return nil
}

// noCard is the error of a GPU's fault where there is none.
func noCard(f Fault) error {
	return &FaultError{Field: "kind", Got: string(f.Kind), Want: "no fault of a GPU: there is a simulated one in the demo only"}
}
