// Pilothouse runs and watches a self-hosted LLM platform: an OpenAI-compatible
// gateway in front of vLLM servers on the company's own GPUs, and the terminal
// dashboard of the people on call for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"pilothouse/backends"
	"pilothouse/backends/docker"
	"pilothouse/backends/sim"
	"pilothouse/gateway"
	"pilothouse/gateway/accesslog"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
	"pilothouse/gpu/dcgm"
	"pilothouse/gpu/nvml"
	"pilothouse/ui"
	"pilothouse/ui/ask"
	"pilothouse/ui/chat"
	"pilothouse/ui/cli"
	"pilothouse/ui/demo"
	"pilothouse/ui/desk"
	"pilothouse/ui/past"
	"pilothouse/ui/query"
	"pilothouse/ui/saved"
	"pilothouse/ui/shell"
	"pilothouse/ui/sshd"
)

// version is set when the binary is built.
var version = "dev"

// Exit codes, which scripts rely on.
const (
	exitFailed  = 1
	exitUsage   = 2 // also a configuration that can't be used
	exitAbsent  = 3 // nothing is serving here
	exitRefused = 4 // the operator's role
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
	var refused *desk.RefusedError
	switch {
	case errors.As(err, &elsewhere):
		return elsewhere.Code
	case errors.As(err, &usage), errors.As(err, &setting), errors.As(err, &file):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.Is(err, desk.ErrNotServing):
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
	config   string
	demo     bool
	readOnly bool
	ascii    bool
	theme    string
}

func newRoot() *cobra.Command {
	g := &globals{}
	sh := g.shell()
	root := &cobra.Command{
		Use:   "pilothouse",
		Short: "Run and watch a self-hosted LLM platform",
		Long: `Pilothouse is an OpenAI-compatible gateway in front of vLLM servers and the terminal
dashboard of the people on call for them.

Without a command it serves and shows the dashboard, or that of the gateway which
serves here already. To see it with simulated GPUs and backends, which need no
configuration: pilothouse --demo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.dashboard(g.untilHangup(cmd.Context())) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &cli.UsageError{Err: err} })
	f := root.PersistentFlags()
	f.StringVar(&g.config, "config", defaultConfig(), "configuration `file`")
	f.BoolVar(&g.demo, "demo", false, "serve simulated backends and GPUs, with traffic of their own; needs and leaves no file")
	f.BoolVar(&g.ascii, "ascii", false, "draw the dashboard without Unicode")
	f.StringVar(&g.theme, "theme", "", "`look` of the dashboard: auto, dark, light or colour-blind")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return g.look() }
	f.BoolVar(&g.readOnly, "read-only", false, "change nothing: every operator of what serves, or whoever gives a command or attaches, only looks")
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Serve without a terminal", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.serve(g.untilHangup(cmd.Context())) }},
		&cobra.Command{Use: "check", Short: "Check the configuration and the keys file", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.check(cmd.OutOrStdout()) }},
		&cobra.Command{Use: "init", Short: "Write the annotated configuration of the reference deployment", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return g.init(cmd.ErrOrStderr()) }},
		newVersion(),
		cli.NewAttach(cli.AttachOptions{Here: sh.Attach, ReadOnly: sh.ReadOnly}),
		cli.NewKey(cli.KeyOptions{File: g.keysFile, Permit: sh.Permit}),
		cli.NewUsage(sh.Books()),
		cli.NewGrant(sh.Books()),
		cli.NewEvents(sh.Books()),
		cli.NewRequests(sh.Requests()),
		cli.NewAsk(sh.Ask()),
		cli.NewCapacity(),
		cli.NewSim(),
	)
	root.AddCommand(cli.NewOperations(sh.Operations())...)
	return root
}

// shell is this process's end of what is done in the one that serves.
func (g *globals) shell() *shell.Shell {
	return &shell.Shell{
		StateDir: func() (string, error) { _, dir, err := g.paths(); return dir, err },
		Backends: func() ([]backends.Config, backends.LifecycleOptions, error) {
			c, err := loadConfig(g.config)
			if err != nil {
				return nil, backends.LifecycleOptions{}, err
			}
			return c.Backends, backends.LifecycleOptions{Hosts: c.Docker}, nil
		},
		ReadOnly: func() bool { return g.readOnly },
	}
}

// look passes on how the dashboard is to be drawn, wherever that is.
func (g *globals) look() error {
	if c := (ui.Config{Theme: g.theme}); c.Check() != nil {
		return &cli.UsageError{Err: fmt.Errorf("--theme %q is none: want auto, dark, light or colour-blind", g.theme)}
	}
	var err error
	if g.theme != "" {
		err = os.Setenv(ui.EnvTheme, g.theme)
	}
	if g.ascii {
		err = errors.Join(err, os.Setenv(ui.EnvASCII, "1"))
	}
	return err
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

// dashboard serves and shows it, until its user or a signal ends it; where one
// serves already, it shows that one's. The log goes to a file: nothing else writes
// to a terminal that the dashboard owns.
func (g *globals) dashboard(ctx context.Context) error {
	if err := shell.OnTerminal(); err != nil {
		return err
	}
	if !g.demo {
		if err := g.shell().Attach(ctx); !errors.Is(err, desk.ErrNotServing) {
			if err == nil {
				fmt.Fprintln(os.Stderr, "That was the dashboard of the gateway that serves here already; it goes on.")
			}
			return err
		}
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
		own := p.screen
		own.Detachable = !g.demo
		err := p.show(ctx, p.desk.Seat(shell.Operator()), own)
		if err != nil && !g.demo {
			p.log.Warn("the dashboard has ended; serving goes on without it", "dashboard", "pilothouse attach --config "+g.config, "error", err)
			if errors.Is(err, ui.ErrDetached) {
				fmt.Fprintln(os.Stderr, "The gateway goes on serving here. Its dashboard: pilothouse attach")
			}
			<-ctx.Done()
		}
	case <-ctx.Done():
	}
	stop()
	return <-served
}

// platform is all that one process runs.
type platform struct {
	log       *slog.Logger
	logFile   io.WriteCloser
	pool      *backends.Pool
	life      *backends.Lifecycle
	docker    []docker.Host // that life is connected to
	gpu       gpuConfig     // in force
	simulated gpu.Source    // the demo's GPUs; nil: it is none
	gpus      *gpu.Sampler  // nil: nobody reads GPUs
	keys      *keys.Store
	gateway   *gateway.Gateway
	desk      *desk.Desk
	ownLog    past.Log   // the end of what log writes
	screen    ui.Options // but for whose it is
	chats     *chat.Rooms
	sheets    *ask.Sheets
	sources   []query.Source // that sheets are about
	sql       sqlConfig      // that they were made of

	config atomic.Pointer[config] // in force, as far as it can be without a new process

	ssh       *sshd.Server
	sshConfig sshd.Config // in force

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
	p.config.Store(c)
	p.log = slog.New(slog.NewJSONHandler(io.MultiWriter(p.logFile, &p.ownLog), nil))
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
	if err = p.watchGPUs(c, &o); err != nil {
		return nil, err
	}
	if c.Log.Access == nil || *c.Log.Access {
		access := accesslog.New(p.logFile)
		o.AccessLog = slog.New(slog.NewJSONHandler(access, nil))
		p.support = append(p.support, access.Run)
	}
	if p.gateway, err = gateway.New(o); err != nil {
		return nil, err
	}
	p.desk = desk.New(desk.Platform{Jobs: p.life, Drains: p.life, Logs: p.life, Pool: p.pool, Gateway: p.gateway, Books: p.gateway, Models: p.gateway},
		desk.Options{ReadOnly: g.readOnly, Note: o.Ledger.Note, Log: p.log})
	p.screen.Demo, p.screen.Version = g.demo, version
	p.furnish(c)
	if err = p.openPlaygrounds(c); err != nil {
		return nil, err
	}
	if err = p.letIn(c); err != nil {
		return nil, err
	}
	p.support = append(p.support, p.pool.Run, p.life.Run, p.keys.Run)
	if !g.demo {
		p.support = append(p.support, func(ctx context.Context) error { return p.reload(ctx, g.config) })
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
	c.Server.Listen, c.Server.AdminListen = anyPort, anyPort // several demos may run at once
	c.SSH.Listen, c.SSH.Operators = "", nil
	d, err := demo.New(dir, c.Server.KeysFile, c.Backends)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, d.Close)
	c.Backends, c.Docker, p.screen.DemoKey = d.Backends, d.Docker, d.Key
	c.GPU.Source, p.simulated = "none", d.GPUs
	p.support = append(p.support, d.Run)
	p.guests = append(p.guests, func(ctx context.Context) error {
		p.log.Info("demo", "url", p.gateway.URL(), "key", d.Key, "socket", filepath.Join(dir, shell.Socket), "simulated", true)
		return d.Clients(ctx, p.gateway.URL(), p.pool)
	})
	return c, nil
}

// anyPort is an address of this host alone, whose port the kernel chooses when it is
// listened on.
const anyPort = "127.0.0.1:0"

// lifecycleFile is what lies in the state directory beside what the shell knows.
const lifecycleFile = "lifecycle.json"

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
		Dir: filepath.Join(c.Server.StateDir, shell.LedgerDir), Sync: q.Sync == "full", Keep: time.Duration(q.Keep), Log: p.log,
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

// watchGPUs makes what reads the GPUs of this host and of others, or those of the
// demo, and tells metrics and dashboards of them.
func (p *platform) watchGPUs(c *config, o *gateway.Options) error {
	p.gpu = c.GPU
	watch := gpu.Options{Log: p.log, InFlight: func(backend string) int { return p.pool.Snapshot().InFlight(backend) }}
	var hosts []gpu.Host
	if p.simulated != nil {
		hosts = append(hosts, gpu.Host{Source: p.simulated})
	} else {
		watch.KernelLog = gpu.KernelLog
		here := local(c.Docker)
		watch.Container = func(id string) (name, backend string) { return p.pool.Snapshot().Container(id, here) }
	}
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
	if len(hosts) == 0 {
		return nil
	}
	p.gpus = gpu.New(watch, hosts...)
	p.support = append(p.support, p.gpus.Run)
	host, _ := os.Hostname() // "" where it has none
	o.Collectors = append(o.Collectors, dcgm.NewCollector(host, p.gpus.Snapshot))
	return nil
}

// local names the Docker engines of this host.
func local(engines []docker.Host) (names []string) {
	for _, h := range engines {
		if strings.HasPrefix(h.Host, "unix:") {
			names = append(names, h.Name)
		}
	}
	return names
}

// letIn has operators come: this host's through a socket, others over SSH.
func (p *platform) letIn(c *config) error {
	p.sshConfig = c.SSH
	socket, err := sshd.ListenSocket(filepath.Join(c.Server.StateDir, shell.Socket))
	if err != nil {
		return err
	}
	p.closers = append(p.closers, socket.Close)
	p.ssh, err = sshd.New(sshd.Options{Config: c.SSH, Socket: socket, Desk: p.desk, Screen: p.remoteScreen, Command: p.command, Log: p.log})
	if err != nil {
		return err
	}
	p.support = append(p.support, p.ssh.Run)
	return nil
}

// show shows an operator the dashboard, until they leave.
func (p *platform) show(ctx context.Context, seat *desk.Seat, o ui.Options) error {
	leave := seat.Enter(ctx)
	defer leave()
	in := seat.Platform()
	o.Seat, o.Gateway, o.Pool = seat, in.Gateway, in.Pool
	if name := seat.Operator().Name; seat.May(desk.Hand, "ask") == nil {
		o.Chat = p.chats.Enter(name, seat)
		o.Sheet = p.sheets.Enter(name, seat, seat.Note)
	}
	p.config.Load().Dashboard.Apply(&o)
	o.Command = func(ctx context.Context, args []string, out, errOut io.Writer) int {
		_, code := p.command(ctx, seat, args, out, errOut)
		return code
	}
	return ui.Run(ctx, o)
}

// furnish gives the dashboards what all of them have, whoever looks.
func (p *platform) furnish(c *config) {
	from := past.Sources{Gateway: p.gateway, Pool: p.pool, Books: p.gateway}
	s := &p.screen
	if p.gpus != nil {
		from.GPUs, s.GPUs = p.gpus, p.gpus
	}
	recorder := past.New(from, past.Options{Log: p.log})
	p.support = append(p.support, recorder.Run)
	files := &saved.Files{StateDir: c.Server.StateDir, Past: recorder, Log: &p.ownLog, Version: version,
		Config: func() []byte { return p.config.Load().text }}
	s.Past, s.Log, s.Explainer, s.Save, s.SaveText = recorder, &p.ownLog, p.gateway, files.Incident, files.Text
}

// What operators try models with lies in these directories below the state directory,
// a file or a directory for each of them.
const (
	chatDir = "chat"
	askDir  = "ask"
)

// openPlaygrounds makes what operators talk to models with, and ask databases.
func (p *platform) openPlaygrounds(c *config) error {
	p.sql = c.SQL
	suggested := make(map[string][]string)
	for _, s := range c.SQL.Sources {
		src, err := query.Open(s, filepath.Join(c.Server.StateDir, shell.LedgerDir))
		if err != nil {
			return err
		}
		p.closers = append(p.closers, src.Close)
		p.sources = append(p.sources, src)
		if s.Kind == query.Ledger {
			for _, q := range sim.LedgerQuestions() {
				suggested[s.Name] = append(suggested[s.Name], q.Text)
			}
		}
	}
	p.sheets = ask.New(ask.Options{Dir: filepath.Join(c.Server.StateDir, askDir), Sources: p.sources, Models: p.models, Suggest: suggested})
	p.chats = chat.New(chat.Config{Dir: filepath.Join(c.Server.StateDir, chatDir), Log: p.log})
	p.closers = append(p.closers, p.sheets.Close, func() error { p.chats.Close(); return nil })
	return nil
}

// models are those that questions about databases may go to.
func (p *platform) models() (all []ask.Model) {
	for _, b := range p.pool.All() {
		all = append(all, ask.Model{Name: b.Model, Routes: b.Routes, MaxContext: b.MaxContext, MaxTokens: *b.Defaults.MaxTokens})
	}
	return all
}

// remoteScreen shows the dashboard on a terminal elsewhere. That one goes away is
// no failure.
func (p *platform) remoteScreen(ctx context.Context, s sshd.Session) error {
	o := p.screen
	o.Attached = true
	o.Input, o.Output, o.Environ, o.Size, o.Sizes = s.In, s.Out, s.Environ, s.Size, s.Sizes
	if err := p.show(ctx, s.Seat, o); !errors.Is(err, ui.ErrLost) {
		return err
	}
	return nil
}

// command runs a command line here, from an operator's seat.
func (p *platform) command(ctx context.Context, seat *desk.Seat, args []string, out, errOut io.Writer) (name string, code int) {
	books := cli.BooksOptions{Seat: seat, Drifts: p.gateway.Drifts}
	all := cli.NewOperations(cli.OperationsOptions{Seat: seat})
	return cli.Run(ctx, args, out, errOut, exitCode, append(all, cli.NewUsage(books), cli.NewGrant(books), cli.NewEvents(books), cli.NewRequests(cli.RequestsOptions{Requests: p.gateway}),
		cli.NewAsk(cli.AskOptions{Seat: seat, Models: seat, Serving: p.models, Sources: p.sources}), newVersion())...)
}
