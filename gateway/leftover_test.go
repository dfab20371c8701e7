package gateway_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// wantNothingLeft waits until all requests have given back what they held.
func (s *service) wantNothingLeft() {
	s.t.Helper()
	left := s.Left()
	for end := time.Now().Add(patience); left != "" && time.Now().Before(end); left = s.Left() {
		time.Sleep(time.Millisecond)
	}
	if left != "" {
		s.t.Errorf("the gateway has ended, and this is left:\n%s", left)
	}
}

// TestMain runs all tests, and wants nothing of theirs to be left.
func TestMain(m *testing.M) {
	before := openFiles()
	code := m.Run()
	var left []string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left = ours()
		if now := openFiles(); now > before {
			left = append(left, fmt.Sprintf("%d files are open, and %d were at the beginning", now, before))
		}
		if len(left) == 0 || code != 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 && code == 0 {
		fmt.Printf("left by the tests:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// openFiles counts the files that the process has open.
func openFiles() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(all)
}

// ours are the goroutines of the gateway's own, and those that it started in a
// library.
func ours() (left []string) {
	ours := []string{"pilothouse/gateway.", "pilothouse/backends.", "pilothouse/gateway/keys.", "pilothouse/gateway/ledger.", "pilothouse/gateway/quota.", "fasthttp.(*workerPool)", "fasthttp.(*Server)"}
	buf := make([]byte, 4<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		sweeper := strings.Contains(g, "fasthttp.(*workerPool).Start") // sees at its next turn that all is over
		if !sweeper && slices.ContainsFunc(ours, func(o string) bool { return strings.Contains(g, o) }) {
			left = append(left, g)
		}
	}
	return left
}

// noGoroutines waits until no goroutine of the gateway's own is left, nor one
// that it started in a library. Tests that use it can't be parallel.
func noGoroutines(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		left := ours()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("goroutines left:\n%s", strings.Join(left, "\n\n"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
