package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pilothouse/ui/desk"
)

// result of a command through the socket.
func (b *bed) local(args ...string) result {
	b.t.Helper()
	var out, errOut bytes.Buffer
	code, err := Call(b.t.Context(), b.socket, args, CallOptions{Out: &out, ErrOut: &errOut})
	if err != nil {
		b.t.Fatalf("%q: %v", args, err)
	}
	return result{out.String(), errOut.String(), code}
}

// A user of this host needs no key, and is who the kernel says, with every role;
// a command line arrives as it was, and nothing is left at the end.
func TestSocket(t *testing.T) {
	b := newBed(t, nil)
	if info, err := os.Lstat(b.socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket's file: %v, %v, want mode 0600", info.Mode(), err)
	}
	me := UserName(uint32(os.Geteuid()))
	args := []string{"x", "", "--by=org", "ä\n", "it's", `"`, `\`, "| $HOME"}
	if got, want := b.local(args...), (result{me + ": " + strings.Join(args, "|") + "\n", "a hint\n", 8}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := b.local("grant", "--org", "acme"); got.code != 3 {
		t.Errorf("a grant: %+v", got)
	}
	var out bytes.Buffer
	if code, err := Call(t.Context(), b.socket, []string{"restart", "chat"}, CallOptions{ReadOnly: true, Out: io.Discard, ErrOut: &out}); code != 4 || err != nil || !strings.Contains(out.String(), "yours is viewer") {
		t.Errorf("read-only: %d, %v, %q", code, err, &out)
	}
	if b.audit.String() != me+": restart refused x\n" {
		t.Errorf("the audit has %q", b.audit.String())
	}
	out.Reset()
	code, err := Call(t.Context(), b.socket, []string{"x", strings.Repeat("y", maxLine)}, CallOptions{ErrOut: &out})
	if code != 2 || err != nil || !strings.Contains(out.String(), "too long") {
		t.Errorf("a long line: %d, %v, %q", code, err, &out)
	}
	for _, text := range []string{"status big", "status panic"} {
		if got := b.local(strings.Fields(text)...); got.code != map[string]int{"status panic": 1}[text] {
			t.Errorf("%s: code %d", text, got.code)
		}
	}
	if log := b.log.String(); !strings.Contains(log, `"msg":"ssh command","from":"this host","operator":"`+me+`","role":"admin","command":"restart","code":4`) {
		t.Errorf("the log has no such line:\n%s", log)
	}
	b.end()
	if left, err := os.ReadDir(filepath.Dir(b.socket)); len(left) != 0 || err != nil {
		t.Errorf("after the end there is %v, %v", left, err)
	}
	if _, err := Call(t.Context(), b.socket, nil, CallOptions{}); !errors.Is(err, desk.ErrNotServing) {
		t.Errorf("after the end: %v", err)
	}
}

// A socket that a dead process left is taken over; one in use, and what is no
// socket, is left alone.
func TestListenSocket(t *testing.T) {
	path := socketIn(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Call(t.Context(), path, nil, CallOptions{}); !errors.Is(err, desk.ErrNotServing) {
		t.Errorf("a stale socket: %v, want ErrNotServing", err)
	}
	s, err := ListenSocket(path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	if _, err := ListenSocket(path); err == nil || !strings.Contains(err.Error(), "another pilothouse serves") {
		t.Errorf("a second one: %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first, after a second has tried: %v", err)
	} else {
		c.Close()
	}
	// It closes twice, and removes no file but its own.
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := ListenSocket(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
	if kept, err := os.ReadFile(path); string(kept) != "mine" || err != nil {
		t.Errorf("the file is %q, %v", kept, err)
	}
	if _, err := ListenSocket(filepath.Join(filepath.Dir(path), strings.Repeat("x", maxPath))); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a path too long: %v", err)
	}
}

// Who sits in the socket's door keeps nobody out, nor do those who come over TCP.
func TestSocketHalfOpen(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) { l.remote.sessions, l.remote.conns = bound{}, bound{} })
	for range 200 {
		c, err := net.Dial("unix", b.socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	began := time.Now()
	if got := b.local("x"); got.code != 1 {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// So many commands may run at once, and the next is told.
func TestSocketBounds(t *testing.T) {
	const most = 5
	b := newBed(t, func(_ *Options, l *limits) { l.local.sessions = bound{all: most, each: most} })
	answered := make(chan error, most)
	var running []*ran
	for range most {
		go func() {
			_, err := Call(t.Context(), b.socket, []string{"x", "wait"}, CallOptions{Out: io.Discard, ErrOut: io.Discard})
			answered <- err
		}()
		running = append(running, receive(t, "a command", b.commands))
	}
	if _, err := Call(t.Context(), b.socket, []string{"x"}, CallOptions{}); err == nil || !strings.Contains(err.Error(), "too many sessions: 5 of") {
		t.Errorf("one too many: %v", err)
	}
	for _, r := range running {
		r.code <- 0
		if err := receive(t, "an answer", answered); err != nil {
			t.Errorf("one of the most: %v", err)
		}
	}
	// The server gives the place back once it knows that the client does.
	eventually(t, "a place", func() bool {
		_, err := Call(t.Context(), b.socket, []string{"x"}, CallOptions{Out: io.Discard, ErrOut: io.Discard})
		return err == nil
	})
}

// as runs f as another user, who is this thread's alone and lasts as long as it.
func as(t *testing.T, uid uintptr, f func()) {
	t.Helper()
	done := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its goroutine
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid)
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Fatalf("become user %d: %v; run the tests as root, as the Docker engine needs, too", uid, errno)
	}
}

// The kernel says who is at each end. A client is who it is, and takes no one's
// word but root's, its own user's, or as root that of whose directory it is.
func TestPeers(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		t.Fatal("another user can only be had by root: run the tests as root, as the Docker engine needs, too")
	}
	b := newBed(t, nil)
	dir := filepath.Dir(b.socket)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var err error
	call := func() {
		_, err = Call(context.Background(), b.socket, []string{"x"}, CallOptions{Out: &out, ErrOut: io.Discard})
	}
	as(t, nobody, call)
	if err == nil || !strings.Contains(err.Error(), "permission denied; run this as the user that it runs as") {
		t.Errorf("another user comes in: %v, %q", err, &out)
	}
	if err := os.Chmod(b.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	as(t, nobody, call)
	if err != nil || out.String() != UserName(nobody)+": x\n" {
		t.Errorf("another user, let in: %v, %q", err, &out)
	}

	other := filepath.Join(dir, "other")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	as(t, nobody, func() { l, err = net.Listen("unix", other) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := dial(t.Context(), other); err == nil || !strings.Contains(err.Error(), "it is "+UserName(nobody)+" who listens there") {
		t.Errorf("another user's socket: %v", err)
	}
	c, err := net.Dial("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := os.Chown(dir, nobody, -1); err != nil {
		t.Fatal(err)
	}
	if err := trusted(c, other); err != nil {
		t.Errorf("another user's socket in their own directory: %v", err)
	}
	as(t, nobody-1, func() { err = trusted(c, other) })
	if err == nil || !strings.Contains(err.Error(), "who listens there") {
		t.Errorf("and who asks is not root: %v", err)
	}
}
