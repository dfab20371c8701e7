package sshd

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// chunk is what a client has to take within the time that output may wait.
const chunk = 32 << 10

// output is a session's output. A client that takes none of it for too long is
// dropped, which ends the write: it can hold nobody up for longer.
type output struct {
	w       io.Writer
	stalled time.Duration
	drop    func()
	newline bool // there is a terminal: its line ends are \r\n, as its driver would have them

	mu    sync.Mutex // the library has one writer at a time
	ended bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return 0, io.ErrClosedPipe
	}
	text := p
	if o.newline {
		text = bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
	}
	for len(text) > 0 {
		part := text[:min(len(text), chunk)]
		if err := o.bounded(func() error { _, err := o.w.Write(part); return err }); err != nil {
			return 0, err
		}
		text = text[len(part):]
	}
	return len(p), nil
}

// end has nothing written from now on: not by what was left behind either.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// bounded calls what may wait for the client.
func (o *output) bounded(send func() error) error {
	late := time.AfterFunc(o.stalled, o.drop)
	defer late.Stop()
	return send()
}
