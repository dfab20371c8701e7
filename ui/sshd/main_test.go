package sshd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/desk"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// quiet checks that a test, and those that run in it, leave no goroutine and no
// descriptor. It comes first.
func quiet(t *testing.T) {
	t.Helper()
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines || descriptors() > files; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before; %d descriptors, %d before\n%s", runtime.NumGoroutine(), goroutines, descriptors(), files, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
	}
	return v
}

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// person has a key: in memory, and in a file for OpenSSH's client.
type person struct {
	signer ssh.Signer
	file   string
	public string
}

func newPerson(t *testing.T, dir, name string) person {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, name)
	if err != nil {
		t.Fatal(err)
	}
	p := person{signer, filepath.Join(dir, name), string(ssh.MarshalAuthorizedKey(signer.PublicKey()))}
	if err := os.WriteFile(p.file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// bed is a server with three operators, and what tests do to it.
type bed struct {
	*Server
	t      *testing.T
	dir    string
	log    *journal
	socket string // the path of its unix socket
	audit  journal
	people map[string]person
	end    func() // and wait for Run
	ended  chan error

	screens  chan *shown
	commands chan *ran
	putAway  chan struct{} // is closed unless a command that is broken off has to take its time
}

// shown is a screen that was opened; it stays until its ctx ends or quit is closed.
type shown struct {
	Session
	ctx  context.Context
	quit chan struct{}
}

// ran is a command that waits.
type ran struct {
	ctx   context.Context
	args  []string
	out   io.Writer
	code  chan int
	ended chan struct{} // it has returned
}

func newBed(t *testing.T, change func(*Options, *limits)) *bed {
	t.Helper()
	quiet(t)
	b := &bed{t: t, dir: t.TempDir(), log: &journal{}, people: map[string]person{}, ended: make(chan error, 1),
		screens: make(chan *shown, 200), commands: make(chan *ran, 200), putAway: make(chan struct{})}
	close(b.putAway)
	o := Options{Log: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Screen: b.screen, Command: b.command}
	o.Desk = desk.New(desk.Platform{}, desk.Options{Note: func(_ context.Context, e ledger.Event) error {
		_, err := fmt.Fprintf(&b.audit, "%s: %s %s\n", e.Author, e.Action, e.Object)
		return err
	}})
	b.socket = socketIn(t)
	o.Config.Listen = "127.0.0.1:0"
	for _, name := range []string{"vera", "oli", "ada"} {
		role := map[string]desk.Role{"vera": desk.Viewer, "oli": desk.Hand, "ada": desk.Admin}[name]
		b.people[name] = newPerson(t, b.dir, name)
		o.Config.Operators = append(o.Config.Operators, Operator{name, role, b.people[name].public})
	}
	o.Config.Fill(b.dir)
	l := defaultLimits()
	if change != nil {
		change(&o, &l)
	}
	if err := o.Config.Validate(); err != nil {
		t.Fatal(err)
	}
	b.start(o, l)
	return b
}

// socketIn is the path of a socket in a new directory with a short name: a
// socket's path is bounded.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "control.sock")
}

func (b *bed) start(o Options, l limits) {
	b.t.Helper()
	var err error
	if o.Socket, err = ListenSocket(b.socket); err != nil {
		b.t.Fatal(err)
	}
	s, err := newServer(o, l)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	go func() { b.ended <- s.Run(ctx) }()
	b.end = sync.OnceFunc(func() {
		cancel()
		if err := receive(b.t, "the server's end", b.ended); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
	b.t.Cleanup(b.end)
	receive(b.t, "the server", s.Ready())
}

// screen stays until its ctx ends or it is told to.
func (b *bed) screen(ctx context.Context, s Session) error {
	w := &shown{s, ctx, make(chan struct{})}
	b.screens <- w
	select {
	case <-ctx.Done():
	case <-w.quit:
	}
	return nil
}

// command is a double of the commands: what it does is its first words.
func (b *bed) command(ctx context.Context, seat *desk.Seat, args []string, out, errOut io.Writer) (string, int) {
	name := args[0]
	needs := map[string]desk.Role{"restart": desk.Hand, "grant": desk.Admin}[name]
	if needs == "" {
		needs = desk.Viewer
	}
	if err := seat.Permit(ctx, needs, name, "x"); err != nil {
		fmt.Fprintf(errOut, "pilothouse: %v\n", err)
		return name, 4
	}
	switch {
	case name == "frobnicate":
		io.WriteString(errOut, "pilothouse: unknown command\n")
		return "", 2
	case len(args) > 1 && args[1] == "wait":
		r := &ran{ctx, args, out, make(chan int), make(chan struct{})}
		b.commands <- r
		defer close(r.ended)
		select {
		case code := <-r.code:
			return name, code
		case <-ctx.Done():
			io.WriteString(errOut, "put away\n")
			<-b.putAway
			return name, 130
		}
	case len(args) > 1 && args[1] == "panic":
		panic("on purpose")
	case len(args) > 1 && args[1] == "big":
		line := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		for range 8 {
			if _, err := out.Write(line); err != nil {
				return name, 1
			}
		}
		return name, 0
	case len(args) > 1 && args[1] == "mixed":
		for range 100 {
			io.WriteString(out, "out\n")
			io.WriteString(errOut, "err\n")
		}
		return name, 0
	}
	io.WriteString(out, seat.Operator().Name+": "+strings.Join(args, "|")+"\n")
	io.WriteString(errOut, "a hint\n")
	return name, len(args)
}
