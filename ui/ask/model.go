package ask

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Models sends a request of the dialect to a model through the gateway, as the
// operator; the seat's.
type Models interface {
	// Ask returns the answer's head; its body goes on until read or closed, and
	// ctx's end ends it, its engine's work too.
	Ask(ctx context.Context, path string, body []byte) (*http.Response, error)
}

// Model is one that may be asked.
type Model struct {
	Name       string
	Routes     []string // its backend's own paths
	MaxContext int      // tokens; 0: not known, and 8192 is assumed
	MaxTokens  int      // of an answer; 0: 2048
}

// Paths to ask at.
const (
	route     = "/text2sql"
	otherwise = "/v1/chat/completions"
)

// Choose is the model that questions go to: of that name, or else the one whose
// backend has the route /text2sql, or else the first; false: there is none.
func Choose(all []Model, name string) (Model, bool) {
	i := 0
	switch {
	case name != "":
		i = slices.IndexFunc(all, func(m Model) bool { return m.Name == name })
	default:
		i = max(0, slices.IndexFunc(all, Model.routed))
	}
	if i < 0 || i >= len(all) {
		return Model{}, false
	}
	return all[i], true
}

func (m Model) routed() bool { return slices.Contains(m.Routes, route) }

func (m Model) path() string {
	if m.routed() {
		return route
	}
	return otherwise
}

// answerTokens is how long an answer may be: half of the context at most, so that
// there is room for a question.
func (m Model) answerTokens() int {
	n := m.MaxTokens
	if n <= 0 {
		n = 2048
	}
	return max(1, min(n, m.context()/2))
}

func (m Model) context() int {
	if m.MaxContext <= 0 {
		return 8192
	}
	return m.MaxContext
}

// room is how many tokens a prompt may have.
func (m Model) room() int { return max(1, m.context()-m.answerTokens()) }

// What a model did not do.
var (
	ErrNoModel  = errors.New("no model is configured that could be asked")
	ErrNoSQL    = errors.New("the model wrote no SQL")
	ErrNoSource = errors.New("there is no database to ask about")
)

// ModelError is a model, or the gateway before it, that refused or broke off.
type ModelError struct {
	Status  int    // of HTTP; 200: it broke off
	Message string // from outside
}

func (e *ModelError) Error() string {
	if e.Status == http.StatusOK {
		return "the model broke off: " + e.Message
	}
	return fmt.Sprintf("the model did not answer: %d: %s", e.Status, e.Message)
}

// Bounds of an answer, in bytes.
const (
	maxAnswer   = 256 << 10
	maxEvent    = 1 << 20
	maxAnswered = 4 << 20 // with all that is around it
	maxMessage  = 2 << 10
)

// writing is what a model writes.
type writing struct {
	answer  Answer
	thought string // that the engine tells apart by itself
	text    string
	cut     bool // at the length that an answer may have
	whole   bool
}

// parse cuts what has come into the answer's parts.
func (w *writing) parse() Answer {
	a := w.answer
	reasoning, sql := Parse(w.text, w.whole)
	a.Reasoning, a.SQL = joined(w.thought, reasoning), sql
	return a
}

// ask sends messages to a model and reads what it writes; each, where set, is told of
// each piece that comes. What has come is returned with an error, too.
func (m Model) ask(ctx context.Context, to Models, messages []Message, each func(*writing)) (*writing, error) {
	w := &writing{}
	body, err := json.Marshal(map[string]any{
		"model": m.Name, "messages": messages, "max_tokens": m.answerTokens(), "temperature": 0,
		"stream": true, "stream_options": map[string]bool{"include_usage": true},
	})
	if err != nil {
		return w, err
	}
	began := time.Now()
	r, err := to.Ask(ctx, m.path(), body)
	if err != nil {
		return w, fmt.Errorf("ask the model: %w", err)
	}
	defer r.Body.Close()
	w.answer.RequestID = clip(r.Header.Get("X-Request-Id"), 200)
	in := io.LimitReader(r.Body, maxAnswered)
	if r.StatusCode != http.StatusOK {
		return w, &ModelError{r.StatusCode, refusal(in)}
	}
	err = w.read(in, strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"), func() {
		if w.answer.TTFT == 0 && w.text+w.thought != "" {
			w.answer.TTFT = max(1, time.Since(began))
		}
		w.answer.Took = time.Since(began)
		if each != nil {
			each(w)
		}
	})
	w.answer.Took, w.whole = time.Since(began), true
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return w, err
}

// refusal is what an error's body says.
func refusal(in io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(in, 64<<10)) // what has come is told
	var e struct {
		Message string
		Error   struct{ Message string }
	}
	if json.Unmarshal(text, &e) == nil && e.Error.Message+e.Message != "" {
		return clip(e.Error.Message+e.Message, maxMessage)
	}
	return clip(strings.TrimSpace(string(text)), maxMessage)
}

// read takes in an answer: whole, or as a stream of events. piece is called after
// each.
func (w *writing) read(in io.Reader, whole bool, piece func()) error {
	if whole {
		text, err := io.ReadAll(in)
		if err != nil {
			return &ModelError{http.StatusOK, err.Error()}
		}
		err = w.event(text)
		piece()
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
			return nil
		}
		if err := w.event(data); err != nil {
			return err
		}
		piece()
	}
	if err := lines.Err(); err != nil {
		return &ModelError{http.StatusOK, err.Error()}
	}
	return &ModelError{http.StatusOK, "the answer has no end"}
}

// chunk is an event of a stream, or a whole answer.
type chunk struct {
	Choices []struct {
		Delta, Message struct {
			Content   string
			Reasoning string `json:"reasoning"`
			Thought   string `json:"reasoning_content"` // the name that vLLM had for it before
		}
		Finish string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	}
	Error *struct{ Message string }
}

// event adds what an event says.
func (w *writing) event(data []byte) error {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return &ModelError{http.StatusOK, "what it sent is not JSON"}
	}
	if c.Error != nil {
		return &ModelError{http.StatusOK, clip(c.Error.Message, maxMessage)}
	}
	if c.Usage != nil {
		w.answer.Prompt, w.answer.Completion = max(0, c.Usage.Prompt), max(0, c.Usage.Completion)
	}
	for i := range min(1, len(c.Choices)) {
		h := &c.Choices[i]
		thought := cmp.Or(h.Delta.Reasoning, h.Delta.Thought, h.Message.Reasoning, h.Message.Thought)
		w.thought += thought
		w.text += cmp.Or(h.Delta.Content, h.Message.Content)
		w.cut = w.cut || h.Finish == "length"
	}
	if len(w.text)+len(w.thought) > maxAnswer {
		return &ModelError{http.StatusOK, fmt.Sprintf("it wrote more than %d KiB", maxAnswer>>10)}
	}
	return nil
}

// Write has the model write SQL for a question, whose Tokens are set to what it has room
// for. What has come is returned with an error, too; [ErrNoSQL] is a whole answer that
// has none.
func (m Model) Write(ctx context.Context, to Models, in Inquiry) (Answer, Prompted, error) {
	in.Tokens = m.room()
	p := Prompt(in)
	w, err := m.ask(ctx, to, p.Messages, nil)
	if err == nil {
		_, err = w.sql(m)
	}
	return w.parse(), p, err
}

// sql is the query of an answer, or why there is none.
func (w *writing) sql(m Model) (string, error) {
	a := w.parse()
	switch {
	case a.SQL != "":
		return a.SQL, nil
	case w.cut:
		return "", fmt.Errorf("%w in %d tokens, which is as long as its answer may be", ErrNoSQL, m.answerTokens())
	}
	return "", ErrNoSQL
}
