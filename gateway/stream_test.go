package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends"
)

// counted is an event of a stream with the usage that the gateway asks for.
func counted(word string, n int) string {
	return fmt.Sprintf(`data: {"id":"a","choices":[{"index":0,"delta":{"content":%q}}],"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}}`+"\n\n", word, n, 7+n)
}

// bare is that event as a client gets it that asked for no usage.
func bare(word string) string {
	return fmt.Sprintf(`data: {"id":"a","choices":[{"index":0,"delta":{"content":%q}}]}`+"\n\n", word)
}

const done = "data: [DONE]\n\n"

// streaming is an answer that is read chunk by chunk.
type streaming struct {
	c      *client
	status int
	header textproto.MIMEHeader
}

// Stream sends a request for a stream and reads the head of its answer.
func (s *service) Stream(body string) *streaming {
	s.t.Helper()
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", body))
	return c.stream()
}

// stream reads the head of an answer.
func (c *client) stream() *streaming {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	r := textproto.NewReader(c.br)
	line, err := r.ReadLine()
	if err != nil {
		c.t.Fatalf("read a status line: %v", err)
	}
	status, _ := strconv.Atoi(strings.Fields(line)[1])
	header, err := r.ReadMIMEHeader()
	if err != nil {
		c.t.Fatalf("read a header: %v", err)
	}
	return &streaming{c, status, header}
}

// Next is the data of the next chunk; "" is the last one.
func (s *streaming) Next() string {
	s.c.t.Helper()
	s.c.SetReadDeadline(time.Now().Add(patience))
	data, err := readChunk(s.c.br)
	if err != nil {
		s.c.t.Fatalf("read a chunk: %v", err)
	}
	return data
}

func readChunk(br *bufio.Reader) (string, error) {
	line, err := br.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 31)
	if err != nil {
		return "", err
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(br, data); err != nil {
		return "", err
	}
	if string(data[n:]) != "\r\n" {
		return "", fmt.Errorf("a chunk ends with %q", data[n:])
	}
	return string(data[:n]), nil
}

// Rest is all chunks up to the last.
func (s *streaming) Rest() (chunks []string) {
	s.c.t.Helper()
	for {
		data := s.Next()
		if data == "" {
			return chunks
		}
		chunks = append(chunks, data)
	}
}

// TestStreamSplitAnywhere splits a stream of every kind of event at every byte.
func TestStreamSplitAnywhere(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sent := counted("a", 1) +
		": a comment\n\n" +
		"data: {\"choices\":[{\"index\":0}],\r\ndata: \"usage\":{\"completion_tokens\":2}}\r\n\r\n" +
		"event: e\nid: 7\ndata: {\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{\\n\"}}]}\n\n" +
		`data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}` + "\n\n" +
		done
	answer := func(pieces ...string) {
		s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
			var b strings.Builder
			b.WriteString(streamHead)
			for _, p := range pieces {
				b.WriteString(chunk(p))
			}
			c.Send(b.String() + "0\r\n\r\n")
		})
	}
	c := s.Dial()
	ask := func() string {
		t.Helper()
		c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
		a := c.Answer("POST")
		if a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.Body)
		}
		return a.Body
	}
	answer(sent)
	want := ask()
	for _, part := range []string{bare("a"), ": a comment\n\n", `content":"\"usage\":{\n"}`, "event: e\nid: 7\n", "\r\n\r\n", done} {
		if !strings.Contains(want, part) {
			t.Errorf("%q is not in %q", part, want)
		}
	}
	if strings.Contains(want, "completion_tokens") {
		t.Errorf("usage is in %q", want)
	}
	for i := 1; i < len(sent); i++ {
		answer(sent[:i], sent[i:])
		if got := ask(); got != want {
			t.Fatalf("split at %d, %q|%q\ngot  %q\nwant %q", i, sent[max(0, i-9):i], sent[i:min(len(sent), i+9)], got, want)
		}
	}
	// The same with every byte in a packet of its own, that of the framing too.
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		for _, b := range streamHead + chunk(sent[:99]) + chunk(sent[99:]) + "0\r\nTrailer: x\r\n\r\n" {
			c.Send(string(b))
		}
	})
	if got := ask(); got != want {
		t.Errorf("byte by byte\ngot  %q\nwant %q", got, want)
	}
	if _, ever := s.Engine.Conns(); ever != 1 {
		t.Errorf("%d connections to the engine for streams that all ended well", ever)
	}
	if got, want := s.Usage("acme")["tokens_per_day"].Used, int64(len(sent)+1)*10; got != want {
		t.Errorf("%d tokens charged, want %d", got, want)
	}
	s.Idle("acme")
}

// TestEventsLeaveAtOnce releases an event only when the client has the one
// before.
func TestEventsLeaveAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	next := make(chan string)
	defer close(next)
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead)
		for piece := range next {
			c.Send(piece)
		}
	})
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	large := strings.Repeat("x", 1<<20)
	next <- chunk(counted("first", 1))
	str := c.stream()
	if str.status != 200 || str.header.Get("Cache-Control") != "no-cache" || str.header.Get("X-Accel-Buffering") != "no" ||
		str.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("%d %v", str.status, str.header)
	}
	if got := str.Next(); got != bare("first") {
		t.Fatalf("got %q", got)
	}
	for _, step := range []struct{ send, want string }{
		{chunk(counted("second", 2)), bare("second")},
		{chunk(": keep-alive\n\n"), ": keep-alive\n\n"},
		{chunk(counted("a", 3) + counted("b", 4)), bare("a") + bare("b")},        // together in a chunk
		{chunk(counted("a", 5)) + chunk(counted("b", 6)), bare("a") + bare("b")}, // in a packet
		{chunk(counted("whole", 7) + "data: {\"choices\":[]"), bare("whole")},    // and the beginning of another
		{chunk(",\"x\":1}\n\n"), "data: {\"choices\":[],\"x\":1}\n\n"},           // its end
		{chunk("data: not JSON\r\n\r\n"), "data: not JSON\r\n\r\n"},              // not ours to judge
		{chunk("data: \"" + large + "\"\n\n"), "data: \"" + large + "\"\n\n"},    // a large event
		{chunk(counted("last", 8)+done) + "0\r\n\r\n", bare("last") + done},      // the end, with what came with it
	} {
		next <- step.send
		if got := str.Next(); got != step.want {
			t.Fatalf("for %.200q\ngot  %.200q\nwant %.200q", step.send, got, step.want)
		}
	}
	if got := str.Next(); got != "" {
		t.Errorf("after the end %q", got)
	}
}

// TestStreamInOneWrite has the whole answer come at once.
func TestStreamInOneWrite(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)) + chunk(done) + "0\r\n\r\n")
	})
	got := s.Stream(chat(true, "hi")).Rest()
	if len(got) != 1 || got[0] != bare("a")+bare("b")+done {
		t.Errorf("%d chunks: %q", len(got), got)
	}
}

// TestStreamEnds are the ways of a stream to end that are no fault.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	s := serve(t)
	untilClose := strings.Replace(streamHead, "Transfer-Encoding: chunked", "X-Nothing: x", 1)
	for _, test := range []struct {
		name   string
		answer func(c *engineConn)
		want   string
	}{
		{"no [DONE]", func(c *engineConn) { c.Send(streamHead + chunk(counted("a", 1)) + "0\r\n\r\n") }, bare("a") + done},
		{"[DONE] without line ends", func(c *engineConn) { c.Send(streamHead + chunk(counted("a", 1)+"data: [DONE]") + "0\r\n\r\n") }, bare("a") + done},
		{"nothing", func(c *engineConn) { c.Send(streamHead + "0\r\n\r\n") }, done},
		{"[DONE] alone", func(c *engineConn) { c.Send(streamHead + chunk(done) + "0\r\n\r\n") }, done},
		{"usage alone", func(c *engineConn) {
			c.Send(streamHead + chunk(`data: {"choices":[],"usage":{"prompt_tokens":1}}`+"\n\n"+done) + "0\r\n\r\n")
		}, done},
		{"more after [DONE]", func(c *engineConn) {
			c.Send(streamHead + chunk(counted("a", 1)+done+counted("b", 2)) + chunk("data: c\n\n") + "0\r\n\r\n")
		}, bare("a") + done},
		{"no end after [DONE]", func(c *engineConn) { c.Send(streamHead + chunk(counted("a", 1)+done)); c.Close() }, bare("a") + done},
		{"silence after [DONE]", func(c *engineConn) { c.Send(streamHead + chunk(counted("a", 1)+done)); <-c.Gone }, bare("a") + done},
		{"until close", func(c *engineConn) { c.Send(untilClose + counted("a", 1) + done); c.Close() }, bare("a") + done},
		{"length", func(c *engineConn) {
			body := counted("a", 1) + done
			c.Send(strings.Replace(streamHead, "Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", len(body)), 1) + body)
		}, bare("a") + done},
		{"HTTP/1.0", func(c *engineConn) {
			c.Send(strings.Replace(untilClose, "1.1", "1.0", 1) + counted("a", 1) + done)
			c.Close()
		}, bare("a") + done},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Engine.Answer(func(c *engineConn, _ *engineRequest) { test.answer(c) })
			c := s.Dial()
			c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
			str := c.stream()
			if got := strings.Join(str.Rest(), ""); str.status != 200 || got != test.want {
				t.Errorf("%d\ngot  %q\nwant %q", str.status, got, test.want)
			}
			// The client's connection lives on.
			s.Engine.Answer(plainAnswer)
			c.Send(s.post("/v1/chat/completions", "acme", chat(false, "hi")))
			if a := c.Answer("POST"); a.StatusCode != 200 {
				t.Errorf("the next request on the connection: %d", a.StatusCode)
			}
			if a := s.access(str.header.Get("X-Request-Id")); a["status"] != 200.0 || a["end"] != "done" || a["code"] != "" {
				t.Errorf("logged %v", a)
			}
		})
	}
	if st := s.Pool.Snapshot().Backends[0].Replicas[0]; st.State != backends.Healthy || st.Failures != 0 {
		t.Errorf("the replica is %v after %d failures", st.State, st.Failures)
	}
}

// access is the line of the access log of one request.
func (s *service) access(id string) (line map[string]any) {
	s.t.Helper()
	eventually(s.t, "request "+id+" is logged", func() bool {
		for _, a := range s.Accesses() {
			if a["id"] == id {
				line = a
			}
		}
		return line != nil
	})
	return line
}

// TestBrokenStream are the ways of a stream to break once it has begun: the
// client gets what came, one error event and [DONE], and its connection ends.
func TestBrokenStream(t *testing.T) {
	t.Parallel()
	const (
		chunked    = "Transfer-Encoding: chunked"
		length     = "Content-Length: 9999"
		untilClose = "X-Framing: none"
	)
	huge := chunk("data: " + strings.Repeat("x", 5<<20))
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{patient(e.URL)}
		s.Backends[0].Timeouts = backends.Timeouts{NextByte: backends.Duration(500 * time.Millisecond), Total: backends.Duration(1500 * time.Millisecond)}
		s.Config.Server.AdminListen = "127.0.0.1:0"
	})
	var failed map[string]float64
	for _, test := range []struct {
		name    string
		framing string
		breaks  func(c *engineConn) // behind two events
		code    string
		why     string // its kind among the upstream errors; "": not held against the backend
	}{
		{"cut between chunks", chunked, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"reset", chunked, func(c *engineConn) { c.Reset() }, "backend_error", "reset"},
		{"cut inside a chunk", chunked, func(c *engineConn) { c.Send("99\r\ndata: {"); c.Close() }, "backend_error", "reset"},
		{"cut inside a size", chunked, func(c *engineConn) { c.Send("9"); c.Close() }, "backend_error", "reset"},
		{"cut inside the end", chunked, func(c *engineConn) { c.Send("0\r\n"); c.Close() }, "backend_error", "reset"},
		{"cut until close", untilClose, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"cut of a length", length, func(c *engineConn) { c.Close() }, "backend_error", "reset"},
		{"bad size", chunked, func(c *engineConn) { c.Send("xyz\r\n") }, "backend_error", "protocol"},
		{"huge size", chunked, func(c *engineConn) { c.Send("fffffffffffffffff\r\n") }, "backend_error", "protocol"},
		{"negative size", chunked, func(c *engineConn) { c.Send("-1\r\n") }, "backend_error", "protocol"},
		{"endless size line", chunked, func(c *engineConn) { c.Send(strings.Repeat("0", 80<<10)) }, "backend_error", "protocol"},
		{"chunk beyond its size", chunked, func(c *engineConn) { c.Send("3\r\n: x\n\n\r\n") }, "backend_error", "protocol"},
		{"event without end", chunked, func(c *engineConn) { c.Send(huge) }, "backend_error", ""},
		{"silence", chunked, func(c *engineConn) { <-c.Gone }, "backend_timeout", "timeout"},
		{"silence inside an event", chunked, func(c *engineConn) { c.Send(chunk("data: {")); <-c.Gone }, "backend_timeout", "timeout"},
		{"no end of it", chunked, func(c *engineConn) {
			for keepSending(c, chunk(": on and on\n\n")) {
			}
		}, "backend_timeout", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, asked := s.Usage("acme"), len(e.Requests())
			seen := make(chan bool)
			e.Answer(func(c *engineConn, _ *engineRequest) {
				c.Send(strings.Replace(streamHead, chunked, test.framing, 1))
				for _, event := range []string{counted("a", 1), counted("b", 2)} {
					if test.framing == chunked {
						event = chunk(event)
					}
					c.Send(event)
				}
				if <-seen {
					test.breaks(c)
				}
			})
			defer close(seen)
			str := s.Stream(chat(true, "hi"))
			if str.status != 200 {
				t.Fatalf("status %d", str.status)
			}
			body := str.Next()
			if body == bare("a") {
				body += str.Next()
			}
			seen <- true
			body += strings.Join(str.Rest(), "")
			comments := strings.Count(body, ": on and on\n\n")
			body = strings.ReplaceAll(body, ": on and on\n\n", "")
			rest, ok := strings.CutPrefix(body, bare("a")+bare("b"))
			if !ok || !strings.HasPrefix(rest, `data: {"error":{"message":"`) || !strings.HasSuffix(rest, "\n\n"+done) || strings.Count(rest, "\n\n") != 2 {
				t.Errorf("got %.300q", body)
			}
			if !strings.Contains(rest, `"type":"server_error","param":null,"code":"`+test.code+`"}}`) {
				t.Errorf("the error is %q, want code %s", rest, test.code)
			}
			if err := str.c.Ended(); err != nil {
				t.Errorf("the client's connection: %v", err)
			}
			if (comments > 0) != (test.name == "no end of it") {
				t.Errorf("%d comments", comments)
			}
			if a := s.access(str.header.Get("X-Request-Id")); a["status"] != 200.0 || a["end"] != "backend_failed" || a["code"] != test.code || a["completion_tokens"] != 2.0 {
				t.Errorf("logged %v", a)
			}
			for window, used := range map[string]int64{"tokens_per_day": 9, "requests_per_day": 1} { // 7 and 2 were seen
				if got := s.Usage("acme")[window]; got.Used-before[window].Used != used || got.Reserved != 0 {
					t.Errorf("%+v after %d, want %d more", got, before[window].Used, used)
				}
			}
			failed = s.wantFailure(t, failed, test.why)
			if n := len(e.Requests()) - asked; n != 1 {
				t.Errorf("the backend got %d requests", n)
			}
		})
	}
	s.Idle("acme")
}

// failures are the upstream errors of the backend so far, by kind.
func (s *service) failures() map[string]float64 {
	m := map[string]float64{}
	for series, v := range s.metrics() {
		if kind, ok := strings.CutPrefix(series, `pilothouse_upstream_errors_total{backend="chat",kind="`); ok {
			m[strings.TrimSuffix(kind, `"}`)] = v
		}
	}
	return m
}

// wantFailure wants one more of a kind than before, and none of any other; ""
// for none at all. It returns those there are now.
func (s *service) wantFailure(t *testing.T, before map[string]float64, kind string) map[string]float64 {
	t.Helper()
	now := s.failures()
	for k, n := range now {
		want := before[k]
		if k == kind {
			want++
		}
		if n != want {
			t.Errorf("%v upstream errors of kind %s, want %v", n, k, want)
		}
	}
	return now
}

// keepSending writes unhurriedly; false once the other side has gone.
func keepSending(c *engineConn, s string) bool {
	select {
	case <-c.Gone:
		return false
	case <-time.After(20 * time.Millisecond):
	}
	_, err := io.WriteString(c.Conn, s)
	return err == nil
}

// metrics are the gateway's own series on the admin listener.
func (s *service) metrics() map[string]float64 {
	s.t.Helper()
	m := map[string]float64{}
	for line := range strings.Lines(s.scrape()) {
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "pilothouse_") {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			m[line[:i]] = v
		}
	}
	return m
}

func (s *service) scrape() string {
	s.t.Helper()
	resp, err := http.Get(s.AdminURL() + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("%d %v %s", resp.StatusCode, err, b)
	}
	return string(b)
}

// TestSlowReaderIsNoTimeout lets a client take nothing for longer than the
// backend has for its next byte: the backend can't send on, and is not to blame.
func TestSlowReaderIsNoTimeout(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		s.Backends = []backends.Config{testBackend("chat", testModel, e.URL)}
		s.Backends[0].Timeouts.NextByte = backends.Duration(time.Second)
	})
	const events = 300
	var sent atomic.Int64
	e.Answer(func(c *engineConn, _ *engineRequest) {
		large := chunk(event(strings.Repeat("x", 64<<10)))
		c.Send(streamHead)
		for range events {
			c.Send(large)
			sent.Store(time.Now().UnixNano())
		}
		c.Send(chunk(done) + "0\r\n\r\n")
	})
	c := s.Dial()
	c.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	str := c.stream()
	eventually(t, "the engine can't send on for twice the time", func() bool {
		return sent.Load() != 0 && time.Since(time.Unix(0, sent.Load())) > 2*time.Second
	})
	body := strings.Join(str.Rest(), "")
	if n := strings.Count(body, `"choices"`); n != events || !strings.HasSuffix(body, "\n\n"+done) || strings.Contains(body, "error") {
		t.Errorf("%d events, ending with %q", n, body[max(0, len(body)-200):])
	}
	if st := s.Pool.Snapshot().Backends[0].Replicas[0]; st.State != backends.Healthy || st.Failures != 0 {
		t.Errorf("the replica is %v after %d failures", st.State, st.Failures)
	}
}

// TestErrorEvent has the engine give up in its own words: they are passed on,
// and the request is booked as the failure that it is.
func TestErrorEvent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	failure := `data: {"error":{"message":"out of blocks","type":"InternalServerError","param":null,"code":500}}` + "\n\n"
	s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(counted("a", 1)) + chunk(failure) + chunk(done) + "0\r\n\r\n")
	})
	str := s.Stream(chat(true, "hi"))
	if got := strings.Join(str.Rest(), ""); got != bare("a")+failure+done {
		t.Errorf("got %q", got)
	}
	if l := s.access(str.header.Get("X-Request-Id")); l["end"] != "backend_failed" || l["code"] != "backend_error" || l["status"] != 200.0 {
		t.Errorf("logged %v", l)
	}
	if u := s.Usage("acme")["tokens_per_day"]; u.Used != 8 || u.Reserved != 0 {
		t.Errorf("charged %+v", u)
	}
}
