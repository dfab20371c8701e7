package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// demo is a pilothouse that serves the demo.
type demo struct {
	cmd    *exec.Cmd
	socket string // through which operators attach
	began  time.Time
}

// serve starts the demo and waits until it tells where operators attach.
func serve(ctx context.Context, binary string) (*demo, error) {
	d := &demo{cmd: exec.CommandContext(ctx, binary, "--demo", "serve")}
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for d.socket == "" && lines.Scan() {
		var l struct{ Msg, Socket string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "demo" {
			d.socket = l.Socket
		}
	}
	go func() {
		for lines.Scan() { // so that it is never held up
		}
	}()
	if d.socket == "" {
		d.stop()
		return nil, errors.Join(errors.New("it did not say where operators attach"), lines.Err())
	}
	d.began = time.Now()
	return d, nil
}

func (d *demo) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait() // which tells of the signal
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
