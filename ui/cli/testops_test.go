package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// testOps are operations with what a test puts there. They note what is asked
// of them.
type testOps struct {
	parts []backends.Part                        // that a job has at first
	job   func(since time.Duration) backends.Job // one that goes on; nil: it is done at once
	pool  func() *backends.Snapshot
	snap  gateway.Snapshot
	lines []testLine
	live  []string // ids of requests in flight, and
	orgs  map[string]int
	err   error // of every call

	mu     sync.Mutex
	began  time.Time
	orders []backends.Order
	asked  backends.LogOptions
	said   []string // who ended what, and why
}

type testLine struct {
	container string
	line      backends.LogLine
}

func (o *testOps) note(order backends.Order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders, o.began = append(o.orders, order), time.Now()
}

func (o *testOps) say(format string, a ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, fmt.Sprintf(format, a...))
}

func (o *testOps) Preview(context.Context, backends.Order) ([]backends.Part, error) {
	return o.parts, o.err
}

func (o *testOps) Begin(_ context.Context, order backends.Order) (backends.Job, error) {
	if o.err != nil {
		return backends.Job{}, o.err
	}
	o.note(order)
	return backends.Job{ID: 12, Action: order.Action, Names: order.Names, Author: order.Author, Reason: order.Reason,
		Began: noon, State: backends.Running, Parts: o.parts}, nil
}

func (o *testOps) Job(id int) (backends.Job, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id != 12 || len(o.orders) == 0 {
		return backends.Job{}, false
	}
	last := o.orders[len(o.orders)-1]
	job := backends.Job{State: backends.Done, Began: noon, Ended: noon.Add(92 * time.Second), Parts: o.parts}
	if o.job != nil {
		job = o.job(time.Since(o.began))
	}
	job.ID, job.Action, job.Names, job.Author, job.Reason = id, last.Action, last.Names, last.Author, last.Reason
	return job, true
}

func (o *testOps) CancelJob(id int, by string) error {
	if id != 12 {
		return backends.ErrNoJob
	}
	o.say("job %d by %s", id, by)
	return o.err
}

func (o *testOps) Drain(_ context.Context, order backends.Order) ([]string, error) {
	o.note(order)
	return []string{"http://chat-1:8000", "http://chat-2:8000"}, o.err
}

func (o *testOps) Undrain(ctx context.Context, order backends.Order) ([]string, error) {
	return o.Drain(ctx, order)
}

func (o *testOps) Logs(ctx context.Context, _ string, opt backends.LogOptions, each func(string, backends.LogLine)) error {
	o.mu.Lock()
	o.asked = opt
	o.mu.Unlock()
	for _, l := range o.lines {
		each(l.container, l.line)
	}
	if opt.Follow {
		<-ctx.Done()
		return fmt.Errorf("follow the log: %w", ctx.Err())
	}
	return o.err
}

func (o *testOps) CancelRequest(_ context.Context, id, by, reason string) (bool, error) {
	if !slices.Contains(o.live, id) {
		return false, nil
	}
	o.say("%s by %s: %s", id, by, reason)
	return true, o.err // it is ended even if that can't be noted
}

func (o *testOps) CancelOrg(_ context.Context, org, by, reason string) (int, error) {
	o.say("all of %s by %s: %s", org, by, reason)
	return o.orgs[org], o.err
}

// testPool and testGateway tell apart what have methods of one name.
type testPool struct{ o *testOps }

func (p testPool) Snapshot() *backends.Snapshot { return p.o.pool() }

type testGateway struct{ *testOps }

func (g testGateway) Snapshot() *gateway.Snapshot { return &g.snap }

// seatAt is somebody's seat at a platform.
func seatAt(p desk.Platform, name string, role desk.Role) *desk.Seat {
	return desk.New(p, desk.Options{}).Seat(desk.Operator{Name: name, Role: role})
}

func (o *testOps) platform() desk.Platform {
	return desk.Platform{Jobs: o, Drains: o, Logs: o, Pool: testPool{o}, Gateway: testGateway{o}}
}

// options are those of the serving process.
func (o *testOps) options() OperationsOptions {
	return OperationsOptions{Seat: seatAt(o.platform(), "anna", desk.Admin), Clock: func() time.Time { return noon }}
}

// shell are the options of a shell that has it all done by the serving process.
func (o *testOps) shell() OperationsOptions {
	return OperationsOptions{Clock: func() time.Time { return noon },
		Forward: func(ctx context.Context, args []string, out, errOut io.Writer) (int, error) {
			_, code := Run(ctx, args, out, errOut, testCode, NewOperations(o.options())...)
			return code, nil
		}}
}

func runOps(t *testing.T, opt OperationsOptions, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	_, code = Run(t.Context(), args, &o, &e, testCode, NewOperations(opt)...)
	told := fmt.Sprintf("pilothouse: %v\n", &ExitError{Code: code}) // which main does not print
	return o.String(), strings.ReplaceAll(e.String(), told, ""), code
}

// golden compares with a file of testdata/operations, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "operations", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was (-update writes it anew). Now:\n%s", path, got)
	}
}

// hostile is what no terminal may be sent: an escape sequence, an end of a line,
// a mark of direction, and a control of ISO 6429.
const hostile = "h\x1b]0;x\a\n\u202eh\u009bh\x7f"

// harmless returns the first character of text that must not be printed, quoted.
func harmless(text string) string {
	for _, r := range text {
		if r != '\n' && (r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == '\u202e') {
			return fmt.Sprintf("%q", r)
		}
	}
	return ""
}
