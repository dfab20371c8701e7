package docker

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Spec is a container as it should be: the [backend.container] table.
type Spec struct {
	Backend     string            `toml:"-"`           // whose it is; set by who reads the configuration
	Name        string            `toml:"name"`        // of the container
	Image       string            `toml:"image"`       // "vllm/vllm-openai:v0.32.0"
	Pull        string            `toml:"pull"`        // "missing", "always" or "never"; "": missing
	Command     []string          `toml:"command"`     // none: the image's
	Entrypoint  []string          `toml:"entrypoint"`  // none: the image's
	GPUs        []string          `toml:"gpus"`        // indexes or UUIDs; none: no GPU, whatever the image asks for
	Environment map[string]string `toml:"environment"` // besides the image's
	Secrets     map[string]Secret `toml:"secrets"`     // more of the environment, read when it is needed
	Volumes     []string          `toml:"volumes"`     // "source:target[:ro]", of which source is a path or a volume's name
	Networks    []Network         `toml:"networks"`    // made where missing; none: the engine's default
	Ports       []string          `toml:"ports"`       // "127.0.0.1:8001:8000"
	IPC         string            `toml:"ipc"`         // "host", or "" for one of its own
	ShmSize     Size              `toml:"shm_size"`    // of /dev/shm; 0: the engine's default, 64MiB
	Restart     string            `toml:"restart"`     // "no", "unless-stopped", "always" or "on-failure[:times]"; "": unless-stopped
	StopTimeout Duration          `toml:"stop_timeout"`
	Labels      map[string]string `toml:"labels"`
	User        string            `toml:"user"`        // "": the image's
	Workdir     string            `toml:"workdir"`     // "": the image's
	Healthcheck string            `toml:"healthcheck"` // "off", or "" for the image's
}

// Network is one that a container is in.
type Network struct {
	Name    string   `toml:"name"`
	Aliases []string `toml:"aliases"` // other names of the container in it
}

// Secret is where a secret is read from: one of the two.
type Secret struct {
	Env  string `toml:"env"`  // a variable of Pilothouse's own environment
	File string `toml:"file"` // that holds it and nothing else
}

func (s Secret) source() string {
	if s.Env != "" {
		return "environment variable " + s.Env
	}
	return "file " + s.File
}

// Fill puts the defaults where nothing was set. A stop_timeout of 60s lets an
// engine finish what it has begun.
func (s *Spec) Fill() {
	if s.Pull == "" {
		s.Pull = "missing"
	}
	if s.Restart == "" {
		s.Restart = "unless-stopped"
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = Duration(60 * time.Second)
	}
}

var (
	containerForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`) // Docker's own, daemon/names
	gpuForm       = regexp.MustCompile(`^([0-9]{1,3}(:[0-9]{1,3})?|(GPU|MIG)-[0-9A-Za-z][0-9A-Za-z/-]*)$`)
	envForm       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	aliasForm     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)
)

// gpuVariable is what NVIDIA's runtime reads besides device requests. Images of
// CUDA set it to "all", and where that runtime is the engine's default the
// container would get every GPU: so it is always set to what gpus says.
const gpuVariable = "NVIDIA_VISIBLE_DEVICES"

// Validate finds what Fill cannot mend, one *SettingError each, joined.
func (s *Spec) Validate() error {
	c := &check{name: s.Name}
	if !containerForm.MatchString(s.Name) {
		c.bad("name", strconv.Quote(s.Name), "two or more "+nameWant)
	}
	if _, err := reference.ParseNormalizedNamed(s.Image); err != nil {
		c.bad("image", strconv.Quote(s.Image), `an image by its name, like "vllm/vllm-openai:v0.32.0"`)
	}
	c.oneOf("pull", s.Pull, "missing", "always", "never")
	c.oneOf("ipc", s.IPC, "", "host")
	c.oneOf("healthcheck", s.Healthcheck, "", "off")
	if _, _, err := parseRestart(s.Restart); err != nil {
		c.bad("restart", strconv.Quote(s.Restart), err.Error())
	}
	if s.IPC == "host" && s.ShmSize != 0 {
		c.bad("shm_size", s.ShmSize.String()+` with ipc = "host"`, "one of the two: the host's /dev/shm has its own size")
	}
	if s.ShmSize < 0 {
		c.bad("shm_size", s.ShmSize.String(), `a size like "8GiB"`)
	}
	if t := time.Duration(s.StopTimeout); t < time.Second || t > time.Hour {
		c.bad("stop_timeout", s.StopTimeout.String(), `1s to 1h`)
	}
	if s.Workdir != "" && !path.IsAbs(s.Workdir) {
		c.bad("workdir", strconv.Quote(s.Workdir), "an absolute path in the container")
	}
	if strings.ContainsFunc(s.User, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		c.bad("user", strconv.Quote(s.User), `a name or a number, and a group where needed, like "1000:1000"`)
	}
	s.checkGPUs(c)
	s.checkEnvironment(c)
	s.checkVolumes(c)
	s.checkNetworks(c)
	s.checkPorts(c)
	return errors.Join(c.errs...)
}

// check gathers what is wrong with a container's settings.
type check struct {
	name string
	errs []error
}

func (c *check) bad(key, got, want string) {
	c.errs = append(c.errs, &SettingError{"container", c.name, key, got, want})
}

func (c *check) oneOf(key, got string, want ...string) {
	if !slices.Contains(want, got) {
		quoted := make([]string, len(want))
		for i, w := range want {
			quoted[i] = strconv.Quote(w)
		}
		c.bad(key, strconv.Quote(got), strings.Join(quoted, " or "))
	}
}

func (s *Spec) checkGPUs(c *check) {
	seen := make(map[string]bool)
	for _, g := range s.GPUs {
		if !gpuForm.MatchString(g) {
			c.bad("gpus", strconv.Quote(g), `each GPU by its index or UUID, like ["0", "1"]; nvidia-smi -L lists them`)
		} else if seen[g] {
			c.bad("gpus", strconv.Quote(g)+" twice", "each GPU once")
		}
		seen[g] = true
	}
}

func (s *Spec) checkEnvironment(c *check) {
	const want = "letters, digits, '_', '-' and '.', beginning with a letter or '_'"
	for _, k := range slices.Sorted(maps.Keys(s.Environment)) {
		if !envForm.MatchString(k) {
			c.bad("environment", strconv.Quote(k), want)
		}
		if k == gpuVariable {
			c.bad("environment."+k, strconv.Quote(s.Environment[k]), "gpus, which sets it")
		}
		if strings.ContainsRune(s.Environment[k], 0) {
			c.bad("environment."+k, "a zero byte", "text")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Secrets)) {
		from := s.Secrets[k]
		if !envForm.MatchString(k) || k == gpuVariable {
			c.bad("secrets", strconv.Quote(k), want+", and not "+gpuVariable)
		}
		if (from.Env == "") == (from.File == "") {
			c.bad("secrets."+k, "env and file, or neither", `one of the two, like { env = "HF_TOKEN" }`)
		} else if from.Env != "" && !envForm.MatchString(from.Env) {
			c.bad("secrets."+k+".env", "no variable's name", "the name of an environment variable, not what is in it") // which a mistaken secret may be: it is not shown
		}
		if _, both := s.Environment[k]; both {
			c.bad("secrets."+k, "environment."+k+" as well", "one of the two")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		if k == "" || strings.HasPrefix(k, labelPrefix) {
			c.bad("labels", strconv.Quote(k), "a name that does not begin with "+labelPrefix)
		}
	}
}

func (s *Spec) checkVolumes(c *check) {
	seen := make(map[string]bool)
	for _, v := range s.Volumes {
		m, err := parseVolume(v)
		if err != nil {
			c.bad("volumes", strconv.Quote(v), err.Error())
		} else if seen[m.target] {
			c.bad("volumes", strconv.Quote(m.target)+" twice", "each target once")
		}
		seen[m.target] = true
	}
}

func (s *Spec) checkNetworks(c *check) {
	seen := make(map[string]bool)
	for _, n := range s.Networks {
		if !nameForm.MatchString(n.Name) {
			c.bad("networks", strconv.Quote(n.Name), nameWant)
		} else if seen[n.Name] {
			c.bad("networks", strconv.Quote(n.Name)+" twice", "each network once")
		}
		seen[n.Name] = true
		for _, a := range n.Aliases {
			if !aliasForm.MatchString(a) {
				c.bad("networks."+n.Name+".aliases", strconv.Quote(a), "a host's name")
			}
		}
		if predefined(n.Name) && (len(n.Aliases) > 0 || len(s.Networks) > 1) {
			c.bad("networks", strconv.Quote(n.Name)+" with aliases or other networks", "it alone, or networks of your own")
		}
		if (n.Name == "host" || n.Name == "none") && len(s.Ports) > 0 {
			c.bad("ports", fmt.Sprintf("ports in network %q", n.Name), "none: nothing is published there")
		}
	}
}

// predefined tells whether a network is one of the engine's own.
func predefined(name string) bool { return name == "bridge" || name == "host" || name == "none" }

func (s *Spec) checkPorts(c *check) {
	seen := make(map[string]bool)
	for _, p := range s.Ports {
		b, err := parsePort(p)
		if err != nil {
			c.bad("ports", strconv.Quote(p), err.Error())
			continue
		}
		at := b.host.String()
		if seen[at] {
			c.bad("ports", at+" twice", "each address and port once")
		}
		seen[at] = true
	}
}
