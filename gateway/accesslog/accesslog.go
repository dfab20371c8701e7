// Package accesslog gathers the lines of the access log, so that a request costs
// no write.
package accesslog

import (
	"bufio"
	"context"
	"io"
	"sync"
	"time"
)

// every is how often the lines are written.
const every = time.Second

// Buffer is a writer whose lines are written once a second, and at the end. New
// makes one. Write may be called at once.
type Buffer struct {
	mu sync.Mutex
	w  *bufio.Writer
}

// New makes a buffer in front of w.
func New(w io.Writer) *Buffer { return &Buffer{w: bufio.NewWriterSize(w, 64<<10)} }

// Write takes a line.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Write(p)
}

// Run writes what has come until ctx ends, and then what is left.
func (b *Buffer) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var done bool
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		b.mu.Lock()
		_ = b.w.Flush() // a log that can't be written must not end the service; bufio keeps the error
		b.mu.Unlock()
		if done {
			return nil
		}
	}
}
