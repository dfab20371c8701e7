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
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
	"pilothouse/gpu"
	simgpu "pilothouse/gpu/sim"
	"pilothouse/ui"
	"pilothouse/ui/cli"
)

// version is set when the binary is built.
var version = "dev"

// Exit codes, which scripts rely on.
const (
	exitFailed = 1
	exitUsage  = 2 // also a configuration that can't be used
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := fang.Execute(ctx, newRoot(), fang.WithVersion(version), fang.WithErrorHandler(
		func(w io.Writer, _ fang.Styles, err error) { fmt.Fprintf(w, "pilothouse: %v\n", err) }))
	stop()
	if err != nil {
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	var usage *cli.UsageError
	var setting *settingError
	var file *keys.FileError
	switch {
	case errors.As(err, &usage), errors.As(err, &setting), errors.As(err, &file):
		return exitUsage
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
		&cobra.Command{Use: "version", Short: "Print the version", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
				return err
			}},
		cli.NewKey(cli.KeyOptions{File: g.keysFile}),
		newSim(),
	)
	return root
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
	keys    *keys.Store
	gateway *gateway.Gateway
	screen  ui.Options

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
	if c.Log.Access == nil || *c.Log.Access {
		p.access = newBuffered(p.logFile)
		o.AccessLog = slog.New(slog.NewJSONHandler(p.access, nil))
		p.support = append(p.support, p.access.run)
	}
	if p.gateway, err = gateway.New(o); err != nil {
		return nil, err
	}
	p.support = append(p.support, p.pool.Run, p.keys.Run)
	if !g.demo {
		p.support = append(p.support, func(ctx context.Context) error { return p.reload(ctx, g.config) })
	}
	p.screen.Gateway, p.screen.Pool, p.screen.Demo, p.screen.Version = p.gateway, p.pool, g.demo, version
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
		b.APIKeyEnv = ""
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
	sampler := gpu.New(simgpu.New(cards...), gpu.Options{})
	p.screen.GPUs = sampler
	p.support = append(p.support, sampler.Run)
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

// newSim makes the command that runs one simulated backend.
func newSim() *cobra.Command {
	var c sim.Config
	var listen, kind, keyEnv string
	var faults []string
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve one simulated vLLM backend",
		Long: `Serve a simulator of a vLLM server: its endpoints, errors and metrics, with the timing of a
7B model on an NVIDIA L4. What it writes is made up, and it says so in system_fingerprint
and /version. With --control, POST /sim/faults makes it misbehave.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Kind = sim.Kind(kind)
			if keyEnv != "" {
				if c.APIKey = os.Getenv(keyEnv); c.APIKey == "" {
					return &cli.UsageError{Err: fmt.Errorf("--api-key-env: the environment variable %s holds nothing", keyEnv)}
				}
			}
			for _, f := range faults {
				fault, err := sim.ParseFault(f)
				if err != nil {
					return &cli.UsageError{Err: fmt.Errorf("--fault: %w", err)}
				}
				c.Faults = append(c.Faults, fault)
			}
			c.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			s, err := sim.New(c)
			if err != nil {
				return &cli.UsageError{Err: err}
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			c.Log.Info("listening", "address", "http://"+l.Addr().String(), "model", c.Model, "simulator", true)
			return s.Serve(cmd.Context(), l)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8000", "`address` to serve on")
	f.StringVar(&c.Model, "model", "Qwen/Qwen2.5-7B-Instruct", "`name` of the one model it serves")
	f.StringVar(&kind, "kind", string(sim.Chat), "what the model writes: chat or text2sql")
	f.StringVar(&keyEnv, "api-key-env", "", "environment `variable` with the bearer key that it asks for (default: none)")
	f.IntVar(&c.MaxModelLen, "max-model-len", 8192, "context in `tokens`")
	f.IntVar(&c.KVTokens, "kv-tokens", 96_768, "KV cache in `tokens`")
	f.Float64Var(&c.Speed, "speed", 1, "times as fast as a real L4")
	f.Uint64Var(&c.Seed, "seed", 1, "of what it writes")
	f.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", 0, "how long requests may go on after SIGTERM (0: they are aborted)")
	f.BoolVar(&c.FlatErrors, "flat-errors", false, "answer errors in the shape of vLLM before 2025")
	f.BoolVar(&c.Control, "control", false, "serve POST /sim/faults")
	f.StringArrayVar(&faults, "fault", nil, `how to misbehave from the start, as "stall,after=3" or "error_500,next=2"; may be repeated`)
	return cmd
}
