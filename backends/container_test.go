package backends

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"pilothouse/backends/docker"
)

// decodeBackends reads backends as the configuration file has them.
func decodeBackends(t *testing.T, text string) ([]Config, error) {
	t.Helper()
	var c struct {
		Backends []Config `toml:"backend"`
	}
	err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&c)
	for i := range c.Backends {
		c.Backends[i].Fill()
	}
	return c.Backends, err
}

const twoReplicas = `
[[backend]]
name = "chat"
model = "m"
urls = ["http://127.0.0.1:8001", "http://127.0.0.1:8002"]
[backend.container]
host = "gpu1"
image = "vllm/vllm-openai:v0.32.0"
command = ["--model", "m"]
gpus = ["0"]
volumes = ["models:/models:ro"]
ipc = "host"
stop_timeout = "90s"
drain_timeout = "10m"
after = ["embed"]
environment = { A = "1", B = "2" }
secrets = { HF_TOKEN = { env = "HF_TOKEN" } }
networks = [{ name = "net", aliases = ["chat"] }]
[[backend.container.replica]]
name = "chat-0"
ports = ["127.0.0.1:8001:8000"]
[[backend.container.replica]]
name = "chat-1"
host = "gpu2"
gpus = ["1", "2"]
command = []
environment = { B = "3", C = "4" }
volumes = ["other:/models"]
networks = [{ name = "far" }]
ports = ["127.0.0.1:8002:8000"]
`

// What is set for a replica of its own goes before what is set for all.
func TestContainerMerge(t *testing.T) {
	cfg, err := decodeBackends(t, twoReplicas)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg[0].Validate(); err != nil {
		t.Error(err)
	}
	c := cfg[0].Container
	if time.Duration(c.DrainTimeout) != 10*time.Minute || time.Duration(c.StartTimeout) != 15*time.Minute || time.Duration(c.StopTimeout) != 90*time.Second || !slices.Equal(c.After, []string{"embed"}) {
		t.Errorf("%+v", c)
	}
	all := docker.Spec{Backend: "chat", Image: "vllm/vllm-openai:v0.32.0", Pull: "missing", Restart: "unless-stopped", IPC: "host", StopTimeout: Duration(90 * time.Second),
		Secrets: map[string]docker.Secret{"HF_TOKEN": {Env: "HF_TOKEN"}}}
	first, second := all, all
	first.Name, first.Command, first.GPUs, first.Ports = "chat-0", []string{"--model", "m"}, []string{"0"}, []string{"127.0.0.1:8001:8000"}
	first.Volumes, first.Networks, first.Environment = []string{"models:/models:ro"}, []docker.Network{{Name: "net", Aliases: []string{"chat"}}}, map[string]string{"A": "1", "B": "2"}
	second.Name, second.Command, second.GPUs, second.Ports = "chat-1", []string{}, []string{"1", "2"}, []string{"127.0.0.1:8002:8000"}
	second.Volumes, second.Networks, second.Environment = []string{"other:/models"}, []docker.Network{{Name: "far"}}, map[string]string{"A": "1", "B": "3", "C": "4"}
	for i, want := range []docker.Spec{first, second} {
		host, got := c.of("chat", i)
		if host != []string{"gpu1", "gpu2"}[i] || !reflect.DeepEqual(got, want) {
			t.Errorf("replica %d on %s:\n%+v, want\n%+v", i, host, got, want)
		}
	}
	if !maps.Equal(c.Environment, map[string]string{"A": "1", "B": "2"}) {
		t.Errorf("the settings of all were changed: %v", c.Environment)
	}
	c.Environment = nil
	if _, got := c.of("chat", 1); !maps.Equal(got.Environment, map[string]string{"B": "3", "C": "4"}) {
		t.Errorf("its own alone: %v", got.Environment)
	}
	one := &Container{Spec: docker.Spec{Name: "alone"}}
	if host, s := one.of("chat", 0); host != "" || s.Name != "alone" || s.Backend != "chat" {
		t.Errorf("%q %+v", host, s)
	}
}

func TestContainerSettings(t *testing.T) {
	const head, alone = "[[backend]]\nname = \"chat\"\nmodel = \"m\"\n", "urls = [\"http://a\"]\n[backend.container]\nimage = \"i\"\nname = \"chat\"\n"
	for name, tc := range map[string]struct{ text, key, wants string }{
		"of one":            {alone + "ports = [\"8001:8000\"]", "container.ports", `"8001:8000"`},
		"no name":           {"urls = [\"http://a\"]\n[backend.container]\nimage = \"i\"", "container.name", `got ""`},
		"too few":           {"urls = [\"http://a\", \"http://b\"]\n[backend.container]\nimage = \"i\"\nname = \"chat\"", "container", "one container for 2 urls"},
		"too many":          {"urls = [\"http://a\"]\n[backend.container]\nimage = \"i\"\n[[backend.container.replica]]\nname = \"aa\"\n[[backend.container.replica]]\nname = \"bb\"", "container.replica", "2 of them"},
		"two names":         {alone + "[[backend.container.replica]]\nname = \"aa\"", "container.name", "a name for each replica instead"},
		"a volume":          {alone + "volumes = [\"x\"]", "container.volumes", `"x"`},
		"a GPU":             {alone + "gpus = [\"all\"]", "container.gpus", `"all"`},
		"no unit":           {alone + "start_timeout = 10", "container.start_timeout", "got 10ns, want \"1s\" or more"},
		"a short drain":     {alone + "drain_timeout = \"10ms\"", "container.drain_timeout", "got 10ms"},
		"a secret":          {alone + "secrets = { A = {} }", "container.secrets.A", "one of the two"},
		"NVIDIA's variable": {alone + "environment = { NVIDIA_VISIBLE_DEVICES = \"all\" }", "container.environment.NVIDIA_VISIBLE_DEVICES", "gpus, which sets it"},
	} {
		cfg, err := decodeBackends(t, head+tc.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		setting, ok := errors.AsType[*SettingError](cfg[0].Validate())
		if !ok || setting.Key != tc.key || !strings.Contains(setting.Error(), tc.wants) {
			t.Errorf("%s: %+v, want %s about %s", name, setting, tc.wants, tc.key)
		}
	}

	// Each is told, with the replica that it is about.
	cfg, err := decodeBackends(t, strings.NewReplacer(`"127.0.0.1:8002:8000"`, `"8002"`, `gpus = ["1", "2"]`, `gpus = ["x"]`).Replace(twoReplicas))
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{}
	for _, err := range unjoin(cfg[0].Validate()) {
		if s, ok := errors.AsType[*SettingError](err); ok {
			keys = append(keys, s.Key)
		}
	}
	if slices.Sort(keys); !slices.Equal(keys, []string{"container.replica.1.gpus", "container.replica.1.ports"}) {
		t.Errorf("wrong: %q", keys)
	}
	for name, text := range map[string]string{
		"an unknown setting":  head + alone + "imagine = 1",
		"of a replica":        head + alone + "[[backend.container.replica]]\nimage = \"i\"",
		"a negative duration": head + alone + "drain_timeout = \"-1s\"",
	} {
		if _, err := decodeBackends(t, text); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestCheckContainers(t *testing.T) {
	hosts := []docker.Host{{Name: "gpu1"}, {Name: "gpu2"}}
	backend := func(name, host string, names []string, after ...string) Config {
		c := Config{Name: name, Container: &Container{Host: host, After: after}}
		for _, n := range names {
			c.URLs = append(c.URLs, "http://"+n)
			c.Container.Replicas = append(c.Container.Replicas, ContainerReplica{Name: n})
		}
		return c
	}
	elsewhere := backend("b", "gpu2", []string{"b0", "same"})
	elsewhere.Container.Replicas[1].Host = "gpu1"
	lost := backend("b", "", []string{"b0", "b1"})
	lost.Container.Replicas[1].Host = "gpu3"
	for name, tc := range map[string]struct {
		cfg  []Config
		want []string // key and what is said
	}{
		"fine":                  {[]Config{backend("a", "", []string{"same", "a1"}), backend("b", "gpu2", []string{"same"}, "a", "c"), backend("c", "gpu1", []string{"c0"}, "a"), {Name: "plain"}}, nil},
		"unknown host":          {[]Config{backend("a", "gpu3", []string{"a0"}), {Name: "b"}}, []string{`container.replica.0.host: got "gpu3"`}},
		"a replica's host":      {[]Config{lost}, []string{`container.replica.1.host: got "gpu3"`}},
		"same name, first host": {[]Config{backend("a", "", []string{"same"}), elsewhere}, []string{`container.replica.1.name: got "same", which backend "a" has too`}},
		"same name, one table":  {[]Config{backend("a", "", []string{"same", "same"})}, []string{`container.replica.1.name: got "same", which backend "a" has too`}},
		"unknown after":         {[]Config{backend("a", "", []string{"a0"}, "b")}, []string{`container.after: got "b", want the name of another backend`}},
		"after itself":          {[]Config{backend("a", "", []string{"a0"}, "a")}, []string{`container.after: got "a", which comes after "a" itself`}},
		"circle": {[]Config{backend("a", "", []string{"a0"}, "b"), backend("b", "", []string{"b0"}, "c"), backend("c", "", []string{"c0"}, "a"), backend("d", "", []string{"d0"}, "a")}, []string{
			`"a": container.after: got "b", which comes after "a" itself`, `"b": container.after: got "c", which`, `"c": container.after: got "a", which`}},
	} {
		got := unjoin(CheckContainers(tc.cfg, hosts))
		if len(got) != len(tc.want) {
			t.Errorf("%s: %v, want %q", name, got, tc.want)
			continue
		}
		for i, err := range got {
			if !strings.Contains(err.Error(), tc.want[i]) {
				t.Errorf("%s: %v, want %q", name, err, tc.want[i])
			}
		}
	}
	if err := CheckContainers([]Config{backend("a", "", []string{"a0"})}, nil); err == nil {
		t.Error("a container on no host")
	}
}
