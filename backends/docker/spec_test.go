package docker

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// joined are the errors that were joined.
func joined(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return nil
}

// A table as the reference configuration has it says what it seems to.
func TestSpecTOML(t *testing.T) {
	var s Spec
	in := toml.NewDecoder(strings.NewReader(`
		name = "vllm-text2sql"
		image = "vllm/vllm-openai:v0.32.0"
		command = ["--model", "Snowflake/Arctic-Text2SQL-R1-7B"]
		gpus = ["0"]
		environment = { HF_HOME = "/cache" }
		secrets = { HF_TOKEN = { env = "HF_TOKEN" }, VLLM_API_KEY = { file = "/run/key" } }
		volumes = ["/srv/hf:/cache", "logs:/logs:ro"]
		ports = ["127.0.0.1:8001:8000"]
		ipc = "host"
		stop_timeout = "90s"
		[[networks]]
		name = "llm"
		aliases = ["text2sql"]
	`)).DisallowUnknownFields()
	if err := in.Decode(&s); err != nil {
		t.Fatal(err)
	}
	s.Fill()
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if s.Restart != "unless-stopped" || s.Pull != "missing" || s.StopTimeout != Duration(90*time.Second) || s.Secrets["VLLM_API_KEY"].File != "/run/key" || s.Networks[0].Aliases[0] != "text2sql" {
		t.Errorf("%+v", s)
	}
	for text, want := range map[string]string{`shm_size = "8 giga"`: `"8GiB"`, `stop_timeout = "60"`: `"30s"`, `stop_timeout = "-1s"`: `"30s"`, `gpu = ["0"]`: "missing"} {
		err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&s)
		if err == nil {
			t.Errorf("%s was taken", text)
		} else if strict, ok := errors.AsType[*toml.StrictMissingError](err); !ok && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %s in it", text, err, strict, want)
		}
	}
}

// Every mistake is found, with its key and what to write instead.
func TestSpecValidate(t *testing.T) {
	for want, change := range map[string]func(*Spec){
		`name: got "-x"`:                       func(s *Spec) { s.Name = "-x" },
		`name: got "a/b"`:                      func(s *Spec) { s.Name = "a/b" },
		`image: got ""`:                        func(s *Spec) { s.Image = "" },
		`image: got "Upper Case"`:              func(s *Spec) { s.Image = "Upper Case" },
		`pull: got "sometimes"`:                func(s *Spec) { s.Pull = "sometimes" },
		`gpus: got "all"`:                      func(s *Spec) { s.GPUs = []string{"all"} },
		`gpus: got "-1"`:                       func(s *Spec) { s.GPUs = []string{"-1"} },
		`gpus: got ""`:                         func(s *Spec) { s.GPUs = []string{""} },
		`gpus: got "0,1"`:                      func(s *Spec) { s.GPUs = []string{"0,1"} },
		`gpus: got "0" twice`:                  func(s *Spec) { s.GPUs = []string{"0", "0"} },
		`environment: got "A=B"`:               func(s *Spec) { s.Environment = map[string]string{"A=B": ""} },
		`environment.NVIDIA_VISIBLE_DEVICES: `: func(s *Spec) { s.Environment = map[string]string{"NVIDIA_VISIBLE_DEVICES": "all"} },
		`environment.A: got a zero byte`:       func(s *Spec) { s.Environment = map[string]string{"A": "\x00"} },
		`secrets.A: got env and file`:          func(s *Spec) { s.Secrets = map[string]Secret{"A": {Env: "A", File: "/a"}} },
		`secrets.B: got env and file`:          func(s *Spec) { s.Secrets = map[string]Secret{"B": {}} },
		`secrets.C.env: got no variable`:       func(s *Spec) { s.Secrets = map[string]Secret{"C": {Env: "hf_secret value"}} },
		`secrets.D: got environment.D`: func(s *Spec) {
			s.Secrets, s.Environment = map[string]Secret{"D": {Env: "D"}}, map[string]string{"D": ""}
		},
		`volumes: got "/a"`:                  func(s *Spec) { s.Volumes = []string{"/a"} },
		`volumes: got "/a:b"`:                func(s *Spec) { s.Volumes = []string{"/a:b"} },
		`volumes: got "./a:/b"`:              func(s *Spec) { s.Volumes = []string{"./a:/b"} },
		`volumes: got "/a:/"`:                func(s *Spec) { s.Volumes = []string{"/a:/"} },
		`volumes: got "/a:/b:rx"`:            func(s *Spec) { s.Volumes = []string{"/a:/b:rx"} },
		`volumes: got "/b" twice`:            func(s *Spec) { s.Volumes = []string{"/a:/b", "cc:/b/"} },
		`networks: got "a b"`:                func(s *Spec) { s.Networks = []Network{{Name: "a b"}} },
		`networks: got "n" twice`:            func(s *Spec) { s.Networks = []Network{{Name: "n"}, {Name: "n"}} },
		`networks.n.aliases: got "-a"`:       func(s *Spec) { s.Networks = []Network{{Name: "n", Aliases: []string{"-a"}}} },
		`networks: got "bridge" with`:        func(s *Spec) { s.Networks = []Network{{Name: "bridge", Aliases: []string{"a"}}} },
		`networks: got "host" with`:          func(s *Spec) { s.Networks = []Network{{Name: "host"}, {Name: "n"}} },
		`ports: got ports in network "host"`: func(s *Spec) { s.Networks, s.Ports = []Network{{Name: "host"}}, []string{"127.0.0.1:1:1"} },
		`ports: got "8001:8000"`:             func(s *Spec) { s.Ports = []string{"8001:8000"} },
		`ports: got "127.0.0.1:0:8000"`:      func(s *Spec) { s.Ports = []string{"127.0.0.1:0:8000"} },
		`ports: got "localhost:1:2"`:         func(s *Spec) { s.Ports = []string{"localhost:1:2"} },
		`ports: got "127.0.0.1:1:65536"`:     func(s *Spec) { s.Ports = []string{"127.0.0.1:1:65536"} },
		`ports: got 127.0.0.1:1 twice`:       func(s *Spec) { s.Ports = []string{"127.0.0.1:1:1", "127.0.0.1:1:2"} },
		`ipc: got "private"`:                 func(s *Spec) { s.IPC = "private" },
		`shm_size: got 1GiB with ipc`:        func(s *Spec) { s.IPC, s.ShmSize = "host", 1<<30 },
		`restart: got "sometimes"`:           func(s *Spec) { s.Restart = "sometimes" },
		`restart: got "always:3"`:            func(s *Spec) { s.Restart = "always:3" },
		`restart: got "on-failure:0"`:        func(s *Spec) { s.Restart = "on-failure:0" },
		`stop_timeout: got 2h0m0s`:           func(s *Spec) { s.StopTimeout = Duration(2 * time.Hour) },
		`labels: got "pilothouse.managed"`:   func(s *Spec) { s.Labels = map[string]string{"pilothouse.managed": "false"} },
		`user: got "a b"`:                    func(s *Spec) { s.User = "a b" },
		`workdir: got "x"`:                   func(s *Spec) { s.Workdir = "x" },
		`healthcheck: got "on"`:              func(s *Spec) { s.Healthcheck = "on" },
	} {
		s := Spec{Name: "vllm", Image: "vllm/vllm-openai:v0.32.0"}
		s.Fill()
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&s)
		all := joined(s.Validate())
		if len(all) != 1 || !strings.Contains(all[0].Error(), ": "+want) || !strings.Contains(all[0].Error(), ", want ") {
			t.Errorf("%s: %v", want, all)
			continue
		}
		if e := is[*SettingError](t, all[0]); e.Of != "container" || e.Key == "" || e.Got == "" || e.Want == "" {
			t.Errorf("%+v", e)
		}
		if strings.Contains(all[0].Error(), "hf_secret") {
			t.Errorf("what may be a secret is shown: %v", all[0])
		}
	}
	if all := joined((&Spec{Name: "x", Pull: "y", Restart: "z"}).Validate()); len(all) != 5 {
		t.Errorf("several at once: %d, %v", len(all), all)
	}
}

func TestSecrets(t *testing.T) {
	base := Spec{Name: "vllm", Image: "i"}
	read := func(file string) ([]byte, error) {
		if file == "/none" {
			return nil, os.ErrNotExist
		}
		return []byte(strings.TrimPrefix(file, "/")), nil
	}
	for want, from := range map[string]Secret{
		"nothing in the environment variable UNSET":     {Env: "UNSET"},
		`a file that can't be read, "/none"`:            {File: "/none"},
		"nothing in the file /":                         {File: "/"},
		"several lines, or a zero byte, in the file /a": {File: "/a\nhunter2"},
	} {
		s := base
		s.Secrets = map[string]Secret{"K": from}
		_, err := s.Plan(func(string) string { return "" }, read)
		if e := is[*SettingError](t, err); e.Key != "secrets.K" || !strings.HasPrefix(e.Got, want) {
			t.Errorf("%v, want %s", e, want)
		}
	}
}

func TestHost(t *testing.T) {
	for _, good := range []string{"", "unix:///run/user/1000/docker.sock", "tcp://gpu1:2376", "tcp://10.0.0.5:2376", "tcp://[::1]:2376", "ssh://gpu1", "ssh://ops@gpu1.lab:2222", "ssh://ops@10.0.0.5/run/user/1000/docker.sock", "ssh://[::1]"} {
		h := Host{Host: good}
		h.Fill()
		if err := h.Validate(); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"docker", "/var/run/docker.sock", "unix://docker.sock", "unix://host/var/run/docker.sock", "http://gpu1:2375", "npipe:////./pipe/docker", "fd://",
		"tcp://gpu1", "tcp://gpu1:0", "tcp://gpu1:70000", "tcp://u:p@gpu1:2376", "tcp://gpu1:2376/path", "tcp://gpu1:2376?x", "tcp://:2376",
		"ssh://", "ssh://-oProxyCommand=id", "ssh://-l@h", "ssh://a@-h", "ssh://a:b@h", "ssh://h:x", "ssh://h:", "ssh://h/a b", "ssh://h/$(id)", "ssh://h/a;id", "ssh://h/-x'", "ssh://h/%2e",
		"ssh://a b@h", "ssh://h?q", "ssh://h#f", "ssh://h\n", "ssh://a%20b@h", "ssh://%2doProxyCommand=x@h", "ssh://h%20x", "ssh://h/../../x y",
	} {
		h := Host{Name: "gpu1", Host: bad}
		h.Fill()
		all := joined(h.Validate())
		if len(all) != 1 {
			t.Errorf("%q: %v", bad, all)
			continue
		}
		if e := is[*SettingError](t, all[0]); e.Key != "host" || strings.Contains(bad, ":b@") && strings.Contains(e.Error(), ":b@") {
			t.Errorf("%q: %v", bad, e)
		}
		if _, err := Open(h); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
	for key, h := range map[string]Host{
		"name": {Name: "a b"}, "tls.ca_file": {TLS: TLS{CAFile: "/ca"}}, "tls.cert_file": {Host: "tcp://h:1", TLS: TLS{CertFile: "/c"}}, "timeout": {Timeout: 5},
	} {
		h.Fill()
		if all := joined(h.Validate()); len(all) != 1 || is[*SettingError](t, all[0]).Key != key {
			t.Errorf("%s: %v", key, all)
		}
	}
	_, err := Open(Host{Host: "tcp://h:1", TLS: TLS{CAFile: "/no/such"}})
	if e := is[*SettingError](t, err); e.Key != "tls.ca_file" {
		t.Error(e)
	}
	to, _ := parseTarget("ssh://ops@gpu1:2222/run/d.sock")
	if got := strings.Join(append(to.ssh, to.remote...), " "); got != "-l ops -p 2222 -- gpu1 docker --host unix:///run/d.sock system dial-stdio" {
		t.Error(got)
	}
}
