package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

func TestActOrders(t *testing.T) {
	o := platformOf("")
	for _, tc := range []struct {
		args []string
		want backends.Order
		out  string
	}{
		{[]string{"up"}, backends.Order{Action: backends.ActUp}, "everything brought up in 1m32s\n"},
		{[]string{"up", "chat", "--last", "--drain=5m"}, backends.Order{Action: backends.ActUp, Names: []string{"chat"}, Last: true, Drain: 5 * time.Minute}, "chat brought up in 1m32s\n"},
		{[]string{"down"}, backends.Order{Action: backends.ActDown, Last: true}, "everything taken down in 1m32s\n"},
		{[]string{"down", "chat"}, backends.Order{Action: backends.ActDown, Names: []string{"chat"}}, "chat taken down in 1m32s\n"},
		{[]string{"start", "a", "b", "--reason= why "}, backends.Order{Action: backends.ActStart, Names: []string{"a", "b"}, Reason: "why"}, "a, b started in 1m32s\n"},
		{[]string{"stop", "chat", "--drain=30s"}, backends.Order{Action: backends.ActStop, Names: []string{"chat"}, Drain: 30 * time.Second}, "chat stopped in 1m32s\n"},
		{[]string{"restart", "chat", "--last"}, backends.Order{Action: backends.ActRestart, Names: []string{"chat"}, Last: true}, "chat restarted in 1m32s\n"},
		{[]string{"restart", "chat", "--detach"}, backends.Order{Action: backends.ActRestart, Names: []string{"chat"}}, "12\n"},
	} {
		o.orders = nil
		out, errOut, code := runOps(t, o.options(), tc.args...)
		tc.want.Author = "anna"
		if tc.want.Names == nil {
			tc.want.Names = []string{}
		}
		if code != 0 || out != tc.out || len(o.orders) != 1 || !reflect.DeepEqual(o.orders[0], tc.want) {
			t.Errorf("%q: code %d, %q, ordered %+v, want %q and %+v", tc.args, code, out, o.orders, tc.out, tc.want)
		}
		if line := fmt.Sprintf("job 12: %s\n", strings.Join(append([]string{string(tc.want.Action)}, tc.want.Names...), " ")); !strings.Contains(errOut, line) {
			t.Errorf("%q tells %q, want in it %q", tc.args, errOut, line)
		}
	}
	o.parts = []backends.Part{{Container: "vllm-chat", Why: "it runs"}}
	if out, errOut, _ := runOps(t, o.options(), "start", "chat"); out != "chat: there was nothing to do\n" || !strings.Contains(errOut, "vllm-chat: nothing to do: it runs\n") {
		t.Errorf("nothing to do: %q, %q", out, errOut)
	}
}

// What up does, and why, is told before it begins; a dry run does no more.
func TestPlan(t *testing.T) {
	o := platformOf("")
	o.parts = append(o.parts, backends.Part{Container: "vllm-chat-1", Host: "gpu2"})
	plan, errOut, code := runOps(t, o.options(), "up", "--dry-run")
	want := `
vllm-chat-1 on local: draining, stopping, starting
  ~ image: a, to be b
vllm-chat-2: image
http://chat-3:8000: nothing to do: it is stopped
vllm-chat-1 on gpu2: nothing to do
`[1:]
	if code != 0 || plan != want || errOut != "" || len(o.orders) != 0 {
		t.Errorf("a dry run: code %d, %q, orders %v, plan:\n%s\nwant:\n%s", code, errOut, o.orders, plan, want)
	}
	o.parts[1].Why = "its image is pulled"
	if _, errOut, _ = runOps(t, o.options(), "up"); !strings.Contains(errOut, "vllm-chat-2: image (its image is pulled)\n") || strings.Index(errOut, "~ image") > strings.Index(errOut, "job 12") {
		t.Errorf("up tells\n%s", errOut)
	}
	out, _, _ := runOps(t, o.options(), "restart", "chat", "--dry-run", "--json")
	var got planListing
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Action != backends.ActRestart || !reflect.DeepEqual(got.Parts, partItems(o.parts)) {
		t.Errorf("as JSON: %v, %s", err, out)
	}
	if len(o.orders) != 1 {
		t.Errorf("orders %v", o.orders)
	}
}

func TestJobJSON(t *testing.T) {
	o := platformOf("")
	o.parts = o.parts[:1]
	o.job = func(time.Duration) backends.Job {
		return backends.Job{State: backends.Failed, Began: noon, Ended: noon.Add(time.Second), Err: "no room", Parts: o.parts}
	}
	out, errOut, code := runOps(t, o.options(), "restart", "chat", "--json", "--reason", "why")
	const want = `{"id":12,"action":"restart","names":["chat"],"author":"anna","reason":"why","state":"failed","cancelling":false,` +
		`"began":"2026-11-22T12:00:00Z","ended":"2026-11-22T12:00:01Z","error":"no room","parts":[{"backend":"chat","replica":"http://chat-1:8000",` +
		`"container":"vllm-chat-1","host":"local","steps":["draining","stopping","starting"],"past":[` +
		`{"name":"draining","began":"2026-11-22T11:59:26Z","ended":"2026-11-22T11:59:30Z","note":""},` +
		`{"name":"stopping","began":"2026-11-22T11:59:30Z","ended":null,"note":"10 s left"}],"state":"running","why":"","changes":[{"field":"image","have":"a","want":"b"}],"ended":null,"error":""}]}` + "\n"
	if out != want || code != 1 || !strings.HasSuffix(errOut, "pilothouse: job 12 (restart chat) failed: no room\n") {
		t.Errorf("code %d, %q, JSON:\n%s\nwant:\n%s", code, errOut, out, want)
	}
	out, _, code = runOps(t, o.options(), "restart", "chat", "--json", "--detach")
	if code != 0 || !strings.HasPrefix(out, `{"id":12,"action":"restart",`) || !strings.Contains(out, `"state":"running"`) || !strings.Contains(out, `"ended":null`) {
		t.Errorf("detached: code %d, %s", code, out)
	}
}

func TestActErrors(t *testing.T) {
	o := platformOf("")
	for _, tc := range []struct {
		name string
		job  backends.Job
		err  error
		want string
	}{
		{"failed", backends.Job{State: backends.Failed, Err: "no room"}, nil, "job 12 (stop chat) failed: no room\n"},
		{"cancelled", backends.Job{State: backends.Cancelled}, nil, "job 12 (stop chat) was cancelled\n"},
		{"interrupted", backends.Job{State: backends.Interrupted, Err: "the process ended"}, nil, "job 12 (stop chat) was interrupted: the process ended\n"},
		{"last", backends.Job{}, &backends.OrderError{Name: "chat", Why: "it is the last", Last: true}, `pilothouse: "chat": it is the last; add --last to do it all the same` + "\n"},
		{"remedy", backends.Job{}, fmt.Errorf("stop: %w", &backends.OrderError{Name: "chat", Why: "job 11 has it", Remedy: "wait", Busy: true}), `pilothouse: stop: "chat": job 11 has it; wait` + "\n"},
	} {
		o.err, o.job = tc.err, func(time.Duration) backends.Job { return tc.job }
		if out, errOut, code := runOps(t, o.options(), "stop", "chat"); code != 1 || out != "" || !strings.HasSuffix(errOut, tc.want) {
			t.Errorf("%s: code %d, %q %q, want %q", tc.name, code, out, errOut, tc.want)
		}
	}
	o.err = &backends.OrderError{Name: "chat", Why: "it is the last", Last: true}
	for _, args := range [][]string{{"up"}, {"up", "--dry-run"}, {"drain", "chat"}} {
		if _, errOut, code := runOps(t, o.options(), args...); code != 1 || !strings.Contains(errOut, "add --last") {
			t.Errorf("%q: code %d, %q", args, code, errOut)
		}
	}
}

// A shell on a terminal has that known where the job is.
func TestActLive(t *testing.T) {
	o := platformOf("")
	for _, live := range []bool{false, true} {
		opt := o.shell()
		opt.Live = live
		if _, errOut, _ := runOps(t, opt, "restart", "chat"); strings.Contains(errOut, eraseLine) != live {
			t.Errorf("live %v: %q", live, errOut)
		}
	}
}

// A client that leaves ends nothing but its own command, and says so.
func TestActClientLeaves(t *testing.T) {
	o := platformOf("")
	o.job = func(time.Duration) backends.Job { return backends.Job{State: backends.Running, Parts: o.parts} }
	path := socketIn(t)
	ended := make(chan string, 1)
	serve(t, path, func(ctx context.Context, _ *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
		var told bytes.Buffer
		defer func() { ended <- told.String() }()
		return Run(ctx, args, out, io.MultiWriter(&told, errOut), testCode, NewOperations(o.options())...)
	})
	ctx, leave := context.WithCancel(t.Context())
	opt := OperationsOptions{Forward: through(path)}
	opt.Live = true
	var out, errOut bytes.Buffer
	leaving := onWrite(func() {
		if strings.Contains(errOut.String(), "stopping 30s: 10 s left") {
			leave()
		}
	})
	_, code := Run(ctx, []string{"restart", "chat"}, &out, io.MultiWriter(&errOut, leaving), testCode, NewOperations(opt)...)
	const want = eraseLine + "The job goes on; pilothouse status shows it, pilothouse cancel --job 12 ends it.\n"
	if code != 1 || out.Len() > 0 || !strings.Contains(errOut.String(), want) || strings.Contains(errOut.String(), "context") {
		t.Errorf("the client: code %d, %q %q", code, &out, &errOut)
	}
	select {
	case told := <-ended:
		if !strings.Contains(told, "follow job 12: context canceled") {
			t.Errorf("the command told %q", told)
		}
	case <-time.After(patience):
		t.Error("the command goes on without its client")
	}
	if len(o.said) > 0 {
		t.Errorf("something was ended: %v", o.said)
	}
	// Who leaves before a job has begun is told of none.
	ctx, leave = context.WithCancel(t.Context())
	errOut.Reset()
	opt.Forward = func(context.Context, []string, io.Writer, io.Writer) (int, error) { leave(); return 0, ctx.Err() }
	if Run(ctx, []string{"up"}, &out, &errOut, testCode, NewOperations(opt)...); strings.Contains(errOut.String(), "goes on") {
		t.Errorf("before there is a job: %q", errOut.String())
	}
}

// following are the lines that following a job writes.
func following(t *testing.T, live bool, job func(since time.Duration) backends.Job) (lines string) {
	synctest.Test(t, func(t *testing.T) {
		o := &testOps{job: job}
		o.note(backends.Order{})
		var b strings.Builder
		if _, err := follow(t.Context(), o, 12, &progress{w: &b, live: live, now: time.Now}); err != nil {
			t.Error(err)
		}
		lines = b.String()
	})
	return lines
}

// restarting is a restart of two replicas, of which the second fails; it takes
// 30 s and begins when a synctest bubble does.
func restarting(since time.Duration) backends.Job {
	zero := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	first := backends.Part{Container: "vllm-chat-1", State: backends.Running}
	second := backends.Part{Container: "vllm-chat-2", State: backends.Running}
	run := func(p *backends.Part, name backends.StepName, from, to time.Duration, note string) {
		if since >= from {
			s := backends.Step{Name: name, Began: zero.Add(from), Note: note}
			if since >= to {
				s.Ended = zero.Add(to)
			}
			p.Past = append(p.Past, s)
		}
	}
	left := 12*time.Second - since
	run(&first, backends.StepDrain, 0, 12*time.Second, fmt.Sprintf("%d in flight, %v left", left/time.Second, left.Truncate(time.Second)))
	run(&first, backends.StepStop, 12*time.Second, 12*time.Second+50*time.Millisecond, "")
	run(&first, backends.StepStart, 12*time.Second+50*time.Millisecond, 13*time.Second, "")
	run(&first, backends.StepAdmit, 13*time.Second, 14*time.Second, "")
	run(&second, backends.StepLoad, 14*time.Second, time.Hour, "Loading\x1b[2J "+strings.Repeat("shards ", 40))
	job := backends.Job{State: backends.Running, Cancelling: since >= 20*time.Second}
	if since >= 30*time.Second {
		second.State = backends.Failed
		second.Err, second.Ended, job.State = "it has no \x1b[31mGPU", zero.Add(30*time.Second), backends.Failed
	}
	job.Parts = []backends.Part{first, second}
	return job
}

func TestFollow(t *testing.T) {
	golden(t, "plain", following(t, false, restarting))
}

// On a terminal a line is written over, at most four times a second, and is gone
// in the end; no line of it is longer than a screen.
func TestFollowLive(t *testing.T) {
	got := following(t, true, restarting)
	if n := strings.Count(got, eraseLine); n < 30 || n > 4*30+10 {
		t.Errorf("the line was drawn %d times in 30 s", n)
	}
	golden(t, "live", strings.ReplaceAll(got, eraseLine, "\n<erase>"))

	// A note that changes all the time is drawn four times a second.
	got = following(t, true, func(since time.Duration) backends.Job {
		job := backends.Job{State: backends.Running, Parts: []backends.Part{{Container: "c", State: backends.Running, Past: []backends.Step{{Name: backends.StepDrain, Note: since.String()}}}}}
		if since > 10*time.Second {
			job.State = backends.Done
		}
		return job
	})
	if n := strings.Count(got, eraseLine); n < 30 || n > 42 {
		t.Errorf("a line that changes all the time was drawn %d times in 10 s", n)
	}
}

func TestFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &testOps{}
		if _, err := follow(t.Context(), o, 12, &progress{w: io.Discard, now: time.Now}); err == nil || !strings.Contains(err.Error(), "not remembered") {
			t.Errorf("no such job: %v", err)
		}
		o.job = restarting
		o.note(backends.Order{})
		gone := errors.New("gone")
		if _, err := follow(t.Context(), o, 12, &progress{w: broken{gone}, now: time.Now}); !errors.Is(err, gone) {
			t.Errorf("an output that fails: %v", err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		var b strings.Builder
		if _, err := follow(ctx, o, 12, &progress{w: &b, live: true, now: time.Now}); !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(b.String(), eraseLine) {
			t.Errorf("its end: %v, %q", err, b.String())
		}
	})
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "0s", 0: "0s", 49 * time.Millisecond: "0s", 250 * time.Millisecond: "300ms", 6400 * time.Millisecond: "6s", 92 * time.Second: "1m32s", 3 * time.Hour: "3h0m0s"} {
		if got := took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// The id of a job is found in what goes by, however it is cut into pieces.
func TestJobWatcher(t *testing.T) {
	for text, want := range map[string]int{
		"job 12: restart\n": 12, "a plan\njob 7: up\njob 8: x\n": 7, "a job 9: x\n": 0, "job 12": 0, "": 0,
		strings.Repeat("x", 500) + "\njob 3: y\n": 3, "job 5: " + strings.Repeat("x", 500): 5,
	} {
		for size := 1; size < len(text)+2; size++ {
			var out bytes.Buffer
			w := &jobWatcher{to: &out}
			for piece := range slices.Chunk([]byte(text), size) {
				if n, err := w.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if w.job != want || out.String() != text {
				t.Fatalf("%.40q in pieces of %d: job %d, want %d", text, size, w.job, want)
			}
		}
	}
}
