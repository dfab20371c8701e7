package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	sys "golang.org/x/sys/unix"
)

// Every setting arrives at the engine, as it tells itself.
func TestSettings(t *testing.T) {
	e, d := local(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "token")
	if err := os.WriteFile(secret, []byte("file-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_SECRET", "env-value")
	s := talker(t, d, "", "wait")
	s.Entrypoint, s.User, s.Workdir, s.Healthcheck = []string{"/talker", "out:entry"}, "1000:1000", "/work", "off"
	s.Environment = map[string]string{"HF_HOME": "/cache", "EMPTY": "", "ODD": "a=b c"}
	s.Secrets = map[string]Secret{"A_TOKEN": {Env: "TEST_SECRET"}, "B_TOKEN": {File: secret}}
	s.Volumes = []string{dir + ":/data:ro", "settings-cache:/cache"}
	s.Networks = []Network{{Name: "settings-a", Aliases: []string{"text2sql", "sql"}}, {Name: "settings-b", Aliases: []string{"other"}}}
	s.Ports = []string{"127.0.0.1:18001:8000", "[::1]:18001:8000", "127.0.0.1:18002:9000"}
	s.ShmSize, s.Restart, s.StopTimeout = 128<<20, "on-failure:5", Duration(90*time.Second)
	s.Labels = map[string]string{"team": "data"}
	c := create(t, e, s)

	raw, err := d.Client(t).ContainerInspect(t.Context(), s.Name, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, host := raw.Container.Config, raw.Container.HostConfig
	for what, ok := range map[string]bool{
		"image":       config.Image == s.Image,
		"command":     slices.Equal(config.Cmd, s.Command),
		"entrypoint":  slices.Equal(config.Entrypoint, s.Entrypoint),
		"user":        config.User == s.User,
		"workdir":     config.WorkingDir == s.Workdir,
		"healthcheck": config.Healthcheck != nil && slices.Equal(config.Healthcheck.Test, []string{"NONE"}),
		"environment": slices.Equal(config.Env[:6], []string{"A_TOKEN=env-value", "B_TOKEN=file-value", "EMPTY=", "HF_HOME=/cache", "NVIDIA_VISIBLE_DEVICES=void", "ODD=a=b c"}),
		"stop":        config.StopTimeout != nil && *config.StopTimeout == 90,
		"labels":      config.Labels["team"] == "data" && config.Labels[labelManaged] == "true" && config.Labels[labelBackend] == "chat",
		"gpus":        len(host.DeviceRequests) == 0,
		"ipc":         !host.IpcMode.IsHost(),
		"shm_size":    host.ShmSize == 128<<20,
		"restart":     host.RestartPolicy.Name == "on-failure" && host.RestartPolicy.MaximumRetryCount == 5,
		"volumes": len(raw.Container.Mounts) == 2 && slices.ContainsFunc(host.Mounts, func(m mount.Mount) bool {
			return m.Type == "bind" && m.Source == dir && m.Target == "/data" && m.ReadOnly
		}) &&
			slices.ContainsFunc(host.Mounts, func(m mount.Mount) bool {
				return m.Type == "volume" && m.Source == "settings-cache" && m.Target == "/cache" && !m.ReadOnly
			}),
		"ports": slices.Equal(c.Ports, []string{"127.0.0.1:18001:8000", "127.0.0.1:18002:9000", "[::1]:18001:8000"}),
		"networks": len(c.Networks) == 2 && slices.Equal(c.Networks["settings-a"].Aliases, []string{"sql", "text2sql"}) &&
			slices.Equal(c.Networks["settings-b"].Aliases, []string{"other"}),
		"privileged": !host.Privileged,
	} {
		if !ok {
			t.Errorf("%s did not arrive: %s", what, raw.Raw)
		}
	}
	for k, v := range config.Labels {
		if strings.Contains(v, "env-value") || strings.Contains(v, "file-value") {
			t.Errorf("label %s shows a secret: %s", k, v)
		}
	}
	if changes := Diff(plan(t, s), c); len(changes) > 0 {
		t.Errorf("different just after it was made: %v", changes)
	}

	s = talker(t, d, "-host", "wait")
	s.IPC, s.Networks = "host", []Network{{Name: "host"}}
	create(t, e, s)
	if raw, err = d.Client(t).ContainerInspect(t.Context(), s.Name, client.ContainerInspectOptions{}); err != nil || !raw.Container.HostConfig.IpcMode.IsHost() || raw.Container.HostConfig.NetworkMode != "host" {
		t.Errorf("%v %s", err, raw.Raw)
	}
}

// recorder is a socket between a client and an engine, and keeps what the client
// sends to make containers. Of paths that end like refuse it lets none through.
func recorder(t *testing.T, socket, refuse string) (host string, bodies func() []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	way := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	proxy := &httputil.ReverseProxy{Transport: way, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
		if strings.HasSuffix(r.In.URL.Path, "/containers/create") {
			text, _ := io.ReadAll(r.In.Body)
			r.Out.Body = io.NopCloser(strings.NewReader(string(text)))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, string(text))
		}
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, refuse) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"message":"not here"}`)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "unix://" + file, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// GPUs are asked for by id, as NVIDIA's device driver in Docker reads it. None
// means none.
func TestGPUs(t *testing.T) {
	d := sharedEngine(t)
	d.Talker(t)
	quiet(t)
	host, bodies := recorder(t, d.Socket, "nothing")
	e := open(t, Host{Host: host})
	for _, gpus := range [][]string{nil, {}, {"0"}, {"1", "GPU-8a56a4bc-3184-47a6-9e0c-0f2f3d2b9c11"}} {
		s := talker(t, d, "", "wait")
		s.GPUs = gpus
		before := len(bodies())
		c := create(t, e, s)
		if len(bodies()) != before+1 {
			t.Fatalf("%d requests were seen", len(bodies())-before)
		}
		var sent struct {
			Env        []string
			HostConfig struct{ DeviceRequests []map[string]any }
		}
		if err := json.Unmarshal([]byte(bodies()[before]), &sent); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(sent.HostConfig.DeviceRequests)
		if err != nil {
			t.Fatal(err)
		}
		want, visible := "null", "void"
		if len(gpus) > 0 {
			ids, _ := json.Marshal(gpus)
			want = `[{"Capabilities":[["gpu"]],"Count":0,"DeviceIDs":` + string(ids) + `,"Driver":"nvidia","Options":null}]`
			visible = strings.Join(gpus, ",")
		}
		if string(got) != want || !slices.Contains(sent.Env, "NVIDIA_VISIBLE_DEVICES="+visible) {
			t.Errorf("gpus %q: sent %s and %q", gpus, got, sent.Env)
		}
		if !slices.Equal(c.GPUs, gpus) && len(gpus)+len(c.GPUs) > 0 {
			t.Errorf("gpus %q: it has %q", gpus, c.GPUs)
		}
		if len(gpus) > 0 { // no such GPU here, which the engine says
			is[*Refusal](t, e.Start(t.Context(), s.Name))
			if c = inspect(t, e, s.Name); c.Fault == "" || !strings.Contains(c.Words(), c.Fault) {
				t.Errorf("%q, for %q", c.Words(), c.Fault)
			}
		}
		if err := e.Remove(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
	}
}

// Containers find each other by their aliases in a network of their own, and are
// reached at their published ports, and nowhere else.
func TestNetwork(t *testing.T) {
	e, d := local(t)
	port := reserve(t)
	server := talker(t, d, "-server", "serve::8000", "wait")
	server.Networks = []Network{{Name: "private", Aliases: []string{"text2sql", "sql.local"}}, {Name: "second", Aliases: []string{"elsewhere"}}}
	server.Ports = []string{port + ":8000"}
	c := run(t, e, server)
	if c.Networks["private"].IP == "" || c.Networks["second"].IP == "" || !slices.Equal(c.Ports, server.Ports) {
		t.Errorf("%+v", c)
	}
	way := &http.Transport{DisableKeepAlives: true}
	until(t, "the published port to answer", func() bool {
		resp, err := (&http.Client{Transport: way, Timeout: time.Second}).Get("http://" + port)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return err == nil && string(text) == "here"
	})
	asks := map[string][]string{
		"private": {"get:http://text2sql:8000", "get:http://sql.local:8000", "get:http://" + server.Name + ":8000", "absent:http://elsewhere:8000"},
		"second":  {"get:http://elsewhere:8000", "absent:http://text2sql:8000"},
		"third":   {"absent:http://" + server.Name + ":8000"},
	}
	clients := make(map[string]Spec)
	for network, words := range asks {
		s := talker(t, d, "-"+network, words...)
		s.Networks = []Network{{Name: network}}
		run(t, e, s)
		clients[network] = s
	}
	for network, s := range clients {
		until(t, "its end", func() bool { return inspect(t, e, s.Name).State == "exited" })
		for i, text := range texts(read(t, e, s.Name, LogOptions{})) {
			want := "here"
			if strings.HasPrefix(asks[network][i], "absent:") {
				want = "absent"
			}
			if text != want {
				t.Errorf("in network %s, %s: %s", network, asks[network][i], text)
			}
		}
	}
}

// reserve is an address on loopback that nobody else is given until the test
// ends: a socket is bound to it, which refuses connections, and beside which one
// that names the address may listen.
func reserve(t testing.TB) string {
	t.Helper()
	fd, err := sys.Socket(sys.AF_INET, sys.SOCK_STREAM|sys.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sys.Close(fd) })
	if err := sys.SetsockoptInt(fd, sys.SOL_SOCKET, sys.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := sys.Bind(fd, &sys.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := sys.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*sys.SockaddrInet4).Port)
}

// A container that can't be put into all its networks is none.
func TestCreateUndone(t *testing.T) {
	d := sharedEngine(t)
	d.Talker(t)
	quiet(t)
	host, bodies := recorder(t, d.Socket, "/networks/undone-b/connect")
	e := open(t, Host{Host: host})
	s := talker(t, d, "", "wait")
	s.Networks = []Network{{Name: "undone-a"}, {Name: "undone-b", Aliases: []string{"x"}}}
	_, err := e.Create(t.Context(), plan(t, s), nil)
	if r := is[*Refusal](t, err); r.Message != "not here" || len(bodies()) != 1 {
		t.Errorf("%v, after %d", r, len(bodies()))
	}
	_, err = e.Inspect(t.Context(), s.Name)
	is[*NotFoundError](t, err)

	s.Networks, s.Volumes = nil, []string{"/no/such/directory:/data"}
	_, err = e.Create(t.Context(), plan(t, s), nil)
	if r := is[*Refusal](t, err); !strings.Contains(r.Message, "/no/such/directory") {
		t.Errorf("%v", r)
	}
	if _, err := os.Stat("/no/such/directory"); err == nil {
		t.Error("a directory was made of a misspelt one")
	}
}

// The project's own image runs as a server like vLLM's.
func TestOwnImage(t *testing.T) {
	e, d := local(t)
	s := talker(t, d, "", "sim", "--listen", "0.0.0.0:8000")
	s.Image = d.Image(t)
	port := reserve(t)
	s.Networks, s.Ports = []Network{{Name: "own"}}, []string{port + ":8000"}
	run(t, e, s)
	way := &http.Transport{DisableKeepAlives: true}
	until(t, "the simulated engine to be well", func() bool {
		resp, err := (&http.Client{Transport: way, Timeout: time.Second}).Get("http://" + port + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}
