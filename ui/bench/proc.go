package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ticks a second in which the kernel counts processor time (USER_HZ).
const ticks = 100

// processor is the processor time of a process so far (proc(5)).
func processor(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(stat), ") ") // behind the name, which may hold anything
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("read a process's time: /proc tells something else")
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks, err
}

// btop measures btop in a terminal of a size, with its usual settings but for
// looking once a second, as the dashboard does.
func btop(ctx context.Context, w, h int, span time.Duration) (*measured, error) {
	if _, err := exec.LookPath("btop"); err != nil {
		return nil, errors.New("not installed")
	}
	home, err := os.MkdirTemp("", "btop-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	if err := os.MkdirAll(filepath.Join(home, "btop"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(home, "btop", "btop.conf"), []byte("update_ms = 1000\n"), 0o600); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, "script", "-qfc", fmt.Sprintf("stty cols %d rows %d; echo $$ >%s/pid; exec btop --utf-force", w, h, home), "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "XDG_CONFIG_HOME="+home, "LANG=C.UTF-8")
	in, err := cmd.StdinPipe() // left open: its end would end btop
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var n counter
	cmd.Stdout, cmd.WaitDelay = &n, time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { stop(); _ = cmd.Wait() }()
	if err := pass(ctx, settle); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(home, "pid"))
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	before, err := processor(pid)
	if err != nil {
		return nil, err
	}
	read := n.Load()
	if err := pass(ctx, span); err != nil {
		return nil, err
	}
	after, err := processor(pid)
	if err != nil {
		return nil, err
	}
	return &measured{core: 100 * (after - before).Seconds() / span.Seconds(), bytes: float64(n.Load()-read) / span.Seconds()}, nil
}

// counter counts what is written.
type counter struct{ atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.Add(int64(len(p)))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)
