package docker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// full is a Spec with something in every setting.
func full(s Spec) Spec {
	s.Command, s.Entrypoint = []string{"wait"}, []string{"/talker"}
	s.GPUs = []string{"0"}
	s.Environment = map[string]string{"A": "1", "B": "2"}
	s.Secrets = map[string]Secret{"KEY": {Env: "TEST_KEY"}, "OTHER": {Env: "TEST_OTHER"}}
	s.Volumes = []string{"diff-a:/a", "diff-b:/b:ro"}
	s.Networks = []Network{{Name: "diff-net", Aliases: []string{"x", "y"}}}
	s.Ports = []string{"127.0.0.1:18111:8000"}
	s.ShmSize, s.User, s.Workdir = 64<<20, "1000", "/w"
	s.Labels = map[string]string{"team": "data"}
	return s
}

// One changed setting is one change, in words, and nothing else.
func TestDiff(t *testing.T) {
	e, d := local(t)
	t.Setenv("TEST_KEY", "hunter2")
	t.Setenv("TEST_OTHER", "same")
	t.Setenv("TEST_COPY", "hunter2")
	t.Setenv("TEST_NEW", "hunter3")
	base := full(talker(t, d, ""))
	c := create(t, e, base)
	if changes := Diff(plan(t, base), c); len(changes) > 0 {
		t.Fatalf("just made: %v", changes)
	}
	for want, change := range map[string]func(*Spec){
		"": func(s *Spec) {
			s.Pull = "always" // which concerns no container that is there
			s.Volumes, s.Networks[0].Aliases = []string{"diff-b:/b:ro", "diff-a:/a"}, []string{"y", "x"}
			s.Secrets["KEY"] = Secret{Env: "TEST_COPY"} // another source, the same value
		},
		"backend: chat, to be embed":                                                       func(s *Spec) { s.Backend = "embed" },
		"image: talker:latest, to be talker:2":                                             func(s *Spec) { s.Image = "talker:2" },
		`command: wait, to be wait "--model=a b"`:                                          func(s *Spec) { s.Command = []string{"wait", "--model=a b"} },
		`command: wait, to be the image's`:                                                 func(s *Spec) { s.Command = nil },
		"entrypoint: /talker, to be the image's":                                           func(s *Spec) { s.Entrypoint = nil },
		"gpus: 0, to be 0, 1":                                                              func(s *Spec) { s.GPUs = []string{"0", "1"} },
		"gpus: 0, to be none":                                                              func(s *Spec) { s.GPUs = nil },
		`environment.A: "1", to be "3"`:                                                    func(s *Spec) { s.Environment["A"] = "3" },
		`environment.B: "2", to be not set`:                                                func(s *Spec) { delete(s.Environment, "B") },
		`environment.C: not set, to be ""`:                                                 func(s *Spec) { s.Environment["C"] = "" },
		"secrets.KEY: set, to be changed":                                                  func(s *Spec) { s.Secrets["KEY"] = Secret{Env: "TEST_NEW"} },
		"secrets.KEY: set, to be not set":                                                  func(s *Spec) { delete(s.Secrets, "KEY") },
		"secrets.NEW: not set, to be set":                                                  func(s *Spec) { s.Secrets["NEW"] = Secret{Env: "TEST_NEW"} },
		"volumes: diff-a:/a, diff-b:/b:ro, to be diff-a:/a":                                func(s *Spec) { s.Volumes = s.Volumes[:1] },
		"volumes: diff-a:/a, diff-b:/b:ro, to be none":                                     func(s *Spec) { s.Volumes = nil },
		"networks: diff-net (x, y), to be diff-net (x)":                                    func(s *Spec) { s.Networks[0].Aliases = []string{"x"} },
		"networks: diff-net (x, y), to be the engine's default":                            func(s *Spec) { s.Networks = nil },
		"ports: 127.0.0.1:18111:8000, to be 127.0.0.1:18112:8000":                          func(s *Spec) { s.Ports = []string{"127.0.0.1:18112:8000"} },
		"ipc: its own, to be host; shm_size: 64MiB, to be the engine's default":            func(s *Spec) { s.IPC, s.ShmSize = "host", 0 },
		"shm_size: 64MiB, to be 8GiB":                                                      func(s *Spec) { s.ShmSize = 8 << 30 },
		"restart: no, to be on-failure:3":                                                  func(s *Spec) { s.Restart = "on-failure:3" },
		"stop_timeout: 5s, to be 1m30s":                                                    func(s *Spec) { s.StopTimeout = Duration(90 * time.Second) },
		`labels.team: "data", to be not set`:                                               func(s *Spec) { s.Labels = nil },
		"user: 1000, to be the image's":                                                    func(s *Spec) { s.User = "" },
		"workdir: /w, to be /x":                                                            func(s *Spec) { s.Workdir = "/x" },
		"healthcheck: the image's, to be off":                                              func(s *Spec) { s.Healthcheck = "off" },
		`image: talker:latest, to be talker:3; environment.A: "1", to be "\u202e\x1b[31m"`: func(s *Spec) { s.Image, s.Environment["A"] = "talker:3", "\u202e\x1b[31m" },
	} {
		s := full(base)
		change(&s)
		var got []string
		for _, c := range Diff(plan(t, s), c) {
			got = append(got, c.String())
		}
		if text := strings.Join(got, "; "); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		if strings.Contains(fmt.Sprint(got), "hunter") {
			t.Errorf("a secret is shown: %v", got)
		}
	}

	// What others have changed since.
	api := d.Client(t)
	if _, err := api.ContainerUpdate(t.Context(), c.ID, client.ContainerUpdateOptions{RestartPolicy: &container.RestartPolicy{Name: "always"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.NetworkDisconnect(t.Context(), "diff-net", client.NetworkDisconnectOptions{Container: c.ID}); err != nil {
		t.Fatal(err)
	}
	got := Diff(plan(t, base), inspect(t, e, base.Name))
	if want := []Change{{"networks", "the engine's default", "diff-net (x, y)"}, {"restart", "always", "no"}}; !slices.Equal(got, want) {
		t.Errorf("after others' changes: %v, want %v", got, want)
	}
}

// A plan shows no secret, whoever prints it.
func TestPlanShowsNoSecret(t *testing.T) {
	s := Spec{Name: "vllm", Image: "i", Secrets: map[string]Secret{"K": {Env: "E"}}}
	p, err := s.Plan(func(string) string { return "hunter2" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		p  Plan
		pp *Plan
		in any
	}{p, &p, []Plan{p}}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{p, &p, holder, []Plan{p}, p.secrets != nil} {
			if text := fmt.Sprintf(form, v); strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
				t.Errorf("%s: %s", form, text)
			}
		}
	}
	r := p.record()
	if other := p.record(); r.Secrets["K"] == other.Secrets["K"] || len(r.Secrets["K"]) != 16 {
		t.Errorf("hashes of two containers are alike: %v %v", r, other)
	}
	if got := p.environment(); !slices.Contains(got, "K=hunter2") {
		t.Errorf("environment %q", got)
	}
}
