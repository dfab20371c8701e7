package cli

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends"
)

func TestDrain(t *testing.T) {
	o := platformOf("")
	const urls = "http://chat-1:8000\nhttp://chat-2:8000\n"
	for _, tc := range []struct {
		args []string
		want backends.Order
	}{
		{[]string{"drain", "b", "--json"}, backends.Order{Names: []string{"b"}, Author: "anna"}},
		{[]string{"undrain", "b", "--json"}, backends.Order{Names: []string{"b"}, Author: "anna"}},
		{[]string{"drain", "chat", "--last", "--reason", "why"}, backends.Order{Names: []string{"chat"}, Last: true, Author: "anna", Reason: "why"}},
		{[]string{"drain", "a", "b"}, backends.Order{Names: []string{"a", "b"}, Author: "anna"}},
		{[]string{"undrain", "chat", "--reason=done"}, backends.Order{Names: []string{"chat"}, Author: "anna", Reason: "done"}},
	} {
		o.orders = nil
		out, errOut, code := runOps(t, o.options(), tc.args...)
		printed := urls
		if slices.Contains(tc.args, "--json") {
			printed = `{"replicas":["http://chat-1:8000","http://chat-2:8000"]}` + "\n"
		}
		if code != 0 || out != printed || errOut != "" || len(o.orders) != 1 || !reflect.DeepEqual(o.orders[0], tc.want) {
			t.Errorf("%q: code %d, %q %q, ordered %+v", tc.args, code, out, errOut, o.orders)
		}
	}
}

// draining is a pool whose replicas end what they have as time goes: of the
// first, ten requests, one a second; of the second, nothing.
func draining(o *testOps, change func(since time.Duration, s *backends.Snapshot)) {
	o.pool = func() *backends.Snapshot {
		since := time.Since(o.began)
		replica := func(url string, n int) backends.ReplicaStatus {
			return backends.ReplicaStatus{URL: url, InFlight: n, Drained: &backends.Drained{By: "anna"}}
		}
		s := &backends.Snapshot{At: time.Now().Add(-400 * time.Millisecond), Backends: []backends.BackendStatus{{Name: "chat", Replicas: []backends.ReplicaStatus{
			replica("http://chat-1:8000", max(0, 10-int(since/time.Second))), replica("http://chat-2:8000", 0), {URL: "http://chat-3:8000", InFlight: 7}}}}}
		if since < 400*time.Millisecond { // as it was before the drain
			s.Backends[0].Replicas[0] = backends.ReplicaStatus{URL: "http://chat-1:8000"}
		}
		if change != nil {
			change(since, s)
		}
		return s
	}
}

func TestDrainWait(t *testing.T) {
	for _, tc := range []struct {
		name, wait string
		change     func(time.Duration, *backends.Snapshot)
		code       int
		want       string
	}{
		{"it drains", "--wait", nil, 0, "00:00:00 10 in flight, 5m0s left\n00:00:05 5 in flight, 4m55s left\n00:00:10 drained in 10s\n"},
		{"too long", "--wait=3s", nil, 1, "00:00:00 10 in flight, 3s left\npilothouse: wait for replicas to drain: 7 requests are still in flight after 3s; they go on, and the replicas stay out of work\n"},
		{"given work again", "--wait=3s", func(since time.Duration, s *backends.Snapshot) {
			if since > 2*time.Second {
				s.Backends[0].Replicas[1].Drained = nil
			}
		}, 1, "00:00:00 10 in flight, 3s left\npilothouse: wait for replica \"http://chat-2:8000\" to drain: it was given work again\n"},
		{"not configured any more", "--wait=8s", func(since time.Duration, s *backends.Snapshot) {
			if since > 2*time.Second {
				s.Backends = nil
			}
		}, 0, "00:00:00 10 in flight, 8s left\n00:00:02 drained in 2s\n"},
		{"no news", "--wait=1s", func(_ time.Duration, s *backends.Snapshot) { s.At = time.Time{} }, 1, "pilothouse: wait for replicas to drain: how they are is not known after 1s; they stay out of work\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &testOps{}
				draining(o, tc.change)
				opt := o.options()
				opt.Clock = nil
				out, errOut, code := runOps(t, opt, "drain", "chat", tc.wait)
				if code != tc.code || out != "http://chat-1:8000\nhttp://chat-2:8000\n" || errOut != tc.want {
					t.Errorf("code %d, %q, progress:\n%s\nwant:\n%s", code, out, errOut, tc.want)
				}
			})
		})
	}
}

func TestDrainWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &testOps{}
		o.note(backends.Order{})
		draining(o, nil)
		urls := []string{"http://chat-1:8000"}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		if err := awaitDrained(ctx, &strings.Builder{}, testPool{o}, urls, time.Minute, time.Now); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("its end: %v", err)
		}
		gone := errors.New("gone")
		if err := awaitDrained(t.Context(), broken{gone}, testPool{o}, urls, time.Minute, time.Now); !errors.Is(err, gone) {
			t.Errorf("an output that fails: %v", err)
		}
	})
}
