package main

import (
	"context"
	"sync"
	"time"
)

// A load is a workload on its way to one address.
type load struct {
	workload
	addr     string
	request  []byte
	want     *transcript
	deadline time.Time
}

// A tally is what came back, in units of whole answers and of events.
type tally struct {
	answers, events, bad int64
	firstBad             string
	latency              samples // of answers; of streams, to the first event
	jitter               samples // how far the gaps between events are from the interval
}

func (t *tally) fail(err error) {
	if t.bad++; t.firstBad == "" {
		t.firstBad = err.Error()
	}
}

func (t *tally) merge(o *tally) {
	t.answers += o.answers
	t.events += o.events
	t.bad += o.bad
	if t.firstBad == "" {
		t.firstBad = o.firstBad
	}
	t.latency = append(t.latency, o.latency...)
	t.jitter = append(t.jitter, o.jitter...)
}

// newLoad renders a workload's request for an address.
func newLoad(w workload, addr, key string) *load {
	body := chatBody(w.prompt, w.stream)
	longest := w.duration + 2*time.Duration(w.events)*w.interval + 20*time.Second
	return &load{
		workload: w,
		addr:     addr,
		request:  chatRequest(addr, key, body),
		want:     newTranscript(promptTokens(body), w.events),
		deadline: time.Now().Add(longest),
	}
}

// run sends the load and returns when every answer has come or failed. When
// ctx ends nothing more is begun.
func (l *load) run(ctx context.Context) *tally {
	if l.rate > 0 {
		return l.paced(ctx)
	}
	start := time.Now()
	tallies := make([]tally, l.conns)
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() {
			if l.stream { // spread, so that the events of all do not fall together
				pause(ctx, l.interval*time.Duration(i)/time.Duration(l.conns))
			}
			l.connection(ctx, start, &tallies[i])
		})
	}
	wg.Wait()
	var sum tally
	for i := range tallies {
		sum.merge(&tallies[i])
	}
	return &sum
}

// connection asks again and again on one connection, on a new one after a
// failure or when the other side wants that.
func (l *load) connection(ctx context.Context, start time.Time, t *tally) {
	var c *conn
	hangUp := func() {
		if c != nil {
			c.Close()
			c = nil
		}
	}
	defer hangUp()
	for ctx.Err() == nil {
		err := error(nil)
		if c == nil {
			c, err = dial(l.addr, l.deadline)
		}
		if err == nil {
			err = l.ask(c, t)
		}
		if err != nil && ctx.Err() == nil {
			t.fail(err)
			pause(ctx, time.Millisecond) // whoever refuses is not hammered
		}
		if err != nil || c.head.ConnectionClose() {
			hangUp()
		}
		if l.memory || time.Since(start) >= l.duration {
			return
		}
	}
}

// ask sends one request and reads its answer.
func (l *load) ask(c *conn, t *tally) error {
	sent := time.Now()
	if _, err := c.Write(l.request); err != nil {
		return err
	}
	if !l.stream {
		if err := c.readUnary(l.want.unary); err != nil {
			return err
		}
		t.answers++
		t.latency = append(t.latency, time.Since(sent))
		return nil
	}
	var seen int
	var last time.Time
	err := c.readStream(l.want, func(events int) {
		now := time.Now()
		switch {
		case seen == 0:
			t.latency = append(t.latency, now.Sub(sent))
		case l.interval > 0 && seen > 1 && seen <= l.events:
			t.jitter = append(t.jitter, (now.Sub(last) - l.interval).Abs())
		}
		last = now
		seen += events
	})
	t.events += int64(seen)
	if err == nil {
		t.answers++
	}
	return err
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
