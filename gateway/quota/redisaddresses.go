package quota

import (
	"context"
	"encoding/binary"
	"time"
)

const addressesChannel = prefix + "addresses"

// ShareAddresses has Run tell the other gateways, once a second, which
// addresses were let through how often, and take the same from them. a gives
// the limiter that is in force. Call it before Run.
//
// No request waits for it. So a client that spreads its requests over gateways
// can pass, within a second, the rate at each of them, and is then held at all
// of them until the rate has caught up.
func (r *Redis) ShareAddresses(a func() *Addresses) { r.addresses = a }

// shareAddresses publishes counts and takes others'. A message that is lost
// costs no more than that second's.
func (r *Redis) shareAddresses(ctx context.Context) {
	sub := r.client.Subscribe(ctx, addressesChannel)
	defer sub.Close()
	messages := sub.Channel()
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			r.takeAddresses([]byte(m.Payload))
		case <-tick.C:
			a := r.addresses()
			a.Share()
			if message := a.appendPassed(append([]byte{byte(len(r.gateway))}, r.gateway...)); message != nil {
				call, cancel := context.WithTimeout(ctx, callTimeout)
				_ = r.client.Publish(call, addressesChannel, message).Err() // Windows say that the store is away
				cancel()
			}
		}
	}
}

// takeAddresses takes a message, unless it is this gateway's own.
func (r *Redis) takeAddresses(m []byte) {
	if len(m) == 0 || len(m) < 1+int(m[0]) || string(m[1:1+m[0]]) == r.gateway {
		return
	}
	a := r.addresses()
	for m = m[1+m[0]:]; len(m) >= passedSize; m = m[passedSize:] {
		a.took(placed{binary.BigEndian.Uint64(m), m[8]}, binary.BigEndian.Uint32(m[9:]))
	}
}

// passedSize is the size of an address and its count in a message.
const passedSize = 8 + 1 + 4

// mostPassed bounds the addresses of one message.
const mostPassed = 10_000

// Share has it keep count of what it lets through, for other gateways.
func (a *Addresses) Share() {
	a.sharing.Lock()
	defer a.sharing.Unlock()
	if a.passed == nil {
		a.passed = make(map[placed]uint32)
		a.shared.Store(true)
	}
}

// placed is what an address is counted by.
type placed struct {
	id     uint64
	family byte
}

// pass counts a request that was let through.
func (a *Addresses) pass(p placed) {
	a.sharing.Lock()
	defer a.sharing.Unlock()
	if n, ok := a.passed[p]; ok || len(a.passed) < mostPassed {
		a.passed[p] = n + 1
	}
}

// appendPassed appends what was let through since it was called last; nil
// where nothing was.
func (a *Addresses) appendPassed(m []byte) []byte {
	a.sharing.Lock()
	defer a.sharing.Unlock()
	if len(a.passed) == 0 {
		return nil
	}
	for p, n := range a.passed {
		m = binary.BigEndian.AppendUint64(m, p.id)
		m = append(m, p.family)
		m = binary.BigEndian.AppendUint32(m, n)
	}
	clear(a.passed)
	return m
}

// took counts what another gateway let through. Who has passed the rate there
// waits here, too, but never for more than it takes to earn a second's worth.
func (a *Addresses) took(p placed, n uint32) {
	if a.interval == 0 || p.family >= families {
		return
	}
	now := int64(a.now().Sub(a.epoch))
	s := a.set(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.find(p.id)
	full := now
	if w.addr == p.id {
		full = max(w.full, now)
	}
	most := now + a.slack + int64(time.Second)
	if full < most {
		full = min(full+min(int64(n), most/a.interval)*a.interval, most)
	}
	*w = way{addr: p.id, full: full}
}
