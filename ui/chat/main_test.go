package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// patience is how long tests wait for what has to come.
const patience = 60 * time.Second

// direct are Models that ask servers over HTTP; gateway is the URL of what stands for
// it.
type direct struct {
	gateway string

	mu   sync.Mutex
	sent map[string][][]byte // bodies by URL
}

func (d *direct) Ask(ctx context.Context, path string, body []byte) (*http.Response, error) {
	if d.gateway == "" {
		return nil, errors.New("your role, viewer, may not use the playgrounds")
	}
	return d.AskReplica(ctx, d.gateway, path, body)
}

func (d *direct) AskReplica(ctx context.Context, replica, path string, body []byte) (*http.Response, error) {
	d.mu.Lock()
	if d.sent == nil {
		d.sent = map[string][][]byte{}
	}
	d.sent[replica] = append(d.sent[replica], bytes.Clone(body))
	d.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, replica+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", fmt.Sprintf("req-%p", req))
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Header.Set("X-Request-Id", req.Header.Get("X-Request-Id")) // the engine doesn't say it; the gateway does
	}
	return resp, err
}

// messages are those of the n-th request to a URL.
func (d *direct) messages(t *testing.T, url string, n int) []message {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var r request
	if err := json.Unmarshal(d.sent[url][n], &r); err != nil {
		t.Fatal(err)
	}
	return r.Messages
}

// engine runs a simulated server and gives its URL.
func engine(t *testing.T, c sim.Config) string {
	t.Helper()
	c.Model = "m"
	s, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// answers runs a server that answers every request with a function.
func answers(t *testing.T, f http.HandlerFunc) *direct {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return &direct{gateway: s.URL}
}

// says answers with a body as a stream.
func says(t *testing.T, body string) *direct {
	return answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body)
	})
}

// enter makes Rooms that end with the test, and enters one.
func enter(t *testing.T, c Config, m Models) (*Rooms, *Room) {
	t.Helper()
	rs := New(c)
	t.Cleanup(rs.Close)
	r := rs.Enter("alice", m)
	until(t, r, "the files are read", func(s *Snapshot) bool { return !s.Loading })
	return rs, r
}

// begin makes a conversation with model m.
func begin(t *testing.T, r *Room) string {
	t.Helper()
	id, err := r.New(Settings{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// until waits until a snapshot is as wanted.
func until(t *testing.T, r *Room, what string, ok func(*Snapshot) bool) *Snapshot {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s := r.Snapshot()
		if ok(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("it never came that %s: %+v", what, s)
		}
	}
}

// answered waits for the last answers of a conversation to end.
func answered(t *testing.T, r *Room, id string) []Answer {
	t.Helper()
	s := until(t, r, "the answer ended", func(s *Snapshot) bool {
		c := s.Find(id)
		return c != nil && len(c.Turns) > 0 && !c.Running()
	})
	turns := s.Find(id).Turns
	return turns[len(turns)-1].Answers
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
