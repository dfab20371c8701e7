package accesslog

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := New(&out)
		text := func() string { b.mu.Lock(); defer b.mu.Unlock(); return out.String() }
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		io.WriteString(b, "one\n")
		synctest.Wait()
		if text() != "" {
			t.Error("a line is written at once")
		}
		time.Sleep(every)
		synctest.Wait()
		if text() != "one\n" {
			t.Errorf("after a second there is %q", text())
		}
		io.WriteString(b, "two\n")
		end()
		if err := <-ended; err != nil || text() != "one\ntwo\n" {
			t.Errorf("at the end: %v, %q", err, text())
		}
	})
}
