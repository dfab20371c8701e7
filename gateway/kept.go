package gateway

// Kept is how many requests are kept after their end, each with what was decided
// about it: the newest, of all but health checks. They take about 2 MiB, from the
// start, and the text that came with them: a name, and an id of 128 bytes at most.
const Kept = 2048

// kept is a request that is over.
type kept struct {
	record
	trace trace
}

// block is how many of those are looked at before requests that end have their
// turn again.
const block = 64

// keep takes what is to know of a request that is over from it. If it was no
// health check, it is kept in place of the oldest.
func (s *stats) keep(r *request) {
	r.mu.Lock()
	t := r.trace
	r.trace = nil
	if !r.endpoint.open {
		s.ring.Lock()
		k := &s.kept[s.written%Kept]
		k.record, k.trace = r.rec, *t
		s.written++
		s.ring.Unlock()
	}
	r.mu.Unlock()
	traces.Put(t)
}

// walk calls f for those that are kept, newest first, until it returns false. f
// must be quick, and must not keep what it is given. Those that come meanwhile
// are left out, and so are those that go.
func (s *stats) walk(f func(*kept) bool) {
	s.ring.Lock()
	defer s.ring.Unlock()
	for i, begun := s.written-1, s.written; i >= 0 && i >= begun-Kept; i-- {
		if (begun-1-i)%block == block-1 {
			s.ring.Unlock()
			s.ring.Lock()
		}
		if i < s.written-Kept || !f(&s.kept[i%Kept]) {
			return
		}
	}
}

// newest lists the requests that ended last, newest first, at most so many.
func (s *stats) newest(most int) []Record {
	found := make([]record, 0, min(most, Kept))
	s.walk(func(k *kept) bool {
		if len(found) == most {
			return false
		}
		found = append(found, k.record)
		return true
	})
	out := make([]Record, len(found))
	for i := range found {
		out[i] = found[i].written()
	}
	return out
}
