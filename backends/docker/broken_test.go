package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// brief is the time-out where it is to be reached, patient where it is not.
const (
	brief   = 300 * time.Millisecond
	patient = time.Minute
)

func timeout(kind Trouble) time.Duration {
	if kind == Slow {
		return brief
	}
	return patient
}

// fake listens where an engine should.
func fake(t *testing.T, most time.Duration, serve func(net.Conn)) *Engine {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	e := open(t, Host{Name: "fake", Host: "unix://" + file, Timeout: Duration(most)})
	e.heavy = most
	return e
}

// fakeHTTP answers _ping as an engine does, and the rest as it is told.
func fakeHTTP(t *testing.T, most time.Duration, answer http.HandlerFunc) *Engine {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_ping" {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		answer(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	e := open(t, Host{Name: "fake", Host: "unix://" + file, Timeout: Duration(most)})
	e.heavy = most
	return e
}

// calls are all that can be asked of an engine.
func calls(e *Engine, p Plan) map[string]func(context.Context) error {
	name := p.Spec.Name
	return map[string]func(context.Context) error{
		"ping":    e.Ping,
		"version": func(ctx context.Context) error { _, err := e.Version(ctx); return err },
		"inspect": func(ctx context.Context) error { _, err := e.Inspect(ctx, name); return err },
		"list":    func(ctx context.Context) error { _, err := e.List(ctx); return err },
		"create":  func(ctx context.Context) error { _, err := e.Create(ctx, p, nil); return err },
		"start":   func(ctx context.Context) error { return e.Start(ctx, name) },
		"stop":    func(ctx context.Context) error { return e.Stop(ctx, name) },
		"restart": func(ctx context.Context) error { return e.Restart(ctx, name) },
		"remove":  func(ctx context.Context) error { return e.Remove(ctx, name) },
		"stats":   func(ctx context.Context) error { _, err := e.Stats(ctx, name); return err },
		"logs":    func(ctx context.Context) error { return e.Logs(ctx, name, LogOptions{}, func(Line) {}) },
		"tail":    func(ctx context.Context) error { return e.Logs(ctx, name, LogOptions{Tail: 5}, func(Line) {}) },
		"follow":  func(ctx context.Context) error { return e.Logs(ctx, name, LogOptions{Follow: true}, func(Line) {}) },
		"network": func(ctx context.Context) error { return e.EnsureNetwork(ctx, "n") },
		"image":   func(ctx context.Context) error { return e.EnsureImage(ctx, "i", "missing", nil) },
		"pull":    func(ctx context.Context) error { return e.EnsureImage(ctx, "i", "always", nil) },
		"events": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			var lost error
			e.Events(ctx, func(ev Event) {
				if ev.Action == Lost {
					lost = ev.Err
					cancel()
				}
			})
			return lost
		},
	}
}

// all asks everything at once, and wants the same trouble of it, soon and in
// words.
func all(t *testing.T, e *Engine, kind Trouble, but ...string) {
	t.Helper()
	var asking sync.WaitGroup
	for what, call := range calls(e, plan(t, Spec{Name: "vllm", Image: "i", Networks: []Network{{Name: "n"}}})) {
		if slices.Contains(but, what) {
			continue
		}
		asking.Go(func() {
			err := call(t.Context())
			got, ok := errors.AsType[*EngineError](err)
			if !ok || got.Kind != kind || got.Host != e.Name() || got.Doing == "" || got.Detail == "" {
				t.Errorf("%s: %T %v, want trouble %q", what, err, err, kind)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\n\x00\u202e") || len(fmt.Sprint(err)) > 1000 {
				t.Errorf("%s: not to be shown: %q", what, err)
			}
		})
	}
	within(t, patient*4/5, asking.Wait)
}

func TestNoEngine(t *testing.T) {
	quiet(t)
	all(t, open(t, Host{Host: "unix://" + filepath.Join(t.TempDir(), "none"), Timeout: Duration(brief)}), Away)
	all(t, open(t, Host{Host: "tcp://" + reserve(t), Timeout: Duration(brief)}), Away)
}

// What answers on the wire, and is no engine.
func TestNotHTTP(t *testing.T) {
	quiet(t)
	var said bytes.Buffer // what net/http writes to standard error, which may be a screen
	log.SetOutput(&said)
	defer func() {
		log.SetOutput(os.Stderr)
		if said.Len() > 0 {
			t.Errorf("written to standard error: %q", said.String())
		}
	}()
	hear := func(c net.Conn) { c.Read(make([]byte, 4096)) }
	for name, o := range map[string]struct {
		kind  Trouble
		serve func(net.Conn)
	}{
		"never":      {Slow, func(c net.Conn) { io.Copy(io.Discard, c) }},
		"closes":     {Away, func(c net.Conn) { hear(c) }},
		"resets":     {Away, func(net.Conn) {}},
		"behind":     {Nonsense, head("200 OK\r\nApi-Version: 1.39\r\nContent-Length: 0\r\n\r\n\x1b[31munasked")},
		"smtp":       {Nonsense, func(c net.Conn) { io.WriteString(c, "220 \x1b[31mmail\r\n"); hear(c) }},
		"half":       {Away, func(c net.Conn) { hear(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nApi-Ver") }},
		"stalls":     {Slow, func(c net.Conn) { hear(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nApi-Ver"); io.Copy(io.Discard, c) }},
		"headers":    {Nonsense, func(c net.Conn) { hear(c); endless(c, "HTTP/1.1 200 OK\r\n", "X: \x1b[31m\r\n") }},
		"one head":   {Nonsense, func(c net.Conn) { hear(c); endless(c, "HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaa") }},
		"old":        {Nonsense, head("200 OK\r\nApi-Version: 1.39\r\nContent-Length: 0")},
		"no number":  {Nonsense, head("200 OK\r\nApi-Version: \x1b[31m9\r\nContent-Length: 0")},
		"no version": {Nonsense, head("200 OK\r\nContent-Length: 0")},
		"page":       {Nonsense, head("200 OK\r\nApi-Version: 1.41\r\nContent-Type: text/html\r\nContent-Length: 0")},
		"not found":  {Nonsense, head("404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0")},
		"moved":      {Nonsense, head("301 Moved\r\nLocation: http://example.com/\r\nContent-Length: 0")},
	} {
		t.Run(name, func(t *testing.T) { all(t, fake(t, timeout(o.kind), o.serve), o.kind) })
	}
}

// head answers each request with the same head.
func head(text string) func(net.Conn) {
	return func(c net.Conn) {
		for {
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 "+text+"\r\n\r\n")
		}
	}
}

func endless(w io.Writer, first, again string) {
	again = strings.Repeat(again, 1000)
	for _, err := io.WriteString(w, first); err == nil; _, err = io.WriteString(w, again) {
	}
}

// What says that it is an engine, and answers something else then.
func TestNonsense(t *testing.T) {
	quiet(t)
	as := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, text)
		}
	}
	status := func(code int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			io.WriteString(w, text)
		}
	}
	for name, o := range map[string]struct {
		kind   Trouble
		answer http.HandlerFunc
	}{
		"page":      {Nonsense, as("text/html", "<html>\x1b[31mhello</html>")},
		"page text": {Nonsense, as("application/json", "<html>\x1b[31mhello</html>")},
		"502":       {Nonsense, status(502, "text/html", "<html>\x1b[31m</html>")},
		"500":       {Nonsense, status(500, "text/plain", "\x1b[31m")},
		"500 JSON":  {Nonsense, status(500, "application/json", `{"error":"\u001b[31m"}`)},
		"204":       {Nonsense, status(204, "", "")},
		"truncated": {Nonsense, as("application/json", `{"Id":"aaaa\u001b[31m","Na`)},
		"empty":     {Nonsense, as("application/json", "")},
		"object":    {Nonsense, as("application/json", "{}\n")},
		"list":      {Nonsense, as("application/json", "[{}]")},
		"text":      {Nonsense, as("application/json", `"\u001b[31m"`)},
		"wrong":     {Nonsense, as("application/json", `{"Id":{"\u001b":1},"Version":[],"name":3}`)},
		"endless":   {Nonsense, func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"Id":"`, "aaaaaaaaaa") }},
		"cut": {Away, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"Id":"aa`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		"never": {Slow, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"drips": {Slow, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"Id":"`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			but := []string{"ping"}
			switch name {
			case "drips": // what is asked in between is answered, and a stream may have nothing to say
				but = append(but, "events", "pull")
			case "204", "empty", "object", "list": // which are ends of streams, or messages, or no containers
				but = append(but, "events", "pull")
			}
			e := fakeHTTP(t, timeout(o.kind), o.answer)
			all(t, e, o.kind, but...)
			if _, err := e.Version(t.Context()); name == "502" && !strings.HasSuffix(err.Error(), `as Docker does: status 502 with "text/html"`) {
				t.Error(err)
			}
		})
	}
}

// What an engine refuses is told in its own words, and can be shown.
func TestRefusal(t *testing.T) {
	quiet(t)
	long := strings.Repeat("é", 5000)
	e := fakeHTTP(t, patient, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(503)
		json.NewEncoder(w).Encode(map[string]string{"message": "no\x1b[31m\n\u202e " + long})
	})
	for what, call := range calls(e, plan(t, Spec{Name: "vllm", Image: "i"})) {
		if what == "ping" || what == "network" {
			continue
		}
		err := call(t.Context())
		r := is[*Refusal](t, err)
		if text := err.Error(); r.Status != 503 || !strings.HasPrefix(r.Message, "no\x1b") || strings.ContainsAny(text, "\x1b\n\u202e") || len(text) > 1000 || !strings.Contains(text, `"no\x1b[31m\n\u202e éé`) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Where a container is known, and what is asked of it then is answered with
// nonsense, or never.
func TestNonsenseLater(t *testing.T) {
	quiet(t)
	labels, err := plan(t, Spec{Name: "vllm", Image: "i"}).labels()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]any{"Id": strings.Repeat("a", 64), "Name": "/vllm", "State": map[string]any{"Status": "running"},
		"Config": map[string]any{"Labels": labels, "StopTimeout": 0}, "HostConfig": map[string]any{}}
	for name, o := range map[string]struct {
		kind   Trouble
		answer func(http.ResponseWriter, *http.Request)
		but    string
	}{
		"page": {Nonsense, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>")
		}, ""},
		"garbage": {Nonsense, func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("\x1b[31mgarbage", 100))
		}, ""},
		"endless": {Nonsense, func(w http.ResponseWriter, _ *http.Request) { endless(w, "{", "aaaaaaaaaa") }, ""},
		"never":   {Slow, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := fakeHTTP(t, timeout(o.kind), func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/json") && strings.Contains(r.URL.Path, "/containers/") {
					w.Header().Set("Content-Type", "application/json")
					json.NewEncoder(w).Encode(known)
					return
				}
				o.answer(w, r)
			})
			all(t, e, o.kind, append(strings.Fields(o.but), "ping", "version", "inspect", "list", "create", "network", "image", "pull", "events")...)
		})
	}
}
