package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui/desk"
)

// all is a pool of one backend for each list of states.
func all(states ...[]backends.State) *testOps {
	o := &testOps{snap: gateway.Snapshot{At: noon, Started: noon.Add(-time.Minute), Listen: "http://127.0.0.1:8080"}}
	pool := &backends.Snapshot{At: noon}
	for i, replicas := range states {
		b := backends.BackendStatus{Name: string(rune('a' + i))}
		for _, s := range replicas {
			b.Replicas = append(b.Replicas, backends.ReplicaStatus{URL: "http://" + b.Name + s.String(), State: s, Share: 1})
		}
		pool.Backends = append(pool.Backends, b)
	}
	o.pool = func() *backends.Snapshot { return pool }
	return o
}

func TestStatus(t *testing.T) {
	o := platformOf("")
	out, errOut, code := runOps(t, o.options(), "status")
	if code != 0 || errOut != "" {
		t.Errorf("code %d, %q", code, errOut)
	}
	golden(t, "status", out)
	out, _, _ = runOps(t, o.options(), "status", "sql")
	golden(t, "status-sql", out)

	opt := o.options()
	local := o.platform()
	local.Gateway = nil
	opt.Seat = seatAt(local, "anna", desk.Admin)
	out, _, _ = runOps(t, opt, "status")
	golden(t, "status-local", out)

	out, _, _ = runOps(t, all([]backends.State{backends.Healthy}).options(), "status")
	const want = `healthy  http://127.0.0.1:8080  up 60 s
0.0 requests/s  0.0 tokens/s  first token p95 -  0 in flight  0 queued

BACKEND  REPLICA          STATE   REQUESTS BOOKED CAPACITY USED RUN WAIT  CONTAINER
a        http://ahealthy  healthy        0      0        -    -   -    -  -
`
	if out != want {
		t.Errorf("nothing to tell:\n%s\nwant:\n%s", out, want)
	}
}

func TestStatusJSON(t *testing.T) {
	indented := func(out string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(out), "", "  "); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	o := platformOf("")
	out, _, code := runOps(t, o.options(), "status", "--json")
	if code != 0 {
		t.Errorf("code %d", code)
	}
	golden(t, "status-json", indented(out))
	opt := o.options()
	local := o.platform()
	local.Gateway = nil
	opt.Seat = seatAt(local, "anna", desk.Admin)
	out, _, _ = runOps(t, opt, "status", "--json", "vllm-sql")
	golden(t, "status-local-json", indented(out))
	out, _, _ = runOps(t, all().options(), "status", "--json")
	if want := `"backends":[],"jobs":[],"docker":[]}` + "\n"; !strings.HasSuffix(out, want) || !strings.Contains(out, `"first_token_p95_seconds":null`) {
		t.Errorf("nothing: %s, want at its end %s", out, want)
	}
}

func TestStatusNames(t *testing.T) {
	o := platformOf("")
	for _, tc := range []struct {
		names []string
		want  string // the replicas and jobs
	}{
		{nil, "chat-1 chat-2 sql job 11 job 10"},
		{[]string{"chat"}, "chat-1 chat-2 job 11"},
		{[]string{"sql"}, "sql job 10"},
		{[]string{"vllm-chat-2"}, "chat-2 job 11"},
		{[]string{"http://chat-1:8000", "sql"}, "chat-1 sql job 11 job 10"},
	} {
		out, _, _ := runOps(t, o.options(), append([]string{"status", "--json"}, tc.names...)...)
		var s statusListing
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range s.Backends {
			for _, r := range b.Replicas {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(r.URL, "http://"), ":8000"))
			}
		}
		for _, j := range s.Jobs {
			got = append(got, "job "+digits(int64(j.ID)))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%q: %q, want %q", tc.names, got, tc.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	const healthy, down, unknown = backends.Healthy, backends.Down, backends.Unknown
	type pool = []backends.State
	for _, tc := range []struct {
		name    string
		ops     *testOps
		drains  bool
		verdict string
		check   string // what fails; "": it passes
	}{
		{"healthy", all(pool{healthy}, pool{healthy, backends.Degraded}), false, verdictHealthy, ""},
		{"a replica lost", all(pool{healthy}, pool{healthy, down}), false, verdictDegraded, ""},
		{"a backend lost", all(pool{healthy}, pool{down, backends.Hung}), false, verdictDegraded, `no replica serves "b"`},
		{"none left", all(pool{down}, pool{backends.Loading}), false, verdictNone, `no replica serves "a", "b"`},
		{"not heard of", all(pool{healthy}, pool{unknown}), false, verdictStarting, `no replica serves "b"`},
		{"of none heard", all(pool{unknown}), false, verdictStarting, `no replica serves "a"`},
		{"drained", all(pool{healthy, backends.Draining}), false, verdictDegraded, ""},
		{"the gateway drains", all(pool{healthy}), true, verdictDraining, "takes nothing new"},
	} {
		tc.ops.snap.Draining = tc.drains
		out, errOut, code := runOps(t, tc.ops.options(), "status", "--check")
		wantCode := 0
		if tc.check != "" {
			wantCode = 1
		}
		if !strings.HasPrefix(out, tc.verdict+"  ") || code != wantCode || !strings.Contains(errOut, tc.check) {
			t.Errorf("%s: code %d, %q, want %d and %q, output:\n%s", tc.name, code, errOut, wantCode, tc.check, out)
		}
	}
}

// A check of some names is about those alone.
func TestStatusCheckNames(t *testing.T) {
	o := all([]backends.State{backends.Healthy}, []backends.State{backends.Down})
	for name, want := range map[string]int{"a": 0, "b": 1} {
		if _, errOut, code := runOps(t, o.options(), "status", "--check", name); code != want {
			t.Errorf("%s: code %d, %q, want %d", name, code, errOut, want)
		}
	}
}

// What does not print is escaped in JSON, and the same when it is read.
func TestEncode(t *testing.T) {
	text := hostile + "\U000e0001\u2028é<&>\U0001f600"
	var b bytes.Buffer
	if err := encode(&b, []string{text}); err != nil {
		t.Fatal(err)
	}
	const want = `["h\u001b]0;x\u0007\n\u202eh\u009bh\u007f\udb40\udc01\u2028é<&>😀"]` + "\n"
	var got []string
	if err := json.Unmarshal(b.Bytes(), &got); b.String() != want || err != nil || got[0] != text {
		t.Errorf("%s, want %s; read again: %q, %v", &b, want, got, err)
	}
}
