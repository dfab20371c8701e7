package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
)

// estimate is what chat reserves and is charged for where nothing is known:
// three bytes of the messages' JSON a token.
func estimate(content string) int64 {
	return int64(len(`[{"content":"`+content+`","role":"user"}]`)+2) / 3
}

func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		trusted   []string
		forwarded []string // a header each
		client    string   // in the log
	}{
		{"nobody trusted", nil, []string{"203.0.113.9"}, "127.0.0.1"},
		{"another trusted", []string{"10.0.0.0/8"}, []string{"203.0.113.9"}, "127.0.0.1"},
		{"trusted", []string{"127.0.0.1"}, []string{"203.0.113.9"}, "203.0.113.9"},
		{"no header", []string{"127.0.0.0/8"}, nil, "127.0.0.1"},
		{"forged in front", []string{"127.0.0.0/8"}, []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"forged in a header of its own", []string{"127.0.0.0/8"}, []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		{"two proxies", []string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		{"IPv6", []string{"127.0.0.0/8"}, []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"nonsense", []string{"127.0.0.0/8"}, []string{"203.0.113.9, unknown"}, "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(s *setup) {
				s.Config.Server.TrustedProxies = test.trusted
				s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 0.001, 2
			})
			headers := []string{}
			for _, f := range test.forwarded {
				headers = append(headers, "X-Forwarded-For: "+f)
			}
			var answers []int
			for range 3 {
				c := s.Dial()
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi"), headers...))
				a := c.Answer("POST")
				answers = append(answers, a.StatusCode)
				if l := s.access(a.Header.Get("X-Request-Id")); l["client"] != test.client {
					t.Errorf("logged %v, want %s", l["client"], test.client)
				}
				if a.StatusCode == 429 && a.Header.Get("Retry-After") != "1000" && a.Header.Get("Retry-After") != "999" {
					t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
				}
			}
			if fmt.Sprint(answers) != "[200 200 429]" {
				t.Errorf("three requests with a burst of two: %v", answers)
			}
			// Another client has its own.
			if len(test.trusted) > 0 && test.client != "127.0.0.1" {
				c := s.Dial()
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi"), "X-Forwarded-For: 192.0.2.77"))
				if a := c.Answer("POST"); a.StatusCode != 200 {
					t.Errorf("another client: %d", a.StatusCode)
				}
			}
		})
	}
}

func TestRatelimitHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) {
		s.Config.Limits.Org.RequestsPerDay, s.Config.Limits.Org.TokensPerDay, s.Config.Limits.Org.TokensPerMonth = 10, 3000, 2500
	})
	day := time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour))
	check := func(what string, header func(string) string, requests, tokens int64) {
		t.Helper()
		for name, want := range map[string]int64{"Limit-Requests": 10, "Remaining-Requests": requests, "Limit-Tokens": 2500, "Remaining-Tokens": tokens} {
			if got := header("X-Ratelimit-" + name); got != strconv.FormatInt(want, 10) {
				t.Errorf("%s: %s is %q, want %d", what, name, got, want)
			}
		}
		reset, err := time.ParseDuration(header("X-Ratelimit-Reset-Requests"))
		if err != nil || reset > day || reset < day-time.Minute {
			t.Errorf("%s: Reset-Requests %q, and %v are left of the day", what, header("X-Ratelimit-Reset-Requests"), day)
		}
		if reset, err := time.ParseDuration(header("X-Ratelimit-Reset-Tokens")); err != nil || reset < 0 {
			t.Errorf("%s: Reset-Tokens %q", what, header("X-Ratelimit-Reset-Tokens"))
		}
	}
	resp, _ := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
	check("unary", resp.Header.Get, 9, 2488) // 12 were used
	resp, _ = s.Do("GET", "/v1/models", "acme", "")
	check("models", resp.Header.Get, 9, 2488)
	resp, _ = s.Do("GET", "/v1/usage", "acme", "")
	check("usage", resp.Header.Get, 9, 2488)
	resp, _ = s.Do("POST", "/v1/chat/completions", "acme", `{"model":"nope","messages":[{}]}`)
	check("refused", resp.Header.Get, 9, 2488)
	str := s.Stream(chat(true, "hi"))
	left, _ := strconv.ParseInt(str.header.Get("X-Ratelimit-Remaining-Tokens"), 10, 64)
	if prompt := 2488 - 2048 - left; prompt < estimate("hi") || prompt > 3*estimate("hi") {
		t.Errorf("a stream of up to 2048 tokens leaves %d of 2488 until it ends", left)
	}
	check("stream", str.header.Get, 8, left)
	str.Rest()
	s.Idle("acme")
	resp, _ = s.Do("GET", "/v1/models", "acme", "")
	check("after the stream", resp.Header.Get, 8, 2500-s.Usage("acme")["tokens_per_day"].Used)
	for _, path := range []string{"/health", "/health/live"} {
		if resp, _ := s.Do("GET", path, "", ""); resp.Header.Get("X-Ratelimit-Limit-Requests") != "" {
			t.Errorf("%s has an organisation's limits", path)
		}
	}
}

// TestUsageAfter has requests end in every way, and looks at what they cost.
func TestUsageAfter(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL), patient(deadURL(t)), patient(e.URL)}
		s.Backends[0].MaxN = 4
		s.Backends[1].Name, s.Backends[1].Model = "dead", "dead"
		s.Backends[2].Name, s.Backends[2].Model = "hasty", "hasty"
		s.Backends[2].Timeouts.FirstByte = backends.Duration(100 * time.Millisecond)
	})
	three := streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)) + chunk(counted("c", 3))
	uncounted := streamHead + chunk(event("a")) + chunk(event("b"))
	for _, test := range []struct {
		name     string
		body     string
		answer   func(*engineConn)
		leave    int   // after so many chunks the client leaves; -1: before any, once the engine has the request
		requests int64 // charged
		tokens   int64
	}{
		// Before an engine has taught anything else, three bytes are a token.
		{name: "unary without usage", body: chat(false, "hi"), answer: func(c *engineConn) { c.Send(unary(`{}`)) }, requests: 1, tokens: estimate("hi")},
		{name: "unary with a usage of nothing", body: chat(false, "hi"), answer: func(c *engineConn) { c.Send(unary(`{"usage":{"total_tokens":0}}`)) }, requests: 1, tokens: estimate("hi")},
		{name: "stream without usage", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(uncounted + chunk(done) + "0\r\n\r\n") }, requests: 1, tokens: estimate("hi") + 2},
		{name: "left before the answer", body: chat(true, "hi"), answer: func(c *engineConn) { <-c.Gone }, leave: -1, requests: 1, tokens: estimate("hi")},
		{name: "left before a unary answer", body: chat(false, "hi"), answer: func(c *engineConn) { <-c.Gone }, leave: -1, requests: 1, tokens: estimate("hi")},
		{name: "unary", body: chat(false, "hi"), answer: func(c *engineConn) { c.Send(unary(`{"usage":{"prompt_tokens":30,"completion_tokens":4}}`)) }, requests: 1, tokens: 34},
		{name: "stream", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(three + chunk(done) + "0\r\n\r\n") }, requests: 1, tokens: 10},
		{name: "usage at its end", body: chat(true, "hi"), answer: func(c *engineConn) {
			c.Send(uncounted + chunk(`data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9}}`+"\n\n"+done) + "0\r\n\r\n")
		}, requests: 1, tokens: 29},
		{name: "stream that breaks", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(three); c.Close() }, requests: 1, tokens: 10},
		{name: "left in the stream", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(three); <-c.Gone }, leave: 1, requests: 1, tokens: 10},
		{name: "left in a stream of several answers", body: strings.Replace(chat(true, "hi"), "{", `{"n":3,`, 1), answer: func(c *engineConn) {
			c.Send(streamHead + chunk(counted("a", 1)+counted("b", 1)+counted("c", 1)+counted("a", 2)+counted("b", 2)))
			<-c.Gone
		}, leave: 1, requests: 1, tokens: 7 + 5},
		{name: "refused by the backend", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(failing(400, `{"message":"no"}`)) }},
		{name: "failed at the backend", body: chat(true, "hi"), answer: func(c *engineConn) { c.Send(failing(500, `{"message":"no"}`)) }},
		{name: "closed by the backend", body: chat(true, "hi"), answer: func(c *engineConn) { c.Close() }},
		{name: "time-out", body: strings.Replace(chat(true, "hi"), testModel, "hasty", 1), answer: func(c *engineConn) { <-c.Gone }},
		{name: "no connection", body: strings.Replace(chat(true, "hi"), testModel, "dead", 1)},
		{name: "refused here", body: `{"model":"` + testModel + `"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, asked := s.Usage("acme"), len(e.Requests())
			e.Answer(func(c *engineConn, _ *engineRequest) { test.answer(c); c.Close() })
			c := s.Dial()
			c.Send(s.post("/v1/chat/completions", "acme", test.body))
			switch {
			case test.leave < 0:
				eventually(t, "at the engine", func() bool { return len(e.Requests()) > asked })
				c.Close()
			case test.leave > 0:
				str := c.stream()
				for seen := ""; !strings.Contains(seen, `"c"`); {
					seen += str.Next()
				}
				if u := s.Usage("acme")["tokens_per_day"]; u.Reserved < 2048 {
					t.Errorf("meanwhile %+v", u)
				}
				c.Close()
			default:
				c.TryAnswer("POST")
			}
			eventually(t, "settled", func() bool { return s.Usage("acme")["requests_per_day"].Reserved == 0 })
			after := s.Usage("acme")
			if got := after["requests_per_day"].Used - before["requests_per_day"].Used; got != test.requests {
				t.Errorf("%d requests charged, want %d", got, test.requests)
			}
			for _, window := range []string{"tokens_per_day", "tokens_per_month"} {
				if got := after[window].Used - before[window].Used; got != test.tokens || after[window].Reserved != 0 {
					t.Errorf("%s: %d charged and %d reserved, want %d and 0", window, got, after[window].Reserved, test.tokens)
				}
			}
		})
	}
	s.Idle("acme")
}

// TestParallelQuota sends more at once than a quota holds. What is used is what
// was reserved, so exactly as many pass as fit.
func TestParallelQuota(t *testing.T) {
	t.Parallel()
	const max = 100
	prompt := estimate("hi")
	body := strings.Replace(chat(true, "hi"), "{", fmt.Sprintf(`{"max_tokens":%d,`, max), 1)
	usage := fmt.Sprintf(`data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, prompt, max)
	for _, test := range []struct {
		name  string
		limit func(*setup)
	}{
		{"tokens_per_day", func(s *setup) { s.Config.Limits.Org.TokensPerDay = 7*(prompt+max) + 1 }},
		{"tokens_per_month", func(s *setup) { s.Config.Limits.Org.TokensPerMonth = 7*(prompt+max) + 1 }},
		{"requests_per_day", func(s *setup) { s.Config.Limits.Org.RequestsPerDay = 7 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.limit)
			s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
				c.Send(streamHead + chunk(usage+"\n\n"+done) + "0\r\n\r\n")
			})
			var mu sync.Mutex
			var wg sync.WaitGroup
			answers := map[int]int{}
			var refusal string
			for range 8 {
				wg.Go(func() {
					for range 5 {
						resp, answer := s.Do("POST", "/v1/chat/completions", "acme", body)
						mu.Lock()
						if answers[resp.StatusCode]++; resp.StatusCode == 429 {
							refusal = answer
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if answers[200] != 7 || answers[429] != 33 {
				t.Errorf("40 requests were answered %v; 7 fit", answers)
			}
			if !strings.Contains(refusal, test.name) || !strings.Contains(refusal, `"code":"quota_exceeded"`) {
				t.Errorf("refused with %s", refusal)
			}
			if u := s.Usage("acme")[test.name]; u.Used > u.Limit || u.Reserved != 0 {
				t.Errorf("%+v", u)
			}
			if n := len(s.Engine.Requests()); n != 7 {
				t.Errorf("the engine got %d requests", n)
			}
			// Another organisation has a quota of its own.
			if resp, _ := s.Do("POST", "/v1/chat/completions", "globex", body); resp.StatusCode != 200 {
				t.Errorf("another organisation: %d", resp.StatusCode)
			}
		})
	}
}
