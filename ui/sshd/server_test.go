package sshd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui/desk"
)

func TestCommand(t *testing.T) {
	b := newBed(t, nil)
	for _, c := range []struct {
		who, line string
		want      result
	}{
		{"ada", `grant --org 'a c' "x\"y" z\ z`, result{`ada: grant|--org|a c|x"y|z z` + "\n", "a hint\n", 5}},
		{"oli", "restart chat", result{"oli: restart|chat\n", "a hint\n", 2}},
		{"vera", "status", result{"vera: status\n", "a hint\n", 1}},
		{"vera", "usage list --json", result{"vera: usage|list|--json\n", "a hint\n", 3}},
		{"vera", "restart chat", result{"", "pilothouse: refused: restart needs the role operator, and yours is viewer\n", 4}},
		{"vera", "frobnicate", result{"", "pilothouse: unknown command\n", 2}},
		{"oli", "grant --org acme", result{"", "pilothouse: refused: grant needs the role admin, and yours is operator\n", 4}},
		{"ada", "frobnicate", result{"", "pilothouse: unknown command\n", 2}},
		{"ada", "status | wc", result{"", "pilothouse: '|' at byte 8 is for a shell, and there is none here; quote it if it is meant\n", 2}},
		{"ada", "status 'x", result{"", "pilothouse: the single quote at byte 8 has no end\n", 2}},
		{"ada", "status panic", result{"", "", 1}},
	} {
		if got := b.call(c.who, c.line); got != c.want {
			t.Errorf("%s: %s: got %+v, want %+v", c.who, c.line, got, c.want)
		}
	}
	if got := b.call("vera", "status big"); got.code != 0 || len(got.out) != 8<<20 || strings.Count(got.out, "f0") != 8<<16-1 {
		t.Errorf("got %d bytes, code %d", len(got.out), got.code)
	}
	// On a terminal lines end as it wants them.
	if got := b.call("vera", "status x", "-tt"); !strings.Contains(got.out, "vera: status|x\r\n") || got.code != 2 {
		t.Errorf("on a terminal: %+v", got)
	}
	// Who did what is in the log; what may be a secret is not.
	log := b.log.String()
	for _, want := range []string{`"msg":"ssh command","from":"127.0.0.1:`, `"operator":"oli","role":"operator","command":"restart"`, `"command":"restart","code":2`, `"command":"restart","code":4`, `"command":"","code":2`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, secret := range []string{"a c", "frobnicate", "AAAA", "SHA256:"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}

// A client that is killed, that interrupts or that closes its session ends the
// command, and nobody else's.
func TestCommandEndsWithItsClient(t *testing.T) {
	b := newBed(t, nil)
	other := b.ssh("oli")
	other.Args = append(other.Args, "logs wait")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	stays := receive(t, "the other's command", b.commands)

	cmd := b.ssh("vera")
	cmd.Args = append(cmd.Args, "logs wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := receive(t, "the command", b.commands)
	cmd.Process.Kill()
	cmd.Wait()
	receive(t, "its end", r.ctx.Done())

	c := b.dial("vera")
	for name, end := range map[string]func(*ssh.Session, io.Writer) error{
		"close":  func(s *ssh.Session, _ io.Writer) error { return s.Close() },
		"signal": func(s *ssh.Session, _ io.Writer) error { return s.Signal(ssh.SIGINT) },
		"ctrl-c": func(_ *ssh.Session, in io.Writer) error { _, err := in.Write([]byte{3}); return err },
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if name == "ctrl-c" {
			if err := s.RequestPty("xterm", 24, 80, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Start("logs wait"); err != nil {
			t.Fatal(err)
		}
		r := receive(t, "the command", b.commands)
		if err := end(s, in); err != nil {
			t.Fatal(name, err)
		}
		receive(t, "the end by "+name, r.ctx.Done())
		s.Wait()
	}
	if stays.ctx.Err() != nil {
		t.Error("the other's command ended, too")
	}
	stays.code <- 7
	if other.Wait(); other.ProcessState.ExitCode() != 7 {
		t.Errorf("the other's ended with %d", other.ProcessState.ExitCode())
	}
}

// Clients must find the key that they know, after a restart as well.
func TestRestart(t *testing.T) {
	b := newBed(t, nil)
	if got := b.call("vera", "status"); got.code != 1 {
		t.Fatalf("%+v", got)
	}
	addr := b.Addr().String()
	b.end()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("it listens after its end")
	}
	o := b.opt
	o.Config.Listen = addr
	b.start(o, defaultLimits())
	if got := b.call("vera", "status", "-o", "StrictHostKeyChecking=yes"); got.code != 1 {
		t.Errorf("after a restart: %+v", got)
	}
	b.end()
	if err := os.Remove(o.Config.HostKeyFile); err != nil {
		t.Fatal(err)
	}
	b.start(o, defaultLimits())
	if got := b.call("vera", "status"); got.code != 255 {
		t.Errorf("another host key is taken: %+v", got)
	}
}

// The end of the server ends what runs, tells its clients, and takes no longer
// than it may, whoever does not read.
func TestEnd(t *testing.T) {
	b := newBed(t, nil)
	b.putAway = make(chan struct{})
	cmd := b.ssh("vera")
	cmd.Args = append(cmd.Args, "logs wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := receive(t, "the command", b.commands)
	nothing := b.dial("oli") // has a session that asks for nothing
	if _, err := nothing.NewSession(); err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	over := make(chan struct{})
	go func() { b.end(); close(over) }()
	receive(t, "the command's end", r.ctx.Done())
	select {
	case <-over:
		t.Error("Run returned before a command had")
	case <-time.After(200 * time.Millisecond): // that it has to be wrong in
	}
	close(b.putAway)
	receive(t, "the server's end", over)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("the client ended with %d", cmd.ProcessState.ExitCode())
	}
}

// Who is taken out of the configuration is out, at once; who is in it stays.
func TestApply(t *testing.T) {
	b := newBed(t, nil)
	waits := func(who string) (*ssh.Session, *ran) {
		s, err := b.dial(who).NewSession()
		if err == nil {
			err = s.Start("logs wait")
		}
		if err != nil {
			t.Fatal(err)
		}
		return s, receive(t, "the command", b.commands)
	}
	_, vera := waits("vera")
	_, oli := waits("oli")
	_, ada := waits("ada")
	c := b.opt.Config
	c.Operators = append([]Operator{}, c.Operators[0], c.Operators[2])
	c.Operators[1].Role = desk.Viewer
	if err := b.Apply(c); err != nil {
		t.Fatal(err)
	}
	receive(t, "the end of who is gone", oli.ctx.Done())
	receive(t, "the end of who has another role", ada.ctx.Done())
	if why := context.Cause(oli.ctx); !errors.Is(why, errRevoked) {
		t.Error(why)
	}
	if vera.ctx.Err() != nil {
		t.Error("who is as before is cut off")
	}
	if got := b.call("oli", "status"); got.code != 255 {
		t.Errorf("who is gone comes in: %+v", got)
	}
	if got := b.call("ada", "restart chat"); got.code != 4 {
		t.Errorf("who is a viewer now restarts: %+v", got)
	}
	c.Operators = append(c.Operators, Operator{"x", "boss", ""})
	if err := b.Apply(c); err == nil {
		t.Error("operators with mistakes are taken")
	}
	if vera.ctx.Err() != nil {
		t.Error("a mistake cuts off")
	}
}
