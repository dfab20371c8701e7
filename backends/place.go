package backends

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Need is what a request asks of a replica, in tokens of KV cache.
type Need struct {
	Prompt    int64  // all of its prompts
	Output    int64  // what is expected of its answers
	Sequences int64  // that the engine makes of it: one for each answer to each prompt; 0: 1
	Prefix    uint64 // requests that begin alike have the same, and are best served together; 0: none
	Over      bool   // it leaves the reserve to others
	Force     bool   // it goes ahead whatever room there is
}

func (n *Need) tokens() int64 { return n.Prompt + n.Output }

// Verdict is what came of looking for a place.
type Verdict uint8

const (
	Placed   Verdict = iota
	NoRoom           // replicas are well, and have no room now
	NoneWell         // none may be sent work
)

// Place is a request's place at a replica, from Take to Done. It belongs to the
// request's goroutine. The zero value is none.
type Place struct {
	Replica   *Replica
	Found     int64  // tokens of KV cache that were booked there, without the request's
	Well      uint16 // replicas that could have been sent work
	Affinity  bool   // it was chosen for the prefix, over one with less to do
	reading   bool   // its prompt is being read
	sequences int32
	tokens    int64 // booked
	prompt    int64
	now       int64 // of them, in the cache by now, as far as is known
}

// books are what a replica's requests in flight hold of its KV cache, and what
// its engine says of that.
type books struct {
	booked  atomic.Int64 // tokens that its requests are expected to come to
	live    atomic.Int64 // that they should have in the cache now
	reading atomic.Int64 // of prompts that no answer has begun for
	foreign atomic.Int64 // that the engine holds beyond live; below 0: it holds less
	trust   atomic.Int64 // how much of the capacity is given out, in thousandths less 1000

	sequences sequences

	mu     sync.Mutex // of what corrects
	queued int        // readings in a row with requests waiting in the engine
}

const (
	reserveShare  = 10 // of the capacity: what is left to organisations under their share
	affinityShare = 4  // of the capacity: how much fuller the replica may be that knows the prefix
	leastTrust    = -500
	nearlyFull    = 0.95
	readingAhead  = 512 // tokens of prompts that wait to be read: enough for the engine to have no gap, and little enough for others to be next
	mostCredit    = 2   // prompts that begin alike are in the cache once: this part of them at most may be missing
)

// Room is how many tokens the KV caches of those replicas hold that may be sent
// work; 0: nobody knows.
func (b *Backend) Room() (sum int64) {
	for _, r := range b.replicas {
		if r.circuit.choice() == 0 {
			continue
		}
		c := r.Capacity()
		if c == 0 {
			return 0
		}
		sum += c
	}
	return sum
}

// Booked is how many tokens those replicas' requests in flight are expected to come
// to, and how many their KV caches hold; 0: nobody knows.
func (b *Backend) Booked() (booked, capacity int64) {
	known := true
	for _, r := range b.replicas {
		if r.circuit.choice() == 0 {
			continue
		}
		c := r.Capacity()
		known = known && c > 0
		booked, capacity = booked+r.books.booked.Load(), capacity+c
	}
	if !known {
		capacity = 0
	}
	return booked, capacity
}

// Now are the replicas as they are at this moment; the pool's Snapshot has them as
// they were half a second ago at most.
func (b *Backend) Now() []ReplicaStatus {
	all := make([]ReplicaStatus, len(b.replicas))
	for i, r := range b.replicas {
		all[i] = r.status()
	}
	return all
}

// Largest is what the largest of the replicas' KV caches holds; 0: nobody knows.
func (b *Backend) Largest() int64 {
	var most int64
	for _, r := range b.replicas {
		c := r.Capacity()
		if c == 0 {
			return 0
		}
		most = max(most, c)
	}
	return most
}

// room is how many tokens may be given out, and how many of them are not. Of a
// replica whose capacity nobody knows it is without bound.
func (r *Replica) room(share float64) (size, free int64) {
	c := r.Capacity()
	if c == 0 {
		return 0, math.MaxInt64
	}
	k := &r.books
	size = int64(float64(c)*share)*(1000+k.trust.Load())/1000 - k.foreign.Load()
	return size, size - k.booked.Load()
}

// fits tells whether there is room. A replica with nothing to do takes whatever
// comes: what it can never hold has been refused before.
func (r *Replica) fits(n *Need, share float64) bool {
	size, free := r.room(share)
	if n.Over {
		free -= size / reserveShare
	}
	if n.Over && r.books.reading.Load() >= readingAhead {
		return n.Force
	}
	if n.Force || r.books.sequences.held.Load() == 0 {
		return true
	}
	return n.tokens() <= free && !r.books.sequences.full(n.Over)
}

// load is how much of it is taken, for choosing: the part of its capacity or,
// where nobody knows that, the number of requests.
func (r *Replica) load(n *Need, share float64) float64 {
	size, free := r.room(share)
	if size <= 0 {
		return float64(r.inflight.Load()+1) / share
	}
	return float64(size-free+n.tokens()) / float64(size)
}

// Take finds a place for a request: at the replica with the least expected work
// of those that have room, or at the one that knows its prefix while that is not
// much fuller. Not one of those in tried is chosen. A request that is Placed
// counts as in flight there until Done is called.
func (b *Backend) Take(n Need, tried ...*Replica) (Place, Verdict) {
	// Ties go round, so that idle replicas share what comes one by one.
	start := int(b.turn.Add(1))
	for {
		var best, idlest *Replica // idlest is the best without regard to the prefix
		var bestRank, well int
		bestLoad, idlestLoad := math.MaxFloat64, math.MaxFloat64
		for i := range b.replicas {
			r := b.replicas[(start+i)%len(b.replicas)]
			rank := r.circuit.choice()
			if rank == 0 || slices.Contains(tried, r) {
				continue
			}
			well++
			share := r.Share()
			if !r.fits(&n, share) {
				continue
			}
			load := r.load(&n, share)
			if n.Prefix != 0 {
				if rank > bestRank || rank == bestRank && load < idlestLoad {
					idlest, idlestLoad = r, load
				}
				load = r.lure(load, n.Prefix)
			}
			if rank > bestRank || rank == bestRank && load < bestLoad {
				best, bestRank, bestLoad = r, rank, load
			}
		}
		switch {
		case well == 0:
			return Place{}, NoneWell
		case best == nil:
			return Place{}, NoRoom
		case best.claim():
			p := best.take(&n)
			p.Well, p.Affinity = uint16(min(well, math.MaxUint16)), n.Prefix != 0 && best != idlest
			return p, Placed
		}
	}
}

var prefixSeed = maphash.MakeSeed()

// lure makes a replica's load less for a prefix that is likely to be in its
// cache. Which replica that is, is the same for all requests with it, and
// another for other prefixes: that with the highest hash. Second comes the one
// with the second, and so on: the order stays when replicas come and go.
func (r *Replica) lure(load float64, prefix uint64) float64 {
	h := maphash.Comparable(prefixSeed, struct {
		r *Replica
		p uint64
	}{r, prefix})
	return load - float64(h>>11)/(1<<53)/affinityShare
}

// claim has a request count as in flight, if it may go to the replica. It counts
// before it asks: whoever drains the replica meanwhile finds it, or stops it.
func (r *Replica) claim() bool {
	r.inflight.Add(1)
	if r.circuit.take() {
		return true
	}
	r.inflight.Add(-1)
	return false
}

// take books what a request that was claimed needs.
func (r *Replica) take(n *Need) Place {
	r.requests.Add(1)
	p := Place{Replica: r, tokens: n.tokens(), sequences: int32(min(max(1, n.Sequences), math.MaxInt32)), prompt: n.Prompt, now: n.Prompt + n.Output/2, reading: true}
	p.Found = r.books.booked.Add(p.tokens) - p.tokens
	r.books.live.Add(p.now)
	r.books.reading.Add(p.prompt)
	r.books.sequences.held.Add(int64(p.sequences))
	return p
}

// Others is how many requests are in flight at its replica beside its own.
func (p *Place) Others() int { return int(p.Replica.inflight.Load()) - 1 }

// Began says that the answer has begun: the prompt has been read.
func (p *Place) Began() {
	if p.reading {
		p.reading = false
		p.Replica.books.reading.Add(-p.prompt)
	}
}

// Progress says how many tokens the prompts have, 0 where only the estimate is
// known, and the answers by now. Where they come to more than was expected, more
// is booked.
func (p *Place) Progress(prompt, output int64) {
	if p.Replica == nil {
		return
	}
	k := &p.Replica.books
	if prompt > 0 && !p.reading && prompt != p.prompt {
		k.booked.Add(prompt - p.prompt)
		p.tokens += prompt - p.prompt
		p.prompt = prompt
	}
	now := p.prompt + output
	k.live.Add(now - p.now)
	p.now = now
	if now > p.tokens {
		k.booked.Add(now - p.tokens)
		p.tokens = now
	}
}

// Done gives the place up. Only the first call does anything.
func (p *Place) Done() {
	r := p.Replica
	if r == nil {
		return
	}
	p.Began()
	r.books.booked.Add(-p.tokens)
	r.books.live.Add(-p.now)
	r.books.sequences.held.Add(-int64(p.sequences))
	r.inflight.Add(-1)
	r.circuit.leave()
	*p = Place{}
}

// corrected takes a reading of the engine's into the books. What it holds beyond
// what is known of its requests is others', or was estimated too low; what is
// missing is shared by prompts that begin alike. Requests that wait in the
// engine, and preemptions above all, say that more was given out than it has.
func (r *Replica) corrected(prev, next *EngineStatus) {
	k := &r.books
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sequences.read(prev, next)
	if next.KVUsage >= 0 && next.KVTokens > 0 {
		live := k.live.Load()
		off := int64(next.KVUsage*float64(next.KVTokens)) - live
		if slack := next.KVTokens / 20; off >= -slack && off <= slack {
			off = 0
		}
		off = max(off, -live/mostCredit)
		k.foreign.Store((k.foreign.Load() + off) / 2)
	}
	if next.Waiting > 0 && next.KVUsage > nearlyFull {
		k.queued++
	} else {
		k.queued = 0
	}
	trust := k.trust.Load()
	switch {
	case prev != nil && prev.Preemptions >= 0 && next.Preemptions > prev.Preemptions && next.Started.Equal(prev.Started):
		trust -= 100
	case k.queued >= 2:
		trust -= 50
	default:
		trust += 10
	}
	k.trust.Store(min(max(trust, leastTrust), 0))
}
