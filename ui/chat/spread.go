package chat

import (
	"math"
	"time"
)

// Spread is how times are spread. They are counted in steps of 2.2 %, from 10
// microseconds to 17 minutes; what lies outside counts at the nearest end.
// The zero Spread has none.
type Spread struct {
	Count  int
	Least  time.Duration // exact
	Most   time.Duration // exact
	counts []uint32      // by step; nil: none yet
}

const (
	spreadFrom   = 10 * time.Microsecond
	spreadOctave = 32 // steps to twice the time
	spreadSteps  = 27 * spreadOctave
)

// add counts one in.
func (s *Spread) add(d time.Duration) {
	if s.counts == nil {
		s.counts = make([]uint32, spreadSteps)
	}
	d = max(d, 0)
	if s.Count == 0 || d < s.Least {
		s.Least = d
	}
	s.Most = max(s.Most, d)
	s.Count++
	s.counts[spreadStep(d)]++
}

func spreadStep(d time.Duration) int {
	if d <= spreadFrom {
		return 0
	}
	return min(int(math.Log2(float64(d)/float64(spreadFrom))*spreadOctave), spreadSteps-1)
}

// bound is where a step begins.
func bound(step int) time.Duration {
	return time.Duration(float64(spreadFrom) * math.Exp2(float64(step)/spreadOctave))
}

// Quantile is the time that a share of them doesn't exceed, within a step; 0: there
// are none.
func (s *Spread) Quantile(share float64) time.Duration {
	if s.Count == 0 {
		return 0
	}
	want, seen := max(1, int(math.Ceil(share*float64(s.Count)))), 0
	for i, n := range s.counts {
		if seen += int(n); seen >= want && i < spreadSteps-1 {
			return max(s.Least, min(bound(i+1), s.Most))
		}
	}
	return s.Most
}

// Bar is how many times lie in a range.
type Bar struct {
	From, To time.Duration // To excluded, but in the last
	Count    int
}

// Bars divides the times into at most n ranges, each so many times as long as the one
// before.
func (s *Spread) Bars(n int) []Bar {
	if s.Count == 0 || n < 1 {
		return nil
	}
	first, last := spreadStep(s.Least), spreadStep(s.Most)
	each := (last-first)/n + 1
	var bars []Bar
	for at := first; at <= last; at += each {
		b := Bar{From: bound(at), To: bound(at + each)}
		for _, c := range s.counts[at:min(at+each, spreadSteps)] {
			b.Count += int(c)
		}
		bars = append(bars, b)
	}
	return bars
}

// clone shares nothing with s.
func (s *Spread) clone() Spread {
	c := *s
	c.counts = append([]uint32(nil), s.counts...)
	return c
}
