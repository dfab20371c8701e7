package quota

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"pilothouse/gateway/redistest"
)

// book is a GrantBook in memory.
type book struct {
	mu     sync.Mutex
	grants map[string]SharedGrant
}

func newBook(grants ...SharedGrant) *book {
	b := &book{grants: make(map[string]SharedGrant)}
	b.Merge(grants)
	return b
}

func (b *book) Local() ([]SharedGrant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.grants)), nil
}

func (b *book) Merge(in []SharedGrant) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range in {
		if old, ok := b.grants[g.ID]; !ok || !old.Revoked {
			b.grants[g.ID] = g
		}
	}
	return nil
}

func (b *book) has(id string, revoked bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.grants[id]
	return ok && g.Revoked == revoked
}

func TestRedisGrants(t *testing.T) {
	s := redistest.Start(t)
	ctx := context.Background()
	ends := time.Now().Add(time.Hour)
	text := []byte(`{"amount":7}`)
	books := []*book{
		newBook(SharedGrant{ID: "one", Ends: ends, Text: text}, SharedGrant{ID: "both", Ends: ends, Text: text}),
		newBook(SharedGrant{ID: "two", Ends: ends, Text: text}, SharedGrant{ID: "both", Ends: ends, Text: text, Revoked: true}),
	}
	var gateways []*Redis
	for i, b := range books {
		r := gatewayOn(t, s.URL(), string(rune('a'+i)), 0)
		r.ShareGrants(b)
		gateways = append(gateways, r)
	}
	rounds := func() {
		t.Helper()
		for range 2 {
			for _, r := range gateways {
				until(t, "the store answers", func() bool { return r.round(ctx) == nil })
			}
		}
	}
	rounds()
	for i, b := range books {
		if !b.has("one", false) || !b.has("two", false) || !b.has("both", true) {
			t.Errorf("gateway %d has %+v", i, b.grants)
		}
		if g := b.grants["two"]; string(g.Text) != string(text) || !g.Ends.Equal(ends) {
			t.Errorf("gateway %d has %+v", i, g)
		}
	}

	// A revocation reaches a gateway that still has the grant, through a store
	// that has lost both.
	books[0].Merge([]SharedGrant{{ID: "one", Ends: ends, Text: text, Revoked: true}})
	s.Kill()
	s.Empty()
	s.Start()
	slices.Reverse(gateways)
	rounds()
	if !books[1].has("one", true) {
		t.Errorf("the revocation did not arrive: %+v", books[1].grants)
	}

	// What has ended leaves the store.
	late := gatewayOn(t, s.URL(), "late", 0)
	late.ShareGrants(newBook(SharedGrant{ID: "old", Ends: time.Now().Add(-time.Minute), Text: text}))
	if err := late.round(ctx); err != nil {
		t.Fatal(err)
	}
	late.ShareGrants(newBook())
	if err := late.round(ctx); err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	defer client.Close()
	if is, err := client.HExists(ctx, grantsKey, "old").Result(); err != nil || is {
		t.Errorf("a grant that has ended is in the store: %v, %v", is, err)
	}
}

// A client that has spent its burst at one gateway has none left at another.
func TestRedisAddresses(t *testing.T) {
	s := redistest.Start(t)
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	var limiters [2]*Addresses
	for i := range limiters {
		limiters[i] = NewAddresses(0.01, 50, nil)
		r := gatewayOn(t, s.URL(), string(rune('a'+i)), 0)
		r.ShareAddresses(func() *Addresses { return limiters[i] })
		work.Go(func() { r.Run(ctx) })
		defer work.Wait()
	}
	defer stop()
	client := s.Client()
	defer client.Close()
	until(t, "both listen", func() bool {
		n, err := client.PubSubNumSub(ctx, addressesChannel).Result()
		return err == nil && n[addressesChannel] == 2 && limiters[0].shared.Load() && limiters[1].shared.Load()
	})
	spender, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	if n := spend(limiters[0], spender); n != 50 {
		t.Fatalf("%d passed, want 50", n)
	}
	passed := 0
	until(t, "the other gateway refuses", func() bool {
		ok, _ := limiters[1].Allow(spender)
		if ok {
			passed++
		}
		return !ok
	})
	if passed > 50 {
		t.Errorf("%d passed at the other gateway, more than its own burst", passed)
	}
	if ok, _ := limiters[1].Allow(other); !ok {
		t.Error("an address that asked nowhere is refused")
	}
}

// What others let through never locks out for longer than a burst and a
// second take to earn, and messages of any bytes do no harm.
func FuzzTakeAddresses(f *testing.F) {
	a := NewAddresses(50, 3, nil)
	a.Share()
	spend(a, netip.MustParseAddr("192.0.2.1"))
	spend(a, netip.MustParseAddr("2001:db8::1"))
	f.Add(a.appendPassed([]byte("\x01b")))
	f.Add([]byte("\x01a garbage after its own name"))
	f.Add([]byte("\xff"))
	f.Add([]byte("\x01b\x00\x00\x00\x00\xc0\x00\x02\x01\x00\xff\xff\xff\xff"))
	f.Add([]byte("\x01b\x00\x00\x00\x00\xc0\x00\x02\x01\x02\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, m []byte) {
		c := newClock(utc("2026-11-22 10:00:00"))
		a := NewAddresses(50, 3, c.now)
		r := &Redis{gateway: "a", addresses: func() *Addresses { return a }}
		r.takeAddresses(m)
		for i := range a.sets {
			for _, w := range a.sets[i].way {
				if ahead := w.full - int64(c.now().Sub(a.epoch)); ahead > a.slack+int64(time.Second) {
					t.Fatalf("address %x waits for %v", w.addr, time.Duration(ahead))
				}
			}
		}
	})
}
