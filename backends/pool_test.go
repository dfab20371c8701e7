package backends

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newPool(t *testing.T, cfg ...Config) *Pool {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// well makes all replicas of a backend healthy.
func well(b *Backend) *Backend {
	for _, r := range b.replicas {
		r.circuit.probed()
	}
	return b
}

var three = Config{Name: "chat", Model: "m", Aliases: []string{"alias"}, Routes: []string{"/route"},
	URLs: []string{"http://one:1", "http://two:1", "http://three:1"}}

// picks are places that a test holds.
type picks map[*Replica][]Place

// take finds a place for a request that weighs nothing; nil: there is none.
func (p picks) take(b *Backend, tried ...*Replica) *Replica {
	place, _ := b.Take(Need{}, tried...)
	if place.Replica != nil {
		p[place.Replica] = append(p[place.Replica], place)
	}
	return place.Replica
}

// done gives up one of the places at a replica.
func (p picks) done(r *Replica) {
	last := len(p[r]) - 1
	p[r][last].Done()
	p[r] = p[r][:last]
}

func TestPickLeastInFlight(t *testing.T) {
	held := picks{}
	b := well(newPool(t, three).Model([]byte("m")))
	picked := map[*Replica]int{}
	var order []*Replica
	for range 9 {
		r := held.take(b)
		picked[r]++
		order = append(order, r)
	}
	for _, r := range b.replicas {
		if picked[r] != 3 {
			t.Errorf("%s: picked %d times of 9", r.URL, picked[r])
		}
	}
	held.done(order[4])
	if r := held.take(b); r != order[4] {
		t.Errorf("picked %s, not the one with least in flight", r.URL)
	}
}

func TestPickGoesRound(t *testing.T) {
	held := picks{}
	b := well(newPool(t, three).Model([]byte("m")))
	picked := map[*Replica]int{}
	for range 9 {
		r := held.take(b)
		held.done(r)
		picked[r]++
	}
	for _, r := range b.replicas {
		if picked[r] != 3 {
			t.Errorf("%s: picked %d times of 9 while all were idle", r.URL, picked[r])
		}
	}
}

func TestPickState(t *testing.T) {
	for _, c := range []struct {
		name   string
		states [3]string // of the circuits, as signs
		tried  []int
		want   []int // any of these; none: nil
	}{
		{"unknown only where nothing better is", [3]string{"", "probe", ""}, nil, []int{1}},
		{"unknown", [3]string{"", "", ""}, nil, []int{0, 1, 2}},
		{"degraded as good as healthy", [3]string{"probe 5xx", "no-probe", "no-probe"}, nil, []int{0}},
		{"none down", [3]string{"no-probe", "no-probe", "probe"}, nil, []int{2}},
		{"all down", [3]string{"no-probe", "no-probe", "no-probe"}, nil, nil},
		{"tried", [3]string{"probe", "probe", "probe"}, []int{0, 2}, []int{1}},
		{"all tried", [3]string{"probe", "probe", "probe"}, []int{0, 1, 2}, nil},
		{"the only well one tried", [3]string{"probe", "no-probe", "no-probe"}, []int{0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			held := picks{}
			b := newPool(t, three).Model([]byte("m"))
			for i, s := range c.states {
				for _, sign := range strings.Fields(s) {
					signs[sign](&b.replicas[i].circuit)
				}
			}
			var tried []*Replica
			for _, i := range c.tried {
				tried = append(tried, b.replicas[i])
			}
			for range 6 {
				r := held.take(b, tried...)
				i := slices.Index(b.replicas, r)
				if (r == nil) != (c.want == nil) || r != nil && !slices.Contains(c.want, i) {
					t.Fatalf("picked %d, want one of %v", i, c.want)
				}
				if r != nil {
					held.done(r)
				}
			}
		})
	}
}

// A trial gets one request at a time, and gets it before the healthy ones.
func TestPickTrial(t *testing.T) {
	held := picks{}
	p := newPool(t, three)
	ck := &clock{time.Now()}
	b := well(p.Model([]byte("m")))
	r := b.replicas[1]
	r.circuit.now = ck.now
	for range 3 {
		r.Failed(ServerError)
	}
	ck.at = ck.at.Add(time.Second)
	r.circuit.probed()
	r.circuit.probed()
	if r.circuit.shown() != "trial" {
		t.Fatalf("it is %s", r.circuit.state)
	}
	if got := held.take(b); got != r {
		t.Fatalf("picked %s, not the trial", got.URL)
	}
	for range 6 {
		if got := held.take(b); got == r {
			t.Fatal("a second request went to the trial")
		}
	}
	held.done(r) // nothing was decided: its client left
	if got := held.take(b); got != r {
		t.Errorf("picked %s, not the trial that is free again", got.URL)
	}
	r.Answered()
	held.done(r)
	if r.circuit.state != Healthy {
		t.Errorf("it is %s after its trial succeeded", r.circuit.state)
	}

	// Of many at once, one gets the trial.
	for range 3 {
		r.Failed(ServerError)
	}
	ck.at = ck.at.Add(time.Second)
	r.circuit.probed()
	r.circuit.probed()
	var wg sync.WaitGroup
	var n atomic.Int32
	for range 50 {
		wg.Go(func() {
			if place, _ := b.Take(Need{}); place.Replica == r {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("%d requests at once went to the trial", n.Load())
	}
}

func TestApply(t *testing.T) {
	p := newPool(t, three)
	b := well(p.Model([]byte("m")))
	one, two, gone := b.replicas[0], b.replicas[1], b.replicas[2]
	held := picks{}.take(b, two, gone)

	cfg := three
	cfg.URLs = []string{"http://two:1", "http://four:1", "http://one:1"}
	cfg.Aliases, cfg.Routes = []string{"other"}, nil
	cfg.Health.Fall = 1
	cfg.Timeouts.Idle = Duration(time.Minute)
	if err := p.Apply([]Config{cfg}); err != nil {
		t.Fatal(err)
	}
	now := p.Model([]byte("other"))
	if now == nil || p.Model([]byte("alias")) != nil || p.Route([]byte("/route")) != nil {
		t.Fatal("the names are not the new ones")
	}
	if now.replicas[0] != two || now.replicas[2] != one {
		t.Error("the replicas that stay are not the same")
	}
	if held != one || one.inflight.Load() != 1 {
		t.Errorf("%d in flight at the replica that stays", one.inflight.Load())
	}
	if one.circuit.state != Healthy || now.replicas[1].circuit.state != Unknown {
		t.Error("the states are not those of before")
	}
	if got := one.settings.Load().timeouts.Idle; got != cfg.Timeouts.Idle {
		t.Errorf("the replica that stays still has an idle limit of %v", time.Duration(got))
	}
	one.Failed(ServerError)
	if one.circuit.state != Down {
		t.Errorf("with the new fall of 1 it is %s after a failure", one.circuit.state)
	}
	if !gone.closed {
		t.Error("the replica that is gone keeps connections")
	}
	if s := p.Snapshot(); len(s.Backends) != 1 || len(s.Backends[0].Replicas) != 3 || s.Backends[0].Replicas[0].URL != "http://two:1" {
		t.Errorf("the snapshot: %+v", s)
	}

	cfg.URLs = nil
	var setting *SettingError
	if err := p.Apply([]Config{cfg}); !errors.As(err, &setting) || setting.Key != "urls" {
		t.Errorf("no replica: %v", err)
	}
	if p.Model([]byte("other")) != now {
		t.Error("what could not be applied was applied")
	}
}

// Run probes with the key, in the interval, and leaves nothing behind.
func TestProbes(t *testing.T) {
	var mu sync.Mutex
	var paths, keys []string
	status := http.StatusOK
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths, keys = append(paths, r.URL.Path), append(keys, r.Header.Get("Authorization"))
		w.WriteHeader(status)
	}))
	defer h.Close()
	p := newPool(t, Config{Name: "b", Model: "m", URLs: []string{h.URL + "/prefix/"}, APIKey: "made-for-this-test",
		Health: Health{Interval: Duration(5 * time.Millisecond), Path: "/well", Fall: 2, Rise: 1}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	r := p.All()[0].replicas[0]
	reach := func(want State) {
		t.Helper()
		for end := time.Now().Add(patience); p.Snapshot().Backends[0].Replicas[0].State != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never %s", want)
			}
		}
	}
	reach(Healthy)
	mu.Lock()
	status = http.StatusFound // a redirect is not followed, and is no success
	mu.Unlock()
	reach(Down)
	mu.Lock()
	status = http.StatusNoContent
	mu.Unlock()
	reach(Healthy)
	stop()
	<-ended
	if !r.closed {
		t.Error("the replica is not closed")
	}
	for i := range paths {
		if !slices.Contains([]string{"/prefix/well", "/prefix/metrics", "/prefix/v1/models"}, paths[i]) || keys[i] != "Bearer made-for-this-test" {
			t.Fatalf("a probe asked %q with %q", paths[i], keys[i])
		}
	}
	if reason := p.Snapshot().Backends[0].Replicas[0].Reason; strings.Contains(reason, "made-for-this-test") {
		t.Errorf("the reason %q has the key", reason)
	}
}

// A replica that is taken out while Run runs is no longer probed; one that is
// added is.
func TestApplyWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := Config{Name: "b", Model: "m", URLs: []string{"http://127.0.0.1:0"}}
		p := newPool(t, dead)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		synctest.Wait()
		old := p.All()[0].replicas[0]
		dead.URLs = []string{"http://127.0.0.1:0/other"}
		if err := p.Apply([]Config{dead}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		failures := old.failures.Load()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := old.failures.Load(); n != failures {
			t.Errorf("%d probes of the replica that is gone", n-failures)
		}
		if n := p.All()[0].replicas[0].failures.Load(); n < 4 {
			t.Errorf("%d probes of the new one within 10 s", n)
		}
		stop()
		<-ended
	})
}

func TestCheck(t *testing.T) {
	base := Config{Name: "a", Model: "m", URLs: []string{"http://a:1"}}
	with := func(f func(*Config)) Config { c := base; f(&c); return c }
	for _, c := range []struct {
		key string // of the error; "": none
		cfg []Config
	}{
		{"", []Config{base}},
		{"", []Config{base, {Name: "b", Model: "n", URLs: []string{"http://a:1"}}}},
		{"name", []Config{base, {Name: "a", Model: "n", URLs: base.URLs}}},
		{"model", []Config{base, {Name: "b", Model: "m", URLs: base.URLs}}},
		{"aliases", []Config{base, {Name: "b", Model: "n", Aliases: []string{"m"}, URLs: base.URLs}}},
		{"urls", []Config{with(func(c *Config) { c.URLs = []string{"http://a:1", "http://a:1"} })}},
		{"urls", []Config{with(func(c *Config) { c.URLs = []string{"http://a:1/v1"} })}},
		{"urls", []Config{with(func(c *Config) { c.URLs = []string{"http://user:secret@a:1"} })}},
		{"urls", []Config{with(func(c *Config) { c.URLs = []string{"a:1"} })}},
		{"routes", []Config{with(func(c *Config) { c.Routes = []string{"/v1/models"} })}},
		{"routes", []Config{with(func(c *Config) { c.Routes = []string{"/health"} })}},
		{"routes", []Config{with(func(c *Config) { c.Routes = []string{"/health/live"} })}},
		{"routes", []Config{with(func(c *Config) { c.Routes = []string{"/r"} }), {Name: "b", Model: "n", URLs: base.URLs, Routes: []string{"/r"}}}},
		{"name", []Config{with(func(c *Config) { c.Name = "a b" })}},
		{"model", []Config{with(func(c *Config) { c.Model = "" })}},
		{"max_n", []Config{with(func(c *Config) { c.MaxN = -1 })}},
		{"defaults.max_tokens", []Config{with(func(c *Config) { c.MaxContext = 100; c.Defaults.MaxTokens = new(101) })}},
		{"defaults.temperature", []Config{with(func(c *Config) { c.Defaults.Temperature = new(2.1) })}},
		{"defaults.top_p", []Config{with(func(c *Config) { c.Defaults.TopP = new(0.0) })}},
		{"health.path", []Config{with(func(c *Config) { c.Health.Path = "health" })}},
		{"health.hung_after", []Config{with(func(c *Config) { c.Health.HungAfter = Duration(time.Second - 1) })}},
		{"", []Config{with(func(c *Config) { c.Health.HungAfter = Duration(time.Second) })}},
		{"api_key_env", []Config{with(func(c *Config) { c.APIKeyEnv, c.APIKeyFile = "A", "b" })}},
	} {
		err := Check(c.cfg)
		var setting *SettingError
		if (err != nil) != (c.key != "") || err != nil && (!errors.As(err, &setting) || setting.Key != c.key) {
			t.Errorf("%+v: %v, want one about %q", c.cfg, err, c.key)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
