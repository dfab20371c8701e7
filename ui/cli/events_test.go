package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway/ledger"
)

func TestEvents(t *testing.T) {
	b := &testBooks{events: []ledger.Event{
		{At: noon.Add(time.Minute), Author: "ana", Action: "restart failed", Object: "chat", Detail: "not ready \x1b[2J\u202e"},
		{At: noon, Author: "ana", Action: "restart", Object: "chat", Detail: "hung"},
		{At: noon.Add(-time.Hour), Author: "ben", Action: "grant", Object: "acme", Detail: "1,000 tokens"},
	}}
	out, errOut, code := runBooks(t, b.options(), "events")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || errOut != "" || len(lines) != 4 {
		t.Fatalf("code %d, %q %q", code, out, errOut)
	}
	for i, want := range []string{"TIME (UTC)", "ben  grant", "ana  restart", "ana  restart failed"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %q, want %q in it", i, lines[i], want)
		}
	}
	if !strings.HasPrefix(lines[2], noon.Format("2006-01-02 15:04:05")) || strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("it prints %q", out)
	}
	out, _, code = runBooks(t, b.options(), "events", "--last", "1", "--json")
	const want = `{"events":[{"at":"2026-11-22T12:01:00Z","author":"ana","action":"restart failed","object":"chat","detail":"not ready \u001b[2J\u202e"}]}` + "\n"
	if code != 0 || out != want {
		t.Errorf("code %d, JSON %q, want %q", code, out, want)
	}
	if out, errOut, code = runBooks(t, (&testBooks{}).options(), "events"); code != 0 || out != "" || errOut != "No events.\n" {
		t.Errorf("none: code %d, %q %q", code, out, errOut)
	}
	for _, last := range []string{"0", "10001", "many"} {
		if _, errOut, code = runBooks(t, b.options(), "events", "--last", last); code != 2 || !strings.Contains(errOut, "--last") {
			t.Errorf("--last %s: code %d, %q", last, code, errOut)
		}
	}
	b.err = errors.New("disk away")
	if _, errOut, code = runBooks(t, b.options(), "events"); code != 1 || !strings.Contains(errOut, "disk away") {
		t.Errorf("code %d, %q", code, errOut)
	}
}
