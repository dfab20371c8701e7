package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"pilothouse/backends"
)

// fullContext is how many tokens the backend of these tests holds.
const fullContext = 1000

// serveAbsurd is a gateway of one backend and its engine, which nothing has
// taught anything yet.
func serveAbsurd(t *testing.T) (*service, *engine) {
	e := newEngine(t)
	return serve(t, func(s *setup) {
		b := patient(e.URL)
		b.MaxContext, b.MaxN = fullContext, 4
		s.Backends = []backends.Config{b}
	}), e
}

// charge is what a request of one answer is charged, and how its row is marked.
type charge struct {
	prompt, completion, cached int64
	estimated, suspect         bool
}

func (r *row) charge() charge {
	return charge{r.Prompt, r.Completion, r.Cached, r.Estimated, r.Suspect}
}

// ask sends a request, and gives its row.
func (s *service) ask(t *testing.T, path, body string) row {
	t.Helper()
	c := s.Dial()
	c.Send(s.post(path, "acme", body))
	a := c.Answer("POST")
	if a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	return s.Row(t, a.Header.Get("X-Request-Id"))
}

// TestAbsurdUsage has engines count what can't be: it never lowers what is
// charged, never raises it above the context, and the row is marked.
func TestAbsurdUsage(t *testing.T) {
	t.Parallel()
	guess := estimate("hi")
	const events = 6 // of each stream
	for _, test := range []struct {
		usage  string
		unary  charge
		stream charge // with that usage on its last event alone
	}{
		{`null`, charge{guess, 0, 0, true, false}, charge{guess, events, 0, true, false}},
		{`"12"`, charge{guess, 0, 0, true, false}, charge{guess, events, 0, true, false}},
		{`{}`, charge{guess, 0, 0, true, false}, charge{guess, events, 0, true, false}},
		{`{"total_tokens":99}`, charge{guess, 0, 0, true, false}, charge{guess, events, 0, true, false}},
		{`{"prompt_tokens":null,"completion_tokens":null}`, charge{guess, 0, 0, true, false}, charge{guess, events, 0, true, false}},
		{`{"prompt_tokens":7,"completion_tokens":9}`, charge{7, 9, 0, false, false}, charge{7, 9, 0, false, false}},

		{`{"prompt_tokens":-7,"completion_tokens":-9}`, charge{guess, 0, 0, true, true}, charge{guess, events, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":-9}`, charge{7, 0, 0, true, true}, charge{7, events, 0, true, true}},
		{`{"prompt_tokens":-7,"completion_tokens":9}`, charge{guess, 9, 0, true, true}, charge{guess, 9, 0, true, true}},
		{`{"prompt_tokens":0,"completion_tokens":9}`, charge{guess, 9, 0, true, true}, charge{guess, 9, 0, true, true}},
		{`{"completion_tokens":9}`, charge{guess, 9, 0, true, true}, charge{guess, 9, 0, true, true}},
		{`{"prompt_tokens":7.5,"completion_tokens":9}`, charge{guess, 9, 0, true, true}, charge{guess, 9, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":9.0}`, charge{7, 0, 0, true, true}, charge{7, events, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":9e2}`, charge{7, 0, 0, true, true}, charge{7, events, 0, true, true}},
		{`{"prompt_tokens":"7","completion_tokens":"9"}`, charge{guess, 0, 0, true, true}, charge{guess, events, 0, true, true}},
		{`{"prompt_tokens":[7],"completion_tokens":{"n":9}}`, charge{guess, 0, 0, true, true}, charge{guess, events, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":true}`, charge{7, 0, 0, true, true}, charge{7, events, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":9,"completion_tokens":3}`, charge{7, 9, 0, false, false}, charge{7, 9, 0, false, false}},

		{`{"prompt_tokens":1000,"completion_tokens":1000}`, charge{1000, 1000, 0, false, false}, charge{1000, 1000, 0, false, false}},
		{`{"prompt_tokens":1001,"completion_tokens":9}`, charge{1000, 9, 0, false, true}, charge{1000, 9, 0, false, true}},
		{`{"prompt_tokens":7,"completion_tokens":1001}`, charge{7, 1000, 0, false, true}, charge{7, 1000, 0, false, true}},
		{`{"prompt_tokens":2147483647,"completion_tokens":2147483647}`, charge{1000, 1000, 0, false, true}, charge{1000, 1000, 0, false, true}},
		{`{"prompt_tokens":7,"completion_tokens":99999999999999999999}`, charge{7, 0, 0, true, true}, charge{7, events, 0, true, true}},

		{`{"prompt_tokens":7,"completion_tokens":3}`, charge{7, 3, 0, false, false}, charge{7, 3, 0, false, false}}, // two events to a token: it may be
		{`{"prompt_tokens":7,"completion_tokens":2}`, charge{7, 2, 0, false, false}, charge{7, events, 0, true, true}},
		{`{"prompt_tokens":7,"completion_tokens":0}`, charge{7, 0, 0, false, false}, charge{7, events, 0, true, true}},

		{`{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":7}}`, charge{7, 9, 7, false, false}, charge{7, 9, 7, false, false}},
		{`{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":8}}`, charge{7, 9, 7, false, true}, charge{7, 9, 7, false, true}},
		{`{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":-8}}`, charge{7, 9, 0, false, true}, charge{7, 9, 0, false, true}},
		{`{"prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":null}`, charge{7, 9, 0, false, false}, charge{7, 9, 0, false, false}},
	} {
		t.Run(test.usage, func(t *testing.T) {
			s, e := serveAbsurd(t)
			e.Answer(func(c *engineConn, r *engineRequest) {
				c.Send(unary(`{"choices":[],"usage":` + test.usage + `}`))
			})
			if got := s.ask(t, chatPath, chat(false, "hi")); got.charge() != test.unary {
				t.Errorf("unary: charged %+v, want %+v", got.charge(), test.unary)
			}
			s, e = serveAbsurd(t)
			e.Answer(func(c *engineConn, r *engineRequest) {
				c.Send(streamHead + strings.Repeat(chunk(event("a")), events-1) + chunk(usageEvent("z", test.usage)+done) + "0\r\n\r\n")
			})
			if got := s.ask(t, chatPath, chat(true, "hi")); got.charge() != test.stream {
				t.Errorf("stream: charged %+v, want %+v", got.charge(), test.stream)
			}
			s.WantCharged(t, "acme", "acme")
		})
	}
}

// TestAbsurdWithinStream are streams that say several things.
func TestAbsurdWithinStream(t *testing.T) {
	t.Parallel()
	s, e := serveAbsurd(t)
	of := func(prompt, completion any) string {
		return fmt.Sprintf(`{"prompt_tokens":%v,"completion_tokens":%v,"total_tokens":1}`, prompt, completion)
	}
	several := func(body, n string) string { return strings.Replace(body, "{", `{"n":`+n+`,`, 1) }
	two := `{"model":"` + testModel + `","prompt":["1","2"],"stream":true}`
	for _, test := range []struct {
		name   string
		path   string
		body   string
		usages []string // an event each
		want   charge
	}{
		{"rising", chatPath, chat(true, "hi"), []string{of(900, 1), of(900, 2), of(900, 3)}, charge{900, 3, 0, false, false}},
		{"falling", chatPath, chat(true, "hi"), []string{of(900, 1), of(900, 9), of(900, 3)}, charge{900, 9, 0, false, true}},
		{"falling prompt", chatPath, chat(true, "hi"), []string{of(900, 1), of(800, 2), of(900, 3)}, charge{900, 3, 0, false, true}},
		{"falling to nothing", chatPath, chat(true, "hi"), []string{of(900, 1), of(900, 2), of(0, 0)}, charge{900, 2, 0, false, true}},
		{"one that is negative", chatPath, chat(true, "hi"), []string{of(900, 1), of(-900, -2), of(900, 3)}, charge{900, 3, 0, false, true}},
		{"one that is a word", chatPath, chat(true, "hi"), []string{of(900, 1), of(900, `"two"`), of(900, 3)}, charge{900, 3, 0, false, true}},
		{"one that is huge", chatPath, chat(true, "hi"), []string{of(900, 1), of(2147483647, 2147483647), of(900, 3)}, charge{1000, 1000, 0, false, true}},
		{"falling in the two answers of one request", chatPath, several(chat(true, "hi"), "2"), []string{of(900, 2), of(900, 1), of(900, 3)}, charge{900, 3, 0, false, false}},
		{"of two answers, above both contexts", chatPath, several(chat(true, "hi"), "2"), []string{of(900, 2001)}, charge{900, 2000, 0, false, true}},
		{"of two answers, within them", chatPath, several(chat(true, "hi"), "2"), []string{of(900, 2000)}, charge{900, 2000, 0, false, false}},
		{"of two prompts, within their contexts", "/v1/completions", two, []string{of(2000, 2000)}, charge{2000, 2000, 0, false, false}},
		{"of two prompts, above", "/v1/completions", two, []string{of(2001, 2001)}, charge{2000, 2000, 0, false, true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			for _, u := range test.usages {
				b.WriteString(chunk(usageEvent("a", u)))
			}
			e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(streamHead + b.String() + chunk(done) + "0\r\n\r\n") })
			if got := s.ask(t, test.path, test.body); got.charge() != test.want {
				t.Errorf("charged %+v, want %+v", got.charge(), test.want)
			}
		})
	}
	s.WantCharged(t, "acme", "acme")
}

// TestAbsurdEvents has an engine that tells no usage send more events than its
// context holds tokens.
func TestAbsurdEvents(t *testing.T) {
	t.Parallel()
	s, e := serveAbsurd(t)
	e.Answer(func(c *engineConn, _ *engineRequest) {
		c.Send(streamHead + chunk(strings.Repeat(event(""), fullContext+1)+done) + "0\r\n\r\n")
	})
	want := charge{estimate("hi"), fullContext, 0, true, true}
	if got := s.ask(t, chatPath, chat(true, "hi")); got.charge() != want {
		t.Errorf("charged %+v, want %+v", got.charge(), want)
	}
	s.WantCharged(t, "acme", "acme")
}

// TestAbsurdEmbedding: what bounds the count of inputs that may each fill the
// context is their length.
func TestAbsurdEmbedding(t *testing.T) {
	t.Parallel()
	s, e := serveAbsurd(t)
	body := `{"model":"` + testModel + `","input":"` + strings.Repeat("x", 998) + `"}`
	for prompt, want := range map[int64]charge{
		1200:       {prompt: 1200},                // above the context, by inputs that it does not count
		2147483647: {prompt: 4000, suspect: true}, // two tokens to a byte, and 2000
	} {
		e.Answer(func(c *engineConn, _ *engineRequest) {
			c.Send(unary(fmt.Sprintf(`{"data":[],"usage":{"prompt_tokens":%d,"total_tokens":%d}}`, prompt, prompt)))
		})
		if got := s.ask(t, "/v1/embeddings", body); got.charge() != want {
			t.Errorf("%d tokens: charged %+v, want %+v", prompt, got.charge(), want)
		}
	}
	s.WantCharged(t, "acme", "acme")
}

// largest is the larger of two counts, within the context. What is no count is
// none.
func largest(n int64, text string) int64 {
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return n
	}
	return min(max(n, v), fullContext)
}

// TestAnyUsage has streams say anything at all on each of their events. What is
// charged is what the largest counts say, within the context; it is never less
// than that, nor than half of the events, and the windows have the same.
func TestAnyUsage(t *testing.T) {
	t.Parallel()
	s, e := serveAbsurd(t)
	said := []string{"null", "0", "1", "3", "-1", "7", "40", "999", "1000", "1001", "2147483647", "2147483648", "1.5", "1e3", `"9"`, "[]", "true"}
	random := rand.New(rand.NewPCG(7, 7)) // the same each time
	for range 200 {
		var prompt, completion int64
		var b, all strings.Builder
		events := int64(1 + random.IntN(12))
		for range events {
			if random.IntN(3) == 0 {
				b.WriteString(chunk(event("a")))
				continue
			}
			p, c := said[random.IntN(len(said))], said[random.IntN(len(said))]
			fmt.Fprintf(&all, "%s/%s ", p, c)
			b.WriteString(chunk(usageEvent("a", fmt.Sprintf(`{"prompt_tokens":%s,"completion_tokens":%s}`, p, c))))
			prompt, completion = largest(prompt, p), largest(completion, c)
		}
		e.Answer(func(c *engineConn, _ *engineRequest) { c.Send(streamHead + b.String() + chunk(done) + "0\r\n\r\n") })
		r := s.ask(t, chatPath, chat(true, "hi"))
		exact := r.Prompt == prompt && r.Completion == completion
		switch {
		case r.Prompt < max(prompt, 1), r.Completion < max(completion, events/2), r.Prompt > fullContext, r.Completion > fullContext, !exact && !r.Estimated, !r.Counted:
			t.Errorf("%d events with %s: booked as %+v", events, all.String(), r.booked)
		}
	}
	s.WantCharged(t, "acme", "acme")
}
