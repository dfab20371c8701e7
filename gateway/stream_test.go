package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
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
