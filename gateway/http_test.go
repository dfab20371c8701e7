package gateway_test

import (
	"strings"
	"testing"
)

func TestHonestRequest(t *testing.T) {
	s := serve(t)
	c := s.Dial()
	for range 2 {
		c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
		if a := c.Answer("POST"); a.StatusCode != 200 || !strings.Contains(a.Body, "hello") {
			t.Fatalf("%d %q", a.StatusCode, a.Body)
		}
	}
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	if a := c.Answer("POST"); a.StatusCode != 200 || strings.Count(a.Body, "data: ") != 4 {
		t.Fatalf("%d %q", a.StatusCode, a.Body)
	}
	if got := len(s.Engine.Requests()); got != 3 {
		t.Fatalf("the engine got %d requests", got)
	}
	s.Idle("acme")
	s.Stop()
	noGoroutines(t)
}
