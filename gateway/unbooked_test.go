package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/gateway/ledger"
)

// disk is a small file system with nothing on it but a ledger.
type disk struct {
	t   *testing.T
	dir string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatalf("mount a tmpfs, for which the tests need root (CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %q: %v", dir, err)
		}
	})
	return &disk{t, dir}
}

func (d *disk) ledger() string { return filepath.Join(d.dir, "ledger") }
func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// Fill leaves no room on the disk but what files have set aside.
func (d *disk) Fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		d.t.Fatal(err)
	}
}

// Free makes room again.
func (d *disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

// Sparse takes from the journal the room that it has set aside, so that its
// writes meet the full disk, as they do where a file system can set none aside.
// A page is left, for what may be written meanwhile, and the rest of one.
func (d *disk) Sparse() {
	d.t.Helper()
	names, err := filepath.Glob(filepath.Join(d.ledger(), "journal-*"))
	if err != nil || len(names) == 0 {
		d.t.Fatalf("the journal's files are %q, %v", names, err)
	}
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			d.t.Fatal(err)
		}
		defer f.Close()
		b, err := os.ReadFile(name)
		if err != nil {
			d.t.Fatal(err)
		}
		const page = 4096
		used := (len(bytes.TrimRight(b, "\x00")) + 2*page) / page * page
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(used), int64(len(b)-used)); err != nil {
			d.t.Fatal(err)
		}
	}
}

// unbooked is a gateway whose ledger's disk the test fills, with requests under
// way: the engine answers them at once but for two, which it holds until it is
// told.
type unbooked struct {
	*service
	t       *testing.T
	disk    *disk
	release chan struct{} // closed: the two are answered
	unary   *client
	stream  *client
	asked   []string // the ids of all requests
	passed  []string // of those that were answered
}

func newUnbooked(t *testing.T, onFailure string) *unbooked {
	u := &unbooked{t: t, disk: newDisk(t), release: make(chan struct{})}
	u.service = serve(t, func(s *setup) {
		s.Ledger = u.disk.ledger()
		s.Config.Quota.OnLedgerFailure = onFailure
		s.Config.Server.AdminListen = "127.0.0.1:0"
	})
	arrived := make(chan bool, 2)
	u.Engine.Answer(func(c *engineConn, r *engineRequest) {
		if strings.Contains(r.Body, "held") {
			if strings.Contains(r.Body, `"stream":true`) {
				c.Send(streamHead + chunk(counted("a", 1)))
			}
			arrived <- true
			select {
			case <-u.release:
			case <-c.Gone:
			}
			if strings.Contains(r.Body, `"stream":true`) {
				c.Send(chunk(counted("b", 2)+done) + "0\r\n\r\n")
				return
			}
		}
		plainAnswer(c, r)
	})
	for range 3 {
		u.ask()
	}
	u.unary, u.stream = u.Dial(), u.Dial()
	u.unary.Send(u.post(chatPath, "acme", chat(false, "held"), "X-Request-Id: held-unary"))
	<-arrived
	u.stream.Send(u.post(chatPath, "acme", chat(true, "held"), "X-Request-Id: held-stream"))
	<-arrived
	u.stream.stream().Next()
	u.asked = append(u.asked, "held-unary", "held-stream")
	return u
}

// ask sends a request, and gives its answer.
func (u *unbooked) ask() *answer {
	u.t.Helper()
	id := fmt.Sprintf("asked-%d", len(u.asked))
	u.asked = append(u.asked, id)
	c := u.Dial()
	c.Send(u.post(chatPath, "acme", chat(len(u.asked)%2 == 0, "hi"), "X-Request-Id: "+id))
	a := c.Answer("POST")
	if a.StatusCode == 200 {
		u.passed = append(u.passed, id)
	}
	return a
}

// fail fills the disk, and asks until the ledger has met that.
func (u *unbooked) fail() {
	u.t.Helper()
	if err := u.Ledger.Flush(); err != nil {
		u.t.Fatal(err)
	}
	u.disk.Sparse()
	u.disk.Fill()
	eventually(u.t, "the ledger has met the full disk", func() bool { u.ask(); return u.Ledger.Status().Refusing })
	eventually(u.t, "the gateway says so", func() bool {
		b := u.Snapshot().Books.Ledger
		return b.Refusing && b.Err != "" && !b.Since.IsZero()
	})
	if up := u.metrics()["pilothouse_ledger_up"]; up != 0 {
		u.t.Errorf("pilothouse_ledger_up is %v", up)
	}
}

// mend makes room, and waits until requests are written again. Then every one of
// them is in the ledger, once, and counts if the engine had it: then it is
// booked as the engine answered it, also where the client did not get that.
func (u *unbooked) mend() {
	u.t.Helper()
	u.disk.Free()
	eventually(u.t, "the ledger is well", func() bool { l := u.Ledger.Status(); return !l.Refusing && l.Backlog == 0 })
	if a := u.ask(); a.StatusCode != 200 {
		u.t.Errorf("with room again: %d %s", a.StatusCode, a.Body)
	}
	worked := map[string]bool{}
	for _, r := range u.Engine.Requests() {
		worked[r.Header("X-Request-Id")] = true
	}
	rows := u.Rows()
	for _, id := range u.asked {
		r := rows[id]
		if len(r) != 1 {
			u.t.Errorf("%s has %d rows", id, len(r))
			continue
		}
		got, want := r[0].outcome(), booked{Status: 503, Code: "ledger_unavailable", End: "refused"}
		if worked[id] {
			want = booked{Status: 200, End: "done", Prompt: got.Prompt, Completion: got.Completion, Estimated: got.Estimated, Counted: true}
		} else if slices.Contains(u.passed, id) || r[0].sent.Valid || r[0].first.Valid {
			u.t.Errorf("%s was not with the engine: %+v", id, r[0])
		}
		if got != want {
			u.t.Errorf("%s is booked as %+v, want %+v", id, got, want)
		}
	}
	if len(rows) != len(u.asked) {
		u.t.Errorf("%d requests have rows, of %d", len(rows), len(u.asked))
	}
	u.WantCharged(u.t, "acme", "acme")
	l := u.Ledger.Status()
	for metric, want := range map[string]float64{"pilothouse_ledger_up": 1, "pilothouse_ledger_rows_total": float64(len(u.asked)), "pilothouse_ledger_lost_rows_total": 0} {
		if got := u.metrics()[metric]; got != want {
			u.t.Errorf("%s is %v, want %v; the ledger is %+v", metric, got, want, l)
		}
	}
	eventually(u.t, "the gateway says that all is well", func() bool {
		b := u.Snapshot().Books.Ledger
		return !b.Refusing && b.Err == "" && b.Backlog == 0 && b.Rows == l.Rows
	})
	u.Idle("acme")
}

// TestUnbookedIsRefused: while nothing can be written, requests are refused
// before a backend has them, and those under way end with an error in place of
// their last byte.
func TestUnbookedIsRefused(t *testing.T) {
	t.Parallel()
	u := newUnbooked(t, "refuse")
	u.fail()
	at := len(u.Engine.Requests())
	for range 3 {
		a := u.ask()
		if a.StatusCode != 503 || a.Err == nil || a.Err.Code != "ledger_unavailable" || a.Header.Get("Retry-After") != "1" {
			t.Errorf("%d, Retry-After %q, %s", a.StatusCode, a.Header.Get("Retry-After"), a.Body)
		}
	}
	if n := len(u.Engine.Requests()) - at; n != 0 {
		t.Errorf("%d of them came to the engine", n)
	}
	if u.Snapshot().Books.Pass {
		t.Error("the gateway says that requests pass")
	}
	close(u.release)
	if a := u.unary.Answer("POST"); a.StatusCode != 503 || a.Err == nil || a.Err.Code != "ledger_unavailable" || a.Header.Get("Retry-After") != "1" || strings.Contains(a.Body, "hello") {
		t.Errorf("under way: %d, Retry-After %q, %s", a.StatusCode, a.Header.Get("Retry-After"), a.Body)
	}
	rest := strings.Join((&streaming{c: u.stream}).Rest(), "")
	if failure, ok := strings.CutSuffix(rest, `"code":"ledger_unavailable"}}`+"\n\n"+done); !ok || !strings.HasPrefix(failure, bare("b")+`data: {"error":`) {
		t.Errorf("the stream under way ended with %q", rest)
	}
	for _, id := range []string{"held-unary", "held-stream"} {
		eventually(t, "logged", func() bool { return u.access(id) != nil })
		if l := u.access(id); l["code"] != "ledger_unavailable" || l["end"] != "interrupted" {
			t.Errorf("logged as %v", l)
		}
	}
	u.mend()
}

// TestUnbookedPasses: where that is chosen, nobody notices, and the rows are
// written when there is room.
func TestUnbookedPasses(t *testing.T) {
	t.Parallel()
	u := newUnbooked(t, "allow")
	u.fail()
	for range 3 {
		if a := u.ask(); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
	}
	close(u.release)
	if a := u.unary.Answer("POST"); a.StatusCode != 200 {
		t.Errorf("under way: %d %s", a.StatusCode, a.Body)
	}
	if rest := strings.Join((&streaming{c: u.stream}).Rest(), ""); rest != bare("b")+done {
		t.Errorf("the stream under way ended with %q", rest)
	}
	eventually(t, "the gateway says what waits", func() bool {
		b := u.Snapshot().Books
		return b.Pass && b.Ledger.Backlog >= 5
	})
	if len(u.passed) != len(u.asked)-2 {
		t.Errorf("%d of %d were answered", len(u.passed), len(u.asked)-2)
	}
	u.WantUsed(t, int64(len(u.asked)))
	u.mend()
}

// WantUsed wants so many requests charged by now, whether they are written or
// not.
func (u *unbooked) WantUsed(t *testing.T, requests int64) {
	t.Helper()
	if w := u.Usage("acme")["requests_per_day"]; w.Used != requests || w.Reserved != 0 {
		t.Errorf("%d requests are charged and %d reserved, want %d", w.Used, w.Reserved, requests)
	}
}

// TestRoomForTheEnd: on a full disk no request begins once the journal's room is
// used up, but what has begun ends as it should: room for that is set aside.
func TestRoomForTheEnd(t *testing.T) {
	t.Parallel()
	u := newUnbooked(t, "refuse")
	u.disk.Fill()
	long := strings.Repeat("x", 1<<10)
	idle := &ledger.Row{ID: long, Model: long, Backend: long, Replica: long, Route: long, Arrived: time.Now()}
	var entries []*ledger.Entry
	for e, err := u.Ledger.Begin(idle); err == nil; e, err = u.Ledger.Begin(idle) {
		entries = append(entries, e)
	}
	if a := u.ask(); a.StatusCode != 503 || a.Err == nil || a.Err.Code != "ledger_unavailable" {
		t.Errorf("after %d beginnings: %d %s", len(entries), a.StatusCode, a.Body)
	}
	close(u.release)
	if a := u.unary.Answer("POST"); a.StatusCode != 200 || !strings.Contains(a.Body, "hello") {
		t.Errorf("under way: %d %s", a.StatusCode, a.Body)
	}
	if rest := strings.Join((&streaming{c: u.stream}).Rest(), ""); rest != bare("b")+done {
		t.Errorf("the stream under way ended with %q", rest)
	}
	u.mend()
	for _, e := range entries {
		if err := u.Ledger.End(e, idle); err != nil {
			t.Fatal(err)
		}
	}
}
