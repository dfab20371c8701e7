package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that stops reading is dropped, and holds nobody up.
func TestStopped(t *testing.T) {
	for name, tune := range map[string]func(*limits){
		"by its output":     func(l *limits) { l.remote.stalled, l.alive = time.Second, time.Hour },
		"by its keep-alive": func(l *limits) { l.remote.stalled, l.alive = time.Hour, 500*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, func(_ *Options, l *limits) { tune(l) })
			cmd := b.ssh("vera", "-tt")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			w := receive(t, "the screen", b.screens)
			well := b.ssh("oli", "-tt")
			if err := well.Start(); err != nil {
				t.Fatal(err)
			}
			other := receive(t, "the other's screen", b.screens)
			cmd.Process.Signal(syscall.SIGSTOP)
			drawn := make(chan error, 1)
			go func() {
				for frame := bytes.Repeat([]byte("x"), 1<<16); ; {
					if _, err := w.Out.Write(frame); err != nil {
						drawn <- err
						return
					}
				}
			}()
			for end := time.Now().Add(patience); w.ctx.Err() == nil; {
				began := time.Now()
				if began.After(end) {
					t.Fatal("it is not dropped")
				}
				if _, err := io.WriteString(other.Out, "hello\n"); err != nil || time.Since(began) > 5*time.Second {
					t.Fatalf("the other waits for %v: %v", time.Since(began), err)
				}
				if got := b.call("ada", "status"); got.code != 1 {
					t.Fatalf("the third is not served: %+v", got)
				}
			}
			receive(t, "the end of its output", drawn)
			if why := context.Cause(w.ctx); !slices.Contains([]error{errStalled, errDead}, why) {
				t.Errorf("it ended since %v", why)
			}
			if !strings.Contains(b.log.String(), "ssh client dropped") {
				t.Error("the log says nothing of it")
			}
			if other.ctx.Err() != nil {
				t.Error("the other was dropped, too")
			}
			close(other.quit)
			if err := well.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Keep-alive on a screen that is written to all the time: who answers stays, and
// who is silent goes.
func TestKeepAlive(t *testing.T) {
	b := newBed(t, func(_ *Options, l *limits) { l.alive = 300 * time.Millisecond })
	cmd := b.ssh("vera", "-tt")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := receive(t, "the screen", b.screens)
	s, _ := b.silent("oli")
	defer s.Close()
	gone := receive(t, "the silent one's screen", b.screens)
	for end := time.Now().Add(patience); gone.ctx.Err() == nil && time.Now().Before(end); {
		io.WriteString(w.Out, "x")
		io.WriteString(gone.Out, "x")
		time.Sleep(5 * time.Millisecond)
	}
	if why := context.Cause(gone.ctx); !errors.Is(why, errDead) {
		t.Errorf("it ended since %v", why)
	}
	time.Sleep(5 * b.limits.alive)
	if w.ctx.Err() != nil {
		t.Errorf("who answers ended since %v", context.Cause(w.ctx))
	}
	close(w.quit)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
