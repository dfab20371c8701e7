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
	slow, normal := took(), took()
	if slow < 200*time.Millisecond || normal > slow/2 {
		t.Errorf("a slow prefill took %v, a normal one %v", slow, normal)
	}
}

func TestControlEndpoint(t *testing.T) {
	s := start(t, sim.Config{Control: true})
	set := func(body string) (int, string) {
		r, err := http.Post(s.url+"/sim/faults", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	good := `{"faults":[{"kind":"reset","after":5,"probability":0.5},{"kind":"slow_prefill","factor":8,"next":3}]}`
	if status, text := set(good); status != 200 || text != good {
		t.Fatalf("setting faults: %d %s", status, text)
	}
	for name, tc := range map[string]struct{ body, wants string }{
		"no JSON":         {`{`, "unexpected EOF"},
		"no list":         {`{}`, `no \"faults\"`},
		"unknown member":  {`{"faults":[{"kind":"reset","aftr":5}]}`, "aftr"},
		"unknown kind":    {`{"faults":[{"kind":"explode"}]}`, "one of slow_prefill, stall"},
		"a negative":      {`{"faults":[{"kind":"reset","after":-1}]}`, "after is -1"},
		"misplaced":       {`{"faults":[{"kind":"error_500","after":1}]}`, "after is 1"},
		"not a share":     {`{"faults":[{"kind":"hang","probability":2}]}`, "probability is 2"},
		"no factor":       {`{"faults":[{"kind":"slow_prefill"}]}`, "factor is 0"},
		"two frequencies": {`{"faults":[{"kind":"hang","probability":0.5,"next":2}]}`, "next is 2"},
		"trailing":        {`{"faults":[]} {}`, "more after"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, text := set(tc.body); status != 400 || !strings.Contains(text, tc.wants) {
				t.Errorf("got %d %s, want 400 that says %s", status, text, tc.wants)
			}
		})
	}
	if len(s.Faults()) != 2 {
		t.Errorf("a refused change changed something: %+v", s.Faults())
	}
	if set(`{"faults":[]}`); len(s.Faults()) != 0 {
		t.Errorf("still set after clearing: %+v", s.Faults())
	}
	off := start(t, sim.Config{})
	if r, err := http.Get(off.url + "/sim/faults"); err != nil || r.StatusCode != 404 {
		t.Errorf("faults without control: %v %v", r.StatusCode, err)
	}
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]sim.Fault{
		"hang":                           {Kind: sim.Hang},
		"truncate,after=5,inside":        {Kind: sim.Truncate, After: 5, Inside: true},
		"reset,after=3,probability=0.25": {Kind: sim.Reset, After: 3, Probability: 0.25},
		"slow_prefill,factor=1.5,next=2": {Kind: sim.SlowPrefill, Factor: 1.5, Next: 2},
		"truncate,after=1,inside=false":  {Kind: sim.Truncate, After: 1},
	} {
		if got, err := sim.ParseFault(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "boom", "stall,after", "stall,after=x", "stall,when=2", "hang,after=2", "reset,after=1,next=-1"} {
		var wrong *sim.FaultError
		if f, err := sim.ParseFault(text); !errors.As(err, &wrong) {
			t.Errorf("%q: got %+v, %v, want a FaultError", text, f, err)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("truncate,after=5,inside")
	f.Add("reset,probability=NaN")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := sim.ParseFault(text)
		if err != nil {
			return
		}
		if _, err := sim.New(sim.Config{Model: "m", Faults: []sim.Fault{fault}}); err != nil {
			t.Errorf("%q parses to %+v, which is refused: %v", text, fault, err)
		}
	})
}
