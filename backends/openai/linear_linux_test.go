package openai

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linear holds that ten times the input takes nowhere near a hundred times the
// processor time. The thread's own time is what other work on the machine
// disturbs least.
func linear(t *testing.T, n int, prepare func(n int) func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spent := func() time.Duration {
		const thread = 1 // RUSAGE_THREAD, see getrusage(2)
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano())
	}
	took := func(n int) time.Duration {
		run := prepare(n)
		start := spent()
		run()
		return spent() - start
	}
	// The kernel counts in ticks: a short time may come out as nothing.
	if small, large := took(n), took(10*n); large > 50*small+250*time.Millisecond {
		t.Errorf("%d bytes took %v, %d bytes %v", n, small, 10*n, large)
	}
}

// Bodies that a quadratic step would show in.
func TestInspectLinear(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(n int) string
	}{
		{"distinct names", func(n int) string {
			var b strings.Builder
			for i := range n / 10 {
				fmt.Fprintf(&b, `"%06x":0,`, i)
			}
			return chat(b.String() + `"z":0`)
		}},
		{"distinct names with escapes", func(n int) string {
			var b strings.Builder
			for i := range n / 16 {
				fmt.Fprintf(&b, `"\u0061%06x":0,`, i)
			}
			return chat(b.String() + `"z":0`)
		}},
		{"distinct options", func(n int) string {
			var b strings.Builder
			for i := range n / 10 {
				fmt.Fprintf(&b, `"%06x":0,`, i)
			}
			return chat(`"stream_options":{` + b.String() + `"z":0}`)
		}},
		{"equal names", func(n int) string { return chat(strings.Repeat(`"x":0,`, n/6) + `"z":0`) }},
		{"white space", func(n int) string { return chat(strings.Repeat(" ", n) + `"z":0`) }},
		{"arrays", func(n int) string { return chat(`"z":[` + strings.Repeat("[],", n/3) + `0]`) }},
		{"escapes", func(n int) string { return chat(`"z":"` + strings.Repeat(`\n`, n/2) + `"`) }},
		{"one number", func(n int) string { return chat(`"temperature":0.` + strings.Repeat("1", n)) }},
		{"one name", func(n int) string { return chat(`"` + strings.Repeat(`\n`, n/2) + `":0`) }},
		{"open brackets", func(n int) string { return chat(`"z":` + strings.Repeat("[", n)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			linear(t, 256<<10, func(n int) func() {
				body := []byte(c.make(n))
				return func() {
					var r Request
					_ = r.Inspect(body, Chat) // some of these are refused, after the whole way
				}
			})
		})
	}
}

// An event that comes in small pieces is gone through once.
func TestStreamLinear(t *testing.T) {
	for _, c := range []struct{ name, fill, end string }{
		{"LF", "x", "\"}\n\n"}, {"CRLF", "x", "\"}\r\n\r\n"}, {"lines", "\"\ndata:\"", "\"}\n\n"}, {"CR", "\"\rdata:\"", "\"}\r\r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			linear(t, 100<<10, func(n int) func() {
				input := []byte(`data: {"a":"` + strings.Repeat(c.fill, n/len(c.fill)) + c.end)
				return func() {
					var s Stream
					s.Reset(false, false)
					for p := range slices.Chunk(input, 100) {
						if err := s.Write(p); err != nil {
							t.Error(err)
						}
					}
					if s.Chunk() == nil {
						t.Error("no chunk")
					}
				}
			})
		})
	}
}
