// Package dockertest starts a real Docker engine for tests, apart from any other
// on the machine, and has it fail in the ways in which engines do.
//
// An engine has directories, a socket, a range of addresses and control groups of
// its own, and leaves the firewall alone but for a rule that lets its containers
// talk to each other: several can run at once. What is left of one whose process
// has ended without closing it, the next one removes. It needs root and Debian's
// docker.io.
package dockertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// Engine is a real dockerd.
type Engine struct {
	Socket string // where it listens
	dir    string
	group  string // of its containers, under the hierarchies of control groups
	pool   *net.IPNet
	lock   *os.File // held while the engine is somebody's
	args   []string

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd is gone

	images sync.Mutex
}

const (
	program = "/usr/sbin/dockerd" // where Debian has it
	prefix  = "dt"                // of engines' directories
)

// New starts an engine with these arguments besides. The caller closes it.
func New(args ...string) (*Engine, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, errors.New("no dockerd here: install docker.io, or run make deps")
	}
	if os.Getuid() != 0 {
		return nil, errors.New("dockerd needs root: run the tests as root")
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix) // short, as paths of sockets have to be
	if err != nil {
		return nil, err
	}
	e := at(dir)
	e.args = args
	if e.pool, err = freePool(); err == nil {
		err = os.WriteFile(e.path("none.json"), []byte("{}"), 0o600) // and not the machine's
	}
	if err == nil {
		err = e.own()
	}
	if err == nil {
		err = e.firewall("-I")
	}
	if err == nil {
		err = e.start()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// at is an engine that has this directory.
func at(dir string) *Engine {
	return &Engine{dir: dir, Socket: filepath.Join(dir, "sock"), group: "pilothouse-" + filepath.Base(dir)}
}

// Start starts an engine that ends with the test.
func Start(t testing.TB, args ...string) *Engine {
	t.Helper()
	e, err := New(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// freePool is a range of addresses that nothing on this machine uses.
func freePool() (*net.IPNet, error) {
	used, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for range 100 {
		pool := &net.IPNet{IP: net.IPv4(10, byte(100+rand.IntN(150)), 0, 0).To4(), Mask: net.CIDRMask(16, 32)}
		free := true
		for _, a := range used {
			if in, ok := a.(*net.IPNet); ok && (pool.Contains(in.IP) || in.Contains(pool.IP)) {
				free = false
			}
		}
		if free {
			return pool, nil
		}
	}
	return nil, errors.New("no range of addresses in 10.0.0.0/8 is free")
}

// Host is where it is, as DOCKER_HOST has it.
func (e *Engine) Host() string { return "unix://" + e.Socket }

// Client is a client of it, to be closed.
func (e *Engine) Client(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.New(client.WithHost(e.Host()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Start starts it again, after Kill, with all that it had.
func (e *Engine) Start(t testing.TB) {
	t.Helper()
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
}

func (e *Engine) path(name string) string { return filepath.Join(e.dir, name) }

func (e *Engine) start() error {
	log, err := os.OpenFile(e.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	e.cmd = exec.Command(program, append([]string{
		"--host", e.Host(), "--data-root", e.path("data"), "--exec-root", e.path("exec"), "--pidfile", e.path("pid"), "--config-file", e.path("none.json"),
		"--bridge", "none", "--default-address-pool", "base=" + e.pool.String() + ",size=24", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false",
		"--dns", "127.0.0.1", // none: what containers ask for that is not theirs fails at once
		"--cgroup-parent", "/" + e.group, "--log-level", "warn",
	}, e.args...)...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin") // where iptables is
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	e.ended = make(chan struct{})
	go func() {
		runtime.LockOSThread() // whose end, with the test's process, is dockerd's
		err := e.cmd.Start()
		started <- err
		if err == nil {
			e.cmd.Wait()
		}
		close(e.ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	return e.answers(30 * time.Second)
}

// answers waits until it does.
func (e *Engine) answers(within time.Duration) error {
	way := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", e.Socket)
	}}
	c := &http.Client{Transport: way, Timeout: within}
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		resp, err := c.Get("http://docker/_ping")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-e.ended:
			return fmt.Errorf("dockerd has ended: %s", e.lastLog())
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("dockerd does not answer: %w; %s", err, e.lastLog())
		}
	}
}

func (e *Engine) lastLog() string {
	text, err := os.ReadFile(e.path("log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// running tells whether dockerd is there.
func (e *Engine) running() bool {
	if e.cmd == nil || e.cmd.Process == nil {
		return false
	}
	select {
	case <-e.ended:
		return false
	default:
		return true
	}
}

// Kill ends dockerd at once, with its containerd, and leaves its containers as they
// are.
func (e *Engine) Kill() {
	e.end(syscall.SIGKILL, time.Minute)
	file := e.path("exec/containerd/containerd.pid")
	text, _ := os.ReadFile(file)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && e.owns(pid) {
		syscall.Kill(pid, syscall.SIGKILL)
		for e.owns(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	os.Remove(file) // where nobody reaps it, dockerd would wait for it for ever
}

// owns tells whether a process that is alive was started for the engine: a zombie
// has no arguments.
func (e *Engine) owns(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(text), e.dir+"/")
}

// end has dockerd end in time.
func (e *Engine) end(with syscall.Signal, within time.Duration) bool {
	if !e.running() {
		return true
	}
	e.cmd.Process.Signal(with)
	e.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-e.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// Pause stops dockerd as it is: it accepts connections, and answers nothing.
func (e *Engine) Pause(t testing.TB) { e.signal(t, syscall.SIGSTOP) }

// Resume lets it go on.
func (e *Engine) Resume(t testing.TB) { e.signal(t, syscall.SIGCONT) }

func (e *Engine) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
