package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds what has to happen soon.
const patience = 20 * time.Second

// socketIn is the path of a control socket in a new directory with a short
// name: a socket's path is bounded.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "control.sock")
}

// serveControl serves commands at path until the test ends or stop is called,
// which returns what Run did.
func serveControl(t *testing.T, path string, run Command, tune ...func(*Control)) (stop func() error) {
	t.Helper()
	c, err := ListenControl(path, run, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tune {
		f(c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Run does not return")
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

func TestControl(t *testing.T) {
	path := socketIn(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	stop := serveControl(t, path, func(_ context.Context, operator string, args []string, out, errOut io.Writer) int {
		fmt.Fprintf(out, "%s asks %q\n\xff", operator, args)
		fmt.Fprintln(errOut, "a hint")
		return 7
	})
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket's file: %v, %v, want mode 0600", info.Mode(), err)
	}
	var out, errOut bytes.Buffer
	code, err := CallControl(t.Context(), path, []string{"usage", "--by=org", "ä\n"}, &out, &errOut)
	want := me.Username + ` asks ["usage" "--by=org" "ä\n"]` + "\n\xff"
	if code != 7 || err != nil || out.String() != want || errOut.String() != "a hint\n" {
		t.Errorf("code %d, %v, output %q, errors %q, want 7 and %q", code, err, &out, &errOut, want)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); len(left) != 0 || err != nil {
		t.Errorf("after the end there is %v, %v", left, err)
	}
	if _, err := CallControl(t.Context(), path, nil, &out, &errOut); !errors.Is(err, ErrNotServing) {
		t.Errorf("after the end: %v, want ErrNotServing", err)
	}
}

// Output comes as it is written, and a client that goes away ends its command.
func TestControlClientLeaves(t *testing.T) {
	path := socketIn(t)
	ended := make(chan error, 1)
	serveControl(t, path, func(ctx context.Context, _ string, _ []string, out, _ io.Writer) int {
		fmt.Fprintln(out, "begun")
		<-ctx.Done()
		ended <- ctx.Err()
		return 1
	})
	ctx, leave := context.WithCancel(t.Context())
	_, err := CallControl(ctx, path, nil, onWrite(leave), io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the client's call: %v, want context.Canceled", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the command's context: %v", err)
		}
	case <-time.After(patience):
		t.Error("the command goes on without its client")
	}
}

// onWrite is a writer that calls itself for what is written.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

// The end of the serving process ends its commands, whose clients hear it.
func TestControlStop(t *testing.T) {
	path := socketIn(t)
	begun := make(chan struct{})
	stop := serveControl(t, path, func(ctx context.Context, _ string, _ []string, _, errOut io.Writer) int {
		close(begun)
		<-ctx.Done()
		fmt.Fprintln(errOut, ctx.Err())
		return 1
	})
	type answer struct {
		code   int
		err    error
		errOut string
	}
	answered := make(chan answer, 1)
	go func() {
		var errOut bytes.Buffer
		code, err := CallControl(t.Context(), path, nil, io.Discard, &errOut)
		answered <- answer{code, err, errOut.String()}
	}()
	<-begun
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := <-answered; got != (answer{1, nil, "context canceled\n"}) {
		t.Errorf("the client's answer is %+v", got)
	}
}

// A client that never reads does not hold up the end, which is after that of
// its command.
func TestControlStopStalled(t *testing.T) {
	path := socketIn(t)
	begun, failed, let := make(chan struct{}), make(chan struct{}), make(chan struct{})
	stop := serveControl(t, path, func(_ context.Context, _ string, _ []string, out, _ io.Writer) int {
		close(begun)
		for {
			if _, err := out.Write(make([]byte, 1<<20)); err != nil {
				close(failed)
				<-let
				return 1
			}
		}
	})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST "+controlRoute+" HTTP/1.1\r\nHost: control\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	<-failed
	select {
	case err := <-stopped:
		close(let)
		t.Fatalf("Run returned before the command did: %v", err)
	case <-time.After(100 * time.Millisecond): // that it has to be wrong in
	}
	close(let)
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A command has its say, in a line of a megabyte, too, after a silence that is
// longer than its client's may be.
func TestControlLong(t *testing.T) {
	const short = 100 * time.Millisecond
	line := strings.Repeat("0123456789abcdef", 1<<16) + "\n"
	path := socketIn(t)
	serveControl(t, path, func(ctx context.Context, _ string, _ []string, out, _ io.Writer) int {
		select {
		case <-ctx.Done():
			return 7
		case <-time.After(5 * short): // that it has to be wrong in
		}
		if _, err := io.WriteString(out, line); err != nil {
			return 8
		}
		return 0
	}, func(c *Control) { c.unread = short })
	var out bytes.Buffer
	code, err := CallControl(t.Context(), path, nil, &out, io.Discard)
	if code != 0 || err != nil || out.String() != line {
		t.Errorf("code %d, %v, %d bytes, want 0 and %d", code, err, out.Len(), len(line))
	}
}

// A client that stays and reads nothing ends its command, which leaves its slot
// to the next.
func TestControlUnread(t *testing.T) {
	path := socketIn(t)
	ended := make(chan error, 1)
	serveControl(t, path, func(ctx context.Context, _ string, args []string, out, _ io.Writer) int {
		for len(args) == 0 {
			if _, err := out.Write(make([]byte, 1<<20)); err != nil {
				<-ctx.Done()
				ended <- err
				return 1
			}
		}
		return 0
	}, func(c *Control) { c.unread, c.slots = 100*time.Millisecond, make(chan struct{}, 1) })
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST "+controlRoute+" HTTP/1.1\r\nHost: control\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the command's output: %v, want a deadline", err)
		}
	case <-time.After(patience):
		t.Fatal("the command goes on, unread")
	}
	for late := time.Now().Add(patience); ; {
		code, err := CallControl(t.Context(), path, []string{"next"}, io.Discard, io.Discard)
		if code == 0 && err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("the next command: %d, %v", code, err)
		}
	}
}

func TestControlBounds(t *testing.T) {
	path := socketIn(t)
	running, let := make(chan struct{}, maxCommands), make(chan struct{})
	serveControl(t, path, func(ctx context.Context, _ string, args []string, _, _ io.Writer) int {
		if len(args) == 0 {
			return 0
		}
		running <- struct{}{}
		select {
		case <-let:
			return 0
		case <-ctx.Done():
			return 1
		}
	})
	long := []string{strings.Repeat("x", maxArgs)}
	var wrong *UsageError
	if _, err := CallControl(t.Context(), path, long, io.Discard, io.Discard); !errors.As(err, &wrong) {
		t.Errorf("arguments too long: %v, want a *UsageError", err)
	}
	if got := post(t, path, controlRoute, `{"args":["`+long[0]+`"]}`); got != http.StatusBadRequest {
		t.Errorf("arguments too long, sent all the same: status %d", got)
	}
	if got := post(t, path, controlRoute, `{"args":7}`); got != http.StatusBadRequest {
		t.Errorf("no list of arguments: status %d", got)
	}
	if got := post(t, path, "/", `{}`); got != http.StatusNotFound {
		t.Errorf("another path: status %d", got)
	}

	answered := make(chan error, maxCommands)
	for range maxCommands {
		go func() {
			_, err := CallControl(t.Context(), path, []string{"wait"}, io.Discard, io.Discard)
			answered <- err
		}()
		<-running
	}
	if _, err := CallControl(t.Context(), path, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "64 commands run already") {
		t.Errorf("one too many: %v", err)
	}
	close(let)
	for range maxCommands {
		if err := <-answered; err != nil {
			t.Errorf("one of the most: %v", err)
		}
	}
	if code, err := CallControl(t.Context(), path, nil, io.Discard, io.Discard); code != 0 || err != nil {
		t.Errorf("after them: %d, %v", code, err)
	}
}

func post(t *testing.T, path, route, body string) (status int) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
	resp, err := client.Post("http://control"+route, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func answers(code int) Command {
	return func(context.Context, string, []string, io.Writer, io.Writer) int { return code }
}

// A socket that a dead process left is taken over; one in use, and what is no
// socket, is left alone.
func TestListenControl(t *testing.T) {
	path := socketIn(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := CallControl(t.Context(), path, nil, io.Discard, io.Discard); !errors.Is(err, ErrNotServing) {
		t.Errorf("a stale socket: %v, want ErrNotServing", err)
	}
	stop := serveControl(t, path, answers(4))
	if code, err := CallControl(t.Context(), path, nil, io.Discard, io.Discard); code != 4 || err != nil {
		t.Errorf("over a stale socket: %d, %v", code, err)
	}
	if _, err := ListenControl(path, answers(5), nil); err == nil || !strings.Contains(err.Error(), "another pilothouse serves") {
		t.Errorf("a second one: %v", err)
	}
	if code, err := CallControl(t.Context(), path, nil, io.Discard, io.Discard); code != 4 || err != nil {
		t.Errorf("the first, after a second has tried: %d, %v", code, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenControl(path, answers(0), nil); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("over a file: %v", err)
	}
	if kept, err := os.ReadFile(path); string(kept) != "mine" || err != nil {
		t.Errorf("the file is %q, %v", kept, err)
	}
	if _, err := ListenControl(filepath.Join(filepath.Dir(path), strings.Repeat("x", maxPath)), answers(0), nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a path too long: %v", err)
	}
}

// One that never ran closes, twice if need be, and removes no file but its own.
func TestControlClose(t *testing.T) {
	path := socketIn(t)
	c, err := ListenControl(path, answers(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a file of another: %v", err)
	}
	if err := c.Run(t.Context()); err == nil {
		t.Error("Run after Close returned no error")
	}
}
