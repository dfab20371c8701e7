package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/ui/desk"
	"pilothouse/ui/sshd"
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

// serving serves commands at path until stop is called, which returns what Run
// did.
func serving(path string, run sshd.Command) (stop func() error, err error) {
	socket, err := sshd.ListenSocket(path)
	if err != nil {
		return nil, err
	}
	o := sshd.Options{Socket: socket, Desk: desk.New(desk.Platform{}, desk.Options{}), Command: run}
	o.Config.Fill("")
	s, err := sshd.New(o)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	return func() error {
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
	}, nil
}

// serve is serving until the test ends.
func serve(t *testing.T, path string, run sshd.Command) (stop func() error) {
	t.Helper()
	stop, err := serving(path, run)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// through has commands run by the process that serves at path.
func through(path string) Forward {
	return func(ctx context.Context, args []string, out, errOut io.Writer) (int, error) {
		return sshd.Call(ctx, path, args, sshd.CallOptions{Out: out, ErrOut: errOut})
	}
}

// onWrite is a writer that calls itself for what is written.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

// broken is a writer that fails.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }
