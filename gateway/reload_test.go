package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/keys"
)

// status asks for a completion of a model with a key and gives the status.
func (s *service) status(secret, path, model string) int {
	s.t.Helper()
	c := s.Dial()
	c.Send(s.post(path, "", strings.Replace(chat(false, "hi"), testModel, model, 1), "Authorization: Bearer "+secret))
	return c.Answer("POST").StatusCode
}

// TestKeysChange edits the keys file under a gateway that serves.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	const path = "/v1/chat/completions"
	s := serve(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Keys.Run(ctx) }()
	defer func() { stop(); <-ended }()

	next := make(chan string)
	defer close(next)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		if !strings.Contains(r.Body, `"stream":true`) {
			plainAnswer(c, r)
			return
		}
		for piece := range next {
			c.Send(piece)
		}
	})
	c := s.Dial()
	c.Send(s.post(path, "acme", chat(true, "hi")))
	next <- streamHead + chunk(counted("a", 1))
	str := c.stream()
	str.Next()

	secret, _, err := keys.New(s.File, keys.Entry{Org: "initech", Name: "new"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new key is valid", func() bool { return s.status(secret, path, testModel) == 200 })
	if got := s.status(s.Key("acme"), path, testModel); got != 200 {
		t.Errorf("the old key: %d", got)
	}
	for _, o := range s.Keys.Orgs() {
		for _, k := range o.Keys {
			if k.Name == "acme" {
				if _, err := keys.Revoke(s.File, k.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	eventually(t, "the revoked key is not", func() bool { return s.status(s.Key("acme"), path, testModel) == 401 })
	if got := s.status(secret, path, testModel); got != 200 {
		t.Errorf("the new key: %d", got)
	}
	// What was admitted with it goes on, and is charged.
	next <- chunk(counted("b", 2)+done) + "0\r\n\r\n"
	if got := strings.Join(str.Rest(), ""); got != bare("b")+done {
		t.Errorf("the stream of the revoked key went on with %q", got)
	}
	if u := s.Usage("embedder")["tokens_per_day"]; u.Used < 9 || u.Reserved != 0 {
		t.Errorf("its organisation: %+v", u)
	}
}

// TestLimitsChange puts other limits in force under a gateway that serves.
func TestLimitsChange(t *testing.T) {
	t.Parallel()
	var set *setup
	s := serve(t, func(s *setup) { set = s })
	secret, path := s.Key("acme"), "/v1/chat/completions"
	apply := func() {
		t.Helper()
		c := set.Config
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		c.Fill()
		if err := s.Gateway.Apply(c); err != nil {
			t.Fatal(err)
		}
		if names := s.Restart(c); len(names) > 0 {
			t.Errorf("would need a restart: %v", names)
		}
	}
	if got := s.status(secret, path, testModel); got != 200 {
		t.Fatal(got)
	}
	set.Config.Limits.Org.RequestsPerDay = 2 // one of which is spent
	apply()
	for i, want := range []int{200, 429, 429} {
		if got := s.status(secret, path, testModel); got != want {
			t.Errorf("request %d with a quota of 2: %d", i+2, got)
		}
	}
	if u := s.Usage("acme")["requests_per_day"]; u.Limit != 2 || u.Used != 2 {
		t.Errorf("%+v", u)
	}
	set.Config.Limits.Org.RequestsPerDay = 0
	set.Config.Limits.RequestsPerSecond, set.Config.Limits.Burst = 0.001, 1
	apply()
	for i, want := range []int{200, 429} {
		if got := s.status(secret, path, testModel); got != want {
			t.Errorf("request %d with a rate: %d", i+1, got)
		}
	}
	set.Config.Limits.Org.RequestsPerDay = 1000
	apply() // the rate is the same, so what was counted is
	if got := s.status(secret, path, testModel); got != 429 {
		t.Errorf("a reload gave the burst back: %d", got)
	}
	set.Config.Limits.RequestsPerSecond, set.Config.Limits.Burst = 0, 0
	apply()
	if got := s.status(secret, path, testModel); got != 200 {
		t.Errorf("without a rate: %d", got)
	}
	set.Config.Server.Listen = "127.0.0.1:1"
	c := set.Config
	c.Fill()
	if names := s.Restart(c); len(names) != 1 || names[0] != "server.listen" {
		t.Errorf("needs a restart: %v", names)
	}
}

// TestReplicasChange exchanges the replicas while a stream runs on one.
func TestReplicasChange(t *testing.T) {
	t.Parallel()
	a, b := newEngine(t), newEngine(t)
	var set *setup
	s := serve(t, func(s *setup) {
		set = s
		s.Backends = []backends.Config{testBackend("chat", testModel, a.URL)}
	})
	path, secret := "/v1/chat/completions", s.Key("acme")
	apply := func(cfg ...backends.Config) {
		t.Helper()
		if err := s.Pool.Apply(cfg); err != nil {
			t.Fatal(err)
		}
		c := set.Config
		c.Fill()
		if err := s.Gateway.Apply(c); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all replicas probed", func() bool {
			for _, b := range s.Pool.Snapshot().Backends {
				for _, r := range b.Replicas {
					if r.State == backends.Unknown {
						return false
					}
				}
			}
			return true
		})
	}
	next := make(chan string)
	defer close(next)
	a.Answer(func(c *engineConn, _ *engineRequest) {
		for piece := range next {
			if c.Send(piece); strings.HasSuffix(piece, "0\r\n\r\n") {
				return
			}
		}
	})
	c := s.Dial()
	c.Send(s.post(path, "acme", chat(true, "hi")))
	next <- streamHead + chunk(counted("a", 1))
	str := c.stream()
	str.Next()

	// Another replica comes.
	apply(testBackend("chat", testModel, a.URL, b.URL))
	for range 3 { // the first is busy
		if got := s.status(secret, path, testModel); got != 200 {
			t.Errorf("with a second replica: %d", got)
		}
	}
	if n := len(b.Requests()); n != 3 {
		t.Errorf("the new replica got %d requests of 3", n)
	}
	if st := s.state(a.URL); st.InFlight != 1 || st.Requests != 1 {
		t.Errorf("the replica that stayed begins anew: %+v", st)
	}
	// The first goes, its stream still running, and a model with a route comes.
	more := testBackend("sql", "sql-model", b.URL)
	more.Routes, more.Aliases = []string{"/text2sql"}, []string{"sql"}
	apply(testBackend("chat", testModel, b.URL), more)
	for _, ask := range []struct{ path, model string }{{path, testModel}, {path, "sql-model"}, {path, "sql"}, {"/text2sql", "sql-model"}} {
		if got := s.status(secret, ask.path, ask.model); got != 200 {
			t.Errorf("%s for %s: %d", ask.path, ask.model, got)
		}
	}
	if n := len(a.Requests()); n != 1 {
		t.Errorf("the replica that went got %d requests", n-1)
	}
	next <- chunk(counted("b", 2)+done) + "0\r\n\r\n"
	if got := strings.Join(str.Rest(), ""); got != bare("b")+done {
		t.Errorf("the stream went on with %q", got)
	}
	eventually(t, "no connection is left to the replica that went", func() bool { open, _ := a.Conns(); return open == 0 })
	// The model goes again, and so does its route.
	apply(testBackend("chat", testModel, b.URL))
	for _, ask := range []struct{ path, model string }{{path, "sql-model"}, {path, "sql"}, {"/text2sql", "sql-model"}} {
		if got := s.status(secret, ask.path, ask.model); got != 404 {
			t.Errorf("%s for %s: %d", ask.path, ask.model, got)
		}
	}
	// What can't be is refused, and changes nothing.
	if err := s.Pool.Apply([]backends.Config{testBackend("chat", testModel)}); err == nil {
		t.Error("a backend without replicas was taken")
	}
	if got := s.status(secret, path, testModel); got != 200 {
		t.Errorf("after a bad configuration: %d", got)
	}
	s.Idle("acme")
}

// TestHealthSettingsChange: a replica that stays is judged by the new settings.
func TestHealthSettingsChange(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) { s.Backends = []backends.Config{patient(e.URL)} })
	e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(failing(500, "{}")) })
	fail := func() backends.State {
		s.status(s.Key("acme"), "/v1/chat/completions", testModel)
		return s.state(e.URL).State
	}
	for range 5 {
		if got := fail(); got != backends.Degraded {
			t.Fatalf("it is %v, and may fail for ever", got)
		}
	}
	b := patient(e.URL)
	b.Health.Fall, b.APIKey = 2, "another-key"
	b.Timeouts.FirstByte = backends.Duration(time.Second)
	if err := s.Pool.Apply([]backends.Config{b}); err != nil {
		t.Fatal(err)
	}
	if got := fail(); got != backends.Down {
		t.Errorf("it is %v, and may fail twice", got)
	}
	all := e.Requests()
	if got := all[len(all)-1].Header("Authorization"); got != "Bearer another-key" {
		t.Errorf("sent with %q", got)
	}
}
