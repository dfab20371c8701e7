package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/ui/desk"
)

// platformOf is a pool of three replicas of two backends with all that a status
// can tell; text is in each place that has words.
func platformOf(text string) *testOps {
	o := &testOps{}
	parts := []backends.Part{
		{Backend: "chat", Replica: "http://chat-1:8000", Container: "vllm-chat-1" + text, Host: "local", State: backends.Running,
			Steps: []backends.StepName{backends.StepDrain, backends.StepStop, backends.StepStart},
			Past: []backends.Step{{Name: backends.StepDrain, Began: noon.Add(-34 * time.Second), Ended: noon.Add(-30 * time.Second)},
				{Name: backends.StepStop, Began: noon.Add(-30 * time.Second), Note: "10 s left" + text}},
			Changes: []backends.Change{{Field: "image" + text, Have: "a", Want: "b" + text}}},
		{Backend: "chat", Replica: "http://chat-2:8000", Container: "vllm-chat-2", Host: "local", State: backends.Failed, Err: "no such image" + text,
			Steps: []backends.StepName{backends.StepImage}, Past: []backends.Step{{Name: backends.StepImage, Began: noon.Add(-34 * time.Second)}}},
		{Backend: "chat", Replica: "http://chat-3:8000" + text, Why: "it is stopped" + text},
	}
	pool := &backends.Snapshot{At: noon,
		Backends: []backends.BackendStatus{
			{Name: "chat" + text, Model: "m" + text, Aliases: []string{"a" + text}, Replicas: []backends.ReplicaStatus{
				{URL: "http://chat-1:8000", State: backends.Draining, Reason: "taken out" + text, Since: noon.Add(-34 * time.Second), Share: 1, InFlight: 12,
					Booked: 45_000, Capacity: 96_768, Requests: 34_201, Failures: 3,
					Engine: &backends.EngineStatus{At: noon, Running: 11, Waiting: 1, KVUsage: 0.414, Sleeping: true},
					Container: &backends.ContainerStatus{Name: "vllm-chat-1", Host: "local", State: "running", Words: "running" + text, Image: "a", Ours: true,
						Started: noon.Add(-48 * time.Hour), At: noon, Changes: []backends.Change{{Field: "image", Have: "a", Want: "b" + text}}},
					Drained: &backends.Drained{At: noon.Add(-34 * time.Second), By: "ana" + text, Reason: "kernel" + text, Job: 11}},
				{URL: "http://chat-2:8000" + text, State: backends.Degraded, Reason: "a probe failed" + text, Since: noon.Add(-3 * time.Minute), Share: 0.1, InFlight: 2,
					Engine: &backends.EngineStatus{At: noon.Add(-time.Minute), Running: 2, Waiting: -1, KVUsage: -1, Err: "read metrics: status 500" + text},
					Container: &backends.ContainerStatus{Name: "vllm-chat-2" + text, Host: "local", State: "exited", Words: "exited with code 137: out of memory",
						At: noon.Add(-time.Minute), Err: "the engine is away" + text, Changes: []backends.Change{{Field: "ipc", Have: "x", Want: "y"}, {Field: "user", Have: "x", Want: "y"}}}},
			}},
			{Name: "sql", Model: "q", Routes: []string{"/sql"}, Replicas: []backends.ReplicaStatus{
				{URL: "http://sql:8000", State: backends.Healthy, Share: 1, LastOK: noon, Engine: &backends.EngineStatus{Err: "read metrics: not within 4s"},
					Container: &backends.ContainerStatus{Name: "vllm-sql", Host: "gpu2"}},
			}},
		},
		Hosts: []backends.HostStatus{{Name: "local", Since: noon.Add(-time.Hour)}, {Name: "gpu2" + text, Err: "connection refused" + text, Since: noon.Add(-5 * time.Minute)}},
		Jobs: []backends.Job{
			{ID: 11, Action: backends.ActRestart, Names: []string{"chat" + text}, Author: "ana" + text, Reason: "kernel" + text, Began: noon.Add(-34 * time.Second),
				State: backends.Running, Cancelling: true, Parts: parts},
			{ID: 10, Action: backends.ActStop, Names: []string{"sql"}, Author: "ben", Began: noon.Add(-time.Hour), Ended: noon.Add(-50 * time.Minute),
				State: backends.Failed, Err: "it would not" + text, Parts: []backends.Part{{Backend: "sql", Replica: "http://sql:8000"}}},
		},
	}
	o.parts, o.pool = parts, func() *backends.Snapshot { return pool }
	o.snap = gateway.Snapshot{At: noon, Started: noon.Add(-9 * 24 * time.Hour), Listen: "http://127.0.0.1:8080" + text, InFlight: 14,
		Now:    gateway.Rates{Requests: 12.34, Tokens: 1234, Errors: 0.2, FirstP95: 310 * time.Millisecond},
		Queues: map[string]queue.Status{"chat" + text: {Waiting: 3, Tokens: 9_000, Oldest: 1200 * time.Millisecond}}}
	o.lines = []testLine{{"vllm-chat-1" + text, backends.LogLine{At: noon, Stream: 1, Text: "one" + text}},
		{"vllm-chat-2", backends.LogLine{At: noon.Add(time.Second), Stream: 2, Text: "two", Cut: 7}}}
	o.live, o.orgs = []string{"r1", "r2"}, map[string]int{"acme": 5}
	return o
}

// Each command has the same output and exit code in a shell as where the gateway
// is, over a real socket, too.
func TestOperationsForward(t *testing.T) {
	o := platformOf("")
	path := socketIn(t)
	serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		opt := o.options() // with the test's operator
		return Run(ctx, args, out, errOut, testCode, NewOperations(opt)...)
	})
	socket := OperationsOptions{Forward: through(path)}
	for _, args := range [][]string{
		{"status"}, {"status", "--json", "chat"}, {"status", "--check"}, {"status", "nonesuch"},
		{"up", "--dry-run"}, {"up", "--drain", "5m", "--last"}, {"down", "--json"}, {"start", "-x", "--reason", "-y,\nz"}, {"start", "--", "-x"}, {"stop", "chat", "--detach"},
		{"restart", "chat", "--json", "--reason=why"}, {"drain", "chat", "--last"}, {"undrain", "chat"},
		{"logs", "chat", "--tail=7", "--since", "10m", "--json"}, {"logs", "chat", "--timestamps"}, {"cancel", "r1", "r2"}, {"cancel", "r3"},
		{"cancel", "--org", "acme", "--reason", "x"}, {"cancel", "--job=12"}, {"cancel", "--job=13"},
	} {
		ask := func(opt OperationsOptions) string {
			o.mu.Lock()
			o.orders, o.said, o.asked = nil, nil, backends.LogOptions{}
			o.mu.Unlock()
			out, errOut, code := runOps(t, opt, args...)
			o.mu.Lock()
			defer o.mu.Unlock()
			return fmt.Sprintf("code %d\n%s\n%s\n%v %v %v", code, out, errOut, o.orders, o.said, o.asked)
		}
		want := ask(o.options())
		if got := ask(o.shell()); got != want {
			t.Errorf("%q from a shell:\n%s\nwant:\n%s", args, got, want)
		}
		if got := ask(socket); got != want {
			t.Errorf("%q through the socket:\n%s\nwant:\n%s", args, got, want)
		}
	}
}

// What needs no gateway is done by the shell where none serves, and the rest
// says so.
func TestOperationsLocal(t *testing.T) {
	o := platformOf("")
	opt := OperationsOptions{Clock: func() time.Time { return noon },
		Forward: func(context.Context, []string, io.Writer, io.Writer) (int, error) { return 0, desk.ErrNotServing }}
	for _, args := range [][]string{{"status"}, {"up"}, {"restart", "chat"}, {"logs", "chat"}, {"drain", "chat"}} {
		if out, errOut, code := runOps(t, opt, args...); code != 3 || out != "" || !strings.Contains(errOut, "nothing serves here") {
			t.Errorf("%q without a way to do it locally: code %d, %q %q", args, code, out, errOut)
		}
	}
	closed := 0
	opt.Local = func(context.Context) (*desk.Seat, io.Closer, error) {
		p := o.platform()
		p.Gateway = nil
		return seatAt(p, "shell", desk.Admin), closer(func() error { closed++; return nil }), nil
	}
	for _, args := range [][]string{{"status"}, {"up"}, {"down"}, {"start", "chat"}, {"stop", "chat"}, {"restart", "chat"}, {"logs", "chat"}} {
		closed, o.orders = 0, nil
		out, errOut, code := runOps(t, opt, args...)
		if code != 0 || out == "" || !strings.HasPrefix(errOut, "Nothing serves here; doing it from here.\n") || closed != 1 {
			t.Errorf("%q: code %d, closed %d times, %q %q", args, code, closed, out, errOut)
		}
		if len(o.orders) > 0 && o.orders[0].Author != "shell" {
			t.Errorf("%q: ordered by %q", args, o.orders[0].Author)
		}
	}
	for _, args := range [][]string{{"drain", "chat"}, {"undrain", "chat"}, {"cancel", "r1"}, {"cancel", "--job", "12"}, {"stop", "chat", "--detach"}, {"status", "--check"}} {
		o.orders = nil
		if _, errOut, code := runOps(t, opt, args...); code != 3 || !strings.Contains(errOut, "nothing serves here") || len(o.orders) > 0 {
			t.Errorf("%q: code %d, %q, orders %v", args, code, errOut, o.orders)
		}
	}
	failed := errors.New("no configuration")
	opt.Local = func(context.Context) (*desk.Seat, io.Closer, error) { return nil, nil, failed }
	if _, errOut, code := runOps(t, opt, "up"); code != 1 || !strings.Contains(errOut, "no configuration") {
		t.Errorf("what can't be done locally: code %d, %q", code, errOut)
	}
}

type closer func() error

func (c closer) Close() error { return c() }

func TestOperationsUsageErrors(t *testing.T) {
	o := platformOf("")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"start"}, "at least 1 arg"},
		{[]string{"stop"}, "at least 1 arg"},
		{[]string{"restart"}, "at least 1 arg"},
		{[]string{"start", "chat", "--drain=1s"}, "unknown flag"},
		{[]string{"restart", "chat", "--drain=0s"}, "--drain 0s is no time"},
		{[]string{"restart", "chat", "--drain=-1s"}, "--drain -1s is no time"},
		{[]string{"restart", "chat", "--drain=soon"}, "invalid argument"},
		{[]string{"up", "--dry-run", "--detach"}, "choose one"},
		{[]string{"up", "--reason=" + strings.Repeat("x", 501)}, "501 characters"},
		{[]string{"drain"}, "at least 1 arg"},
		{[]string{"drain", "chat", "--wait=0s"}, "--wait=0s is no time"},
		{[]string{"drain", "chat", "--reason=" + strings.Repeat("x", 501)}, "501 characters"},
		{[]string{"undrain"}, "at least 1 arg"},
		{[]string{"undrain", "chat", "--reason=" + strings.Repeat("x", 501)}, "501 characters"},
		{[]string{"logs"}, "accepts 1 arg"},
		{[]string{"logs", "a", "b"}, "accepts 1 arg"},
		{[]string{"logs", "chat", "--tail=-2"}, "--tail -2"},
		{[]string{"logs", "chat", "--since=soon"}, "--since"},
		{[]string{"cancel"}, "say what to end"},
		{[]string{"cancel", "r1", "--org=acme"}, "one after the other"},
		{[]string{"cancel", "--job=1", "--org=acme"}, "one after the other"},
		{[]string{"cancel", "--org="}, "no organisation"},
		{[]string{"cancel", "--job=0"}, "--job 0"},
		{[]string{"cancel", "--job=12", "--reason=x"}, "--reason"},
		{[]string{"cancel", "r1", "--reason=" + strings.Repeat("x", 501)}, "501 characters"},
		{[]string{"status", "chap"}, `did you mean "chat"?`},
		{[]string{"status", "chat", "zzzzzzzz"}, "to see all: pilothouse status"},
		{[]string{"status", "--more"}, "unknown flag"},
	} {
		out, errOut, code := runOps(t, o.options(), tc.args...)
		if code != 2 || out != "" || !strings.Contains(errOut, tc.want) {
			t.Errorf("%q: code %d, %q %q, want 2 and %q", tc.args, code, out, errOut, tc.want)
		}
	}
	if len(o.orders)+len(o.said) != 0 {
		t.Errorf("something was done: %v %v", o.orders, o.said)
	}
}

// Whatever comes from a file, a client, an engine or a container, no command
// prints it as it is.
func TestOperationsHostile(t *testing.T) {
	o := platformOf(hostile)
	failed := func(time.Duration) backends.Job {
		return backends.Job{State: backends.Failed, Began: noon, Ended: noon, Err: "e" + hostile, Parts: o.parts}
	}
	running := func(since time.Duration) backends.Job {
		if since > 2*pollEvery {
			return backends.Job{State: backends.Done, Parts: o.parts}
		}
		return backends.Job{State: backends.Running, Parts: o.parts}
	}
	refused := &backends.OrderError{Name: "n" + hostile, Why: "w" + hostile, Remedy: "r" + hostile}
	for _, tc := range []struct {
		args []string
		job  func(time.Duration) backends.Job
		err  error
	}{
		{args: []string{"status"}}, {args: []string{"status", "--json"}}, {args: []string{"status", "chat" + hostile}},
		{args: []string{"status", "chat" + hostile + "x"}}, {args: []string{"status", "zzzzzzzz" + hostile}}, {args: []string{"status", "--check", "chat" + hostile}},
		{args: []string{"up", "--dry-run"}}, {args: []string{"up", "--dry-run", "--json"}}, {args: []string{"up", "n" + hostile}},
		{args: []string{"restart", "n" + hostile}}, {args: []string{"restart", "n" + hostile}, job: running}, {args: []string{"restart", "n" + hostile, "--live"}, job: running},
		{args: []string{"stop", "n" + hostile, "--json"}, job: failed}, {args: []string{"stop", "n"}, err: refused}, {args: []string{"up"}, err: refused},
		{args: []string{"stop", "n" + hostile, "--detach", "--json", "--reason", hostile}},
		{args: []string{"drain", "n"}, err: refused}, {args: []string{"undrain", "n"}, err: refused},
		{args: []string{"logs", "chat" + hostile}}, {args: []string{"logs", "chat" + hostile, "--json"}}, {args: []string{"logs", "n"}, err: refused},
		{args: []string{"cancel", "n" + hostile}}, {args: []string{"cancel", "n"}, err: refused}, {args: []string{"cancel", "--org", "n" + hostile}},
	} {
		o.job, o.err = tc.job, tc.err
		out, errOut, _ := runOps(t, o.options(), tc.args...)
		both := strings.NewReplacer(eraseLine, "").Replace(out + errOut)
		if bad := harmless(both); bad != "" || both == "" {
			t.Errorf("%q prints %s: %q", tc.args, bad, both)
		}
	}
}
