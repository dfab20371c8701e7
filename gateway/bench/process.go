package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is a server that the bench has started: it ends with the context it
// was started in, at the latest when the bench itself ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file with what it wrote
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
}

// startProcess starts a command whose output goes to a file in dir.
func startProcess(ctx context.Context, dir, name string, args, env []string, files ...*os.File) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{name: name, stop: cancel, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		cancel()
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.ExtraFiles = files
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is told by its log, where anyone asks
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// close ends the process and returns when it has ended. It may be called twice.
func (p *process) close() {
	p.stop()
	<-p.done
}

// ready waits until probe succeeds, at most for limit, and not for a process
// that has ended.
func (p *process) ready(ctx context.Context, limit time.Duration, probe func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.New(p.cmd.ProcessState.String()), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, err, p.tail())
		default:
			pause(ctx, 20*time.Millisecond)
		}
	}
}

// tail is the end of what the process wrote.
func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(b[max(0, len(b)-2000):])
}
