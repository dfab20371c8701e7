package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// backendKeyEnv is the variable that Pilothouse's configuration names for the
// backend's key.
const backendKeyEnv = "BENCH_BACKEND_KEY"

// settle is how long a server is warmed, and how long the machine is left alone
// before a measurement; less where measurements are shorter.
const settle = 500 * time.Millisecond

// A bench measures targets side by side. Nothing runs until measure.
type bench struct {
	dir        string // for configurations and logs
	progress   io.Writer
	targets    []target
	paths      map[string]string // programs, by target
	continuous bool              // the backend honours continuous_usage_stats
	key        string            // the client's
	backendKey string
	files      int // how many each process may open
	started    int // processes so far: each has a folder of its own
}

// A server is a target that runs and answers.
type server struct {
	addr     string
	*process // nil: the backend, which is measured as "direct"
}

func (s *server) close() {
	if s.process != nil {
		s.process.close()
	}
}

// newKey makes a key for this run alone.
func newKey() string { return "sk-bench-" + rand.Text() }

// raiseFiles lets this process and those it starts open as many files as the
// system allows, and tells how many that is.
func raiseFiles() (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("raise the limit of open files: %w", err)
	}
	const need = 5000 // 2,000 streams have two sockets each in a gateway
	if l.Max < need {
		return 0, fmt.Errorf("%d files may be open, %d must be: raise the hard limit (ulimit -Hn)", l.Max, need)
	}
	return int(min(l.Max, 1<<20)), nil
}

// measure runs a workload: the servers are started anew, then every round
// measures each of them, beginning with another one each time.
func (b *bench) measure(ctx context.Context, w workload, rounds int) (all []series, err error) {
	engine, err := b.startBackend(ctx, w)
	if err != nil {
		return nil, err
	}
	defer engine.process.close()
	servers := map[string]*server{}
	defer func() {
		for _, s := range servers {
			s.close()
		}
	}()
	for _, t := range b.targets {
		if t.program == "" && w.memory {
			continue // no process, no memory
		}
		all = append(all, series{target: t.name})
	}
	for n := range rounds {
		for i := range all {
			s := &all[(i+n)%len(all)]
			srv := servers[s.target]
			if srv == nil {
				if srv, err = b.start(ctx, b.target(s.target), engine, w); err != nil {
					return nil, err
				}
				servers[s.target] = srv
			}
			r, err := b.round(ctx, w, srv, engine)
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", s.target, err)
			}
			r.Workload, r.Target, r.Round = w.name, s.target, n+1
			s.rounds = append(s.rounds, r)
			fmt.Fprintf(b.progress, "%s %d/%d %-10s %8s/s %8s µs  bad %d %s\n", w.name, n+1, rounds, s.target,
				r.PerSecond.text(0), r.CPU.text(2), r.Bad, r.FirstBad)
			if w.memory {
				srv.close()
				delete(servers, s.target)
			}
		}
	}
	return all, nil
}

func (b *bench) target(name string) target {
	for _, t := range b.targets {
		if t.name == name {
			return t
		}
	}
	return target{}
}

// startBackend starts this same program as the backend. It inherits a listener,
// so that its address is known and open from the first moment.
func (b *bench) startBackend(ctx context.Context, w workload) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	args := []string{self, backendCommand, "-events", strconv.Itoa(w.events), "-interval", w.interval.String(),
		"-continuous-usage=" + strconv.FormatBool(b.continuous)}
	s := &server{addr: ln.Addr().String()}
	if s.process, err = startProcess(ctx, b.dir, "backend", args, []string{keysEnv + "=" + b.key + " " + b.backendKey}, file); err != nil {
		return nil, err
	}
	return s, b.warm(ctx, s, w)
}

// start brings up a target before the backend and warms it.
func (b *bench) start(ctx context.Context, t target, engine *server, w workload) (*server, error) {
	if t.program == "" {
		return &server{addr: engine.addr}, nil
	}
	b.started++
	dir := filepath.Join(b.dir, strconv.Itoa(b.started))
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		return nil, err
	}
	ports, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(b.key))
	at := &site{Dir: dir, Listen: ports[0], Admin: ports[1], Backend: engine.addr, Model: model, Context: maxContext,
		Key: b.key, KeyHash: hex.EncodeToString(hash[:]), BackendKeyEnv: backendKeyEnv, Files: b.files, Root: os.Getuid() == 0}
	args, err := at.write(t)
	if err != nil {
		return nil, err
	}
	s := &server{addr: at.Listen}
	s.process, err = startProcess(ctx, dir, t.name, append([]string{b.paths[t.name]}, args...), []string{backendKeyEnv + "=" + b.backendKey})
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, s, w); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// freeAddresses gives loopback addresses that nobody listens on.
func freeAddresses(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // kept until all are found, so that they differ
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// warm waits until a server answers, makes sure that it turns a wrong key away,
// and fills its pools with unary requests of the workload's size.
func (b *bench) warm(ctx context.Context, s *server, w workload) error {
	w.stream, w.rate, w.memory = false, 0, false
	w.conns, w.duration = min(w.conns, 64), min(w.duration, settle)
	ask := func(key string) error {
		l := newLoad(w, s.addr, key)
		c, err := dial(l.addr, time.Now().Add(5*time.Second))
		if err != nil {
			return err
		}
		defer c.Close()
		return l.ask(c, &tally{})
	}
	if err := s.ready(ctx, 20*time.Second, func() error { return ask(b.key) }); err != nil {
		return err
	}
	var status statusError
	if err := ask(newKey()); !errors.As(err, &status) || status != 401 {
		return fmt.Errorf("%s does not turn away a wrong key: %v", s.name, err)
	}
	if t := newLoad(w, s.addr, b.key).run(ctx); t.bad > 0 {
		return fmt.Errorf("warm %s: %d bad answers: %s\n%s", s.name, t.bad, t.firstBad, s.tail())
	}
	return ctx.Err()
}

// round measures one server once.
func (b *bench) round(ctx context.Context, w workload, s, engine *server) (round, error) {
	runtime.GC()
	pause(ctx, min(w.duration, settle)) // the last one's connections go
	r := round{CPU: none(), StreamKB: none()}
	measured := [][]int{{os.Getpid()}, {engine.pid()}}
	var watched []int
	if s.process != nil {
		var err error
		if watched, err = family(s.pid()); err != nil {
			return r, err
		}
		measured = append(measured, watched)
	}
	before := make([]reading, len(measured))
	after := make([]reading, len(measured))
	r.Before = resident(watched)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	peak := watchResident(watching, watched)
	l := newLoad(w, s.addr, b.key)
	for i, pids := range measured {
		var err error
		if before[i], err = readUsage(pids); err != nil {
			return r, err
		}
	}
	start := time.Now()
	t := l.run(ctx)
	took := time.Since(start)
	if err := ctx.Err(); err != nil {
		return r, err
	}
	for i, pids := range measured {
		var err error
		if after[i], err = readUsage(pids); err != nil {
			return r, err
		}
	}
	stop()
	r.Peak = <-peak

	units := t.answers
	if w.stream {
		units = t.events
	}
	per := func(i int) number {
		return number(after[i].since(before[i]).Seconds() * 1e6 / float64(max(1, units)))
	}
	r.Units, r.Bad, r.FirstBad = units, t.bad, t.firstBad
	r.PerSecond = number(float64(units) / took.Seconds())
	r.P50, r.P99 = number(t.latency.quantile(.5)), number(t.latency.quantile(.99))
	r.Jitter = number(t.jitter.quantile(.99))
	r.ClientCPU, r.BackendCPU = per(0), per(1)
	if s.process != nil {
		r.CPU = per(2)
		r.StreamKB = number(float64(r.Peak-r.Before) / 1024 / float64(w.conns))
	}
	return r, nil
}
