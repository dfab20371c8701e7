package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadingSince(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name          string
		before, after reading
		want          time.Duration
	}{
		{"the finer count", reading{100 * ms, 103 * ms, 1}, reading{200 * ms, 207 * ms, 1}, 104 * ms},
		{"ticks run ahead a little", reading{0, 0, 1}, reading{40 * ms, 33 * ms, 1}, 33 * ms},
		{"a thread has ended", reading{0, 0, 1}, reading{500 * ms, 200 * ms, 1}, 500 * ms},
		{"a thread of the past has ended", reading{900 * ms, 900 * ms, 2}, reading{1900 * ms, 1000 * ms, 2}, 1000 * ms},
	} {
		if got := tt.after.since(tt.before); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestUsageGrowsWithWork(t *testing.T) {
	before, err := readUsage([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for {
		now, err := readUsage([]int{os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		if spent := now.since(before); spent >= 50*time.Millisecond {
			if wall := time.Since(start); spent > 20*wall {
				t.Errorf("%v spent in %v", spent, wall)
			}
			return
		}
		if time.Since(start) > 5*time.Second {
			t.Fatal("5 s of work did not count as 50 ms")
		}
	}
}

func TestFamilyHasGrandchildren(t *testing.T) {
	p, err := startProcess(t.Context(), t.TempDir(), "shell", []string{"sh", "-c", "sleep 60 & wait"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	err = p.ready(t.Context(), 5*time.Second, func() error {
		ours, err := family(os.Getpid())
		if err != nil {
			return err
		}
		theirs, err := family(p.pid())
		if err != nil {
			return err
		}
		if len(theirs) != 2 || !slices.Contains(ours, theirs[1]) {
			return os.ErrNotExist
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestProcessTellsWhyItEnded(t *testing.T) {
	p, err := startProcess(t.Context(), t.TempDir(), "liar", []string{"sh", "-c", "echo no such setting >&2; exit 3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	err = p.ready(t.Context(), 5*time.Second, func() error { return os.ErrNotExist })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such setting") {
		t.Errorf("got %v, want its status and its words", err)
	}
}

func TestProcessEndsWhenClosed(t *testing.T) {
	p, err := startProcess(t.Context(), t.TempDir(), "sleeper", []string{"sleep", "60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	p.close()
	if got := p.cmd.ProcessState.String(); got != "signal: terminated" {
		t.Errorf("ended with %q", got)
	}
}
