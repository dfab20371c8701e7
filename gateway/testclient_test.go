package gateway_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// client is a connection to the gateway, to write whatever bytes one likes.
type client struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

// answer is what the gateway answered, with its body read.
type answer struct {
	*http.Response
	Body string
	Err  *apiError // nil where the body is none
}

type apiError struct {
	Message, Type, Code string
	Param               *string
}

// Dial opens a connection to the gateway that is closed when the test ends.
func (s *service) Dial() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, c)
}

// DialTLS is Dial for a gateway that speaks TLS.
func (s *service) DialTLS(cfg *tls.Config) *client {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.Addr, cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, c)
}

func newClient(t testing.TB, c net.Conn) *client {
	t.Cleanup(func() { c.Close() })
	return &client{Conn: c, t: t, br: bufio.NewReader(c)}
}

// Send writes raw bytes. The gateway may have closed already: what a test is
// about shows in the answer.
func (c *client) Send(s string) { io.WriteString(c.Conn, s) }

// Answer reads the next answer. method is that of its request.
func (c *client) Answer(method string) *answer {
	c.t.Helper()
	a, err := c.TryAnswer(method)
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	return a
}

// TryAnswer is Answer for where there may be none.
func (c *client) TryAnswer(method string) (*answer, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	a := &answer{Response: resp, Body: string(b)}
	var e struct{ Error *apiError }
	if json.Unmarshal(b, &e) == nil {
		a.Err = e.Error
	}
	return a, err
}

// Ended tells whether the gateway closes the connection with nothing more on
// it. It waits for that, or for a byte, which is an answer nobody asked for.
func (c *client) Ended() error {
	c.SetReadDeadline(time.Now().Add(patience))
	b, err := c.br.ReadByte()
	switch {
	case err == nil:
		c.br.UnreadByte()
		rest, _ := c.br.Peek(c.br.Buffered())
		return fmt.Errorf("more came: %q", rest)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("still open")
	}
	_ = b
	return nil
}

// post is a whole request with a JSON body, as an honest client sends it.
// headers are lines without their ends.
func (s *service) post(path, key, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, len(body))
	if key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", s.Key(key))
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n" + body
}

// chat is the body of a chat completion; stream as asked.
func chat(stream bool, content string) string {
	b, err := json.Marshal(map[string]any{"model": testModel, "stream": stream, "messages": []map[string]string{{"role": "user", "content": content}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Connect opens a connection, with TLS where the gateway speaks it.
func (s *service) Connect() *client {
	s.t.Helper()
	if strings.HasPrefix(s.URL(), "https") {
		return s.DialTLS(&tls.Config{InsecureSkipVerify: true})
	}
	return s.Dial()
}
