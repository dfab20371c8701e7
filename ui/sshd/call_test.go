package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui/desk"
)

// onWrite is a writer that calls itself for what is written.
type onWrite func([]byte) (int, error)

func (f onWrite) Write(p []byte) (int, error) { return f(p) }

// A client that leaves ends its command; so does one whose output can't be
// written any more.
func TestCallLeaves(t *testing.T) {
	b := newBed(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	failed := errors.New("disk full")
	for name, c := range map[string]struct {
		out  io.Writer
		want error
	}{
		"leave": {onWrite(func(p []byte) (int, error) { leave(); return len(p), nil }), context.Canceled},
		"fail":  {onWrite(func([]byte) (int, error) { return 0, failed }), failed},
	} {
		of := t.Context()
		if name == "leave" {
			of = ctx
		}
		answered := make(chan error, 1)
		go func() {
			_, err := Call(of, b.socket, []string{"x", "wait"}, CallOptions{Out: c.out, ErrOut: io.Discard})
			answered <- err
		}()
		r := receive(t, "the command", b.commands)
		io.WriteString(r.out, "begun\n")
		receive(t, "the command's end", r.ctx.Done())
		if err := receive(t, "the client's end", answered); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Who has left before is told so, too.
	if _, err := Call(ctx, b.socket, []string{"x"}, CallOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The end of the serving process ends its commands, whose clients hear what they
// had to say.
func TestCallStop(t *testing.T) {
	b := newBed(t, nil)
	type answer struct {
		code   int
		err    error
		errOut string
	}
	answered := make(chan answer, 1)
	go func() {
		var errOut bytes.Buffer
		code, err := Call(t.Context(), b.socket, []string{"x", "wait"}, CallOptions{Out: io.Discard, ErrOut: &errOut})
		answered <- answer{code, err, errOut.String()}
	}()
	receive(t, "the command", b.commands)
	b.end()
	if got := receive(t, "the answer", answered); got != (answer{130, nil, "put away\n"}) {
		t.Errorf("the client's answer is %+v", got)
	}
}

// A client that stays and reads nothing ends its command, which leaves its place
// to the next.
func TestCallUnread(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) {
		l.local.stalled, l.local.sessions = 200*time.Millisecond, bound{all: 1, each: 1}
	})
	c, err := dial(t.Context(), b.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{"status big"})); !ok || err != nil {
		t.Fatal(ok, err)
	}
	gone := make(chan error, 1)
	go func() { gone <- c.Wait() }()
	receive(t, "the end of who reads nothing", gone)
	eventually(t, "a place", func() bool {
		_, err := Call(t.Context(), b.socket, []string{"x"}, CallOptions{Out: io.Discard, ErrOut: io.Discard})
		return err == nil
	})
}

// What is written to both outputs comes apart, and in one where it is to.
func TestCallOutputs(t *testing.T) {
	b := newBed(t, nil)
	if got := b.local("x", "mixed"); got != (result{strings.Repeat("out\n", 100), strings.Repeat("err\n", 100), 0}) {
		t.Errorf("apart: %+v", got)
	}
	var both bytes.Buffer
	code, err := Call(t.Context(), b.socket, []string{"x", "mixed"}, CallOptions{ErrOut: &both, OneOutput: true})
	if code != 0 || err != nil || both.String() != strings.Repeat("out\nerr\n", 100) {
		t.Errorf("in one: %d, %v, %q", code, err, &both)
	}
}

// What listens there and is no gateway is told of, and not waited for.
func TestCallOther(t *testing.T) {
	path := socketIn(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	if _, err := Call(t.Context(), path, []string{"x"}, CallOptions{}); err == nil || errors.Is(err, desk.ErrNotServing) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

// What quote writes, words reads; any shell, too.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "a", "a\x00b", "it's\x00$x\x00\n", "\\\x00\"\x00|"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\x00") // no argument has one
		line := quote(args)
		if len(line) > maxLine {
			return
		}
		if got, err := words(line); err != nil || !slices.Equal(got, args) {
			t.Fatalf("%q became %q, which is %q, %v", args, line, got, err)
		}
	})
}
