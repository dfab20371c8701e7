package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const testKey = "sk-of-this-test"

// serveBackend runs a backend for the length of a test and gives its address.
func serveBackend(t *testing.T, b *backend) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		<-served
	})
	return ln.Addr().String()
}

// post sends a chat completion and gives status and body.
func post(t *testing.T, addr, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+addr+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

func TestBackendAnswers(t *testing.T) {
	const events = 3
	body := string(chatBody(500, false))
	want := newTranscript(promptTokens([]byte(body)), events)
	with := func(members string) string { return strings.TrimSuffix(body, "}") + members + "}" }
	usage := len(want.events) - 2
	for _, tt := range []struct {
		name       string
		continuous bool
		key        string
		body       string
		status     int
		want       []byte
	}{
		{"unary", true, testKey, body, 200, want.unary},
		{"stream false", true, testKey, with(`,"stream":false`), 200, want.unary},
		{"stream", true, testKey, with(`,"stream":true`), 200,
			bytes.Join(append(want.events[:usage:usage], want.events[usage+1]), nil)},
		{"stream with usage", true, testKey, string(chatBody(500, true)), 200, want.stream},
		{"white space", true, testKey, with(`, "stream": true, "stream_options": {"include_usage": true}`), 200, want.stream},
		{"usage on every event", true, testKey, with(`,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`),
			200, bytes.Join(want.metered, nil)},
		{"usage on every event, switched off", false, testKey,
			with(`,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`), 200, want.stream},
		{"wrong key", true, "another", body, 401,
			[]byte(`{"error":{"message":"Unauthorized","type":"Unauthorized","param":null,"code":401}}`)},
	} {
		addr := serveBackend(t, newBackend(events, 0, tt.continuous, testKey))
		status, got := post(t, addr, tt.key, tt.body)
		if status != tt.status || got != string(tt.want) {
			t.Errorf("%s: status %d and\n%s\nwant %d and\n%s", tt.name, status, got, tt.status, tt.want)
		}
	}
}

func TestMeteredEventsHoldRunningUsage(t *testing.T) {
	tr := newTranscript(7, 2)
	for i, want := range []string{
		`,"usage":{"prompt_tokens":7,"total_tokens":7,"completion_tokens":0}}`,
		`,"usage":{"prompt_tokens":7,"total_tokens":8,"completion_tokens":1}}`,
		`,"usage":{"prompt_tokens":7,"total_tokens":9,"completion_tokens":2}}`,
		`,"usage":{"prompt_tokens":7,"total_tokens":9,"completion_tokens":2}}`,
	} {
		if !bytes.HasSuffix(tr.metered[i], []byte(want+"\n\n")) {
			t.Errorf("event %d is %s, want %s at its end", i, tr.metered[i], want)
		}
		if bytes.Contains(tr.events[i], []byte("usage")) {
			t.Errorf("event %d has usage unasked: %s", i, tr.events[i])
		}
	}
}

func TestPromptCutShortShows(t *testing.T) {
	whole := chatBody(32<<10, false)
	want := promptTokens(whole)
	if want < 32<<10/4-20 || want > 32<<10/4 {
		t.Fatalf("a 32 KB prompt has %d tokens", want)
	}
	if got := promptTokens(whole[:len(whole)/2]); got == want {
		t.Error("half a body has as many tokens as the whole")
	}
	if got := promptTokens(append(whole[:8<<10:8<<10], whole[9<<10:]...)); got == want {
		t.Error("a body with a hole has as many tokens as the whole")
	}
}

func TestBackendMetrics(t *testing.T) {
	addr := serveBackend(t, newBackend(2, 0, true, testKey))
	post(t, addr, testKey, string(chatBody(100, true)))
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"bench/model-7b\"} 0\n",
		"vllm:iteration_tokens_total_count{engine=\"0\",model_name=\"bench/model-7b\"} 6\n",
		"vllm:request_success_total{finished_reason=\"stop\",engine=\"0\",model_name=\"bench/model-7b\"} 1\n",
		"num_gpu_blocks=\"100000000\"",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestBackendPacesEvents(t *testing.T) {
	const interval = 20 * time.Millisecond
	addr := serveBackend(t, newBackend(4, interval, true, testKey))
	w := workload{conns: 1, prompt: 100, stream: true, events: 4, interval: interval}
	l := newLoad(w, addr, testKey)
	c, err := dial(addr, l.deadline)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	if err := l.ask(c, &tally{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 3*interval {
		t.Errorf("4 events, %v apart, came within %v", interval, took)
	}
}

func TestRefusalIsAStatusError(t *testing.T) {
	addr := serveBackend(t, newBackend(1, 0, true, testKey))
	l := newLoad(workload{prompt: 100}, addr, "wrong")
	c, err := dial(addr, l.deadline)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var status statusError
	if err := l.ask(c, &tally{}); !errors.As(err, &status) || status != 401 {
		t.Errorf("a wrong key gives %v, want status 401", err)
	}
}
