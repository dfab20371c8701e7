package backends

import "slices"

// InFlight counts the requests that the gateway has with a backend; 0 where there is
// no such backend.
func (s *Snapshot) InFlight(backend string) (n int) {
	for _, b := range s.Backends {
		if b.Name == backend {
			for _, r := range b.Replicas {
				n += r.InFlight
			}
		}
	}
	return n
}

// Container names the container with an id on one of those Docker engines, and the
// backend that runs in it; "": none is known.
func (s *Snapshot) Container(id string, engines []string) (name, backend string) {
	for _, b := range s.Backends {
		for _, r := range b.Replicas {
			if c := r.Container; c != nil && c.ID == id && slices.Contains(engines, c.Host) {
				return c.Name, b.Name
			}
		}
	}
	return "", ""
}
