package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// testRequests are requests with what a test puts there.
type testRequests struct {
	live, ended []gateway.Record
	explained   map[string]gateway.Explanation
}

func (r *testRequests) Requests() (live, ended []gateway.Record) { return r.live, r.ended }

func (r *testRequests) Explain(id string) (gateway.Explanation, bool) {
	e, ok := r.explained[id]
	return e, ok
}

// options are those of the serving process.
func (r *testRequests) options() RequestsOptions {
	return RequestsOptions{Requests: r, Clock: func() time.Time { return noon }}
}

func runRequests(t *testing.T, opt RequestsOptions, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	_, code = Run(t.Context(), append([]string{"requests"}, args...), &o, &e, testCode, NewRequests(opt))
	return o.String(), e.String(), code
}

// requestsOf are some requests, one of them explained; text is in each place that
// others name.
func requestsOf(text string) *testRequests {
	record := func(n int, r gateway.Record) gateway.Record {
		r.ID, r.Start, r.Client, r.Route = fmt.Sprint("r", n)+text, noon.Add(-time.Duration(n)*time.Second), "203.0.113.9", "/v1/chat/completions"
		r.Phase = max(r.Phase, gateway.PhaseQueued)
		if r.Backend != "" {
			r.Org, r.KeyName, r.Model, r.Backend = r.Org+text, "etl"+text, "Qwen/Qwen2.5-7B-Instruct"+text, r.Backend+text
		}
		return r
	}
	over := func(n, status int, code, org, backend string) gateway.Record {
		return record(n, gateway.Record{Org: org, Backend: backend, Phase: gateway.PhaseEnded, Status: status, Code: code, End: gateway.EndRefused, Duration: 31 * time.Second})
	}
	done := over(3, 200, "", "acme", "chat")
	done.End, done.Stream, done.First, done.Prompt, done.Output, done.Replica = gateway.EndDone, true, 310*time.Millisecond, 2_120, 34, "http://chat-1:8000"+text
	r := &testRequests{
		live:  []gateway.Record{record(9, gateway.Record{Org: "acme", Backend: "chat", Duration: 9 * time.Second, Prompt: 12, Phase: gateway.PhaseDecode, Output: 3}), record(1, gateway.Record{Org: "beta", Backend: "sql", Duration: time.Second})},
		ended: []gateway.Record{done, over(4, 429, "quota_exceeded", "beta", "chat"), over(5, 503, "overloaded", "acme", "sql"), over(6, 401, "invalid_api_key", "", "")},
	}
	x := gateway.Explanation{Record: over(5, 503, "overloaded", "acme", "chat"), Retry: gateway.Retry{After: 11_500 * time.Millisecond, From: gateway.RetryLine, Tokens: 26_300, PerSecond: 2_200}}
	at := x.Start
	x.Steps = []gateway.Step{
		gateway.Accepted{At: at, Key: gateway.KeyValid, Scope: "chat", Used: 41, Burst: 50, Rate: 50},
		gateway.Inspected{At: at, Bytes: 8_100, Prompt: 2_120, Answers: 1, Prompts: 1, MaxTokens: 2_048, Defaulted: true},
		gateway.Reserved{At: at, Tokens: 4_168, OfTokens: gateway.Window{Name: "tokens_per_day", Limit: 10_000_000, Left: 912_440, ResetsAt: noon.Add(12 * time.Hour)}},
		gateway.Queued{At: at, Needs: 2_730, Booked: 94_900, Capacity: 96_768, Ahead: 4, Orgs: 2, Limit: 30 * time.Second, Waited: 30 * time.Second, Served: 1, Generated: 12, Outcome: gateway.LineTimeout},
		gateway.Picked{At: at.Add(30 * time.Second), Replica: "http://chat-1:8000" + text, Try: 1, Well: 2, Needs: 2_730, Booked: 45_000, InFlight: 12, Affinity: true, Failure: "connect"},
		gateway.Sent{At: at.Add(30 * time.Second)},
		gateway.Answered{At: at.Add(31 * time.Second), After: time.Second},
		gateway.Ended{At: at.Add(31 * time.Second), Status: 503, Code: "overloaded", End: gateway.EndRefused, Cause: gateway.CauseWaited, Limit: 30 * time.Second, By: "ana" + text},
		gateway.Settled{At: at.Add(31 * time.Second), Reserved: 4_168},
	}
	r.explained = map[string]gateway.Explanation{"r5": x}
	return r
}

func TestRequests(t *testing.T) {
	r := requestsOf("")
	for _, c := range []struct {
		name string
		args []string
		want string // the ids, in order
	}{
		{"all", nil, "r9 r1 r3 r4 r5 r6"},
		{"live", []string{"--live"}, "r9 r1"},
		{"org", []string{"--org", "acme"}, "r9 r3 r5"},
		{"backend", []string{"--backend", "sql"}, "r1 r5"},
		{"status", []string{"--status", "429"}, "r4"},
		{"class", []string{"--status", "4XX"}, "r4 r6"},
		{"both", []string{"--status", "5xx", "--org=acme"}, "r5"},
		{"limit", []string{"--limit", "3"}, "r9 r1 r3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errOut, code := runRequests(t, r.options(), append(c.args, "--json")...)
			var got requestListing
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || errOut != "" {
				t.Fatalf("code %d, %q %q: %v", code, out, errOut, err)
			}
			var ids []string
			for _, item := range got.Requests {
				ids = append(ids, item.ID)
			}
			if strings.Join(ids, " ") != c.want || got.Kept != gateway.Kept || !got.At.Equal(noon) {
				t.Errorf("lists %v at %v", ids, got.At)
			}
		})
	}
	out, errOut, code := runRequests(t, r.options())
	if code != 0 || errOut != "" {
		t.Errorf("code %d, %q", code, errOut)
	}
	golden(t, "requests", out)
	out, _, _ = runRequests(t, r.options(), "--json", "--limit", "3")
	golden(t, "requests-json", indented(t, out))
	if out, errOut, code = runRequests(t, r.options(), "--org", "nobody"); code != 0 || out != "" || errOut != "No such requests among those in flight and the last 2,048.\n" {
		t.Errorf("none: code %d, %q %q", code, out, errOut)
	}
	if out, _, code = runRequests(t, (&testRequests{}).options(), "--json"); code != 0 || !strings.Contains(out, `"requests":[]`) {
		t.Errorf("none as JSON: code %d, %q", code, out)
	}
}

func TestRequestsExplain(t *testing.T) {
	r := requestsOf("")
	out, errOut, code := runRequests(t, r.options(), "r5")
	if code != 0 || errOut != "" {
		t.Errorf("code %d, %q", code, errOut)
	}
	golden(t, "explain", out)
	if out, errOut, code = runRequests(t, r.options(), "r5", "--json"); code != 0 || errOut != "" {
		t.Errorf("code %d, %q", code, errOut)
	}
	golden(t, "explain-json", indented(t, out))
	out, errOut, code = runRequests(t, r.options(), hostile)
	if code != 1 || out != "" || !strings.Contains(errOut, "2,048") || !strings.Contains(errOut, "is in flight") || harmless(errOut) != "" {
		t.Errorf("one that is not known: code %d, %q %q", code, out, errOut)
	}
}

func indented(t *testing.T, line string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(line), "", "  "); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return b.String()
}

func TestRequestsAreHarmless(t *testing.T) {
	r := requestsOf(hostile)
	for _, args := range [][]string{nil, {"r5"}, {"--json"}, {"r5", "--json"}} {
		out, errOut, code := runRequests(t, r.options(), args...)
		if bad := harmless(out + errOut); code != 0 || bad != "" {
			t.Errorf("%q: code %d, it prints %s", args, code, bad)
		}
		if lines := strings.Count(out, "\n"); len(args) == 0 && lines != 7 || !strings.Contains(out, "203.0.113.9") && len(args) > 0 {
			t.Errorf("%q: it prints %q", args, out)
		}
	}
}

func TestRequestsUsageErrors(t *testing.T) {
	for _, args := range [][]string{{"a", "b"}, {"--status", "600"}, {"--status", "xx"}, {"--status", "9xx"}, {"--status", "-1"}, {"--limit", "0"},
		{"--live", "--status", "200"}, {"r5", "--org", "acme"}, {"r5", "--live"}, {"--nonesuch"}} {
		if _, errOut, code := runRequests(t, requestsOf("").options(), args...); code != 2 || errOut == "" {
			t.Errorf("%q: code %d, %q", args, code, errOut)
		}
	}
}

// A shell's runs where the gateway is, through a real socket, too.
func TestRequestsForward(t *testing.T) {
	r := requestsOf("")
	path := socketIn(t)
	serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		return Run(ctx, args, out, errOut, testCode, NewRequests(r.options()))
	})
	shell := RequestsOptions{Forward: through(path)}
	for _, args := range [][]string{{}, {"--status=4xx", "--limit", "1"}, {"r5"}, {"r5", "--json"}, {"-x"}, {"--", "-x"}, {"r0"}} {
		want, wantErr, wantCode := runRequests(t, r.options(), args...)
		got, gotErr, code := runRequests(t, shell, args...)
		told := fmt.Sprintf("pilothouse: %v\n", &ExitError{Code: code}) // which main does not print
		if got != want || code != wantCode || strings.ReplaceAll(gotErr, told, "") != wantErr {
			t.Errorf("%q: code %d, %q %q\nwant %d, %q %q", args, code, got, gotErr, wantCode, want, wantErr)
		}
	}
	away := RequestsOptions{Forward: func(context.Context, []string, io.Writer, io.Writer) (int, error) { return 0, desk.ErrNotServing }}
	if _, errOut, code := runRequests(t, away); code != 3 || !strings.Contains(errOut, "nothing serves here") {
		t.Errorf("where nothing serves: code %d, %q", code, errOut)
	}
}
