package sim_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// status is what a path answers; 0: nothing, the connection was reset.
func status(t *testing.T, url string) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if errors.Is(err, syscall.ECONNRESET) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	io.Copy(io.Discard, r.Body)
	return r.StatusCode
}

// moving are the figures of a scrape that only an engine's steps change.
func moving(t *testing.T, s *server) [3]float64 {
	got := scrape(t, s)
	return [3]float64{got["vllm:iteration_tokens_total_count"+labels], got["vllm:generation_tokens_total"+labels], got["vllm:kv_cache_usage_perc"+labels]}
}

func TestFreeze(t *testing.T) {
	s := start(t, sim.Config{Control: true})
	conn := raw(t, s, body(true, 2000)) // two seconds of work
	in := bufio.NewReader(conn)
	for line := "x"; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	readEvent(t, in)
	if code, text := do(t, "POST", s.url+"/sim/faults", "", `{"faults":[{"kind":"freeze"}]}`); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	before := moving(t, s)
	late := raw(t, s, body(false, 3)) // taken, and not begun
	eventually(t, "it waits", func() bool { return s.Load().Waiting == 1 })
	quiet := time.Now().Add(200 * time.Millisecond) // silence takes time to be one
	eventually(t, "that has passed", func() bool { return time.Now().After(quiet) })
	if after := moving(t, s); after != before {
		t.Errorf("steps were made: %v, then %v", before, after)
	}
	if l := s.Load(); l.Running != 1 || l.Waiting != 1 || status(t, s.url+"/health") != 200 || status(t, s.url+"/v1/models") != 200 {
		t.Errorf("%+v", l)
	}
	if err := s.SetFaults(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for !strings.Contains(readEvent(t, in), "[DONE]") {
		n++
	}
	if n < 1990 {
		t.Errorf("%d events after it thawed", n)
	}
	if head, err := bufio.NewReader(late).ReadString('\n'); err != nil || !strings.Contains(head, "200") {
		t.Errorf("the late one got %q, %v", head, err)
	}

	// It freezes with requests that leave meanwhile, and stops frozen.
	if err := s.SetFaults(sim.Fault{Kind: sim.Freeze}, sim.Fault{Kind: sim.Freeze}); err != nil {
		t.Fatal(err)
	}
	gone := raw(t, s, body(true, 10))
	eventually(t, "it waits", func() bool { return s.Load().Waiting == 1 })
	gone.Close()
	eventually(t, "it has left", func() bool { return s.Load().Waiting == 0 })
	raw(t, s, body(true, 10))
	eventually(t, "another waits", func() bool { return s.Load().Waiting == 1 })
	s.stop()
	select {
	case err := <-s.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
}

func TestDead(t *testing.T) {
	s := start(t, sim.Config{Control: true})
	for name, stream := range map[string]bool{"stream": true, "whole": false} {
		t.Run(name, func(t *testing.T) {
			conn := raw(t, s, body(stream, 8000))
			eventually(t, "it runs", func() bool { return s.Load().Running == 1 })
			if err := s.SetFaults(sim.Fault{Kind: sim.Dead}); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) || strings.HasSuffix(string(got), endChunk) {
				t.Errorf("what was under way ended with %v", err)
			}
			for path, want := range map[string]int{"/health": 503, "/ping": 503, "/metrics": 0, "/v1/models": 0, "/sim/faults": 200} {
				if got := status(t, s.url+path); got != want {
					t.Errorf("%s: %d, want %d", path, got, want)
				}
			}
			if _, err := io.ReadAll(raw(t, s, body(stream, 3))); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a new one ended with %v", err)
			}
			if code, text := do(t, "POST", s.url+"/sim/faults", "", `{"faults":[]}`); code != 200 {
				t.Fatalf("%d %s", code, text)
			}
			if got := status(t, s.url+"/health"); got != 200 {
				t.Errorf("health says %d once it is back", got)
			}
			if code, text := do(t, "POST", s.url+"/v1/chat/completions", "", body(false, 3)); code != 200 {
				t.Errorf("back: %d %s", code, text)
			}
			eventually(t, "nothing is left", func() bool { return s.Load().Running == 0 && s.Load().KVUsed == 0 })
		})
	}
	born := start(t, sim.Config{Faults: []sim.Fault{{Kind: sim.Dead}}})
	if got := status(t, born.url+"/health"); got != 503 {
		t.Errorf("dead from the start: %d", got)
	}
}

// What befalls the engine has no probability and no number of times.
func TestWholeFaultsLast(t *testing.T) {
	for _, text := range []string{"freeze,next=2", "freeze,probability=0.5", "dead,next=1", "dead,probability=1", "dead,after=1", "freeze,factor=2"} {
		if f, err := sim.ParseFault(text); err == nil {
			t.Errorf("%q was taken as %+v", text, f)
		}
	}
	for _, text := range []string{"freeze", "dead"} {
		if _, err := sim.ParseFault(text); err != nil {
			t.Error(err)
		}
	}
}
