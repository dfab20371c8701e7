package backends

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"pilothouse/backends/dockertest"
)

// shared is the Docker engine of all tests that leave theirs alive.
var shared = sync.OnceValues(func() (*dockertest.Engine, error) {
	sharing = true
	d, err := dockertest.New()
	if err == nil {
		err = addNetwork(d)
	}
	return d, err
})

var sharing bool // whether shared was started

// atOnce is how many tests run at once that may: they wait for containers more than
// they compute.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if set := slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.parallel=") }); !set {
		flag.Set("test.parallel", atOnce)
	}
	before := count()
	code := m.Run()
	if sharing {
		if d, err := shared(); d != nil && err == nil {
			if err := d.Close(); err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
				code = 1
			}
		}
	}
	if left := before.left(); left != "" && code == 0 {
		os.Stderr.WriteString("the tests have left " + left)
		code = 1
	}
	os.Exit(code)
}

func sharedDocker(t *testing.T) *dockertest.Engine {
	t.Helper()
	d, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	d.Image(t)
	return d
}

// netName is the network of all containers.
const netName = "lifecycle"

// addNetwork makes it: two processes that do so at once would get two.
func addNetwork(d *dockertest.Engine) error {
	api, err := client.New(client.WithHost(d.Host()))
	if err != nil {
		return err
	}
	defer api.Close()
	_, err = api.NetworkCreate(context.Background(), netName, client.NetworkCreateOptions{Driver: "bridge"})
	return err
}

// quiet checks that a test, and those that run in it, leave no goroutine and no
// descriptor. It comes first.
func quiet(t *testing.T) {
	t.Helper()
	before := count()
	t.Cleanup(func() {
		if left := before.left(); left != "" {
			t.Fatal(left)
		}
	})
}

// counts are how many goroutines and open files there are.
type counts struct{ goroutines, files int }

func count() counts {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return counts{runtime.NumGoroutine(), len(all)}
}

// left waits until there are no more than then, and says which there are; "": none.
func (c counts) left() string {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		now := count()
		if now.goroutines <= c.goroutines && now.files <= c.files {
			return ""
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			return fmt.Sprintf("%d goroutines, %d before; %d open files, %d before\n%s\n", now.goroutines, c.goroutines, now.files, c.files, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
