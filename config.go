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
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"pilothouse/backends"
	"pilothouse/backends/docker"
	"pilothouse/gateway"
	"pilothouse/gateway/keys"
	"pilothouse/gpu/dcgm"
	"pilothouse/ui"
	"pilothouse/ui/query"
	"pilothouse/ui/sshd"
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
	Docker   []docker.Host     `toml:"docker"`
	GPU      gpuConfig         `toml:"gpu"`
	SSH      sshd.Config       `toml:"ssh"`
	SQL      sqlConfig         `toml:"sql"`

	Dashboard ui.Config `toml:"dashboard"`

	text []byte // that it was read from
}

// gpuConfig is [gpu]: whose readings are shown and exported.
type gpuConfig struct {
	Source  string        `toml:"source"`  // of this host: "auto" and "nvml" are the driver's library, "none" is none
	Library string        `toml:"library"` // the library's file; "": where the system has it
	Remote  []dcgm.Remote `toml:"remote"`  // other hosts
}

// sqlConfig is [sql]: which databases are asked about; none named: the ledger.
type sqlConfig struct {
	Sources []query.Config `toml:"source"`
}

// fill names the ledger where nothing is named, and finds files beside the
// configuration's.
func (c *sqlConfig) fill(dir string) {
	if len(c.Sources) == 0 {
		c.Sources = []query.Config{{Name: "usage", Kind: query.Ledger}}
	}
	for i := range c.Sources {
		if p := &c.Sources[i].Path; *p != "" && !filepath.IsAbs(*p) {
			if abs, err := filepath.Abs(filepath.Join(dir, *p)); err == nil { // else its check tells
				*p = abs
			}
		}
	}
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
	relative(&c.SSH.HostKeyFile)
	relative(&c.Server.TLS.CertFile)
	relative(&c.Server.TLS.KeyFile)
	lines := lineIndex(text)
	var errs []error
	for i := range c.Backends {
		b := &c.Backends[i]
		relative(&b.APIKeyFile)
		if strings.HasSuffix(b.Capacity.Model, ".json") {
			relative(&b.Capacity.Model)
		}
		errs = append(errs, locate(path, lines, errors.Join(b.ReadKey(os.Getenv, os.ReadFile), b.ReadModel(os.ReadFile)))...)
		if b.Container != nil {
			for name, secret := range b.Container.Secrets {
				relative(&secret.File)
				b.Container.Secrets[name] = secret
			}
		}
	}
	for i := range c.GPU.Remote {
		relative(&c.GPU.Remote[i].CAFile)
	}
	for i := range c.Docker {
		t := &c.Docker[i].TLS
		for _, file := range []*string{&t.CAFile, &t.CertFile, &t.KeyFile} {
			relative(file)
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
	keysFile, _, err := g.paths()
	return keysFile, err
}

// paths finds the keys file and the state directory, and asks no more of the
// configuration than that: what else is wrong with it is no matter to those
// who only want these.
func (g *globals) paths() (keysFile, stateDir string, err error) {
	text, err := os.ReadFile(g.config)
	if errors.Is(err, fs.ErrNotExist) {
		text = nil
	} else if err != nil {
		return "", "", err
	}
	var c struct {
		Server struct {
			KeysFile string `toml:"keys_file"`
			StateDir string `toml:"state_dir"`
		} `toml:"server"`
	}
	if err := toml.Unmarshal(text, &c); err != nil {
		return "", "", decodeErrors(g.config, err)
	}
	keysFile, stateDir = c.Server.KeysFile, c.Server.StateDir
	if keysFile == "" {
		keysFile = "keys.toml"
	}
	if stateDir == "" {
		stateDir = defaultStateDir()
	}
	for _, p := range []*string{&keysFile, &stateDir} {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(g.config), *p)
		}
	}
	return keysFile, stateDir, nil
}

// parseConfig reads the text alone.
func parseConfig(path string, text []byte) (*config, error) {
	c := &config{text: text}
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
	c.SSH.Fill(c.Server.StateDir)
	if c.GPU.Source == "" {
		c.GPU.Source = "auto"
	}
	c.SQL.fill(filepath.Dir(path))
	lines := lineIndex(text)
	wrong := c.checkDocker(path, lines)
	errs := locate(path, lines, errors.Join(c.Validate(), backends.Check(c.Backends), backends.CheckContainers(c.Backends, c.Docker), dcgm.Check(c.GPU.Remote), c.SSH.Validate(), c.Dashboard.Check(), query.Check(c.SQL.Sources)))
	errs = append(errs, wrong...)
	if len(c.Backends) == 0 {
		errs = append(errs, &settingError{file: path, got: "no [[backend]]", want: "at least one", remedy: "see pilothouse init for an example"})
	}
	if !slices.Contains([]string{"auto", "nvml", "none"}, c.GPU.Source) {
		errs = append(errs, &settingError{path, lines["gpu.source"], "gpu.source", strconv.Quote(c.GPU.Source), `"auto", "nvml" or "none"`, "simulated GPUs are those of pilothouse --demo"})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// checkDocker fills and checks the Docker engines. Where backends have
// containers and no engine is named, it is this host's.
func (c *config) checkDocker(path string, lines map[string]int) (errs []error) {
	if len(c.Docker) == 0 && slices.ContainsFunc(c.Backends, func(b backends.Config) bool { return b.Container != nil }) {
		c.Docker = []docker.Host{{}}
	}
	taken := map[string]bool{}
	for i := range c.Docker {
		h := &c.Docker[i]
		h.Fill()
		err := h.Validate()
		if taken[h.Name] {
			err = errors.Join(err, &docker.SettingError{Key: "name", Got: strconv.Quote(h.Name) + " twice", Want: "a name of its own"})
		}
		taken[h.Name] = true
		for _, err := range unjoin(err) {
			var e *docker.SettingError
			if errors.As(err, &e) {
				table := fmt.Sprintf("docker.%d", i)
				errs = append(errs, &settingError{file: path, line: nearest(lines, table+"."+e.Key), key: fmt.Sprintf("docker %q: %s", h.Name, e.Key), got: e.Got, want: e.Want})
			}
		}
	}
	return errs
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
	if _, joined := err.(interface{ Unwrap() []error }); joined {
		for _, e := range unjoin(err) {
			errs = append(errs, locate(path, lines, e)...)
		}
		return errs
	}
	var ours *gateway.ConfigError
	var theirs *backends.SettingError
	var remote *dcgm.SettingError
	var operator *sshd.SettingError
	var look *ui.SettingError
	var source *query.SettingError
	switch {
	case errors.As(err, &ours):
		return []error{&settingError{file: path, line: lines[ours.Key], key: ours.Key, got: ours.Got, want: ours.Want}}
	case errors.As(err, &theirs):
		table := fmt.Sprintf("backend.%d", theirs.Index)
		key, _, _ := strings.Cut(theirs.Key, " ")
		return []error{&settingError{file: path, line: nearest(lines, table+"."+key), key: fmt.Sprintf("backend %q: %s", theirs.Backend, theirs.Key), got: theirs.Got, want: theirs.Want}}
	case errors.As(err, &remote):
		at := nearest(lines, fmt.Sprintf("gpu.remote.%d.%s", remote.Index, remote.Key))
		return []error{&settingError{file: path, line: at, key: fmt.Sprintf("gpu remote %q: %s", remote.Remote, remote.Key), got: remote.Got, want: remote.Want}}
	case errors.As(err, &look):
		return []error{&settingError{file: path, line: nearest(lines, "dashboard."+look.Key), key: "dashboard." + look.Key, got: look.Got, want: look.Want}}
	case errors.As(err, &source):
		at := nearest(lines, fmt.Sprintf("sql.source.%d.%s", source.Index, source.Key))
		return []error{&settingError{file: path, line: at, key: fmt.Sprintf("sql source %q: %s", source.Source, source.Key), got: source.Got, want: source.Want}}
	case errors.As(err, &operator) && operator.Index < 0:
		return []error{&settingError{file: path, line: nearest(lines, "ssh."+operator.Key), key: "ssh." + operator.Key, got: operator.Got, want: operator.Want}}
	case errors.As(err, &operator):
		at := nearest(lines, fmt.Sprintf("ssh.operator.%d.%s", operator.Index, operator.Key))
		return []error{&settingError{file: path, line: at, key: fmt.Sprintf("ssh operator %q: %s", operator.Operator, operator.Key), got: operator.Got, want: operator.Want}}
	}
	return []error{err}
}

// unjoin is what errors.Join has joined.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// nearest is the line of a setting, or of the table that it would be in.
func nearest(lines map[string]int, at string) (line int) {
	for ; line == 0 && at != ""; at = at[:max(0, strings.LastIndexByte(at, '.'))] {
		line = lines[at]
	}
	return line
}

// lineIndex finds the line of every table and setting: "server.listen",
// "backend.0", "backend.0.health.path", "backend.0.container.replica.1.name".
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
		if node.Kind != unstable.KeyValue {
			table = ""
			for i, part := range parts {
				table = strings.TrimPrefix(table+"."+part, ".")
				if n := count[table]; i == len(parts)-1 && node.Kind == unstable.ArrayTable {
					count[table]++
					table += "." + strconv.Itoa(n)
				} else if n > 0 { // below an array's is below its latest element
					table += "." + strconv.Itoa(n-1)
				}
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
			if err = backends.CheckContainers(c.Backends, p.docker); err != nil { // those that are connected to
				err = fmt.Errorf("%w; a [[docker]] that was added needs a restart", err)
			}
		}
		if err == nil {
			err = p.pool.Apply(c.Backends)
		}
		if err == nil {
			err = p.gateway.Apply(c.Config)
		}
		if err == nil {
			err = p.ssh.Apply(c.SSH)
		}
		if err != nil {
			p.log.Error("the configuration was not taken; the one before it stays in force", "file", path, "error", err)
			continue
		}
		p.config.Store(c)
		p.log.Info("configuration reloaded", "file", path, "needs_restart", p.restart(c))
	}
}

// restart names the settings that take effect only with a new process.
func (p *platform) restart(c *config) []string {
	names := p.gateway.Restart(c.Config)
	if !slices.Equal(c.Docker, p.docker) {
		names = append(names, "docker")
	}
	if c.GPU.Source != p.gpu.Source || c.GPU.Library != p.gpu.Library || !slices.Equal(c.GPU.Remote, p.gpu.Remote) {
		names = append(names, "gpu")
	}
	if !reflect.DeepEqual(c.SQL, p.sql) {
		names = append(names, "sql")
	}
	if c.SSH.Listen != p.sshConfig.Listen || c.SSH.HostKeyFile != p.sshConfig.HostKeyFile {
		names = append(names, "ssh")
	}
	return names
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
