// Pilothouse runs and watches a self-hosted LLM platform: an OpenAI-compatible
// gateway in front of vLLM servers on the company's own GPUs, and the terminal
// dashboard of the people on call for it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"pilothouse/backends"
	"pilothouse/backends/docker"
	"pilothouse/backends/sim"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
	"pilothouse/gpu/dcgm"
	"pilothouse/gpu/nvml"
	simgpu "pilothouse/gpu/sim"
	"pilothouse/ui"
	"pilothouse/ui/cli"
	"pilothouse/ui/sshd"
)

// version is set when the binary is built.
var version = "dev"

// Exit codes, which scripts rely on.
const (
	exitFailed = 1
	exitUsage  = 2 // also a configuration that can't be used
	exitAbsent = 3 // nothing is serving here
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := fang.Execute(ctx, newRoot(), fang.WithVersion(version), fang.WithErrorHandler(
		func(w io.Writer, _ fang.Styles, err error) {
			var elsewhere *cli.ExitError
			if !errors.As(err, &elsewhere) { // those have been told
				fmt.Fprintf(w, "pilothouse: %v\n", err)
			}
		}))
	stop()
	if err != nil {
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	var usage *cli.UsageError
	var elsewhere *cli.ExitError
	var setting *settingError
	var file *keys.FileError
	switch {
	case errors.As(err, &elsewhere):
		return elsewhere.Code
	case errors.As(err, &usage), errors.As(err, &setting), errors.As(err, &file):
		return exitUsage
	case errors.Is(err, cli.ErrNotServing):
		return exitAbsent
	}
	return exitFailed
}

// noArgs refuses arguments as wrong usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return &cli.UsageError{Err: err}
	}
	return nil
}

// globals are the flags that every command has.
type globals struct {
	config string
	demo   bool
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "pilothouse",
		Short: "Run and watch a self-hosted LLM platform",
		Long: `Pilothouse is an OpenAI-compatible gateway in front of vLLM servers and the terminal
dashboard of the people on call for them.

Without a command it serves and shows the dashboard. To see it with simulated
GPUs and backends, which need no configuration: pilothouse --demo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.dashboard(g.untilHangup(cmd.Context())) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &cli.UsageError{Err: err} })
	f := root.PersistentFlags()
	f.StringVar(&g.config, "config", defaultConfig(), "configuration `file`")
	f.BoolVar(&g.demo, "demo", false, "serve simulated backends and GPUs, with traffic of their own; needs and leaves no file")
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Serve without a terminal", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.serve(g.untilHangup(cmd.Context())) }},
		&cobra.Command{Use: "check", Short: "Check the configuration and the keys file", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.check(cmd.OutOrStdout()) }},
		&cobra.Command{Use: "init", Short: "Write the annotated configuration of the reference deployment", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.init(cmd.ErrOrStderr()) }},
		newVersion(),
		cli.NewKey(cli.KeyOptions{File: g.keysFile}),
		cli.NewUsage(g.fromShell()),
		cli.NewGrant(g.fromShell()),
		cli.NewEvents(g.fromShell()),
		cli.NewCapacity(),
		cli.NewSim(),
	)
	root.AddCommand(cli.NewOperations(g.operations())...)
	return root
}

// newVersion makes the command that prints the version.
func newVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		}}
}

// untilHangup has the demo end with its terminal, and leave nothing behind.
// Otherwise a hang-up means: read the configuration again.
func (g *globals) untilHangup(ctx context.Context) context.Context {
	if g.demo {
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP) // for as long as the process lives
	}
	return ctx
}

// defaultConfig is the file here, or else the host's.
func defaultConfig() string {
	const here, host = "config.toml", "/etc/pilothouse/config.toml"
	if _, err := os.Stat(here); err != nil {
		if _, err := os.Stat(host); err == nil {
			return host
		}
	}
	return here
}

// serve runs headless until ctx ends.
func (g *globals) serve(ctx context.Context) error {
	p, err := g.build(func(string) (io.WriteCloser, error) { return os.Stderr, nil })
	if err != nil {
		return err
	}
	defer p.close()
	return p.run(ctx)
}

// dashboard serves and shows it, until its user or a signal ends it. The log
// goes to a file: nothing else writes to a terminal that the dashboard owns.
func (g *globals) dashboard(ctx context.Context) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return &cli.UsageError{Err: errors.New("the dashboard needs a terminal; to serve without one: pilothouse serve")}
	}
	p, err := g.build(func(stateDir string) (io.WriteCloser, error) {
		if err := os.MkdirAll(stateDir, 0o700); err != nil {
			return nil, fmt.Errorf("make server.state_dir, for the log: %w", err)
		}
		return os.OpenFile(filepath.Join(stateDir, "pilothouse.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	})
	if err != nil {
		return err
	}
	defer p.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- p.run(ctx); stop() }()
	select {
	case <-p.gateway.Ready():
		if err := ui.Run(ctx, p.screen); err != nil && !g.demo {
			p.log.Warn("the terminal is gone; serving goes on without it", "error", err)
			<-ctx.Done()
		}
	case <-ctx.Done():
	}
	stop()
	return <-served
}

// platform is all that one process runs.
type platform struct {
	log     *slog.Logger
	logFile io.WriteCloser
	access  *buffered
	pool    *backends.Pool
	life    *backends.Lifecycle
	docker  []docker.Host // that life is connected to
	gpu     gpuConfig     // in force
	gpus    *gpu.Sampler  // nil: nobody reads GPUs
	keys    *keys.Store
	gateway *gateway.Gateway
	screen  ui.Options

	ssh       *sshd.Server // nil: it is off
	sshConfig sshd.Config  // in force

	support []func(context.Context) error // what the gateway needs until it has drained
	guests  []func(context.Context) error // what uses it, until the drain begins
	closers []func() error
}

// build makes everything, in the order in which one needs the other.
func (g *globals) build(openLog func(stateDir string) (io.WriteCloser, error)) (_ *platform, err error) {
	p := &platform{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	var c *config
	if g.demo {
		c, err = p.demo()
	} else {
		c, err = loadConfig(g.config)
	}
	if err != nil {
		return nil, err
	}
	if p.logFile, err = openLog(c.Server.StateDir); err != nil {
		return nil, err
	}
	p.log = slog.New(slog.NewJSONHandler(p.logFile, nil))
	if p.pool, err = backends.New(c.Backends); err != nil {
		return nil, err
	}
	if p.keys, err = keys.Open(c.Server.KeysFile, keys.Options{Log: p.log}); err != nil {
		return nil, err
	}
	o := gateway.Options{Config: c.Config, Pool: p.pool, Keys: p.keys, Log: p.log, Version: version}
	if err = p.openBooks(c, &o); err != nil {
		return nil, err
	}
	if err = p.newLifecycle(c, o.Ledger); err != nil {
		return nil, err
	}
	if err = p.watchGPUs(c); err != nil {
		return nil, err
	}
	if p.gpus != nil {
		host, _ := os.Hostname() // "" where it has none
		o.Collectors = append(o.Collectors, dcgm.NewCollector(host, p.gpus.Snapshot))
		p.screen.GPUs = p.gpus
		p.support = append(p.support, p.gpus.Run)
	}
	if c.Log.Access == nil || *c.Log.Access {
		p.access = newBuffered(p.logFile)
		o.AccessLog = slog.New(slog.NewJSONHandler(p.access, nil))
		p.support = append(p.support, p.access.run)
	}
	if p.gateway, err = gateway.New(o); err != nil {
		return nil, err
	}
	if err = p.listenControl(c.Server.StateDir); err != nil {
		return nil, err
	}
	p.support = append(p.support, p.pool.Run, p.life.Run, p.keys.Run)
	if !g.demo {
		p.support = append(p.support, func(ctx context.Context) error { return p.reload(ctx, g.config) })
	}
	p.screen.Gateway, p.screen.Pool, p.screen.Demo, p.screen.Version = p.gateway, p.pool, g.demo, version
	if err = p.listenSSH(c.SSH); err != nil {
		return nil, err
	}
	return p, nil
}

// run serves until ctx ends and the gateway has drained, or something fails.
func (p *platform) run(ctx context.Context) error {
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	support, stop := context.WithCancel(context.Background())
	defer stop()
	group, failed := errgroup.WithContext(support)
	context.AfterFunc(failed, drain)
	for _, f := range p.support {
		group.Go(func() error { return f(failed) })
	}
	for _, f := range p.guests {
		group.Go(func() error {
			select {
			case <-p.gateway.Ready():
				return f(ctx)
			case <-ctx.Done():
				return nil
			}
		})
	}
	err := p.gateway.Run(ctx)
	drain()
	stop()
	return errors.Join(err, group.Wait())
}

func (p *platform) close() {
	for _, f := range slices.Backward(p.closers) {
		if err := f(); err != nil && p.log != nil {
			p.log.Error("closing failed", "error", err)
		}
	}
}

// buffered gathers the access log's lines, so that a request costs no write.
// They are written once a second, and at the end.
type buffered struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func newBuffered(w io.Writer) *buffered { return &buffered{w: bufio.NewWriterSize(w, 64<<10)} }

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Write(p)
}

func (b *buffered) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var done bool
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		b.mu.Lock()
		b.w.Flush() // a log that can't be written must not end the service; bufio keeps the error
		b.mu.Unlock()
		if done {
			return nil
		}
	}
}

// demo is the configuration of the demo, and what it runs: the reference
// deployment on simulated backends and GPUs, with clients of its own.
func (p *platform) demo() (*config, error) {
	dir, err := os.MkdirTemp("", "pilothouse-demo-")
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, func() error { return os.RemoveAll(dir) })
	c, err := parseConfig("config.toml", reference)
	if err != nil {
		return nil, err
	}
	c.Server.StateDir, c.Server.KeysFile = dir, filepath.Join(dir, "keys.toml")
	c.Server.DrainTimeout = backends.Duration(2 * time.Second)
	c.Docker, c.SSH = nil, sshd.Config{}
	for _, l := range []*string{&c.Server.Listen, &c.Server.AdminListen} {
		if *l, err = freeAddress(*l); err != nil {
			return nil, err
		}
	}
	if p.screen.DemoKey, _, err = keys.New(c.Server.KeysFile, keys.Entry{Org: "visitor", Name: "demo"}); err != nil {
		return nil, err
	}
	var cards []simgpu.Card
	var models []sim.TrafficModel
	for i := range c.Backends {
		b := &c.Backends[i]
		b.APIKeyEnv, b.Container = "", nil
		kind := sim.Chat
		if len(b.Routes) > 0 {
			kind = sim.Text2SQL
		}
		s, err := sim.New(sim.Config{Model: b.Model, Kind: kind, MaxModelLen: b.MaxContext, Seed: uint64(i + 1)})
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		b.URLs = []string{"http://" + l.Addr().String()}
		p.support = append(p.support, func(ctx context.Context) error { return s.Serve(ctx, l) })
		cards = append(cards, simgpu.Card{Serves: b.Name, Work: s})
		models = append(models, sim.TrafficModel{Name: b.Model, Kind: kind})
	}
	p.gpus = gpu.New(gpu.Options{InFlight: p.inFlight}, gpu.Host{Source: simgpu.New(cards...)})
	c.GPU.Source = "none" // but for these
	return c, p.demoTraffic(c.Server.KeysFile, models)
}

// demoTraffic adds clients of three organisations.
func (p *platform) demoTraffic(keysFile string, models []sim.TrafficModel) error {
	t := sim.TrafficConfig{Models: models, Rate: 1.5, Seed: 1}
	for _, o := range []struct {
		org, key string
		weight   float64
	}{{"acme", "etl-nightly", 5}, {"globex", "web", 3}, {"initech", "notebooks", 2}} {
		secret, _, err := keys.New(keysFile, keys.Entry{Org: o.org, Name: o.key})
		if err != nil {
			return err
		}
		t.Orgs = append(t.Orgs, sim.TrafficOrg{Key: secret, Weight: o.weight})
	}
	p.guests = append(p.guests, func(ctx context.Context) error {
		t.BaseURL = p.gateway.URL()
		traffic, err := sim.NewTraffic(t)
		if err != nil {
			return err
		}
		return traffic.Run(ctx)
	}, func(context.Context) error {
		p.log.Info("demo", "url", p.gateway.URL(), "key", p.screen.DemoKey, "simulated", true)
		return nil
	})
	return nil
}

// freeAddress is the address itself, or one with another port where that one is
// in use.
func freeAddress(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		host, _, _ := net.SplitHostPort(addr)
		if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

// What lies in the state directory.
const (
	ledgerDir     = "ledger"
	controlSocket = "control.sock"
	lifecycleFile = "lifecycle.json"
)

// newLifecycle makes what looks after the containers of the pool's backends.
func (p *platform) newLifecycle(c *config, audit *ledger.Ledger) (err error) {
	p.docker = c.Docker
	p.life, err = backends.NewLifecycle(p.pool, backends.LifecycleOptions{
		Hosts: c.Docker, File: filepath.Join(c.Server.StateDir, lifecycleFile), Log: p.log,
		Note: func(author, action, object, detail string) {
			err := audit.Note(context.Background(), ledger.Event{Author: author, Action: action, Object: object, Detail: detail})
			if err != nil { // the log has what was done
				p.log.Error("the audit could not be written", "error", err)
			}
		},
	})
	if err == nil {
		p.closers = append(p.closers, p.life.Close)
	}
	return err
}

// openBooks opens the ledger, and what quotas are shared through.
func (p *platform) openBooks(c *config, o *gateway.Options) error {
	q := &c.Quota
	l, err := ledger.Open(ledger.Options{
		Dir: filepath.Join(c.Server.StateDir, ledgerDir), Sync: q.Sync == "full", Keep: time.Duration(q.Keep), Log: p.log,
	})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, l.Close)
	o.Ledger = l
	if q.Store != "redis" {
		return nil
	}
	r, err := quota.NewRedis(quota.RedisOptions{URL: os.Getenv(q.RedisURLEnv), Gateway: l.ID(), TTL: time.Duration(q.LeaseTTL), Log: p.log})
	if err != nil {
		return &settingError{file: "environment", key: q.RedisURLEnv, got: err.Error(), want: "redis://[user:password@]host:port[/db], or rediss:// for TLS"}
	}
	p.closers = append(p.closers, r.Close)
	o.Redis = r
	return nil
}

// watchGPUs makes what reads the GPUs of this host and of others, unless the demo
// has its own.
func (p *platform) watchGPUs(c *config) error {
	p.gpu = c.GPU
	var hosts []gpu.Host
	if c.GPU.Source != "none" {
		driver := nvml.New(c.GPU.Library)
		p.closers = append(p.closers, driver.Close)
		hosts = append(hosts, gpu.Host{Source: driver})
	}
	for _, r := range c.GPU.Remote {
		s, err := dcgm.New(r)
		if err != nil {
			return err
		}
		hosts = append(hosts, gpu.Host{Name: r.Name, Source: s})
	}
	if len(hosts) > 0 {
		p.gpus = gpu.New(gpu.Options{Log: p.log, KernelLog: gpu.KernelLog, Container: p.container, InFlight: p.inFlight}, hosts...)
	}
	return nil
}

// container names a container of this host's by its id, and the backend that runs
// in it.
func (p *platform) container(id string) (name, backend string) {
	local := func(host string) bool {
		i := slices.IndexFunc(p.docker, func(h docker.Host) bool { return h.Name == host })
		return i >= 0 && strings.HasPrefix(p.docker[i].Host, "unix:")
	}
	for _, b := range p.pool.Snapshot().Backends {
		for _, r := range b.Replicas {
			if c := r.Container; c != nil && c.ID == id && local(c.Host) {
				return c.Name, b.Name
			}
		}
	}
	return "", ""
}

// inFlight counts the requests that a backend works on.
func (p *platform) inFlight(backend string) (n int) {
	for _, b := range p.pool.Snapshot().Backends {
		if b.Name == backend {
			for _, r := range b.Replicas {
				n += r.InFlight
			}
		}
	}
	return n
}

// listenControl makes the socket by which commands of this host's shells reach
// the process.
func (p *platform) listenControl(stateDir string) error {
	control, err := cli.ListenControl(filepath.Join(stateDir, controlSocket), p.command, p.log)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, control.Close)
	p.support = append(p.support, control.Run)
	return nil
}

// listenSSH lets operators in who are elsewhere.
func (p *platform) listenSSH(c sshd.Config) (err error) {
	p.sshConfig = c
	if c.Listen == "" {
		return nil
	}
	p.ssh, err = sshd.New(sshd.Options{Config: c, Screen: p.remoteScreen, Command: p.command, Log: p.log})
	if err != nil {
		return err
	}
	p.support = append(p.support, p.ssh.Run)
	return nil
}

// remoteScreen shows the dashboard on a terminal elsewhere. That one goes away is
// no failure.
func (p *platform) remoteScreen(ctx context.Context, s sshd.Session) error {
	o := p.screen
	o.Operator, o.Attached = s.Operator, true
	o.Input, o.Output, o.Environ, o.Size, o.Sizes = s.In, s.Out, s.Environ, s.Size, s.Sizes
	if err := ui.Run(ctx, o); !errors.Is(err, ui.ErrLost) {
		return err
	}
	return nil
}

// command runs a command line here for an operator.
func (p *platform) command(ctx context.Context, operator string, args []string, out, errOut io.Writer) int {
	books := cli.BooksOptions{Books: p.gateway, Drifts: p.gateway.Drifts, Operator: operator}
	all := cli.NewOperations(cli.OperationsOptions{Operator: operator, Operations: cli.Operations{
		Jobs: p.life, Drains: p.life, Logs: p.life, Pool: p.pool, Gateway: p.gateway}})
	return cli.Run(ctx, args, out, errOut, exitCode, append(all, cli.NewUsage(books), cli.NewGrant(books), cli.NewEvents(books), newVersion())...)
}

// forward has a command line run in the process that serves.
func (g *globals) forward(ctx context.Context, args []string, out, errOut io.Writer) (int, error) {
	_, dir, err := g.paths()
	if err != nil {
		return 0, err
	}
	return cli.CallControl(ctx, filepath.Join(dir, controlSocket), args, out, errOut)
}

// fromShell has commands about usage go to the process that serves.
func (g *globals) fromShell() cli.BooksOptions {
	return cli.BooksOptions{
		Forward: g.forward,
		OpenLedger: func(context.Context) (cli.Record, error) {
			_, dir, err := g.paths()
			if err != nil {
				return nil, err
			}
			dir = filepath.Join(dir, ledgerDir)
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("open the ledger: there is none at %s; name the configuration that it belongs to with --config", strconv.Quote(dir))
			}
			return ledger.Open(ledger.Options{Dir: dir})
		},
	}
}

// operations has commands about backends go to the process that serves. Where
// none does, some can be done from the shell.
func (g *globals) operations() cli.OperationsOptions {
	operator := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		operator = u.Username
	}
	return cli.OperationsOptions{
		Operator: operator, Forward: g.forward, Local: g.withoutGateway,
		Live: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
	}
}

// withoutGateway has a pool and its containers looked after in this process,
// until the closer is called. It returns once they have been looked at.
func (g *globals) withoutGateway(ctx context.Context) (cli.Operations, io.Closer, error) {
	c, err := loadConfig(g.config)
	if err != nil {
		return cli.Operations{}, nil, err
	}
	pool, err := backends.New(c.Backends)
	if err != nil {
		return cli.Operations{}, nil, err
	}
	life, err := backends.NewLifecycle(pool, backends.LifecycleOptions{Hosts: c.Docker})
	if err != nil {
		return cli.Operations{}, nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return pool.Run(run) })
	group.Go(func() error { return life.Run(run) })
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.After(firstLook); !pool.Snapshot().Known(); {
		select {
		case <-look.C:
			continue
		case <-end: // what is not known by now is shown so
		case <-ctx.Done():
		}
		break
	}
	return cli.Operations{Jobs: life, Drains: life, Logs: life, Pool: pool}, closer(func() error {
		stop()
		return errors.Join(group.Wait(), life.Close())
	}), nil
}

// firstLook is how long commands wait for the first news of all replicas.
const firstLook = 3 * time.Second

// closer is a function as an io.Closer.
type closer func() error

func (c closer) Close() error { return c() }
