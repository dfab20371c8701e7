package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
)

// reference is the annotated configuration of the reference deployment, which
// init writes out.
//
//go:embed config.toml
var reference []byte

// config is the whole configuration: the packages' own parts, side by side.
type config struct {
	gateway.Config
	Backends []backends.Config `toml:"backend"`
	GPU      gpuConfig         `toml:"gpu"`
}

type gpuConfig struct {
	Source string `toml:"source"`
}

// settingError is one mistake in a configuration file: where it is, what is
// there, what should be, and how to mend it.
type settingError struct {
	file   string
	line   int // 0: not in any line
	key    string
	got    string
	want   string
	remedy string
}

func (e *settingError) Error() string {
	var b strings.Builder
	b.WriteString(e.file)
	if e.line > 0 {
		fmt.Fprintf(&b, ":%d", e.line)
	}
	if e.key != "" {
		b.WriteString(": " + e.key)
	}
	b.WriteString(": got " + e.got)
	if e.want != "" {
		b.WriteString("; want " + e.want)
	}
	if e.remedy != "" {
		b.WriteString("; " + e.remedy)
	}
	return b.String()
}

// loadConfig reads a configuration file and everything it names, and puts the
// defaults in. The error joins a *settingError for each mistake.
func loadConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &settingError{file: path, got: "no such file", remedy: "write one with: pilothouse init --config " + path + ", or try: pilothouse --demo"}
	} else if err != nil {
		return nil, err
	}
	c, err := parseConfig(path, text)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	relative := func(name *string) {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(dir, *name)
		}
	}
	relative(&c.Server.StateDir)
	relative(&c.Server.KeysFile)
	relative(&c.Server.TLS.CertFile)
	relative(&c.Server.TLS.KeyFile)
	lines := lineIndex(text)
	var errs []error
	for i := range c.Backends {
		b := &c.Backends[i]
		relative(&b.APIKeyFile)
		if err := b.ReadKey(os.Getenv, os.ReadFile); err != nil {
			errs = append(errs, locate(path, lines, err)...)
		}
	}
	return c, errors.Join(errs...)
}

// check reports what is wrong with the configuration and the files it names.
func (g *globals) check(out io.Writer) error {
	c, err := loadConfig(g.config)
	if err != nil {
		return err
	}
	store, err := keys.Open(c.Server.KeysFile, keys.Options{})
	if err != nil {
		return err
	}
	orgs, n := store.Orgs(), 0
	for _, o := range orgs {
		n += len(o.Keys)
	}
	replicas := 0
	for _, b := range c.Backends {
		replicas += len(b.URLs)
	}
	_, err = fmt.Fprintf(out, "%s: ok: %d backends with %d replicas\n%s: ok: %d organisations with %d keys\n",
		g.config, len(c.Backends), replicas, c.Server.KeysFile, len(orgs), n)
	return err
}

// init writes the reference configuration.
func (g *globals) init(hint io.Writer) error {
	f, err := os.OpenFile(g.config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return &settingError{file: g.config, got: "a file that is there already", remedy: "remove it first, or name another with --config"}
	} else if err != nil {
		return err
	}
	_, err = f.Write(reference)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(hint, "wrote %s; set the addresses of your backends in it, then make a key: pilothouse key new --org NAME --name NAME\n", g.config)
	return nil
}

// keysFile finds the keys file; without a configuration it is the one beside it.
func (g *globals) keysFile() (string, error) {
	text, err := os.ReadFile(g.config)
	if errors.Is(err, fs.ErrNotExist) {
		text = nil
	} else if err != nil {
		return "", err
	}
	var c struct {
		Server struct {
			KeysFile string `toml:"keys_file"`
		} `toml:"server"`
	}
	if err := toml.Unmarshal(text, &c); err != nil {
		return "", decodeErrors(g.config, err)
	}
	if c.Server.KeysFile == "" {
		c.Server.KeysFile = "keys.toml"
	}
	if !filepath.IsAbs(c.Server.KeysFile) {
		c.Server.KeysFile = filepath.Join(filepath.Dir(g.config), c.Server.KeysFile)
	}
	return c.Server.KeysFile, nil
}

// parseConfig reads the text alone.
func parseConfig(path string, text []byte) (*config, error) {
	c := &config{}
	c.Limits = gateway.DefaultLimits()
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c); err != nil {
		return nil, decodeErrors(path, err)
	}
	c.Fill()
	if c.Server.KeysFile == "" {
		c.Server.KeysFile = "keys.toml"
	}
	if c.Server.StateDir == "" {
		c.Server.StateDir = defaultStateDir()
	}
	if c.GPU.Source == "" {
		c.GPU.Source = "none"
	}
	lines := lineIndex(text)
	errs := locate(path, lines, errors.Join(c.Validate(), backends.Check(c.Backends)))
	if len(c.Backends) == 0 {
		errs = append(errs, &settingError{file: path, got: "no [[backend]]", want: "at least one", remedy: "see pilothouse init for an example"})
	}
	if c.GPU.Source != "none" {
		errs = append(errs, &settingError{path, lines["gpu.source"], "gpu.source", strconv.Quote(c.GPU.Source), `"none"`, "the GPUs of the demo alone can be shown so far"})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// defaultStateDir is the host's, or for those who may not write there their own.
func defaultStateDir() string {
	if os.Geteuid() != 0 {
		if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
			return filepath.Join(dir, "pilothouse")
		}
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, ".local", "state", "pilothouse")
		}
	}
	return "/var/lib/pilothouse"
}

// decodeErrors turns what the decoder found into our own words.
func decodeErrors(path string, err error) error {
	var strict *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		var errs []error
		for _, e := range strict.Errors {
			line, _ := e.Position()
			errs = append(errs, &settingError{path, line, strings.Join(e.Key(), "."), "a setting that does not exist", "", "check its spelling and its table, or remove it"})
		}
		return errors.Join(errs...)
	case errors.As(err, &decode):
		line, _ := decode.Position()
		return &settingError{file: path, line: line, key: strings.Join(decode.Key(), "."), got: strings.TrimPrefix(decode.Error(), "toml: ")}
	}
	return &settingError{file: path, got: strings.TrimPrefix(err.Error(), "toml: ")}
}

// locate gives each of the packages' joined errors its place in the file.
func locate(path string, lines map[string]int, err error) (errs []error) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			errs = append(errs, locate(path, lines, e)...)
		}
		return errs
	}
	var ours *gateway.ConfigError
	var theirs *backends.SettingError
	switch {
	case errors.As(err, &ours):
		return []error{&settingError{file: path, line: lines[ours.Key], key: ours.Key, got: ours.Got, want: ours.Want}}
	case errors.As(err, &theirs):
		table := fmt.Sprintf("backend.%d", theirs.Index)
		key, _, _ := strings.Cut(theirs.Key, " ")
		line := lines[table+"."+key]
		if line == 0 {
			line = lines[table]
		}
		return []error{&settingError{file: path, line: line, key: fmt.Sprintf("backend %q: %s", theirs.Backend, theirs.Key), got: theirs.Got, want: theirs.Want}}
	}
	return []error{err}
}

// lineIndex finds the line of every table and setting: "server.listen",
// "backend.0", "backend.0.health.path".
func lineIndex(text []byte) map[string]int {
	lines := map[string]int{}
	count := map[string]int{}
	table := ""
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		node := p.Expression()
		var parts []string
		at := 0
		for key := node.Key(); key.Next(); {
			if parts == nil {
				at = int(key.Node().Raw.Offset)
			}
			parts = append(parts, string(key.Node().Data))
		}
		line := 1 + bytes.Count(text[:at], []byte("\n"))
		// A table below an array's is below its latest element.
		if node.Kind != unstable.KeyValue {
			if n := count[parts[0]]; n > 0 && (node.Kind != unstable.ArrayTable || len(parts) > 1) {
				parts[0] += "." + strconv.Itoa(n-1)
			}
			table = strings.Join(parts, ".")
			if node.Kind == unstable.ArrayTable {
				table += "." + strconv.Itoa(count[table])
				count[parts[0]]++
			}
			lines[table] = line
			continue
		}
		name := strings.Join(parts, ".")
		if table != "" {
			name = table + "." + name
		}
		lines[name] = line
	}
	return lines
}

// reload puts a changed configuration in force, at SIGHUP and when the file has
// changed, as far as that can be done without a new process.
func (p *platform) reload(ctx context.Context, path string) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	look := time.NewTicker(time.Second)
	defer look.Stop()
	taken := stampOf(path)
	last := taken
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			last = stampOf(path)
			if _, err := p.keys.Reload(); err != nil {
				p.log.Error("the keys file was not taken; the keys before it stay in force", "error", err)
			}
		case <-look.C:
			// Taken once two looks have found it alike: its editor is done with it.
			before := last
			if last = stampOf(path); last == taken || last != before {
				continue
			}
		}
		taken = last
		c, err := loadConfig(path)
		if err == nil {
			err = p.pool.Apply(c.Backends)
		}
		if err == nil {
			err = p.gateway.Apply(c.Config)
		}
		if err != nil {
			p.log.Error("the configuration was not taken; the one before it stays in force", "file", path, "error", err)
			continue
		}
		p.log.Info("configuration reloaded", "file", path, "needs_restart", p.gateway.Restart(c.Config))
	}
}

type stamp struct {
	mod  time.Time
	size int64
}

func stampOf(path string) (s stamp) {
	if st, err := os.Stat(path); err == nil {
		s = stamp{st.ModTime(), st.Size()}
	}
	return s
}
