package gateway_test

import (
	"context"
	"fmt"
	"testing"

	"pilothouse/gateway/redistest"
)

// However Redis loses what it was told, and whoever was away meanwhile, all
// that was used is counted, once, and no more passes than there is room for.
func TestRedisBeginsAnew(t *testing.T) {
	for name, lose := range map[string]func(*fleet, *redistest.Server, *redistest.Front){
		"emptied while a gateway is away": func(f *fleet, server *redistest.Server, _ *redistest.Front) {
			f.gateways[2].Stop()
			server.Kill()
			server.Empty()
			server.Start()
			f.agreeOf("half", f.gateways[:2])
			f.gateways[2] = serve(f.whole, f.setups[2])
		},
		"emptied while all are away": func(f *fleet, server *redistest.Server, _ *redistest.Front) {
			for _, g := range f.gateways {
				g.Stop()
			}
			server.Kill()
			server.Empty()
			server.Start()
			f.start()
		},
		"failed over to a replica that missed the last writes": func(f *fleet, server *redistest.Server, front *redistest.Front) {
			replica := redistest.Start(f.t)
			ctx := context.Background()
			c := replica.Client()
			defer c.Close()
			if err := c.Do(ctx, "REPLICAOF", server.Host(), server.Port()).Err(); err != nil {
				f.t.Fatal(err)
			}
			eventually(f.t, "the replica has it all", func() bool { return replica.Synced() })
			// From here on it is told nothing more, and does not know that.
			if err := c.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
				f.t.Fatal(err)
			}
			for range 5 {
				f.ask("half")
			}
			f.agree("half")
			server.Kill()
			if err := c.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
				f.t.Fatal(err)
			}
			front.Switch(replica)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			front := redistest.NewFront(t, server)
			f := newFleet(t, 3, func(s *setup) { s.Redis = front.URL() })
			f.start()
			for range storeRoom / 2 {
				f.ask("half")
			}
			f.agree("half")
			lose(f, server, front)
			f.agree("half")
			eventually(t, "all of the quota is used", func() bool {
				r := f.ask("half")
				if r.status != 200 && r.code != "quota_exceeded" && r.code != "quota_unavailable" {
					t.Errorf("%d %s", r.status, r.text)
				}
				return f.asked["half"] >= storeRoom && r.code == "quota_exceeded"
			})
			if n := f.asked["half"]; n != storeRoom {
				t.Errorf("%d requests passed, want %d", n, storeRoom)
			}
			f.agree("half")
		})
	}
}

// A request of an organisation that has room waits for no round trip: what it
// needs has been leased before.
func TestLeasedAhead(t *testing.T) {
	t.Parallel()
	f := openRedis(t, 3)
	waits := func() (n uint64) {
		for i, g := range f.gateways {
			before := g.Snapshot().At
			eventually(t, fmt.Sprintf("gateway %d has looked", i), func() bool { return g.Snapshot().At.After(before) })
			n += g.Snapshot().Books.Fleet.Calls
		}
		return n
	}
	before := waits()
	for range 300 {
		if r := f.ask("plenty"); r.status != 200 {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	if n := waits() - before; n != 0 {
		t.Errorf("%d of 300 requests waited for Redis, and the quota is far from spent", n)
	}
	for range 3 {
		f.ask("org-requests_per_day") // of which nothing can be leased ahead
	}
	if n := waits() - before; n == 0 {
		t.Error("no request ever waited: the test shows nothing")
	}
}
