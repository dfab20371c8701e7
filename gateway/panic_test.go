package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
)

// shaky is a log that panics at one of its messages.
type shaky struct {
	slog.Handler
	at string
}

func (h shaky) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.at {
		panic("the log is full")
	}
	return h.Handler.Handle(ctx, r)
}

// explosive is a connection that panics when it is written a word.
type explosive struct {
	net.Conn
	word string
}

func (c explosive) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.word) {
		panic("the connection blew up")
	}
	return c.Conn.Write(p)
}

// TestPanic has what the gateway was given panic under its hands: its log, while
// it looks at the backend's answer, and its client's connection, in the middle of
// a stream. The request is settled before its client knows, and nothing of it is
// left.
func TestPanic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		stream bool
		answer []string // the engine's; each piece once the client has what came of the one before
		got    []string // what the client's bytes end with, then
		want   booked
	}{
		{"in the pipeline", false, []string{failing(401, "{}")}, []string{`"code":"internal_error"}}` + "\n"},
			booked{Status: 500, Code: "internal_error", End: "interrupted"}},
		{"in a stream", true, []string{streamHead + chunk(counted("fine", 1)), chunk(counted("boom", 2))}, []string{chunk(bare("fine"))},
			booked{Status: 200, Code: "internal_error", End: "interrupted", Prompt: 7, Completion: 2, Counted: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t)
			g := s.shaky(t)
			next, gone := make(chan string, len(test.answer)), make(chan struct{})
			s.Engine.Answer(func(c *engineConn, _ *engineRequest) {
				for {
					select {
					case piece := <-next:
						c.Send(piece)
					case <-c.Gone:
						close(gone)
						return
					}
				}
			})
			p := newPipe(t, g, func(c net.Conn) net.Conn { return explosive{c, "boom"} })
			body := chat(test.stream, "hi")
			p.Ask(s.post("/v1/chat/completions", "acme", body, "X-Request-Id: panics"))
			for i, piece := range test.answer {
				next <- piece
				if i < len(test.got) {
					p.Until(test.got[i])
				}
			}
			if _, err := p.Read(make([]byte, 1)); err == nil {
				t.Error("more came")
			}
			r := s.Row(t, "panics")
			if err := r.check(begun); err != nil {
				t.Error(err)
			}
			want := test.want
			want.ID, want.Org, want.Key, want.Model, want.Backend, want.Replica = "panics", "acme", s.KeyID("acme"), testModel, "chat", s.Engine.URL
			want.Route, want.Stream, want.BytesIn = "/v1/chat/completions", test.stream, int64(len(body))
			if want.BytesOut = int64(len(p.seen) - strings.Index(p.seen, "\r\n\r\n") - 4); test.stream {
				want.BytesOut = int64(len(bare("fine") + bare("boom"))) // which was on its way
			}
			if r.booked != want {
				t.Errorf("booked as\n%+v\nwant\n%+v", r.booked, want)
			}
			if test.stream {
				<-gone // its backend is spared the rest
			}
			eventually(t, "the replica is free", func() bool { return s.Pool.Snapshot().Backends[0].Replicas[0].InFlight == 0 })
			for _, w := range windowsOf(t, g, "acme") {
				if w.Reserved != 0 || strings.HasPrefix(w.Name, "tokens") && w.Used != want.Prompt+want.Completion {
					t.Errorf("charged %+v", w)
				}
			}
		})
	}
}

// shaky is another gateway over the same pool, keys and ledger, with a log that
// panics when a backend refuses the gateway's key.
func (s *service) shaky(t *testing.T) *gateway.Gateway {
	t.Helper()
	set := newSetup()
	set.Config.Fill()
	log := slog.New(shaky{slog.NewJSONHandler(s.Log, nil), "a backend refuses the gateway's key"})
	g, err := gateway.New(gateway.Options{Config: set.Config, Pool: s.Pool, Keys: s.Keys, Ledger: s.Ledger, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// windowsOf are an organisation's windows, as the dashboard has them.
func windowsOf(t *testing.T, g *gateway.Gateway, org string) []quota.Window {
	t.Helper()
	all, err := g.Quotas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if o.Org == org {
			return o.Windows
		}
	}
	t.Fatalf("no organisation %q among %+v", org, all)
	return nil
}
