package sim

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// mostBody bounds what a client may send: more than any context holds.
const mostBody = 16 << 20

// call is one request that generates, from its admission to its last byte.
type call struct {
	server  *Server
	body    *body
	chat    bool // else a text completion
	id      string
	created int64
	tool    *tool // that the answer calls; nil: none
	death   <-chan struct{}
	prompts []prompt
	job     *job
	plan    plan
	reply   []choiceText // by choice, what has been generated
}

// choiceText is a choice's answer so far.
type choiceText struct {
	text    []byte
	tokens  int
	finish  string
	stopped string
}

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) { s.generate(w, r, true) }
func (s *Server) completions(w http.ResponseWriter, r *http.Request)     { s.generate(w, r, false) }

// generate takes a request through the engine: read, check, submit, answer.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, chat bool) {
	b := s.readBody(w, r)
	if b == nil {
		return
	}
	c := &call{server: s, body: b, chat: chat, id: requestID(r, chat), created: time.Now().Unix(), plan: s.faults.plan(), death: s.faults.death()}
	if !s.faulty(w, c.plan) {
		return
	}
	if refused := c.prepare(); refused != nil {
		s.refuse(w, refused)
		return
	}
	if !s.submit(w, r, c.job, c.plan) {
		return
	}
	defer s.engine.abort(c.job)
	if b.Stream {
		c.stream(w, r)
		return
	}
	if c.collect(r) {
		c.plan.unary(w, func() { c.wait(r) }, encode(c.whole()))
		return
	}
	c.cut(w)
}

// readBody is the parsed body; nil when it has been refused.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) *body {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		s.refuse(w, badRequest("", "the body can't be read"))
		return nil
	}
	b, refused := s.parseBody(data)
	if refused != nil {
		s.refuse(w, refused)
		return nil
	}
	return b
}

// faulty answers with the error that befalls a request; true when none does.
func (s *Server) faulty(w http.ResponseWriter, p plan) bool {
	switch p.status {
	case http.StatusInternalServerError:
		s.refuse(w, &refusal{status: p.status, kind: "InternalServerError", message: "Internal server error (simulated)"})
	case http.StatusServiceUnavailable:
		s.refuse(w, &refusal{status: p.status, kind: "ServiceUnavailableError", message: "Service unavailable (simulated)"})
	default:
		return true
	}
	return false
}

// submit hands a job to the engine; false when it has been refused.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, j *job, p plan) bool {
	j.request = r.Header.Get("X-Request-Id")
	for _, q := range j.sequences {
		q.slow, q.hung = p.slow, p.hang
	}
	if s.engine.submit(j) != nil {
		s.refuse(w, &refusal{status: http.StatusServiceUnavailable, kind: "ServiceUnavailableError", message: "the engine has stopped"})
		return false
	}
	return true
}

// prepare makes the job: a sequence for every prompt and choice.
func (c *call) prepare() (refused *refusal) {
	question := ""
	if c.chat {
		list, refused := c.body.chatPrompt()
		if refused != nil {
			return refused
		}
		question, _ = c.body.question()
		c.prompts = []prompt{{text: question, tokens: list}}
		if c.tool, refused = c.body.pickTool(); refused != nil {
			return refused
		}
	} else if c.prompts, refused = prompts("prompt", c.body.Prompt); refused != nil {
		return refused
	}
	c.job = newJob()
	for _, p := range c.prompts {
		room := c.server.config.MaxModelLen - len(p.tokens)
		limit := room
		if c.body.MaxTokens != nil {
			limit = *c.body.MaxTokens
		}
		if room < 1 || limit > room {
			return c.tooLong(len(p.tokens))
		}
		for i := range c.body.choices() {
			q := &sequence{
				prompt: p.tokens, limit: limit, least: c.body.MinTokens,
				endless: bool(c.body.IgnoreEOS), stops: c.body.Stop,
			}
			q.answer = c.answer(p.text, i)
			c.job.add(q)
		}
	}
	c.reply = make([]choiceText, len(c.job.sequences))
	return nil
}

func (c *call) tooLong(prompt int) *refusal {
	longest := c.server.config.MaxModelLen
	if c.body.MaxTokens == nil {
		return badRequest("input_tokens", fmt.Sprintf("This model's maximum context length is %d tokens. However, your prompt "+
			"contains %d input tokens. Please reduce the length of the input prompt.", longest, prompt))
	}
	return badRequest("max_tokens", fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d output "+
		"tokens and your prompt contains %d input tokens, for a total of %d tokens. Please reduce the length of the input prompt "+
		"or the number of requested output tokens.", longest, *c.body.MaxTokens, prompt, prompt+*c.body.MaxTokens))
}

// collect waits until every choice is finished; false when the client left or
// the server stopped before.
func (c *call) collect(r *http.Request) bool {
	for left := len(c.reply); left > 0; {
		outputs, ok := c.outputs(r)
		if !ok {
			return false
		}
		for _, o := range outputs {
			c.note(o)
			if o.finish != "" {
				left--
			}
		}
	}
	return true
}

// outputs waits for what the engine makes next; false when the client left or
// the server stopped before.
func (c *call) outputs(r *http.Request) ([]output, bool) {
	select {
	case <-c.job.ready:
		return c.job.take(), true
	case <-r.Context().Done():
	case <-c.server.engine.dead:
	case <-c.death:
	}
	return nil, false
}

// cut ends an answer that nobody is there for, or nobody makes any more.
func (c *call) cut(w http.ResponseWriter) {
	select {
	case <-c.death:
		reset(http.NewResponseController(w))
	default:
		panic(http.ErrAbortHandler)
	}
}

// note adds an output to its choice's answer.
func (c *call) note(o output) {
	a := &c.reply[o.index]
	a.text = append(a.text, o.text...)
	a.tokens, a.finish, a.stopped = o.tokens, o.finish, o.stopped
}

func (c *call) promptTokens() int {
	n := 0
	for _, p := range c.prompts {
		n += len(p.tokens)
	}
	return n
}

func (c *call) usage() *usage {
	n := 0
	for _, a := range c.reply {
		n += a.tokens
	}
	return newUsage(c.promptTokens(), n)
}

// requestID is an answer's id: the client's own under vLLM's prefix, or a
// random one.
func requestID(r *http.Request, chat bool) string {
	prefix := "cmpl-"
	if chat {
		prefix = "chatcmpl-"
	}
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 200 {
		return prefix + id
	}
	return prefix + randomID()
}

func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand would end the process
	return hex.EncodeToString(b[:])
}
