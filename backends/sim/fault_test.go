package sim_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// body is a request for exactly n tokens.
func body(stream bool, n int) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello there"}],"stream":%v,"max_tokens":%d,"ignore_eos":true}`,
		testModel, stream, n)
}

// raw sends a chat completion over a socket of its own and leaves the answer
// unread.
func raw(t *testing.T, s *server, body string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // a bound for the test, not part of it
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
	return conn
}

// events counts the lines that begin an event.
func events(text string) int { return strings.Count(text, "data: ") }

const endChunk = "0\r\n\r\n"

func TestFaultsOnTheWire(t *testing.T) {
	s := start(t, sim.Config{})
	const rst = true
	for name, tc := range map[string]struct {
		fault  sim.Fault
		stream bool
		rst    bool // it ends by a reset, not by a close
		check  func(t *testing.T, got string)
	}{
		"reset before the head": {sim.Fault{Kind: sim.Reset}, true, rst, func(t *testing.T, got string) {
			if got != "" {
				t.Errorf("got %q before the reset", got)
			}
		}},
		"reset after 3": {sim.Fault{Kind: sim.Reset, After: 3}, true, rst, func(t *testing.T, got string) {
			if events(got) != 3 || strings.HasSuffix(got, endChunk) {
				t.Errorf("want 3 events and no end: %q", got)
			}
		}},
		"reset of a whole answer": {sim.Fault{Kind: sim.Reset, After: 1}, false, rst, func(t *testing.T, got string) {
			if !strings.Contains(got, `{"id":"chatcmpl-`) || strings.HasSuffix(got, "}") {
				t.Errorf("want half a body: %q", got)
			}
		}},
		"truncate between chunks": {sim.Fault{Kind: sim.Truncate, After: 2}, true, false, func(t *testing.T, got string) {
			if events(got) != 2 || !strings.HasSuffix(got, "\n\n\r\n") {
				t.Errorf("want 2 whole chunks and no end: %q", got)
			}
		}},
		"truncate inside a chunk": {sim.Fault{Kind: sim.Truncate, After: 2, Inside: true}, true, false, func(t *testing.T, got string) {
			last := got[strings.LastIndex(got, "\r\n")+2:]
			if events(got) != 3 || !strings.HasPrefix(last, "data: {") || strings.HasSuffix(got, "\n") {
				t.Errorf("want 2 whole chunks and part of another: %q", got)
			}
		}},
		"truncate a whole answer": {sim.Fault{Kind: sim.Truncate}, false, false, func(t *testing.T, got string) {
			if !strings.Contains(got, "Content-Length: ") || !strings.HasSuffix(got, "\r\n\r\n") {
				t.Errorf("want a head and no body: %q", got)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.fault.Next = 1
			if err := s.SetFaults(tc.fault); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(raw(t, s, body(tc.stream, 20)))
			if reset := errors.Is(err, syscall.ECONNRESET); reset != tc.rst || err != nil && !reset {
				t.Errorf("the connection ended with %v, reset wanted: %v", err, tc.rst)
			}
			tc.check(t, string(got))
			if left := s.Faults(); len(left) != 0 {
				t.Errorf("the fault stays after its one request: %+v", left)
			}
			eventually(t, "nothing runs", func() bool { l := s.Load(); return l.Running == 0 && l.KVUsed == 0 })
		})
	}
}

func TestStallAndHangHoldTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  sim.Fault
		stream bool
		events int // before nothing more comes; -1: not even a head
	}{
		"stall":                   {sim.Fault{Kind: sim.Stall, After: 4}, true, 4},
		"stall at once":           {sim.Fault{Kind: sim.Stall}, true, 0},
		"stall of a whole answer": {sim.Fault{Kind: sim.Stall}, false, -1},
		"hang":                    {sim.Fault{Kind: sim.Hang}, false, -1},
		"hang of a stream":        {sim.Fault{Kind: sim.Hang}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, sim.Config{Faults: []sim.Fault{tc.fault}})
			conn := raw(t, s, body(tc.stream, 40))
			in := bufio.NewReader(conn)
			if tc.events >= 0 {
				for line := "x"; line != "\r\n"; {
					var err error
					if line, err = in.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range tc.events {
				readEvent(t, in)
			}
			_ = conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond)) // silence takes time to be one
			if b, err := in.ReadByte(); !errors.Is(err, errTimeout(err)) {
				t.Fatalf("got byte %q and %v, want silence on an open connection", b, err)
			}
			if r, err := http.Get(s.url + "/health"); err != nil || r.StatusCode != 200 {
				t.Errorf("health says %v %v while it hangs", r, err)
			}
			_ = conn.Close()
			eventually(t, "the request is gone", func() bool { l := s.Load(); return l.Running+l.Waiting == 0 && l.KVUsed == 0 })
		})
	}
}

// errTimeout is the error itself when it is a time-out, else one that no error is.
func errTimeout(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return err
	}
	return errors.New("no time-out")
}

// readEvent reads a chunk that holds one event.
func readEvent(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	size, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscanf(size, "%x", &n); err != nil {
		t.Fatalf("chunk size %q: %v", size, err)
	}
	chunk := make([]byte, n+2)
	if _, err := io.ReadFull(in, chunk); err != nil {
		t.Fatal(err)
	}
	if events(string(chunk)) != 1 || !strings.HasSuffix(string(chunk), "\n\n\r\n") {
		t.Fatalf("chunk %q is not one event", chunk)
	}
	return string(chunk)
}

func TestFaultsThatAnswer(t *testing.T) {
	s := start(t, sim.Config{})
	post := func(t *testing.T, stream bool) (int, string) {
		t.Helper()
		r, err := http.Post(s.url+"/v1/chat/completions", "application/json",
			strings.NewReader(strings.Replace(body(stream, 6), `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(text)
	}
	for name, tc := range map[string]struct {
		fault   sim.Fault
		stream  bool
		status  int
		without string // must not be there
		broken  int    // events that are no JSON
	}{
		"500":                    {sim.Fault{Kind: sim.Error500}, true, 500, "choices", 0},
		"503":                    {sim.Fault{Kind: sim.Error503}, false, 503, "choices", 0},
		"missing usage":          {sim.Fault{Kind: sim.MissingUsage}, true, 200, `"usage"`, 0},
		"missing usage, whole":   {sim.Fault{Kind: sim.MissingUsage}, false, 200, `"usage"`, 0},
		"malformed event":        {sim.Fault{Kind: sim.Malformed, After: 2}, true, 200, "\x00", 1},
		"no fault, usage in all": {sim.Fault{Kind: sim.Unhealthy}, true, 200, "\x00", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.SetFaults(tc.fault); err != nil {
				t.Fatal(err)
			}
			status, text := post(t, tc.stream)
			if status != tc.status || strings.Contains(text, tc.without) {
				t.Errorf("got %d %s", status, text)
			}
			broken := 0
			for line := range strings.Lines(text) {
				if data, ok := strings.CutPrefix(line, "data: {"); ok && !json.Valid([]byte("{"+data)) {
					broken++
				}
			}
			if broken != tc.broken {
				t.Errorf("%d events are no JSON, want %d", broken, tc.broken)
			}
			if tc.broken > 0 && !strings.Contains(text, "[DONE]") {
				t.Error("the stream did not go on after the malformed event")
			}
		})
	}
}

func TestUnhealthy(t *testing.T) {
	s := start(t, sim.Config{Faults: []sim.Fault{{Kind: sim.Unhealthy, Next: 2}}})
	for i, want := range []int{503, 503, 200} {
		r, err := http.Get(s.url + "/health")
		if err != nil || r.StatusCode != want {
			t.Errorf("probe %d got %v %v, want %d", i, r.StatusCode, err, want)
		}
	}
}

func TestSlowPrefill(t *testing.T) {
	s := start(t, sim.Config{Speed: 1000})
	took := func() time.Duration {
		began := time.Now()
		r, err := http.Post(s.url+"/v1/chat/completions", "application/json", strings.NewReader(body(false, 1)))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	// A dozen tokens at 2,400/s are 5 ms; 60,000 times that at speed 1,000 is 300 ms.
	if err := s.SetFaults(sim.Fault{Kind: sim.SlowPrefill, Factor: 60_000, Next: 1}); err != nil {
		t.Fatal(err)
	}
	slow := took()
	normal := min(took(), took(), took()) // the machine may have paused in one
	if slow < 200*time.Millisecond || normal > slow/2 {
		t.Errorf("a slow prefill took %v, a normal one %v", slow, normal)
	}
}
