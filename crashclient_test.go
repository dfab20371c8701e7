package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// crashClient sends requests of all kinds, one after the other.
type crashClient struct {
	oracle                *oracle
	url, key, model, name string
	random                *rand.Rand
	http                  *http.Client
}

func newCrashClient(o *oracle, url, key, model, name string, seed uint64) *crashClient {
	return &crashClient{oracle: o, url: url, key: key, model: model, name: name,
		random: rand.New(rand.NewPCG(seed, 1)), http: &http.Client{Transport: &http.Transport{}}}
}

func (c *crashClient) run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", c.name, n)
		kind := []string{"unary", "stream", "stream of usage", "abort", "abort unary"}[c.random.IntN(5)]
		c.oracle.mu.Lock()
		c.oracle.kinds[kind]++
		c.oracle.mu.Unlock()
		got, err := c.send(ctx, id, kind)
		switch {
		case err == nil:
			c.oracle.received(id, got)
		case errors.Is(err, syscall.ECONNREFUSED):
			return // the gateway is dead
		case errors.Is(err, errQuotaExceeded):
			c.oracle.refused.Add(1)
		}
	}
}

// errQuotaExceeded is that the day's tokens are used up: nothing else is limited.
var errQuotaExceeded = errors.New("quota exceeded")

// errNotWhole is an answer of which not all came.
var errNotWhole = errors.New("not whole")

func (c *crashClient) send(ctx context.Context, id, kind string) (r receipt, err error) {
	stream, abort := kind == "stream" || kind == "stream of usage" || kind == "abort", strings.HasPrefix(kind, "abort")
	body := map[string]any{"model": c.model, "max_tokens": 1 + c.random.IntN(60), "stream": stream,
		"messages": []map[string]string{{"role": "user", "content": strings.Repeat("How are the engines? ", 1+c.random.IntN(20))}}}
	if kind == "stream of usage" {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if kind == "abort unary" {
		context.AfterFunc(ctx, cancel)
		timer := time.AfterFunc(time.Duration(c.random.IntN(60))*time.Millisecond, cancel)
		defer timer.Stop()
	}
	req, err := http.NewRequestWithContext(ctx, "POST", c.url+"/v1/chat/completions", bytes.NewReader(text))
	if err != nil {
		return r, err
	}
	req.Header = http.Header{"Authorization": {"Bearer " + c.key}, "Content-Type": {"application/json"}, "X-Request-Id": {id}}
	resp, err := c.http.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case 200:
	case 429:
		return r, errQuotaExceeded
	default:
		return r, fmt.Errorf("status %d", resp.StatusCode)
	}
	if !stream {
		return receiptOf(resp.Body)
	}
	leave := -1
	if abort {
		leave = c.random.IntN(20)
	}
	return receiptOfStream(resp.Body, leave)
}

// usageJSON is the part of an answer, or of an event, that tells its cost.
type usageJSON struct {
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
	Error any `json:"error"`
}

func receiptOf(body io.Reader) (r receipt, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return r, err
	}
	var answer usageJSON
	if err := json.Unmarshal(text, &answer); err != nil || answer.Usage == nil {
		return r, errors.Join(errNotWhole, err)
	}
	return receipt{answer.Usage.Prompt, answer.Usage.Completion}, nil
}

// receiptOfStream reads a stream to its end, or leaves it after so many events.
func receiptOfStream(body io.Reader, leave int) (r receipt, err error) {
	lines := bufio.NewScanner(body)
	for events := 0; lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			// The last byte is the end of the body.
			if _, err := io.Copy(io.Discard, body); err != nil {
				return r, err
			}
			for lines.Scan() {
			}
			return r, lines.Err()
		}
		var event usageJSON
		if err := json.Unmarshal([]byte(data), &event); err != nil || event.Error != nil {
			return r, errors.Join(errNotWhole, err)
		}
		if event.Usage != nil {
			r = receipt{event.Usage.Prompt, event.Usage.Completion}
		}
		if events++; events == leave {
			return r, errNotWhole
		}
	}
	return r, errors.Join(errNotWhole, lines.Err())
}
