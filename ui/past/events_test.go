package past

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
)

// scene is a platform of one backend with two replicas, a GPU and a Docker host,
// of which a test changes something each second.
type scene struct {
	*plant
	t    *testing.T
	seen int
	gw   gateway.Snapshot
	a, b backends.ReplicaStatus
	box  backends.ContainerStatus
	host backends.HostStatus
	jobs []backends.Job
	gpu  gpu.GPU
	xids []gpu.XID
}

func newScene(t *testing.T) *scene {
	s := &scene{plant: newPlant(1, 0, 0), t: t}
	since := night.Add(-76 * time.Hour)
	s.a = backends.ReplicaStatus{URL: "http://chat-0:8000", State: backends.Healthy, Since: since}
	s.b = backends.ReplicaStatus{URL: "http://chat-1:8000", State: backends.Healthy, Since: since}
	s.box = backends.ContainerStatus{Name: "vllm-chat", ID: "1", State: "running", Words: "running", Started: since, At: night}
	s.host = backends.HostStatus{Name: "local", Since: since}
	s.gpu = gpu.GPU{Index: 1, UUID: "GPU-1", State: gpu.OK, Since: since, Serves: "chat"}
	s.expect("start")
	return s
}

// expect lets a second pass, and wants exactly these events of it, oldest first.
func (s *scene) expect(what string, want ...string) {
	s.t.Helper()
	s.now = s.now.Add(time.Second)
	g := s.gw
	g.At = s.now
	box := s.box
	box.At = s.now
	a := s.a
	a.Container = &box
	s.g.s = &g
	s.p.s = &backends.Snapshot{At: s.now, Hosts: []backends.HostStatus{s.host}, Jobs: slices.Clone(s.jobs),
		Backends: []backends.BackendStatus{{Name: "chat", Replicas: []backends.ReplicaStatus{a, s.b}}}}
	s.u.s = &gpu.Snapshot{At: s.now, GPUs: []gpu.GPU{s.gpu}, Events: slices.Clone(s.xids)}
	s.readBooksOnce(s.t.Context())
	s.step(s.now)
	all := s.texts()
	got := all[s.seen:]
	s.seen = len(all)
	if !slices.Equal(got, want) {
		s.t.Fatalf("%s:\n got  %s\n want %s", what, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

func TestBackendEvents(t *testing.T) {
	s := newScene(t)
	s.expect("nothing")
	s.b.State, s.b.Since, s.b.Reason = backends.Down, s.now, "connection refused"
	s.expect("down", "backend bad chat: http://chat-1:8000 now down, was healthy for 3 d: connection refused")
	s.expect("still down")
	s.b.State, s.b.Since, s.b.Reason = backends.Healthy, s.now, ""
	s.expect("up", "backend good chat: http://chat-1:8000 now healthy, was down for 2 s")
	s.a.State = backends.Unknown
	s.a.Since = s.now
	s.expect("unknown", "backend plain chat: http://chat-0:8000 now unknown, was healthy for 3 d")
	s.a.State = backends.Healthy
	s.expect("well when first asked")
	s.box.State, s.box.Words = "exited", "exited with code 137: out of memory"
	s.expect("gone", "job bad chat: container vllm-chat is exited with code 137: out of memory; it had run for 3 d")
	s.box.State, s.box.Words, s.box.Started = "running", "running", s.now
	s.expect("started by somebody", "job plain chat: container vllm-chat was started")
	s.box.Restarts, s.box.Started = 1, s.now
	s.expect("restarted by Docker", "job bad chat: container vllm-chat ended, and its engine started it again (1 time in all)")
	s.box.Err = "no answer"
	s.box.State = "dead"
	s.expect("not read")
	s.box.Err, s.box.State, s.box.ID = "", "", ""
	s.expect("the reading before says nothing")
	s.host.Err, s.host.Since = "connection refused", s.now
	s.expect("host lost", "backend bad local: its Docker engine can't be asked: connection refused")
	s.expect("host still lost")
	s.host.Err, s.host.Since = "", s.now
	s.expect("host back", "backend good local: its Docker engine can be asked again, after 2 s")
}

func TestGPUEvents(t *testing.T) {
	s := newScene(t)
	s.gpu.State, s.gpu.Since, s.gpu.Err = gpu.Lost, s.now, "it has fallen off the bus"
	s.xids = []gpu.XID{{At: s.now.Add(-time.Hour), Code: 31, Old: true}, {At: s.now, Last: s.now, Index: 1, PCI: "0000:01:00.0", Code: 79, Meaning: "the host can't reach the device", Action: "reboot", Owners: []string{"chat"}, InFlight: 3}}
	s.expect("lost", "gpu bad gpu 1: now lost, was ok for 3 d: it has fallen off the bus: it serves chat",
		"gpu bad gpu 1: XID 79: the host can't reach the device; on it: chat with 3 requests in flight; reboot")
	s.xids[1].Count, s.xids[1].Last = 2, s.now
	s.expect("the same again")
	s.xids = append(s.xids, gpu.XID{At: s.now, Index: -1, PCI: "0000:02:00.0", Host: "far", Code: 31, Meaning: "a page fault", Application: true})
	s.expect("another", "gpu warning gpu 0000:02:00.0 on far: XID 31: a page fault")
	s.gpu.State, s.gpu.Since, s.gpu.Err, s.gpu.Serves = gpu.OK, s.now, "", ""
	s.expect("back", "gpu good gpu 1: now ok, was lost for 3 s")
}

func TestGatewayEvents(t *testing.T) {
	s := newScene(t)
	s.gw.Books.Ledger = ledger.Status{Err: "database is locked", Since: s.now}
	s.expect("locked", "gateway bad ledger: it can't be written: database is locked")
	s.gw.Books.Ledger.Refusing = true
	s.expect("refusing", "gateway bad ledger: it can't be written: database is locked; every request gets 503")
	s.gw.Books.Ledger.Lost = 2
	s.expect("lost", "gateway bad ledger: 2 requests could not be kept: they are missing in it")
	s.gw.Books.Ledger = ledger.Status{Lost: 2}
	s.expect("back", "gateway good ledger: it is written again, after 4 s")
	s.gw.Books.Fleet = quota.FleetStatus{Err: "EOF", Since: s.now}
	s.expect("store", "gateway bad quota store: it is away: EOF")
	s.gw.Books.Fleet = quota.FleetStatus{}
	s.expect("store back", "gateway good quota store: it is back, after 2 s")
	s.gw.Draining, s.gw.InFlight = true, 1
	s.expect("stopping", "gateway warning gateway: it takes no new requests: it is being stopped, with 1 request in flight")
	s.expect("once")
}

// A job is told when it begins and when it ends, with what of it took how long;
// what becomes of its replica meanwhile is part of that, and what the audit says
// of it is not told again.
func TestJobEvents(t *testing.T) {
	s := newScene(t)
	began := s.now
	job := backends.Job{ID: 7, Action: backends.ActRestart, Names: []string{"chat"}, Author: "ana", Reason: "new weights", Began: began, State: backends.Running,
		Parts: []backends.Part{{Backend: "chat", Replica: s.a.URL, Container: "vllm-chat", State: backends.Running, Past: []backends.Step{{Name: backends.StepDrain, Began: began}}}}}
	s.jobs = []backends.Job{job}
	s.books.audit = []ledger.Event{{At: began, Author: "ana", Action: "restart", Object: "chat", Detail: "new weights"}}
	s.expect("begun", "job plain chat: restart begun by ana: new weights")
	s.a.State, s.a.Since = backends.Draining, s.now
	s.box.State = "exited"
	s.expect("its replica is its own")
	s.expect("a moment")
	s.expect("the audit is ripe")
	s.a.State, s.a.Since, s.box.State = backends.Healthy, s.now, "running"
	s.expect("the replica is back")
	job.State, job.Ended = backends.Done, began.Add(92*time.Second)
	job.Parts = []backends.Part{{Container: "vllm-chat", State: backends.Done, Ended: job.Ended, Past: []backends.Step{
		{Name: backends.StepDrain, Began: began, Ended: began.Add(300 * time.Millisecond), Note: "nothing is in flight"},
		{Name: backends.StepStop, Began: began, Ended: began.Add(200 * time.Millisecond)},
		{Name: backends.StepLoad, Began: began, Ended: began.Add(74 * time.Second)}}}}
	s.jobs = []backends.Job{job}
	s.now = job.Ended
	s.books.audit = append([]ledger.Event{{At: s.now, Author: "ana", Action: "restart done", Object: "chat"}}, s.books.audit...)
	s.expect("done", "job good chat: restart by ana done after 92 s: draining 0 s (nothing is in flight), loading 74 s")
	for range 5 {
		s.expect("told once")
	}
	s.jobs = append([]backends.Job{{ID: 8, Action: backends.ActUp, Author: "bob", Began: s.now, Ended: s.now.Add(time.Second), State: backends.Failed, Err: "vllm-chat: no such image"}}, s.jobs...)
	s.expect("one that begins and ends at once", "job bad everything: up by bob failed after 1 s: vllm-chat: no such image")
	s.books.audit = append([]ledger.Event{{At: s.now, Author: "cid", Action: "stop failed", Object: "chat", Detail: "another job has it"}, {At: s.now, Author: "cid", Action: "stop", Object: "chat"}}, s.books.audit...)
	s.expect("an order that came to nothing")
	s.expect("wait")
	s.expect("is told by the audit", "operator warning cid: stop failed chat: another job has it")
	s.jobs = append([]backends.Job{{ID: 9, Action: backends.ActRestart, Names: []string{"chat"}, Began: began, Ended: began.Add(time.Minute), State: backends.Cancelled,
		Parts: []backends.Part{{Container: "c0", Ended: began.Add(9 * time.Second), Past: []backends.Step{{Began: began}}}, {Container: "c1", Ended: began.Add(9 * time.Second), Past: []backends.Step{{Began: began}}}}}}, s.jobs...)
	s.expect("of two", "job warning chat: restart cancelled after 60 s; c0 in 9 s; c1 in 9 s")
}

// What operators did in the last hour is told after a start, the rest when it
// comes; each once, with what came of it rather than that it was begun.
func TestAuditEvents(t *testing.T) {
	s := &scene{plant: newPlant(0, 0, 0), t: t}
	s.books.audit = []ledger.Event{
		{At: night.Add(-time.Minute), Author: "ana", Action: "grant", Object: "g1", Detail: "acme tokens_per_day +1000"},
		{At: night.Add(-2 * time.Hour), Author: "ana", Action: "grant", Object: "g0"},
	}
	s.expect("the last hour", "operator plain ana: grant g1: acme tokens_per_day +1000")
	s.expect("nothing new")
	add := func(e ledger.Event) {
		e.At = s.now
		s.books.audit = append([]ledger.Event{e}, s.books.audit...)
	}
	add(ledger.Event{Author: "bob", Action: "cancel", Object: "org acme", Detail: "a loop"})
	add(ledger.Event{Author: "bob", Action: "cancelled", Object: "org acme", Detail: "3 requests"})
	s.expect("too young")
	s.expect("too young")
	s.expect("ripe", "operator plain bob: cancelled org acme: 3 requests")
	add(ledger.Event{Author: "eve", Action: "restart refused", Object: "chat", Detail: "refused: …"})
	s.books.err = errors.New("database is locked")
	for range 4 {
		s.expect("not read")
	}
	if err := s.Snapshot().Err; err != "read the quotas: database is locked" {
		t.Errorf("error %q", err)
	}
	if len(s.Snapshot().Audit) != 4 {
		t.Errorf("%d entries of the audit are left", len(s.Snapshot().Audit))
	}
	s.books.err = nil
	s.expect("late", "operator warning eve: restart refused chat: refused: …")
	if err := s.Snapshot().Err; err != "" {
		t.Errorf("error %q", err)
	}
	for i := range mostAudit + 50 {
		add(ledger.Event{Author: "eve", Action: "attach", Object: fmt.Sprint(i)})
	}
	s.seen = len(s.texts())
	s.now = s.now.Add(2 * time.Second)
	s.readBooksOnce(t.Context())
	s.step(s.now.Add(5 * time.Second))
	if n := len(s.texts()) - s.seen; n != mostAudit {
		t.Errorf("%d of more than are read at once", n)
	}
}

// Windows tell when they pass 80, 90 and 100 %, and not again for swinging there.
func TestQuotaEvents(t *testing.T) {
	s := newScene(t)
	resets := night.Truncate(24 * time.Hour).Add(24 * time.Hour)
	use := func(used, limit int64, w ...quota.Window) {
		s.books.quotas = []gateway.OrgQuotas{{Org: "acme", Windows: append(w, quota.Window{Name: "tokens_per_day", Used: used, Limit: limit, ResetsAt: resets}, quota.Window{Name: "requests_per_day", Used: 1 << 40})}}
	}
	use(78_000, 100_000)
	s.expect("below")
	// A steady 5 a second, of which the first minute and the last are in part: at
	// 03:19:28 the 20,000 that are left last 4,000 seconds, until 04:26:08.
	for i := range 402 {
		use(int64(78_000+i*5), 100_000)
		if i == 400 {
			s.expect("80", "quota plain acme: tokens_per_day is 80 % used (80.0k of 100.0k); at its pace of late it runs out 04:26 UTC")
		} else {
			s.expect("below")
		}
	}
	use(79_999, 100_000)
	s.expect("a little below")
	use(80_001, 100_000)
	s.expect("and above again")
	use(95_000, 100_000)
	// At 5 a second still, as one second is no trend: 5,000 last until 1,000 seconds
	// after 03:19:32.
	s.expect("90", "quota warning acme: tokens_per_day is 95 % used (95.0k of 100.0k); at its pace of late it runs out 03:36 UTC")
	s.books.quotas[0].Windows[0].Reserved = 5_000
	s.expect("full with what is reserved", "quota bad acme: tokens_per_day is used up (95.0k of 100.0k): requests get 429 until 00:00 UTC")
	use(97_000, 100_000)
	s.expect("swinging")
	use(97_000, 120_000)
	s.expect("a grant", "quota good acme: tokens_per_day has room again: 97.0k of 120.0k used")
	use(120_000, 120_000, quota.Window{Key: "k1", Name: "tokens_per_day", Used: 5, Limit: 5, ResetsAt: resets.AddDate(0, 0, 9)})
	s.expect("both", "quota bad acme: tokens_per_day of key k1 is used up (5 of 5): requests get 429 until 2 December 00:00 UTC",
		"quota bad acme: tokens_per_day is used up (120.0k of 120.0k): requests get 429 until 00:00 UTC")
	resets = resets.AddDate(0, 0, 1)
	use(0, 100_000)
	s.expect("anew", "quota good acme: tokens_per_day has room again: 0 of 100.0k used")
	if n := len(s.watch.levels); n != 0 {
		t.Errorf("%d windows are remembered", n)
	}
}

// What is so when it is first looked at is no event, but for an error that has only
// just come.
func TestFirstLook(t *testing.T) {
	s := &scene{plant: newPlant(1, 0, 0), t: t}
	s.b = backends.ReplicaStatus{URL: "http://chat-1:8000", State: backends.Down}
	s.host.Err = "away"
	s.gw.Draining = true
	s.gw.Books.Ledger.Err = "full"
	s.gpu.State = gpu.Lost
	s.jobs = []backends.Job{{ID: 3, State: backends.Running}, {ID: 2, State: backends.Failed}}
	s.xids = []gpu.XID{{At: night.Add(-time.Minute), Code: 79}, {At: night, Code: 13, Meaning: "a kernel failed", Application: true}}
	s.books.quotas = []gateway.OrgQuotas{{Org: "acme", Windows: []quota.Window{{Name: "tokens_per_day", Used: 9, Limit: 9}}}}
	s.expect("first", "gpu warning gpu 0: XID 13: a kernel failed")
	s.jobs[0].State = backends.Done
	s.expect("what was under way ends", "job good everything:  done after 0 s")
}

// There are 512 at most, newest first, and what was handed out stays as it was.
func TestEventsBounded(t *testing.T) {
	s := newScene(t)
	var old []Event
	var first Event
	for i := range 600 {
		s.b.State, s.b.Since = backends.State(1+i%3), s.now
		s.now = s.now.Add(time.Second)
		s.p.s = &backends.Snapshot{At: s.now, Backends: []backends.BackendStatus{{Name: "chat\x1b[2J" + strings.Repeat("é", 400), Replicas: []backends.ReplicaStatus{s.b}}}}
		s.step(s.now)
		if i == 300 {
			old = s.Snapshot().Events
			first = old[0]
		}
	}
	all := s.Snapshot().Events
	if len(all) != mostEvents || !slices.IsSortedFunc(all, func(a, b Event) int { return b.At.Compare(a.At) }) {
		t.Errorf("%d events, or not the newest first", len(all))
	}
	if old[0] != first {
		t.Error("what was handed out has changed")
	}
	if n := len(all[0].Object); n > mostText/4 {
		t.Errorf("a name of %d bytes", n)
	}
	if m, ok := s.At(s.now.Add(-10 * time.Second)); !ok || m.Past.Events[0].At.After(m.At) || len(m.Past.Events) < 400 {
		t.Error("a moment has events of after it, or none")
	}
}
