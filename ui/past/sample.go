package past

import (
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

const (
	staleAfter  = 5 * time.Second  // a snapshot that is older says nothing of now
	engineAfter = 30 * time.Second // nor does an engine's reading
)

// value is a sample of a series.
type value struct {
	name
	value float64
}

// sampler makes values of snapshots.
type sampler struct {
	values   []value // of the last second; used again
	preempts map[replica]preempts
}

// replica tells replicas apart.
type replica struct{ backend, url string }

// preempts is how an engine's count of preemptions moved between its last two
// readings.
type preempts struct {
	at, started time.Time
	count       int64
	rate        float64 // per second
	known       bool    // there were two readings
}

// sample is what there is to know of this second; valid until the next call.
func (s *sampler) sample(now time.Time, g *gateway.Snapshot, p *backends.Snapshot, b *books) []value {
	s.values = s.values[:0]
	if g != nil && now.Sub(g.At) > staleAfter {
		g = nil
	}
	if g != nil {
		waiting := 0
		for _, q := range g.Queues {
			waiting += q.Waiting
		}
		s.traffic("", g.Now, waiting)
	}
	if p != nil && now.Sub(p.At) <= staleAfter {
		for i := range p.Backends {
			name := p.Backends[i].Name
			if g != nil {
				s.traffic(name, g.Backends[name], g.Queues[name].Waiting)
			}
			s.engines(now, &p.Backends[i])
		}
		s.forget(p)
	}
	if b != nil && now.Sub(b.at) <= 2*readWithin+readEvery {
		for _, w := range b.tops {
			s.add(Spent, w.name, w.share)
		}
	}
	return s.values
}

func (s *sampler) add(m Metric, of string, v float64) {
	s.values = append(s.values, value{name{m, of}, v})
}

// traffic adds what the gateway counts.
func (s *sampler) traffic(of string, r gateway.Rates, waiting int) {
	s.add(Requests, of, r.Requests)
	s.add(Tokens, of, r.Tokens)
	s.add(Errors, of, r.Errors)
	s.add(InFlight, of, float64(r.InFlight))
	s.add(Waiting, of, float64(waiting))
	if r.FirstP95 > 0 {
		s.add(FirstP95, of, r.FirstP95.Seconds())
	}
}

// engines adds what a backend's engines tell, of those that do: their cache by
// its size, the rest summed up.
func (s *sampler) engines(now time.Time, b *backends.BackendStatus) {
	var used, size, usage float64
	var running, told, counted, caches int
	var rate float64
	for i := range b.Replicas {
		r := &b.Replicas[i]
		e := r.Engine
		if e == nil || e.At.IsZero() || now.Sub(e.At) > engineAfter {
			continue
		}
		if e.Running >= 0 {
			running, told = running+e.Running, told+1
		}
		if e.KVUsage >= 0 {
			used, size = used+e.KVUsage*float64(r.Capacity), size+float64(r.Capacity)
			usage, caches = usage+e.KVUsage, caches+1
		}
		if p, ok := s.preempted(replica{b.Name, r.URL}, e); ok {
			rate, counted = rate+p, counted+1
		}
	}
	if told > 0 {
		s.add(Running, b.Name, float64(running))
	}
	switch {
	case size > 0:
		s.add(KV, b.Name, used/size)
	case caches > 0:
		s.add(KV, b.Name, usage/float64(caches))
	}
	if counted > 0 {
		s.add(Preempts, b.Name, rate)
	}
}

// preempted is an engine's rate of preemptions, as far as it can be told. An
// engine that was started anew counts anew.
func (s *sampler) preempted(r replica, e *backends.EngineStatus) (float64, bool) {
	p := s.preempts[r]
	if e.Preemptions < 0 || e.At.Equal(p.at) {
		return p.rate, p.known && e.Preemptions >= 0
	}
	next := preempts{at: e.At, started: e.Started, count: e.Preemptions}
	if took := e.At.Sub(p.at).Seconds(); !p.at.IsZero() && took > 0 && e.Started.Equal(p.started) && e.Preemptions >= p.count {
		next.rate, next.known = float64(e.Preemptions-p.count)/took, true
	}
	s.preempts[r] = next
	return next.rate, next.known
}

// forget drops replicas that are no more.
func (s *sampler) forget(p *backends.Snapshot) {
	n := 0
	for i := range p.Backends {
		n += len(p.Backends[i].Replicas)
	}
	if len(s.preempts) <= n {
		return
	}
	there := make(map[replica]bool, n)
	for i := range p.Backends {
		for k := range p.Backends[i].Replicas {
			there[replica{p.Backends[i].Name, p.Backends[i].Replicas[k].URL}] = true
		}
	}
	for r := range s.preempts {
		if !there[r] {
			delete(s.preempts, r)
		}
	}
}
