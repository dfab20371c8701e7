package backends

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"pilothouse/backends/docker"
	"pilothouse/backends/dockertest"
)

// platform is a pool with its lifecycle, on a real Docker engine, whose
// containers are simulators. It has one process after the other.
type platform struct {
	t      *testing.T
	d      *dockertest.Engine
	pool   *Pool
	life   *Lifecycle
	file   string
	within time.Duration // that the engine has to answer; 0: 5s
	steps  stepLog
	audit  notes
	over   <-chan struct{}    // closed when the process is to end
	cancel context.CancelFunc // has it end, as it were, and does not wait
	stop   func()             // does both
}

// stepLog is a log that calls a function before each step is done, when it has
// been written down.
type stepLog struct {
	slog.Handler
	each atomic.Pointer[func(container string, step StepName)]
}

func (s *stepLog) Enabled(context.Context, slog.Level) bool { return true }

func (s *stepLog) Handle(_ context.Context, r slog.Record) error {
	f := s.each.Load()
	if f == nil || r.Message != "step" {
		return nil
	}
	of := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { of[a.Key] = a.Value.String(); return true })
	(*f)(of["container"], StepName(of["step"]))
	return nil
}

// notes are what the audit has been told of.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(author, action, object, detail string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, fmt.Sprintf("%s: %s %s (%s)", author, action, object, detail))
}

// take empties the notes.
func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}

// before has a function called before a step of the next order, once.
func (p *platform) before(step StepName, f func()) {
	var done atomic.Bool
	p.steps.each.Store(new(func(_ string, name StepName) {
		if name == step && done.CompareAndSwap(false, true) {
			f()
		}
	}))
}

// housed is a backend with a container for each of n replicas, named after the
// test and the backend.
func housed(t *testing.T, d *dockertest.Engine, name string, n int, flags ...string) Config {
	t.Helper()
	c := Config{Name: name, Model: "model-" + name, Container: &Container{
		Spec: docker.Spec{Image: d.Image(t), Pull: "never", Restart: "no", StopTimeout: Duration(2 * time.Second), Networks: []docker.Network{{Name: netName}},
			Command: append([]string{"sim", "--listen", "0.0.0.0:8000", "--speed", "20", "--model", "model-" + name}, flags...)},
	}, Health: Health{Interval: Duration(50 * time.Millisecond), Ramp: Duration(200 * time.Millisecond)}}
	for i := range n {
		addr := reserve(t)
		c.URLs = append(c.URLs, "http://"+addr)
		r := ContainerReplica{Name: fmt.Sprintf("%s-%s-%d", prefixOf(t), name, i), Ports: []string{addr + ":8000"}}
		c.Container.Replicas = append(c.Container.Replicas, r)
		t.Cleanup(func() { discard(t, d, r.Name) })
	}
	return c
}

// reserve is an address on loopback that nobody else is given until the test
// ends: a socket is bound to it, which refuses connections, and beside which one
// that names the address may listen.
func reserve(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

func prefixOf(t *testing.T) string { return strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")) }

// discard removes a container, if it is there.
func discard(t *testing.T, d *dockertest.Engine, name string) {
	api, err := client.New(client.WithHost(d.Host()))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.ContainerRemove(context.Background(), name, client.ContainerRemoveOptions{Force: true})
}

// changed is a backend with other containers; what runs has a copy of its own.
func changed(c Config, f func(*Container)) Config {
	own := *c.Container
	own.Replicas = slices.Clone(own.Replicas)
	f(&own)
	c.Container = &own
	return c
}

// start starts a pool and a lifecycle of the configuration.
func start(t *testing.T, d *dockertest.Engine, cfg ...Config) *platform {
	t.Helper()
	p := &platform{t: t, d: d, file: filepath.Join(t.TempDir(), "state", "lifecycle.json")}
	p.begin(cfg...)
	return p
}

// begin starts the process, as it were, which has read its configuration anew.
func (p *platform) begin(cfg ...Config) {
	p.t.Helper()
	own := slices.Clone(cfg)
	for i := range own {
		own[i] = changed(own[i], func(*Container) {})
	}
	pool, err := New(own)
	if err != nil {
		p.t.Fatal(err)
	}
	host := docker.Host{Name: "test", Host: p.d.Host(), Timeout: Duration(cmp.Or(p.within, 5*time.Second))}
	host.Fill()
	life, err := NewLifecycle(pool, LifecycleOptions{Hosts: []docker.Host{host}, File: p.file, Log: slog.New(&p.steps), Note: p.audit.add})
	if err != nil {
		p.t.Fatal(err)
	}
	p.pool, p.life = pool, life
	p.runs()
}

// runs has the process run until it is cancelled, or stopped.
func (p *platform) runs() {
	ctx, cancel := context.WithCancel(context.Background())
	pool, life := p.pool, p.life
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	running.Go(func() { life.Run(ctx) })
	p.over, p.cancel = ctx.Done(), cancel
	p.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		life.Close()
		for _, b := range pool.All() {
			for _, r := range b.replicas {
				if n := r.inflight.Load(); n != 0 {
					p.t.Errorf("%d requests in flight in the end", n)
				}
			}
		}
	})
	p.t.Cleanup(p.stop)
}

// up brings all up.
func (p *platform) up() {
	p.t.Helper()
	if j := p.order(ActUp); j.State != Done {
		p.t.Fatalf("up: %+v\n%s", j, p.describe())
	}
}

// begins has an order carried out.
func (p *platform) begins(o Order) int {
	p.t.Helper()
	j, err := p.life.Begin(p.t.Context(), o)
	if err != nil {
		p.t.Fatalf("%s %v: %v", o.Action, o.Names, err)
	}
	return j.ID
}

// order has an order carried out, and returns the job once it has ended.
func (p *platform) order(a Action, names ...string) Job {
	p.t.Helper()
	return p.ended(p.begins(Order{Action: a, Names: names, Author: "ana", Reason: "a test"}))
}

// ended waits until a job has ended.
func (p *platform) ended(id int) (j Job) {
	p.t.Helper()
	p.until(fmt.Sprintf("job %d to end", id), func() bool {
		j, _ = p.life.Job(id)
		return !j.Ended.IsZero()
	})
	return j
}

func (p *platform) until(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain for %s\n%s", what, p.describe())
		}
	}
}

// describe is for the errors of tests.
func (p *platform) describe() string {
	s := ""
	for _, b := range p.pool.Snapshot().Backends {
		for _, r := range b.Replicas {
			s += fmt.Sprintf("%s %s: %s (%s) %+v %+v\n", b.Name, r.URL, r.State, r.Reason, r.Container, r.Drained)
		}
	}
	for _, j := range p.pool.Snapshot().Jobs {
		s += fmt.Sprintf("%+v\n", j)
	}
	return s
}

// replica is one, as it is.
func (p *platform) replica(b, i int) *Replica { return p.pool.All()[b].replicas[i] }

// status is a replica's, as it is now.
func (p *platform) status(b, i int) *ReplicaStatus { return new(p.replica(b, i).status()) }

// request has a request in flight at a replica, until it is done.
func (p *platform) request(b, i int) (done func()) {
	p.t.Helper()
	r := p.replica(b, i)
	if !r.claim() {
		p.t.Fatalf("no request can be sent\n%s", p.describe())
	}
	place := r.take(&Need{Prompt: 1})
	return sync.OnceFunc(place.Done)
}

// container is one as the engine has it now.
func (p *platform) container(name string) docker.Container {
	p.t.Helper()
	c, err := p.life.engines[0].Inspect(context.Background(), name)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// healed ends the faults of a simulator with --control, if it listens.
func healed(url string) bool {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Post(url+"/sim/faults", "application/json", strings.NewReader(`{"faults":[]}`))
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil
}

// contains fails where a text lacks one of these.
func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// stepsOf are those that were done, a word each.
func stepsOf(part Part) string {
	var names []string
	for _, s := range part.Past {
		names = append(names, string(s.Name))
	}
	return strings.Join(names, " ")
}

// portsOf are what publishes a port of a container, in the engine's words.
func portsOf(t *testing.T, text string) (network.PortSet, network.PortMap) {
	t.Helper()
	at, inside, _ := strings.Cut(strings.TrimPrefix(text, "127.0.0.1:"), ":")
	port, err := network.ParsePort(inside + "/tcp")
	if err != nil {
		t.Fatal(err)
	}
	return network.PortSet{port: {}}, network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: at}}}
}
