package quota

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pilothouse/gateway/redistest"
)

// gatewayOn makes a gateway's Redis that waits for nobody when the store
// begins anew.
func gatewayOn(t testing.TB, url, name string, ttl time.Duration) *Redis {
	t.Helper()
	r, err := NewRedis(RedisOptions{URL: url, Gateway: name, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	r.settling = 0
	t.Cleanup(func() { r.Close() })
	return r
}

// tokensOf is today's counter of an organisation.
func tokensOf(org string) Counter {
	day := time.Now().UTC().Truncate(24 * time.Hour)
	return Counter{Org: org, Window: TokensPerDay, Begins: day, Ends: day.Add(24 * time.Hour)}
}

func ask(c Counter, limit, used, held, need, want int64) Ask {
	return Ask{Counter: c, Limit: limit, Used: used, Held: held, Need: need, Want: want}
}

func mustLease(t testing.TB, r *Redis, a Ask) Lease {
	t.Helper()
	l, err := r.Lease([]Ask{a})
	if err != nil {
		t.Fatalf("lease %+v: %v", a, err)
	}
	return l[0]
}

// Each step is one gateway's ask of one counter with a limit of 100, and what it gets.
func TestRedisLease(t *testing.T) {
	s := redistest.Start(t)
	type step struct {
		gateway                  string
		used, held, need, want   int64
		ceiling, others, ofThose int64
	}
	for name, steps := range map[string][]step{
		"as much as is wanted": {
			{"a", 0, 0, 10, 30, 30, 0, 0},
			{"b", 0, 0, 10, 30, 30, 30, 0},
		},
		"no more than is left": {
			{"a", 0, 0, 10, 70, 70, 0, 0},
			{"b", 0, 0, 10, 70, 30, 70, 0},
			{"c", 0, 0, 10, 70, 0, 100, 0},
		},
		"told twice": {
			{"a", 40, 10, 50, 60, 60, 0, 0},
			{"a", 40, 10, 50, 60, 60, 0, 0},
			{"b", 0, 0, 1, 100, 40, 60, 40},
		},
		"given back": {
			{"a", 5, 0, 10, 90, 90, 0, 0},
			{"a", 5, 0, 0, 0, 5, 0, 0},
			{"b", 0, 0, 10, 100, 95, 5, 5},
		},
		"given back but for what is held": {
			{"a", 5, 10, 20, 90, 90, 0, 0},
			{"a", 5, 10, 0, 0, 15, 0, 0},
			{"b", 0, 0, 10, 100, 85, 15, 5},
		},
		"used never falls": {
			{"a", 50, 0, 60, 60, 60, 0, 0},
			{"a", 20, 0, 0, 0, 50, 0, 0},
			{"b", 0, 0, 10, 100, 50, 50, 50},
		},
		"overdrawn by a settlement": {
			{"a", 150, 0, 0, 0, 150, 0, 0},
			{"b", 0, 0, 10, 20, 0, 150, 150},
			{"a", 150, 0, 151, 151, 150, 0, 0},
		},
		"no part that is of no use": {
			{"a", 0, 0, 10, 70, 70, 0, 0},
			{"b", 10, 0, 50, 50, 10, 70, 0},
			{"c", 0, 0, 20, 20, 20, 80, 10}, // which b would have had a part of
		},
		"a lease in hand goes on": {
			{"a", 0, 0, 60, 60, 60, 0, 0},
			{"b", 70, 0, 0, 0, 70, 60, 0},
			{"a", 10, 0, 20, 50, 50, 70, 70},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tokensOf("org of " + name + " \xff:{}")
			gateways := make(map[string]*Redis)
			for i, st := range steps {
				if gateways[st.gateway] == nil {
					gateways[st.gateway] = gatewayOn(t, s.URL(), st.gateway, 0)
				}
				before := time.Now()
				l := mustLease(t, gateways[st.gateway], ask(c, 100, st.used, st.held, st.need, st.want))
				if l.Ceiling != st.ceiling || l.Others != st.others || l.OthersUsed != st.ofThose {
					t.Errorf("step %d: ceiling %d others %d used %d, want %d %d %d", i, l.Ceiling, l.Others, l.OthersUsed, st.ceiling, st.others, st.ofThose)
				}
				if l.Until.Sub(before) < 29*time.Second || time.Until(l.Until) > 30*time.Second {
					t.Errorf("step %d: the lease lasts %v, want a little less than 30 s", i, l.Until.Sub(before))
				}
			}
		})
	}
}

// Names that could be taken for one another are different counters.
func TestRedisCounters(t *testing.T) {
	s := redistest.Start(t)
	r := gatewayOn(t, s.URL(), "a", 0)
	other := gatewayOn(t, s.URL(), "b", 0)
	day := tokensOf("")
	counters := []Counter{day}
	for _, change := range []func(*Counter){
		func(c *Counter) { c.Org = "x" }, func(c *Counter) { c.Org = "x:y" }, func(c *Counter) { c.Org, c.Key = "x", "y" },
		func(c *Counter) { c.Key = "x" }, func(c *Counter) { c.Window = RequestsPerDay }, func(c *Counter) { c.Org = "1:x" },
		func(c *Counter) { c.Begins = c.Begins.Add(-24 * time.Hour) }, func(c *Counter) { c.Org = "x\x00" }, func(c *Counter) { c.Org, c.Key = "x:", "y" },
	} {
		c := day
		change(&c)
		counters = append(counters, c)
	}
	for i, c := range counters {
		if l := mustLease(t, r, ask(c, 100, int64(i+1), 0, 0, 0)); l.Ceiling != int64(i+1) {
			t.Errorf("counter %d %+v: %d, want %d", i, c, l.Ceiling, i+1)
		}
	}
	for i, c := range counters {
		if l := mustLease(t, other, ask(c, 100, 0, 0, 0, 0)); l.OthersUsed != int64(i+1) {
			t.Errorf("counter %d %+v: others have used %d, want %d", i, c, l.OthersUsed, i+1)
		}
	}
}

// What a gateway leased and did not use returns when it is gone; what it used
// does not, nor, for some time, what its requests in flight hold.
func TestRedisDeadGateway(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	const ttl = 800 * time.Millisecond
	a, b := gatewayOn(t, s.URL(), "a", ttl), gatewayOn(t, s.URL(), "b", ttl)
	c := tokensOf("acme")
	died := time.Now()
	mustLease(t, a, ask(c, 100, 20, 10, 40, 100))
	if l := mustLease(t, b, ask(c, 100, 0, 0, 10, 100)); l.Ceiling != 0 {
		t.Fatalf("ceiling %d beside a lease of everything", l.Ceiling)
	}
	until(t, "the lease returns", func() bool { return mustLease(t, b, ask(c, 100, 0, 0, 10, 100)).Ceiling == 70 })
	if after := time.Since(died); after < ttl {
		t.Errorf("the lease returned after %v, before it had run out", after)
	}
	until(t, "nothing is held for the dead", func() bool { return mustLease(t, b, ask(c, 100, 0, 0, 10, 100)).Ceiling == 80 })
	if after := time.Since(died); after < 10*ttl {
		t.Errorf("what was held returned after %v", after)
	}
}

// A gateway whose requests come seldom keeps what it has leased ahead while there
// is plenty for all, and gives it back where there is not.
func TestRedisIdle(t *testing.T) {
	s := redistest.Start(t)
	for name, test := range map[string]struct {
		elsewhere int64 // used by another gateway, of 6,400
		waits     uint64
	}{"plenty": {0, 1}, "short": {6100, 2}} {
		t.Run(name, func(t *testing.T) {
			who := Who{Org: name, Limits: Limits{TokensPerDay: 6400}}
			other := gatewayOn(t, s.URL(), "other", 0)
			mustLease(t, other, ask(tokensOf(name), 6400, test.elsewhere, 0, 0, 0))
			w := NewWindows(Options{Lessor: gatewayOn(t, s.URL(), "gateway", 0)})
			reserve := func() {
				t.Helper()
				r, err := w.Reserve(who, time.Now(), 5)
				if err != nil {
					t.Fatal(err)
				}
				r.Settle(5)
			}
			reserve()
			for range 5 { // one tells it, the others find nothing new
				w.fleet.round()
			}
			reserve()
			if n := w.Fleet().Calls; n != test.waits {
				t.Errorf("%d of two requests waited for Redis, want %d", n, test.waits)
			}
			left := mustLease(t, other, ask(tokensOf(name), 6400, test.elsewhere, 0, 1, 10)).Others
			if name == "plenty" && left != 5+100 { // a 64th ahead
				t.Errorf("it uses and holds %d, want 105", left)
			}
		})
	}
}

// Three gateways, and 200 clients that ask until they are refused.
func TestRedisNoOverdraft(t *testing.T) {
	s := redistest.Start(t)
	const limit = 20_000
	who := Who{Org: "acme", Limits: Limits{TokensPerDay: limit}}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var run, clients sync.WaitGroup
	var passed, refused atomic.Int64
	var gateways []*Windows
	settle := func(r Reservation, n int) {
		if spent := int64(1 + n%10); spent == 4 {
			r.Release()
		} else {
			passed.Add(spent)
			r.Settle(spent)
		}
	}
	for i := range 3 {
		w := NewWindows(Options{Lessor: gatewayOn(t, s.URL(), fmt.Sprint("gateway", i), 0)})
		gateways = append(gateways, w)
		run.Go(func() { w.Run(ctx) })
		for k := range 67 {
			clients.Go(func() {
				var held []Reservation // each client has some requests in flight
				defer func() {
					for i, r := range held {
						settle(r, i+k)
					}
				}()
				for n := range 1000 {
					r, err := w.Reserve(who, time.Now(), 10)
					if err != nil {
						var full *Exceeded
						if !errors.As(err, &full) {
							t.Errorf("reserve: %v", err)
						}
						refused.Add(1)
						return
					}
					held = append(held, r)
					if len(held) == 4 {
						settle(held[0], n+k)
						held = held[1:]
					}
				}
			})
		}
	}
	clients.Wait()
	if n := passed.Load(); n > limit || n < limit*3/4 {
		t.Errorf("%d tokens passed a limit of %d", n, limit)
	}
	if refused.Load() != 3*67 {
		t.Errorf("%d of 201 clients were refused at last", refused.Load())
	}
	// What the gateways have leased and do not need comes back, to the last token.
	until(t, "all is spent", func() bool {
		for _, w := range gateways {
			for r, err := w.Reserve(who, time.Now(), 1); err == nil; r, err = w.Reserve(who, time.Now(), 1) {
				r.Settle(1)
				passed.Add(1)
			}
		}
		return passed.Load() >= limit
	})
	stop()
	run.Wait()
	if n := passed.Load(); n != limit {
		t.Errorf("%d tokens passed a limit of %d", n, limit)
	}
}

// However the server loses what it was told, the gateways that live tell it
// again, and what they know of those that don't; and until then nothing new is leased.
func TestRedisLosesData(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, s *redistest.Server, save func()){
		"emptied": func(t *testing.T, s *redistest.Server, save func()) {
			save()
			c := s.Client()
			defer c.Close()
			if err := c.FlushAll(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
		},
		"restarted empty": func(t *testing.T, s *redistest.Server, save func()) {
			save()
			s.Kill()
			s.Empty()
			s.Start()
		},
		"restarted with its data": func(t *testing.T, s *redistest.Server, save func()) {
			save()
			s.Kill()
			s.Start()
		},
		"restarted with old data": func(t *testing.T, s *redistest.Server, save func()) {
			c := s.Client()
			defer c.Close()
			if err := errors.Join(c.Save(context.Background()).Err(), c.ConfigSet(context.Background(), "appendonly", "no").Err()); err != nil {
				t.Fatal(err)
			}
			save()
			s.Kill()
			s.Args = []string{"--appendonly", "no"}
			s.Start()
		},
		"lost its scripts": func(t *testing.T, s *redistest.Server, save func()) {
			save()
			c := s.Client()
			defer c.Close()
			if err := c.ScriptFlush(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			ctx := context.Background()
			a, b, dead := gatewayOn(t, s.URL(), "a", 0), gatewayOn(t, s.URL(), "b", 0), gatewayOn(t, s.URL(), "dead", 0)
			acme, idle := tokensOf("acme"), tokensOf("idle")
			epoch := uint64(0)
			lose(t, s, func() {
				mustLease(t, dead, ask(acme, 100, 15, 0, 0, 0))
				mustLease(t, dead, ask(idle, 100, 1, 0, 1, 1))
				mustLease(t, a, ask(idle, 100, 60, 0, 60, 70)) // of which b has never heard
				mustLease(t, a, ask(acme, 100, 20, 0, 20, 40)) // 20 in hand
				if l := mustLease(t, b, ask(acme, 100, 10, 5, 20, 20)); l.Others != 55 {
					t.Fatalf("others %d, want 55", l.Others)
				}
				epoch = b.Epoch()
			})
			a.settling, b.settling = 2*time.Second, 2*time.Second
			if name != "lost its scripts" {
				until(t, "b sees it", func() bool { return b.round(ctx) == nil && b.Epoch() != epoch })
				if _, err := b.Lease([]Ask{ask(idle, 100, 0, 0, 10, 100)}); !errors.Is(err, ErrSettling) {
					t.Errorf("b leases before a has told anything: %v", err)
				}
				until(t, "a tells", func() bool { return a.round(ctx) == nil })
			}
			var leases []Lease
			until(t, "b leases", func() (ok bool) {
				var err error
				leases, err = b.Lease([]Ask{ask(idle, 100, 0, 0, 10, 100), ask(acme, 100, 10, 5, 20, 100)})
				return err == nil
			})
			if l := leases[0]; l.Ceiling != 100-70-1 || l.OthersUsed != 61 {
				t.Errorf("of what only a has used: ceiling %d, used %d, want 29, 61", l.Ceiling, l.OthersUsed)
			}
			if l := leases[1]; l.Ceiling != 100-40-15 || l.OthersUsed != 35 {
				t.Errorf("ceiling %d, used %d, want 45, 35", l.Ceiling, l.OthersUsed)
			}
		})
	}
}

// Whatever is wrong with the server, Lease says so in time, without the
// password, and finds back when it is well again.
func TestRedisFailures(t *testing.T) {
	t.Parallel()
	const password = "hunter2hunter2"
	c := tokensOf("acme")
	for name, fail := range map[string]func(t *testing.T, s *redistest.Server) (addr string, mend func()){
		"dead": func(t *testing.T, s *redistest.Server) (string, func()) {
			s.Kill()
			return s.Addr, s.Start
		},
		"hung": func(t *testing.T, s *redistest.Server) (string, func()) {
			s.Signal(syscall.SIGSTOP)
			return s.Addr, func() { s.Signal(syscall.SIGCONT) }
		},
		"slow": func(t *testing.T, s *redistest.Server) (string, func()) {
			var d atomic.Int64
			d.Store(int64(3 * time.Second))
			return delayed(t, s.Addr, func() time.Duration { return time.Duration(d.Load()) }), func() { d.Store(0) }
		},
		"wants another password": func(t *testing.T, s *redistest.Server) (string, func()) {
			s.Kill()
			s.Args = []string{"--requirepass", "other"}
			s.Start()
			return s.Addr, func() {
				s.Kill()
				s.Args = []string{"--requirepass", password}
				s.Start()
			}
		},
		"no Redis": func(t *testing.T, s *redistest.Server) (string, func()) {
			s.Kill()
			l, err := net.Listen("tcp", s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
					conn.Close()
				}
			}()
			return s.Addr, func() { l.Close(); s.Start() }
		},
		"full": func(t *testing.T, s *redistest.Server) (string, func()) {
			s.Kill()
			s.Args = []string{"--requirepass", password, "--maxmemory", "1"}
			s.Start()
			return s.Addr, func() {
				s.Kill()
				s.Args = []string{"--requirepass", password}
				s.Start()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, "--requirepass", password)
			addr, mend := fail(t, s)
			r := gatewayOn(t, "redis://:"+password+"@"+addr, "a", 0)
			var wait sync.WaitGroup
			began := time.Now()
			for range 20 {
				wait.Go(func() {
					_, err := r.Lease([]Ask{ask(c, 100, 0, 0, 10, 20)})
					if err == nil {
						t.Error("a lease from a store that fails")
					} else if strings.Contains(err.Error(), password) {
						t.Errorf("the error holds the password: %v", err)
					}
				})
			}
			wait.Wait()
			if took := time.Since(began); took > 10*callTimeout { // one after the other, they would take 20
				t.Errorf("20 calls took %v", took)
			}
			if err := r.round(context.Background()); err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("round: %v", err)
			}
			mend()
			until(t, "it finds back", func() bool {
				l, err := r.Lease([]Ask{ask(c, 100, 0, 0, 10, 20)})
				return err == nil && l[0].Ceiling == 20
			})
		})
	}
}

func TestRedisURL(t *testing.T) {
	for _, url := range []string{"", "http://:secret@host", "redis://:secret@host:port", "redis://:secret@host/x", "redis://:sec%ret@host", "host:6379"} {
		if r, err := NewRedis(RedisOptions{URL: url}); err == nil {
			r.Close()
			t.Errorf("%q is taken for a Redis URL", url)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("%q: the error holds the password: %v", url, err)
		}
	}
}

// Nothing stays in the server for good, whatever a gateway's clock says.
func TestRedisKeysExpire(t *testing.T) {
	s := redistest.Start(t)
	a, b := gatewayOn(t, s.URL(), "a", 0), gatewayOn(t, s.URL(), "b", 0)
	for _, years := range []int{-50, 0, 500} {
		c := tokensOf("acme")
		c.Begins, c.Ends = c.Begins.AddDate(years, 0, 0), c.Ends.AddDate(years, 0, 0)
		mustLease(t, a, ask(c, 100, 60, 0, 60, 60))
		if l := mustLease(t, b, ask(c, 100, 0, 0, 10, 100)); l.Ceiling != 40 {
			t.Errorf("%d years off: ceiling %d, want 40", years, l.Ceiling)
		}
	}
	a.ShareGrants(newBook(SharedGrant{ID: "g", Ends: time.Now().Add(time.Hour), Text: []byte(`{}`)}))
	if err := a.round(context.Background()); err != nil {
		t.Fatal(err)
	}
	client := s.Client()
	defer client.Close()
	keys, err := client.Keys(context.Background(), "*").Result()
	if err != nil || len(keys) != 5 {
		t.Fatalf("keys %q, %v; want the epoch, the grants and three counters", keys, err)
	}
	for _, key := range keys {
		ttl, err := client.TTL(context.Background(), key).Result()
		if err != nil || ttl < 47*time.Hour || ttl > 41*24*time.Hour {
			t.Errorf("%q expires after %v, %v", key, ttl, err)
		}
	}
	if !a.knows(tokensOf("acme")) {
		t.Error("what is known of today is forgotten")
	}
	if past := tokensOf("acme"); a.knows(Counter{Org: "acme", Window: past.Window, Begins: past.Begins.AddDate(-50, 0, 0)}) {
		t.Error("what is known of a day long past is kept")
	}
}

func (r *Redis) knows(c Counter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[c.name()] != nil
}

// BenchmarkRedis reserves and settles through leases, against a real server
// that has each write on its disk: while there is plenty, and where every
// request has to ask.
func BenchmarkRedis(b *testing.B) {
	server := redistest.Start(b)
	for _, n := range []int{1, 64, 512} {
		for name, limit := range map[string]int64{"leased ahead": 1 << 50, "asked for each": 0} {
			b.Run(fmt.Sprintf("%s, inflight=%d", name, n), func(b *testing.B) {
				w := NewWindows(Options{Lessor: gatewayOn(b, server.URL(), "gateway", 0)})
				ctx, stop := context.WithCancel(context.Background())
				var run sync.WaitGroup
				run.Go(func() { w.Run(ctx) })
				b.SetParallelism(n / 2)
				b.ReportAllocs()
				var orgs atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					who := Who{Org: "acme", Limits: Limits{TokensPerDay: limit}}
					if limit == 0 { // one that has room for a single request, and another for the next
						who.Limits.TokensPerDay = 1
					}
					for pb.Next() {
						if limit == 0 {
							who.Org = fmt.Sprint("org", b.N, "-", orgs.Add(1))
						}
						r, err := w.Reserve(who, time.Now(), 1)
						if err != nil {
							b.Error(err)
							return
						}
						r.Settle(1)
					}
				})
				stop()
				run.Wait()
				b.ReportMetric(float64(w.Fleet().Calls)/float64(b.N), "waits/op")
			})
		}
	}
}
