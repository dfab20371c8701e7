package main

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

func TestLoadCounts(t *testing.T) {
	const events = 5
	addr := serveBackend(t, newBackend(events, 0, true, testKey))
	for _, tt := range []struct {
		name string
		w    workload
	}{
		{"closed loop", workload{conns: 4, prompt: 1 << 10, duration: 50 * time.Millisecond}},
		{"large prompts", workload{conns: 2, prompt: 32 << 10, duration: 50 * time.Millisecond}},
		{"streams", workload{conns: 3, prompt: 1 << 10, stream: true, events: events, duration: 50 * time.Millisecond}},
		{"one stream a connection", workload{conns: 7, prompt: 1 << 10, stream: true, events: events, memory: true}},
		{"fixed rate", workload{conns: 8, prompt: 1 << 10, rate: 200, duration: 100 * time.Millisecond}},
	} {
		got := newLoad(tt.w, addr, testKey).run(t.Context())
		if got.bad != 0 || got.answers == 0 {
			t.Errorf("%s: %d answers, %d bad: %s", tt.name, got.answers, got.bad, got.firstBad)
		}
		if int64(len(got.latency)) != got.answers {
			t.Errorf("%s: %d latencies of %d answers", tt.name, len(got.latency), got.answers)
		}
		if tt.w.stream && got.events != got.answers*(events+4) {
			t.Errorf("%s: %d events in %d streams of %d", tt.name, got.events, got.answers, events+4)
		}
		if tt.w.memory && got.answers != int64(tt.w.conns) {
			t.Errorf("%s: %d streams on %d connections", tt.name, got.answers, tt.w.conns)
		}
		if tt.w.rate > 0 && got.answers != 20 {
			t.Errorf("%s: %d answers to 200 requests/s for 100 ms", tt.name, got.answers)
		}
	}
}

// serveRaw answers the first request on each connection with fixed bytes and
// closes it.
func serveRaw(t *testing.T, answer []byte) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := io.ReadAtLeast(c, make([]byte, 8<<10), 1<<10); err == nil {
					c.Write(answer)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestLoadCountsBadAnswers(t *testing.T) {
	body := chatBody(1<<10, true)
	want := newTranscript(promptTokens(body), 2)
	const (
		unaryHead  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
		streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	)
	chunk := func(b []byte) string { return strconv.FormatInt(int64(len(b)), 16) + "\r\n" + string(b) + "\r\n" }
	damaged := bytes.Replace(want.unary, []byte("draught"), []byte("draughT"), 1)
	for _, tt := range []struct {
		name   string
		stream bool
		answer string
		first  string
	}{
		{"refused", false, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "status 503"},
		{"damaged", false, unaryHead + strconv.Itoa(len(damaged)) + "\r\n\r\n" + string(damaged), "answer damaged"},
		{"too short", false, unaryHead + "2\r\n\r\n{}", "answer damaged"},
		{"cut", false, unaryHead + strconv.Itoa(len(want.unary)) + "\r\n\r\n" + string(want.unary[:99]), "answer cut short: unexpected EOF"},
		{"closed", false, "", "read the head: EOF"},
		{"stream cut between chunks", true, streamHead + chunk(want.stream[:want.ends[1]]),
			"stream broke after 2 of 6 events: unexpected EOF"},
		{"stream ended early", true, streamHead + chunk(want.stream[:want.ends[1]]) + "0\r\n\r\n", "stream cut short: 2 of 6 events"},
		{"stream without a length", true, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + string(want.stream), "answer without a length"},
		{"no end of the last chunk", true, streamHead + chunk(want.stream) + "0\r\n", "read the trailer: EOF"},
	} {
		for _, rate := range []float64{0, 100} {
			if tt.stream && rate > 0 {
				continue
			}
			w := workload{conns: 2, prompt: 1 << 10, stream: tt.stream, events: 2, rate: rate, duration: 20 * time.Millisecond}
			got := newLoad(w, serveRaw(t, []byte(tt.answer)), testKey).run(t.Context())
			if got.bad == 0 || got.answers != 0 {
				t.Errorf("%s at rate %v: %d answers, %d bad; want bad ones only", tt.name, rate, got.answers, got.bad)
			}
			if got.firstBad != tt.first {
				t.Errorf("%s at rate %v: %q, want %q", tt.name, rate, got.firstBad, tt.first)
			}
		}
	}
}

// A stream that is whole on a connection that then closes is good, and the next
// request goes over a new one.
func TestLoadRedials(t *testing.T) {
	body := chatBody(1<<10, false)
	want := newTranscript(promptTokens(body), 0)
	answer := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(want.unary)) + "\r\n\r\n" + string(want.unary)
	w := workload{conns: 1, prompt: 1 << 10, duration: 50 * time.Millisecond}
	got := newLoad(w, serveRaw(t, []byte(answer)), testKey).run(t.Context())
	if got.bad != 0 || got.answers < 2 {
		t.Errorf("%d answers, %d bad: %s", got.answers, got.bad, got.firstBad)
	}
}
