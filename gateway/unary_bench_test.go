package gateway_test

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"pilothouse/backends"
)

// BenchmarkUnary is what one request costs that is answered whole, the gateway's
// two ends on loopback included: a client and an engine that do next to nothing
// share the processors with it.
func BenchmarkUnary(b *testing.B) {
	b.ReportAllocs()
	s := serve(b, func(s *setup) {
		s.Backends = []backends.Config{testBackend("chat", testModel, idleEngine(b))}
		s.Config.Limits.Org.TokensPerDay, s.Config.Limits.Org.RequestsPerDay = 1<<50, 1<<50
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 1e9, 1<<30
	})
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte(s.post("/v1/chat/completions", "acme", chat(false, strings.Repeat("hello ", 50))))
	in := bufio.NewReader(c)
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if err := skipAnswer(in); err != nil {
			b.Fatal(err)
		}
	}
}

// skipAnswer reads an answer of a declared length, and keeps nothing of it.
func skipAnswer(in *bufio.Reader) error {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err = in.Discard(length)
			return err
		}
		const name = "Content-Length: "
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			length = 0
			for _, d := range line[len(name) : len(line)-2] {
				length = length*10 + int(d-'0')
			}
		}
	}
}

// idleEngine is the URL of an engine that gives every request the same answer,
// with no garbage of its own.
func idleEngine(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answer := []byte(unary(`{"id":"a","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}`))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for skipAnswer(in) == nil { // a request's framing is an answer's
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}
