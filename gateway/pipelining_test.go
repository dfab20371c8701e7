package gateway_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Requests that come in one write are answered in their order, each as its own
// key's, and one that is refused takes no other with it.
func TestPipelining(t *testing.T) {
	t.Parallel()
	s := serve(t, func(set *setup) { set.Config.Limits.Org.RequestsPerDay = 100 })
	s.Engine.Answer(func(c *engineConn, r *engineRequest) {
		for _, word := range []string{"one", "two", "three", "four"} {
			switch {
			case !strings.Contains(r.Body, `"`+word+`"`):
			case strings.Contains(r.Body, `"stream":true`):
				c.Send(streamHead + chunk(event("answer "+word)) + chunk("data: [DONE]\n\n") + "0\r\n\r\n")
			default:
				c.Send(unary(`{"answer":"answer ` + word + `"}`))
			}
		}
	})
	requests := []struct {
		send   string
		status int
		body   string // in it
		org    string
		left   int // X-Ratelimit-Remaining-Requests; 0: none is sent
	}{
		{s.post("/v1/chat/completions", "acme", chat(false, "one")), 200, "answer one", "acme", 99},
		{s.post("/v1/chat/completions", "globex", chat(false, "two")), 200, "answer two", "globex", 99},
		{words(s).Replace(strings.Replace(head, "KEY", "bad", 1) + "Content-Length: EVILLEN\r\n\r\nEVIL"), 401, "invalid_api_key", "", 0},
		{words(s).Replace(get + "\r\n"), 200, testModel, "acme", 99},
		{s.post("/v1/chat/completions", "globex", chat(true, "three")), 200, "answer three", "globex", 98},
		{s.post("/v1/chat/completions", "embedder", chat(false, "none")), 403, "not_allowed", "acme", 99},
		{s.post("/v1/chat/completions", "acme", chat(false, "four")), 200, "answer four", "acme", 98},
	}
	for _, piece := range []int{1 << 20, 100, 7} {
		var all strings.Builder
		for _, r := range requests {
			all.WriteString(r.send)
		}
		before := len(s.Accesses())
		c := s.Dial()
		for b := range slices.Chunk([]byte(all.String()), piece) {
			c.Send(string(b))
		}
		for i, r := range requests {
			a := c.Answer("POST")
			if a.StatusCode != r.status || !strings.Contains(a.Body, r.body) {
				t.Fatalf("in pieces of %d, answer %d: %d %q, want %d %q", piece, i+1, a.StatusCode, a.Body, r.status, r.body)
			}
			left := ""
			if r.left != 0 {
				left = strconv.Itoa(r.left)
				requests[i].left -= 2 // the next round
			}
			if got := a.Header.Get("X-Ratelimit-Remaining-Requests"); got != left {
				t.Errorf("in pieces of %d, answer %d: %q requests left, want %q", piece, i+1, got, left)
			}
		}
		eventually(t, "all are booked", func() bool { return len(s.Accesses()) >= before+len(requests) })
		for i, a := range s.Accesses()[before:] {
			if a["org"] != requests[i].org {
				t.Errorf("request %d was booked for %q, want %q", i+1, a["org"], requests[i].org)
			}
		}
		c.Close()
	}
	if got := s.Engine.Requests(); len(got) != 12 {
		t.Errorf("the engine got %d requests", len(got))
	}
	s.Idle("acme")
	s.Idle("globex")
}
