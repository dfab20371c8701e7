package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

func TestLogs(t *testing.T) {
	o := platformOf("")
	for _, tc := range []struct {
		args []string
		want string
		opt  backends.LogOptions
	}{
		{[]string{"chat"}, "vllm-chat-1 | one\nvllm-chat-2 | two\n", backends.LogOptions{Tail: 100}},
		{[]string{"vllm-chat-1", "--tail", "7"}, "one\ntwo\n", backends.LogOptions{Tail: 7}},
		{[]string{"http://chat-2:8000", "--tail=0"}, "one\ntwo\n", backends.LogOptions{Tail: -1}},
		{[]string{"sql", "--tail=-1", "--timestamps"}, "2026-11-22T12:00:00.000Z one\n2026-11-22T12:00:01.000Z two\n", backends.LogOptions{}},
		{[]string{"chat", "--since=10m"}, "vllm-chat-1 | one\nvllm-chat-2 | two\n", backends.LogOptions{Since: noon.Add(-10 * time.Minute)}},
		{[]string{"chat", "--since=2026-11-22T11:00:00Z", "--tail=100"}, "vllm-chat-1 | one\nvllm-chat-2 | two\n", backends.LogOptions{Since: noon.Add(-time.Hour), Tail: 100}},
		{[]string{"chat", "--json"}, `{"container":"vllm-chat-1","stream":"stdout","at":"2026-11-22T12:00:00Z","text":"one","cut":0}` + "\n" +
			`{"container":"vllm-chat-2","stream":"stderr","at":"2026-11-22T12:00:01Z","text":"two","cut":7}` + "\n", backends.LogOptions{Tail: 100}},
	} {
		out, errOut, code := runOps(t, o.options(), append([]string{"logs"}, tc.args...)...)
		if code != 0 || out != tc.want || errOut != "" || o.asked != tc.opt {
			t.Errorf("%q: code %d, %q %q, asked for %+v; want %q and %+v", tc.args, code, out, errOut, o.asked, tc.want, tc.opt)
		}
	}
	o.err = errors.New("the engine is away")
	if _, errOut, code := runOps(t, o.options(), "logs", "chat"); code != 1 || errOut != "pilothouse: the engine is away\n" {
		t.Errorf("a log that can't be read: code %d, %q", code, errOut)
	}
}

// A line of a megabyte passes whole, and one that is hostile harmlessly, through
// the socket.
func TestLogsLong(t *testing.T) {
	o := platformOf("")
	text := strings.Repeat("0123456789\x1b\u202e\u009b<é>", 1<<20/18)
	o.lines = []testLine{{"c", backends.LogLine{At: noon, Text: text}}}
	path := socketIn(t)
	serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		return Run(ctx, args, out, errOut, testCode, NewOperations(o.options())...)
	})
	opt := OperationsOptions{Forward: through(path)}
	out, _, code := runOps(t, opt, "logs", "sql", "--json")
	var got logItem
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.Text != text {
		t.Errorf("code %d, %v, %d bytes of %d", code, err, len(got.Text), len(text))
	}
	if bad := harmless(out); bad != "" {
		t.Errorf("JSON with %s as it is", bad)
	}
	if out, _, _ = runOps(t, opt, "logs", "sql"); harmless(out) != "" || len(out) < len(text) || strings.Count(out, "\n") != 1 {
		t.Errorf("as text: %d bytes", len(out))
	}
}

// Following ends with the one who follows, which is no error to a shell; nor is
// it hidden that it ends because serving does.
func TestLogsFollow(t *testing.T) {
	o := platformOf("")
	path := socketIn(t)
	ended := make(chan int, 2)
	stop := serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		name, code := Run(ctx, args, out, errOut, testCode, NewOperations(o.options())...)
		ended <- code
		return name, code
	})
	opt := OperationsOptions{Forward: through(path)}
	follow := func(ctx context.Context, seen func()) (int, string) {
		var out, errOut bytes.Buffer
		_, code := Run(ctx, []string{"logs", "-f", "chat"}, io.MultiWriter(&out, onWrite(seen)), &errOut, testCode, NewOperations(opt)...)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the command goes on without its client")
		}
		return code, errOut.String()
	}
	ctx, leave := context.WithCancel(t.Context())
	if code, errOut := follow(ctx, leave); code != 0 || errOut != "" {
		t.Errorf("a client that leaves: code %d, %q", code, errOut)
	}
	stopped := make(chan error, 1)
	once := false
	code, errOut := follow(t.Context(), func() {
		if !once {
			once = true
			go func() { stopped <- stop() }()
		}
	})
	if err := <-stopped; code != 1 || err != nil || !strings.Contains(errOut, "follow the log: context canceled") {
		t.Errorf("the end of serving: code %d, %v, %q", code, err, errOut)
	}
}

// An output that fails ends the reading of the log.
func TestLogsOutputFails(t *testing.T) {
	o := platformOf("")
	var errOut bytes.Buffer
	gone := errors.New("gone")
	for _, format := range []string{"--json=false", "--json"} {
		errOut.Reset()
		_, code := Run(t.Context(), []string{"logs", "-f", "chat", format}, broken{gone}, &errOut, testCode, NewOperations(o.options())...)
		if code != 1 || errOut.String() != "pilothouse: gone\n" {
			t.Errorf("%s: code %d, %q", format, code, &errOut)
		}
	}
}
