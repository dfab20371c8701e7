package chat

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// news is what came of an answer: of its fields, those that are not zero.
type news struct {
	status    int
	requestID string
	raw       []byte // on until it returns
	text      string
	thought   string
	finish    string
	usage     *usage
}

// usage is what the engine says that it cost.
type usage struct{ prompt, completion, cached int }

// maxRefusal bounds what is read of an answer that refuses.
const maxRefusal = 64 << 10

// errNoAnswer is an answer of status 200 that says nothing.
var errNoAnswer = errors.New("read answer: it has no choices")

// ask sends a request and calls on with what comes, in order. It returns when the
// answer has ended, nil where it ended as it should: what was refused is a *refused.
func ask(ctx context.Context, m Models, t Target, body []byte, on func(news)) error {
	resp, err := t.ask(ctx, m, body)
	if err != nil {
		return err
	}
	// Whoever made the body may not watch ctx while it is read.
	stop := context.AfterFunc(ctx, func() { _ = resp.Body.Close() })
	defer func() {
		stop()
		_ = resp.Body.Close()
	}()
	on(news{status: resp.StatusCode, requestID: resp.Header.Get("X-Request-Id")})
	in := &told{from: resp.Body, on: on}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		said, err := io.ReadAll(io.LimitReader(in, maxRefusal))
		if err != nil && len(said) == 0 {
			return fmt.Errorf("read answer of status %d: %w", resp.StatusCode, err)
		}
		return refusal(resp.StatusCode, said)
	}
	if isJSON(resp.Header) {
		return whole(in, on)
	}
	return readEvents(bufio.NewReader(in), func(data []byte) error { return event(data, on) })
}

// told tells of what is read.
type told struct {
	from io.Reader
	on   func(news)
}

func (t *told) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	if n > 0 {
		t.on(news{raw: p[:n]})
	}
	return n, err
}

func isJSON(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// event reads one of a stream.
func event(data []byte, on func(news)) error {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return errors.New("read answer: an event is not as the dialect has it")
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return refusal(0, data)
	}
	var n news
	if len(c.Choices) > 0 {
		n.text, n.thought = c.Choices[0].Delta.Content, c.Choices[0].Delta.thought()
	}
	c.rest(&n)
	on(n)
	return nil
}

// whole reads an answer that is no stream.
func whole(in io.Reader, on func(news)) error {
	data, err := io.ReadAll(io.LimitReader(in, 2*maxEvent))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return errors.New("read answer: it is not as the dialect has it")
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return refusal(0, data)
	}
	if len(c.Choices) == 0 {
		return errNoAnswer
	}
	n := news{text: c.Choices[0].Message.Content, thought: c.Choices[0].Message.thought()}
	c.rest(&n)
	on(n)
	return nil
}

// rest takes over why an answer ended, and what it cost.
func (c *chunk) rest(n *news) {
	if len(c.Choices) > 0 && c.Choices[0].FinishReason != nil {
		n.finish = *c.Choices[0].FinishReason
	}
	if u := c.Usage; u != nil {
		n.usage = &usage{prompt: max(u.Prompt, 0), completion: max(u.Completion, 0)}
		if u.Details != nil {
			n.usage.cached = max(u.Details.Cached, 0)
		}
	}
}
