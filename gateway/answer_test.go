package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// patient is a backend whose circuit stays closed, whatever happens.
func patient(urls ...string) backends.Config {
	b := testBackend("chat", testModel, urls...)
	b.Health.Fall = 1 << 20
	return b
}

const secretText = "sentinel-of-the-backend"

// failing is an answer with a status and a body.
func failing(status int, body string, headers ...string) string {
	head := ""
	for _, h := range headers {
		head += h + "\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %d Any Reason\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", status, head, len(body), body)
}

// TestUpstreamAnswers are answers that are not the usual ones, to a request
// for a stream and to another.
func TestUpstreamAnswers(t *testing.T) {
	t.Parallel()
	nested := `{"error":{"message":"too long a prompt","type":"BadRequestError","param":"messages","code":400}}`
	flat := `{"object":"error","message":"too long a prompt","type":"BadRequestError","param":null,"code":400}`
	secret := `{"error":{"message":"` + secretText + `","type":"InternalServerError","param":null,"code":500}}`
	silence := func(before string) func(*engineConn) {
		return func(c *engineConn) { c.Send(before); <-c.Gone }
	}
	send := func(s string) func(*engineConn) { return func(c *engineConn) { c.Send(s) } }
	cut := func(s string) func(*engineConn) { return func(c *engineConn) { c.Send(s); c.Close() } }
	ok := unary(`{"usage":{"prompt_tokens":7,"completion_tokens":2}}`)
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL), patient(e.URL)}
		hasty := &s.Backends[1] // for what is to take too long, and for nothing else
		hasty.Name, hasty.Model = "hasty", "hasty"
		hasty.Timeouts = backends.Timeouts{FirstByte: backends.Duration(200 * time.Millisecond), NextByte: backends.Duration(200 * time.Millisecond)}
		s.Config.Server.AdminListen = "127.0.0.1:0"
		s.Config.Server.MaxAnswer = 64 << 10
	})
	var failed map[string]float64
	for _, test := range []struct {
		name   string
		answer func(*engineConn)
		status int
		code   string // "" for an answer that is no error
		why    string // its kind among the upstream errors; "": not held against the backend
		check  func(t *testing.T, a *answer)
	}{
		{name: "closed", answer: cut(""), status: 502, code: "backend_error", why: "reset"},
		{name: "reset", answer: func(c *engineConn) { c.Reset() }, status: 502, code: "backend_error", why: "reset"},
		{name: "silence", answer: silence(""), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "half a head", answer: silence("HTTP/1.1 200 OK\r\nContent-"), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "head and silence", answer: silence(streamHead), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "half an event", answer: silence(streamHead + chunk("data: {")), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "half a body", answer: silence("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "half an error", answer: silence("HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n{"), status: 504, code: "backend_timeout", why: "timeout"},
		{name: "1xx without end", answer: func(c *engineConn) {
			for keepSending(c, "HTTP/1.1 102 Processing\r\n\r\n") {
			}
		}, status: 504, code: "backend_timeout", why: "timeout"},
		{name: "cut head", answer: cut("HTTP/1.1 200 OK\r\nContent-"), status: 502, code: "backend_error", why: "reset"},
		{name: "cut after the head", answer: cut(streamHead), status: 502, code: "backend_error", why: "reset"},
		{name: "cut body", answer: cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), status: 502, code: "backend_error", why: "reset"},
		{name: "cut chunk", answer: cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"), status: 502, code: "backend_error", why: "reset"},
		{name: "no last chunk", answer: cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), status: 502, code: "backend_error", why: "reset"},
		{name: "cut error", answer: cut("HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n{"), status: 502, code: "backend_error", why: "reset"},
		{name: "another protocol", answer: send("SSH-2.0-OpenSSH_9.2\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "HTTP/2", answer: send("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "bad status", answer: send("HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "status out of range", answer: send("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "upgrade", answer: send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "two framings", answer: send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "two lengths", answer: send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), status: 502, code: "backend_error", why: "protocol"},
		{name: "bad length", answer: send("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}"), status: 502, code: "backend_error", why: "protocol"},
		{name: "compressed", answer: send("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "folded header", answer: send("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"), status: 502, code: "backend_error", why: "protocol"},
		{name: "huge head", answer: send("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10)), status: 502, code: "backend_error", why: "protocol"},
		{name: "redirect", answer: send(failing(302, secret, "Location: http://elsewhere/")), status: 502, code: "backend_error", why: "server_error",
			check: func(t *testing.T, a *answer) {
				if a.Header.Get("Location") != "" {
					t.Error("the redirect was passed on")
				}
			}},
		{name: "key refused", answer: send(failing(401, `{"error":"`+secretText+`"}`)), status: 502, code: "backend_error", why: "key_refused"},
		{name: "forbidden", answer: send(failing(403, secret)), status: 502, code: "backend_error", why: "key_refused"},
		{name: "500", answer: send(failing(500, secret)), status: 500, code: "backend_error", why: "server_error"},
		{name: "503", answer: send(failing(503, secret, "Retry-After: 3")), status: 503, code: "backend_error", why: "server_error",
			check: func(t *testing.T, a *answer) {
				if got := a.Header.Get("Retry-After"); got != "3" {
					t.Errorf("Retry-After %q", got)
				}
			}},
		{name: "400 nested", answer: send(failing(400, nested)), status: 400, code: "invalid_request",
			check: func(t *testing.T, a *answer) {
				if a.Err.Message != "too long a prompt" || a.Err.Type != "BadRequestError" || a.Err.Param == nil || *a.Err.Param != "messages" {
					t.Errorf("%s", a.Body)
				}
			}},
		{name: "400 flat", answer: send(failing(400, flat)), status: 400, code: "invalid_request",
			check: func(t *testing.T, a *answer) {
				if a.Err.Message != "too long a prompt" || a.Err.Type != "BadRequestError" || a.Err.Param != nil {
					t.Errorf("%s", a.Body)
				}
			}},
		{name: "400 chunked", answer: send("HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(flat) + "0\r\n\r\n"), status: 400, code: "invalid_request",
			check: func(t *testing.T, a *answer) {
				if a.Err.Message != "too long a prompt" {
					t.Errorf("%s", a.Body)
				}
			}},
		{name: "404", answer: send(failing(404, `{"detail":"Not Found"}`)), status: 404, code: "not_found"},
		{name: "413", answer: send(failing(413, flat)), status: 413, code: "body_too_large"},
		{name: "422 of another shape", answer: send(failing(422, `["`+secretText+`"]`)), status: 422, code: "invalid_request"},
		{name: "400 without end", answer: func(c *engineConn) {
			c.Send("HTTP/1.1 400 No\r\n\r\n")
			for keepSending(c, strings.Repeat("x", 4<<10)) {
			}
		}, status: 400, code: "invalid_request"},
		{name: "429", answer: send(failing(429, flat, "Retry-After: 7")), status: 429, code: "rate_limit_exceeded",
			check: func(t *testing.T, a *answer) {
				if got := a.Header.Get("Retry-After"); got != "7" {
					t.Errorf("Retry-After %q", got)
				}
			}},
		{name: "too large", answer: send(unary(`"` + strings.Repeat("x", 70<<10) + `"`)), status: 502, code: "backend_error"},
		{name: "1xx first", answer: send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok), status: 200,
			check: func(t *testing.T, a *answer) {
				if a.Header.Get("Link") != "" {
					t.Error("a header of the interim answer was passed on")
				}
			}},
		{name: "byte by byte", answer: func(c *engineConn) {
			for _, b := range ok {
				c.Send(string(b))
			}
		}, status: 200},
		{name: "chunks", answer: send("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunk(`{"usage":`) + "2;x=y\r\n{}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n"), status: 200},
		{name: "until close", answer: cut("HTTP/1.1 200 OK\r\n\r\n{}"), status: 200},
		{name: "HTTP/1.0", answer: cut("HTTP/1.0 200 OK\r\n\r\n{}"), status: 200},
		{name: "headers", answer: send("HTTP/1.1 200 OK\r\nServer: uvicorn\r\nSet-Cookie: a=b\r\nAuthorization: Bearer " + backendKey + "\r\nContent-Length: 2\r\n\r\n{}"), status: 200,
			check: func(t *testing.T, a *answer) {
				if a.Header.Get("Server")+a.Header.Get("Set-Cookie")+a.Header.Get("Authorization") != "" {
					t.Errorf("the backend's headers were passed on: %v", a.Header)
				}
			}},
		{name: "204", answer: send("HTTP/1.1 204 No Content\r\n\r\n"), status: 204},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", test.name, stream), func(t *testing.T) {
				e.Answer(func(c *engineConn, _ *engineRequest) { test.answer(c) })
				before := s.Usage("acme")["requests_per_day"].Used
				asked := len(e.Requests())
				model := testModel
				if test.why == "timeout" {
					model = "hasty"
				}
				c := s.Dial()
				c.Send(s.post("/v1/chat/completions", "acme", asking(model, stream)))
				a := c.Answer("POST")
				if a.StatusCode != test.status {
					t.Fatalf("%d %s", a.StatusCode, a.Body)
				}
				switch {
				case test.code == "" && a.Err != nil:
					t.Errorf("an error: %s", a.Body)
				case test.code != "" && (a.Err == nil || a.Err.Code != test.code || a.Err.Message == "" || strings.Count(a.Body, "\n") != 1):
					t.Errorf("%s, want code %s", a.Body, test.code)
				}
				if test.check != nil {
					test.check(t, a)
				}
				if strings.Contains(a.Body, secretText) || strings.Contains(a.Body, "127.0.0.1") {
					t.Errorf("the backend's affairs are shown: %s", a.Body)
				}
				if n := len(e.Requests()) - asked; n != 1 {
					t.Errorf("the backend got %d requests", n)
				}
				failed = s.wantFailure(t, failed, test.why)
				end, charged := "done", int64(1)
				switch {
				case test.why != "" || test.status > 500:
					end, charged = "backend_failed", 0
				case test.status >= 400:
					end, charged = "refused", 0
				}
				if l := s.access(a.Header.Get("X-Request-Id")); l["end"] != end || l["code"] != test.code || l["status"] != float64(test.status) {
					t.Errorf("logged %v, want end %s", l, end)
				}
				if got := s.Usage("acme")["requests_per_day"]; got.Used-before != charged || got.Reserved != 0 {
					t.Errorf("%+v after %d, want %d more", got, before, charged)
				}
				// The connection of the client lives on, whatever its backend did.
				// That of the engine doesn't, so that the next case has a new one.
				e.Answer(func(c *engineConn, _ *engineRequest) {
					c.Send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
				})
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
				if a := c.Answer("POST"); a.StatusCode != 200 || a.Body != "{}" {
					t.Errorf("the next request: %d %s", a.StatusCode, a.Body)
				}
			})
		}
	}
	s.Idle("acme")
	if strings.Contains(s.Log.String(), secretText) {
		t.Error("the log has the backend's words")
	}
}

// TestStaleConnection closes a connection that was kept alive, at different
// moments of the next request.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		second   func(c *engineConn) // what happens to the second request on the connection
		status   int
		requests int // that the engine sees in all
		failures uint64
	}{
		{"closed with no byte", func(c *engineConn) { c.Close() }, 200, 3, 0},
		{"reset with no byte", func(c *engineConn) { c.Reset() }, 200, 3, 0},
		{"closed after a byte", func(c *engineConn) { c.Send("H"); c.Close() }, 502, 2, 1},
		{"closed after an interim answer", func(c *engineConn) { c.Send("HTTP/1.1 100 Continue\r\n\r\n"); c.Close() }, 502, 2, 1},
		{"silent", func(c *engineConn) { <-c.Gone }, 504, 2, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEngine(t)
			s := serve(t, func(s *setup) {
				b := testBackend("chat", testModel, e.URL)
				if test.status == 504 {
					b.Timeouts.FirstByte = backends.Duration(time.Second)
				}
				s.Backends = []backends.Config{b}
			})
			first := make(chan *engineConn, 1)
			e.Answer(func(c *engineConn, r *engineRequest) { first <- c; plainAnswer(c, r) })
			s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
			kept := <-first
			e.Answer(func(c *engineConn, r *engineRequest) {
				if c == kept {
					test.second(c)
					return
				}
				plainAnswer(c, r)
			})
			if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi")); resp.StatusCode != test.status {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			all := e.Requests()
			if len(all) != test.requests {
				t.Fatalf("the engine got %d requests, want %d", len(all), test.requests)
			}
			if all[1].Conn != kept {
				t.Error("the connection was not kept alive")
			}
			if st := s.Pool.Snapshot().Backends[0].Replicas[0]; st.Failures != test.failures {
				t.Errorf("%d failures, want %d", st.Failures, test.failures)
			}
		})
	}
}

// TestUnaskedAnswer has an engine, or a proxy before it, say something on an
// idle connection, as some do before they close it. It is no answer to the next
// request.
func TestUnaskedAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := make(chan *engineConn, 1)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) { first <- c; plainAnswer(c, r) })
	s.Do("POST", "/v1/chat/completions", "acme", chat(false, "hi"))
	kept := <-first
	eventually(t, "the connection is idle", func() bool { return s.Pool.Snapshot().Backends[0].Replicas[0].Idle == 1 })
	kept.Send(unary(`{"for":"nobody"}`))
	s.Engine.Answer(plainAnswer)
	resp, body := s.Do("POST", "/v1/chat/completions", "globex", chat(false, "hi"))
	if resp.StatusCode != 200 || !strings.Contains(body, "hello") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if n := len(s.Engine.Requests()); n != 2 {
		t.Errorf("the engine got %d requests", n)
	}
}

// TestNeverTwice: with another replica at hand, a request that may have been
// acted on is not sent again.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		a, b := newEngine(t), newEngine(t)
		for _, e := range []*engine{a, b} {
			e.Answer(func(c *engineConn, _ *engineRequest) { c.Close() })
		}
		s := serve(t, func(s *setup) { s.Backends = []backends.Config{testBackend("chat", testModel, a.URL, b.URL)} })
		if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(stream, "hi")); resp.StatusCode != 502 {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		if n := len(a.Requests()) + len(b.Requests()); n != 1 {
			t.Errorf("sent %d times", n)
		}
	}
}

// deadURL is an address that refuses connections.
func deadURL(t *testing.T) string { return "http://" + reserve(t) }

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dead := deadURL(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(dead, e.URL), patient(dead)}
		s.Backends[1].Name, s.Backends[1].Model = "other", "other"
	})
	for range 4 { // whichever replica's turn it is
		if resp, body := s.Do("POST", "/v1/chat/completions", "acme", chat(true, "hi")); resp.StatusCode != 200 {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if n := len(e.Requests()); n != 4 {
		t.Errorf("the engine got %d requests", n)
	}
	resp, body := s.Do("POST", "/v1/chat/completions", "acme", strings.Replace(chat(false, "hi"), testModel, "other", 1))
	if wait, _ := strconv.Atoi(resp.Header.Get("Retry-After")); resp.StatusCode != 503 || !strings.Contains(body, `"code":"no_healthy_backend"`) || wait < 1 {
		t.Errorf("%d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), body)
	}
	if got := s.Usage("acme")["requests_per_day"]; got.Used != 4 || got.Reserved != 0 {
		t.Errorf("requests %+v", got)
	}
	if l := s.access(resp.Header.Get("X-Request-Id")); l["end"] != gateway.EndRefused.String() {
		t.Errorf("logged %v", l)
	}
}

// TestBookedAsAnswered has many requests share a few connections: each is
// booked with the status that its own client got, not with the one that the
// next answer on its connection has.
func TestBookedAsAnswered(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, "create") {
			c.Send("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
		} else {
			c.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	var mu sync.Mutex
	got := map[string]float64{}
	var wg sync.WaitGroup
	for _, word := range []string{"create", "hi", "create", "hi"} {
		wg.Go(func() {
			c := s.Dial()
			for range 100 {
				c.Send(s.post("/v1/chat/completions", "acme", chat(false, word)))
				a, err := c.TryAnswer("POST")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got[a.Header.Get("X-Request-Id")] = float64(a.StatusCode)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(got) != 400 {
		t.Errorf("%d of 400 answers", len(got))
	}
	for _, l := range s.Accesses() {
		if id := l["id"].(string); l["backend"] != "" && l["status"] != got[id] {
			t.Errorf("request %s got %v and is booked with %v", id, got[id], l["status"])
		}
	}
}
