package docker

import "time"

// seen knows which pieces of a log have been read, so that reading it again goes
// on behind them: nothing twice, nothing missed.
//
// Their times alone don't tell: several pieces may have the same, and two
// streams' are not quite in order. But a log is always read in the same order. So
// it is read from a time on that lies behind all that has been forgotten, and as
// many pieces are passed over as were read since that time.
type seen struct {
	last  []stamp // the latest, in the order in which they were read
	floor int64   // behind all that has been forgotten
	since int64   // of this reading
	skip  int     // pieces that are still to be passed over
	most  int64   // the latest time of any
}

type stamp struct {
	at int64 // nanoseconds
	n  int   // pieces in a row
}

// keptStamps is by how many times a piece may be out of order: engines log each
// stream on its own, and one may wait while the other goes on.
const keptStamps = 4096

// again begins another reading, and says from when on it has to be; zero: from
// the beginning.
func (s *seen) again() (since time.Time) {
	s.since, s.skip = s.floor, 0
	for _, l := range s.last {
		if l.at >= s.since {
			s.skip += l.n
		}
	}
	if s.since == 0 {
		return time.Time{}
	}
	return time.Unix(0, s.since)
}

// take tells whether a piece is new, and remembers it.
func (s *seen) take(when time.Time) bool {
	at := when.UnixNano()
	if at < s.since {
		return false
	}
	if s.skip > 0 && at <= s.most { // what is later than all is new: the log was cut at its beginning
		s.skip--
		return false
	}
	s.skip = 0
	s.most = max(s.most, at)
	if n := len(s.last); n > 0 && s.last[n-1].at == at {
		s.last[n-1].n++
		return true
	}
	if len(s.last) == 2*keptStamps {
		for _, l := range s.last[:keptStamps] {
			s.forget(l.at)
		}
		s.last = append(s.last[:0], s.last[keptStamps:]...)
	}
	s.last = append(s.last, stamp{at, 1})
	return true
}

// forget has nothing up to a time read again.
func (s *seen) forget(at int64) { s.floor = max(s.floor, at+1) }
