package docker

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"pilothouse/backends/dockertest"
)

// shared is the engine of all tests that leave theirs alive.
var shared = sync.OnceValues(func() (*dockertest.Engine, error) { return dockertest.New() })

var sharing bool // whether shared was started

func TestMain(m *testing.M) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // what the runtime opens at the first socket is not a test's
		l.Close()
	}
	code := m.Run()
	if sharing {
		if d, err := shared(); err == nil {
			if err := d.Close(); err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
				code = 1
			}
		}
	}
	os.Exit(code)
}

func sharedEngine(t testing.TB) *dockertest.Engine {
	t.Helper()
	sharing = true
	d, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// quiet checks that a test leaves no goroutine and no descriptor. It comes first.
func quiet(t testing.TB) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines || descriptors(t) > files; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d goroutines, %d before; %d descriptors, %d before\n%s", runtime.NumGoroutine(), goroutines, descriptors(t), files, stacks())
			}
		}
	})
}

func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// until waits for a condition.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// within fails where something takes longer.
func within(t testing.TB, most time.Duration, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if took := time.Since(begun); took > most {
		t.Errorf("it took %v, want at most %v", took, most)
	}
}

func open(t testing.TB, h Host) *Engine {
	t.Helper()
	e, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// local is an Engine on the shared one.
func local(t testing.TB) (*Engine, *dockertest.Engine) {
	t.Helper()
	d := sharedEngine(t)
	d.Talker(t)
	quiet(t)
	return open(t, Host{Name: "test", Host: d.Host()}), d
}

var notName = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// talker is a container that talks, named after the test, and removed with it.
func talker(t testing.TB, d *dockertest.Engine, suffix string, words ...string) Spec {
	t.Helper()
	name := strings.ToLower(notName.ReplaceAllString(t.Name(), "-")) + suffix
	discard(t, d, name)
	return Spec{Backend: "chat", Name: name, Image: d.Talker(t), Pull: "never", Command: words, Restart: "no", StopTimeout: Duration(5 * time.Second)}
}

// discard removes a container with the test.
func discard(t testing.TB, d *dockertest.Engine, name string) {
	t.Cleanup(func() {
		c, err := client.New(client.WithHost(d.Host()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.ContainerRemove(context.Background(), name, client.ContainerRemoveOptions{Force: true}) // if it is there
	})
}

func plan(t testing.TB, s Spec) Plan {
	t.Helper()
	p, err := s.Plan(os.Getenv, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func create(t testing.TB, e *Engine, s Spec) Container {
	t.Helper()
	if _, err := e.Create(t.Context(), plan(t, s), nil); err != nil {
		t.Fatal(err)
	}
	return inspect(t, e, s.Name)
}

func run(t testing.TB, e *Engine, s Spec) Container {
	t.Helper()
	create(t, e, s)
	if err := e.Start(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	return inspect(t, e, s.Name)
}

func inspect(t testing.TB, e *Engine, name string) Container {
	t.Helper()
	c, err := e.Inspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// is fails where an error is not of a type, and returns it as that.
func is[T error](t testing.TB, err error) T {
	t.Helper()
	as, ok := errors.AsType[T](err)
	if !ok {
		t.Fatalf("got %T (%v), want %T", err, err, as)
	}
	return as
}

// stacks are those of all goroutines.
func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
