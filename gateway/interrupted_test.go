package gateway_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
)

// usageEvent is an event of a stream with output and a usage of the test's own.
func usageEvent(word, usage string) string {
	return `data: {"choices":[{"index":0,"delta":{"content":"` + word + `"}}],"usage":` + usage + "}\n\n"
}

const chatPath = "/v1/chat/completions"

// cutShort are requests that are under way when the gateway ends: what the
// engine has sent by then, and what each is charged.
var cutShort = []struct {
	name, path, body string
	answer           string
	stopped, killed  booked
}{
	{name: "stream", path: chatPath, body: asking("counts", true), answer: streamHead + chunk(counted("a", 1)) + chunk(counted("b", 2)),
		stopped: booked{Status: 200, Prompt: 7, Completion: 2}, killed: booked{Prompt: 7, Completion: 2, Estimated: true}},
	{name: "stream-without-usage", path: chatPath, body: asking("silent", true), answer: streamHead + chunk(event("a")) + chunk(event("b")),
		stopped: booked{Status: 200, Prompt: 11, Completion: 2, Estimated: true}, killed: booked{Prompt: 11, Completion: 2, Estimated: true}},
	{name: "stream-of-several-answers", path: chatPath, body: strings.Replace(asking("counts", true), "{", `{"n":3,`, 1), answer: streamHead + chunk(counted("a", 1)+counted("a", 1)+counted("b", 2)),
		stopped: booked{Status: 200, Prompt: 7, Completion: 3, Estimated: true}, killed: booked{Prompt: 7, Completion: 3, Estimated: true}},
	{name: "stream-of-several-prompts", path: "/v1/completions", body: `{"model":"silent","prompt":["123456789012345","1234567890"],"stream":true}`, answer: streamHead + chunk(counted("a", 1)+counted("a", 1)+counted("b", 2)),
		stopped: booked{Status: 200, Prompt: 11, Completion: 3, Estimated: true}, killed: booked{Prompt: 11, Completion: 3, Estimated: true}},
	{name: "stream-of-absurd-usage", path: chatPath, body: asking("counts", true), answer: streamHead + chunk(usageEvent("a", `{"prompt_tokens":2000000000,"completion_tokens":2000000000,"total_tokens":2000000000}`)),
		stopped: booked{Status: 200, Prompt: 1000, Completion: 1000, Suspect: true}, killed: booked{Prompt: 1000, Completion: 1000, Estimated: true}},
	{name: "stream-before-its-first-event", path: chatPath, body: asking("silent", true), answer: streamHead,
		stopped: booked{Status: 503, Prompt: 11, Estimated: true}, killed: booked{Prompt: 11, Estimated: true}},
	{name: "unary", path: chatPath, body: asking("silent", false), answer: "",
		stopped: booked{Status: 503, Prompt: 11, Estimated: true}, killed: booked{Prompt: 11, Estimated: true}},
}

// TestInterrupted ends a gateway with requests under way: as an operator does,
// and, by the files that it has on the disk meanwhile, as a crash does. Each
// leaves one row, charged with what was known.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := serve(t, func(s *setup) {
		for _, model := range []string{"counts", "silent"} {
			b := patient(e.URL)
			b.Name, b.Model, b.MaxN, b.MaxContext = model, model, 3, 1000
			s.Backends = append(s.Backends, b)
		}
		s.Config.Server.DrainTimeout = backends.Duration(500 * time.Millisecond)
	})
	for _, test := range cutShort {
		asked := make(chan bool)
		e.Answer(func(c *engineConn, _ *engineRequest) {
			c.Send(test.answer)
			close(asked)
			<-c.Gone
		})
		c := s.Dial()
		c.Send(s.post(test.path, "acme", test.body, "X-Request-Id: "+test.name))
		<-asked
		if test.stopped.Status == 200 {
			c.stream().Next()
		}
	}
	var off string
	defer func() {
		if t.Failed() {
			t.Log(off)
		}
	}()
	as := func(rows map[string][]row, how func(i int) booked) bool {
		off = ""
		for i, test := range cutShort {
			want := how(i)
			want.End, want.Counted = "interrupted", true
			if got := rows[test.name]; len(got) != 1 || got[0].outcome() != want {
				off += fmt.Sprintf("%s left\n%+v\nwant\n%+v\n", test.name, got, want)
			}
		}
		return off == ""
	}
	eventually(t, "a crash would leave all that is known", func() bool {
		return as(killed(t, s.Dir), func(i int) booked { return cutShort[i].killed })
	})
	s.stopping()
	late := s.Dial()
	late.Send(s.post(chatPath, "acme", asking("counts", false), "X-Request-Id: late"))
	if a, err := late.TryAnswer("POST"); err == nil && a.StatusCode != 503 {
		t.Errorf("in the drain: %d %s", a.StatusCode, a.Body)
	}
	s.Stop()
	if rows := rowsIn(t, s.Dir); len(rows) != len(cutShort) {
		t.Errorf("%d requests have rows, want %d: what comes in a drain has none", len(rows), len(cutShort))
	}
	if !as(rowsIn(t, s.Dir), func(i int) booked { b := cutShort[i].stopped; b.Code = "no_healthy_backend"; return b }) {
		t.Error("the stop has not left what it should")
	}
}

// outcome is how a request ended, and its charge.
func (r *row) outcome() booked {
	return booked{Status: r.Status, Code: r.Code, End: r.End, Prompt: r.Prompt, Completion: r.Completion, Cached: r.Cached,
		Estimated: r.Estimated, Suspect: r.Suspect, Counted: r.Counted}
}

// killed are the rows that a process has left which died with these files.
func killed(t *testing.T, dir string) map[string][]row {
	t.Helper()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{Dir: left})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rows := rowsIn(t, left)
	if err := os.RemoveAll(left); err != nil {
		t.Fatal(err)
	}
	return rows
}
