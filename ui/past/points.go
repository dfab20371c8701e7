package past

import (
	"math"
	"sync"
	"time"

	"pilothouse/gateway"
)

// second is a gateway.Point in 20 bytes.
type second struct{ requests, tokens, errors, refused, inFlight uint32 }

// points is the gateway's history of a day by the second, 1.7 MiB, so that the
// picture of any moment has the quarter of an hour before it. It may be used by
// many at once.
type points struct {
	mu    sync.RWMutex
	ring  [keptLong + keptShort]second
	count int       // that there ever were
	at    time.Time // of the newest
}

// take adds what a snapshot has more than the one before. What nobody has seen is
// as if nothing had been done.
func (p *points) take(g *gateway.Snapshot) {
	n := len(g.History)
	p.mu.Lock()
	defer p.mu.Unlock()
	news := n
	if p.count > 0 {
		news = seconds(g.At.Sub(p.at))
		if news < 0 { // time was set back
			news = min(n, 1)
		}
	}
	if news == 0 {
		return
	}
	for range min(news-n, len(p.ring)) {
		p.add(second{})
	}
	for _, v := range g.History[n-min(news, n):] {
		p.add(second{small(v.Requests), small(v.Tokens), small(v.Errors), small(v.Refused), small(v.InFlight)})
	}
	p.at = g.At
}

func (p *points) add(s second) {
	p.ring[p.count%len(p.ring)] = s
	p.count++
}

// history is what a snapshot of that moment had.
func (p *points) history(at time.Time) []gateway.Point {
	p.mu.RLock()
	defer p.mu.RUnlock()
	end := p.count - max(0, seconds(p.at.Sub(at)))
	from := max(0, end-keptShort, p.count-len(p.ring))
	if end <= from {
		return nil
	}
	all := make([]gateway.Point, 0, end-from)
	for i := from; i < end; i++ {
		s := p.ring[i%len(p.ring)]
		all = append(all, gateway.Point{Requests: int(s.requests), Tokens: int(s.tokens), Errors: int(s.errors), Refused: int(s.refused), InFlight: int(s.inFlight)})
	}
	return all
}

func small(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// seconds is a time in whole seconds, rounded.
func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }
