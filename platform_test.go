package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"pilothouse/backends/dockertest"
)

const platformKey = "sk-test-of-the-platform"

// platformTest is the reference deployment on a real Docker engine, with the
// simulator in the place of vLLM: vllm-chat alone, vllm-text2sql twice, in a
// network of their own.
type platformTest struct {
	t      *testing.T
	docker *dockertest.Engine
	dir    string
	serve  *process
	url    string
	admin  string
}

func newPlatform(t *testing.T) *platformTest {
	p := &platformTest{t: t, docker: dockertest.Start(t), dir: t.TempDir()}
	image := p.docker.Image(t)
	p.configure(fmt.Sprintf(`
[[backend]]
name = "chat"
model = "Qwen/Qwen2.5-7B-Instruct"
urls = ["http://%[2]s"]
api_key_env = "TEST_BACKEND_KEY"
max_context = 8192
%[1]s
name = "vllm-chat"
image = %[4]q
pull = "never"
stop_timeout = "10s"
command = ["sim", "--listen", "0.0.0.0:8000", "--model", "Qwen/Qwen2.5-7B-Instruct", "--speed", "4", "--load-time", "2s", "--api-key-env", "KEY"]
networks = [{ name = "llm", aliases = ["chat"] }]
ports = ["%[2]s:8000"]
secrets = { KEY = { env = "TEST_BACKEND_KEY" } }

[[backend]]
name = "text2sql"
model = "Snowflake/Arctic-Text2SQL-R1-7B"
routes = ["/text2sql"]
urls = ["http://%[3]s", "http://%[5]s"]
api_key_env = "TEST_BACKEND_KEY"
max_context = 8192
%[1]s
image = %[4]q
pull = "never"
stop_timeout = "10s"
after = ["chat"]
command = ["sim", "--listen", "0.0.0.0:8000", "--model", "Snowflake/Arctic-Text2SQL-R1-7B", "--kind", "text2sql", "--speed", "10", "--api-key-env", "KEY"]
networks = [{ name = "llm", aliases = ["text2sql"] }]
secrets = { KEY = { env = "TEST_BACKEND_KEY" } }
[[backend.container.replica]]
name = "vllm-text2sql"
ports = ["%[3]s:8000"]
[[backend.container.replica]]
name = "vllm-text2sql-2"
ports = ["%[5]s:8000"]
`, "[backend.health]\ninterval = \"100ms\"\nramp = \"500ms\"\n[backend.container]", reserve(t), reserve(t), image, reserve(t)))
	write(t, filepath.Join(p.dir, "keys.toml"), fmt.Sprintf("[[org]]\nname = \"acme\"\n[[org.key]]\nid = \"k1\"\nname = \"test\"\nsha256 = \"%x\"\n", sha256.Sum256([]byte(platformKey))))
	return p
}

// configure writes the configuration; the backends are its own.
func (p *platformTest) configure(backends string) {
	write(p.t, filepath.Join(p.dir, "config.toml"), fmt.Sprintf(`
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
state_dir = %q
[limits]
requests_per_second = 0
[[docker]]
name = "local"
host = %q
`, p.dir, p.docker.Host())+backends)
}

// reserve is an address on loopback that nobody else is given until the test
// ends: a socket is bound to it, which refuses connections, and beside which one
// that names the address may listen.
func reserve(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

// start starts the gateway.
func (p *platformTest) start() {
	p.t.Helper()
	var at map[string]any
	p.serve, at = start(p.t, []string{"TEST_BACKEND_KEY=sk-test-backend"}, "serve", "--config", filepath.Join(p.dir, "config.toml"))
	p.url, p.admin = at["clients"].(string), at["admin"].(string)
}

// command runs a command, and returns its exit code and what it prints.
func (p *platformTest) command(args ...string) (code int, out string) {
	cmd := exec.CommandContext(p.t.Context(), binary, append(args, "--config", filepath.Join(p.dir, "config.toml"))...)
	cmd.Env = append(os.Environ(), "TEST_BACKEND_KEY=sk-test-backend")
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return -1, err.Error()
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// run runs a command, which is to end with a code.
func (p *platformTest) run(want int, args ...string) string {
	p.t.Helper()
	code, out := p.command(args...)
	if code != want {
		p.t.Fatalf("%v: exit code %d, want %d\n%s\n%s", args, code, want, out, p.jobs())
	}
	p.t.Logf("%v\n%s", args, out)
	return out
}

// jobs are the gateway's log, without its requests.
func (p *platformTest) jobs() string {
	var b strings.Builder
	for line := range strings.Lines(p.serve.log()) {
		if !strings.Contains(line, `"msg":"request"`) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// state is a replica's, by its container's name, and why.
func (p *platformTest) state(container string) (state, reason string) {
	p.t.Helper()
	var s struct {
		Backends []struct {
			Replicas []struct {
				State, Reason string
				Container     struct{ Name string }
			}
		}
	}
	cmd := exec.CommandContext(p.t.Context(), binary, "status", "--json", "--config", filepath.Join(p.dir, "config.toml"))
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		p.t.Fatalf("status: %v\n%s", err, out)
	}
	for _, b := range s.Backends {
		for _, r := range b.Replicas {
			if r.Container.Name == container {
				return r.State, r.Reason
			}
		}
	}
	p.t.Fatalf("no container %q in the status:\n%s", container, out)
	return "", ""
}

// reaches waits until a replica is in a state, and returns why it is.
func (p *platformTest) reaches(container, want string) (reason string) {
	p.t.Helper()
	eventually(p.t, container+" to be "+want, func() bool {
		var state string
		state, reason = p.state(container)
		return state == want
	})
	return reason
}

func (p *platformTest) chat(stream bool, tokens int) (int, string) {
	p.t.Helper()
	return send(p.t, "POST", p.url+"/v1/chat/completions", platformKey, platformBody("Qwen/Qwen2.5-7B-Instruct", stream, tokens))
}

func platformBody(model string, stream bool, tokens int) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Hello"}],"stream":%v,"max_tokens":%d,"ignore_eos":true}`, model, stream, tokens)
}

// whole tells what is wrong with a stream of so many tokens; "": nothing.
func whole(status int, text string, tokens int) string {
	switch n := strings.Count(text, `"content":"`); {
	case status != 200:
		return fmt.Sprintf("status %d: %.300s", status, text)
	case strings.Contains(text, `"error"`), !strings.HasSuffix(text, "data: [DONE]\n\n"):
		return fmt.Sprintf("it ends with %.300q", text[max(0, len(text)-300):])
	case n < tokens:
		return fmt.Sprintf("%d events of %d", n, tokens)
	}
	return ""
}

// streams starts n streams of chat, and returns once all have begun; the
// function that is returned waits for them, and tells what is wrong with each.
func (p *platformTest) streams(n, tokens int) func() []string {
	p.t.Helper()
	var begun, ended sync.WaitGroup
	wrong := make([]string, n)
	begun.Add(n)
	for i := range n {
		ended.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url+"/v1/chat/completions", strings.NewReader(platformBody("Qwen/Qwen2.5-7B-Instruct", true, tokens)))
			if err != nil {
				wrong[i] = err.Error()
				return
			}
			req.Header = http.Header{"Authorization": {"Bearer " + platformKey}, "Content-Type": {"application/json"}}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				wrong[i] = err.Error()
				return
			}
			defer resp.Body.Close()
			first := make([]byte, 1)
			if _, err := io.ReadFull(resp.Body, first); err != nil {
				wrong[i] = err.Error()
				return
			}
			once()
			rest, err := io.ReadAll(resp.Body)
			if err != nil {
				wrong[i] = err.Error()
				return
			}
			wrong[i] = whole(resp.StatusCode, string(first)+string(rest), tokens)
		})
	}
	begun.Wait()
	return func() (bad []string) {
		ended.Wait()
		for _, w := range wrong {
			if w != "" {
				bad = append(bad, w)
			}
		}
		return bad
	}
}

// traffic sends requests to text2sql all the time, until what is returned is
// called, which gives their number and what was wrong with any.
func (p *platformTest) traffic(clients int) func() (int64, []string) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var mu sync.Mutex
	var bad []string
	var n atomic.Int64
	for range clients {
		running.Go(func() {
			for ctx.Err() == nil {
				status, text := send(p.t, "POST", p.url+"/text2sql", platformKey, platformBody("Snowflake/Arctic-Text2SQL-R1-7B", true, 30))
				n.Add(1)
				if w := whole(status, text, 30); w != "" {
					mu.Lock()
					bad = append(bad, w)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		stop()
		running.Wait()
		return n.Load(), bad
	}
}

// atRest checks that nothing of any request is left in the books.
func (p *platformTest) atRest() {
	p.t.Helper()
	eventually(p.t, "books at zero", func() bool {
		_, text := send(p.t, "GET", p.admin+"/metrics", "", "")
		seen := 0
		for line := range strings.Lines(text) {
			for _, name := range []string{"pilothouse_kv_booked_tokens{", "pilothouse_requests_in_flight{", "pilothouse_queue_waiting{"} {
				if strings.HasPrefix(line, name) {
					seen++
					if !strings.HasSuffix(line, " 0\n") {
						return false
					}
				}
			}
		}
		return seen > 0
	})
}

// A platform on a real Docker engine is brought up, restarted under load, loses
// containers and its Docker engine, and is taken down.
func TestPlatform(t *testing.T) {
	p := newPlatform(t)
	p.start()
	if out := p.run(0, "up", "--dry-run"); !strings.Contains(out, "vllm-chat") {
		t.Errorf("the dry run says:\n%s", out)
	}
	if all := p.containers(); len(all) != 0 {
		t.Fatalf("a dry run made %v", all)
	}
	p.run(0, "up")
	if code, text := send(t, "GET", p.url+"/health", "", ""); code != 200 || !strings.Contains(text, `"status":"healthy"`) {
		t.Fatalf("health %d: %s", code, text)
	}
	p.run(0, "up") // which finds all as it should be

	// Not one of 50 streams is lost, and no request to those with a second replica.
	settle := p.streams(50, 300)
	traffic := p.traffic(4)
	if out := p.run(1, "restart", "chat"); !strings.Contains(out, "--last") {
		t.Errorf("the last replica is taken away unasked:\n%s", out)
	}
	p.run(0, "restart", "chat", "--last", "--reason", "a test")
	if bad := settle(); len(bad) > 0 {
		t.Errorf("%d of 50 streams were lost: %q", len(bad), bad[0])
	}
	p.run(0, "restart", "text2sql")
	if n, bad := traffic(); len(bad) > 0 || n < 20 {
		t.Errorf("%d of %d requests failed: %q", len(bad), n, bad)
	}
	if code, text := p.chat(false, 5); code != 200 {
		t.Fatalf("after the restart: status %d: %s", code, text)
	}
	p.atRest()

	p.engineKilled()
	p.dies()
	p.killed()
	p.neverHealthy()
	p.atRest()

	if out := p.run(0, "logs", "chat", "--tail", "1"); !strings.Contains(out, "simulator") {
		t.Errorf("the log's last line:\n%s", out)
	}
	p.run(0, "down")
	if all := p.containers(); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
	p.run(0, "down")
	events := p.run(0, "events")
	for _, want := range []string{"restart done", "a test", "up failed", "down done"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %q among the events:\n%s", want, events)
		}
	}
	for _, secret := range []string{platformKey, "sk-test-backend", "Hello"} {
		if strings.Contains(p.serve.log(), secret) {
			t.Errorf("the log has %q in it", secret)
		}
	}
}

// containers are those that the engine has, by name.
func (p *platformTest) containers() (names []string) {
	p.t.Helper()
	all, err := p.docker.Client(p.t).ContainerList(p.t.Context(), client.ContainerListOptions{All: true})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range all.Items {
		names = append(names, c.Names[0])
	}
	return names
}

// engineKilled has the Docker engine die while a container is being restarted:
// the published ports go with it, and come back with it.
func (p *platformTest) engineKilled() {
	type ended struct {
		code int
		out  string
	}
	restart := make(chan ended, 1)
	go func() {
		code, out := p.command("restart", "chat", "--last")
		restart <- ended{code, out}
	}()
	p.reaches("vllm-chat", "loading")
	p.docker.Kill()
	eventually(p.t, "the engine to be missed", func() bool { return strings.Contains(p.run(0, "status"), "Docker") })
	p.docker.Start(p.t)
	if got := <-restart; got.code != 0 {
		p.t.Errorf("the restart ended with exit code %d\n%s\n%s", got.code, got.out, p.jobs())
	}
	p.run(0, "up") // Docker starts none of those that its end has ended
	for _, c := range []string{"vllm-chat", "vllm-text2sql", "vllm-text2sql-2"} {
		p.reaches(c, "healthy")
	}
}

// dies has a container end by itself.
func (p *platformTest) dies() {
	if _, err := p.docker.Client(p.t).ContainerKill(p.t.Context(), "vllm-chat", client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		p.t.Fatal(err)
	}
	// That its port is closed may be seen before the engine tells why.
	eventually(p.t, "vllm-chat to be down, and why", func() bool {
		state, reason := p.state("vllm-chat")
		return state == "down" && strings.Contains(reason, "exited with code 137")
	})
	if code, text := p.chat(false, 5); code != 503 || !strings.Contains(text, "no_healthy_backend") {
		p.t.Errorf("status %d: %s", code, text)
	}
	p.run(0, "start", "chat")
	if code, text := p.chat(false, 5); code != 200 {
		p.t.Errorf("status %d: %s", code, text)
	}
}

// killed has Pilothouse itself die while a container is being restarted.
func (p *platformTest) killed() {
	p.run(0, "restart", "chat", "--last", "--detach")
	p.reaches("vllm-chat", "loading")
	p.serve.Process.Kill()
	err := <-p.serve.gone
	p.serve.gone <- err
	p.start()
	p.reaches("vllm-chat", "healthy")
	if out := p.run(0, "status"); strings.Contains(out, "drained") {
		p.t.Errorf("something is drained:\n%s", out)
	}
	if code, text := p.chat(false, 5); code != 200 {
		p.t.Errorf("status %d: %s", code, text)
	}
}

// neverHealthy adds a backend whose engine listens where nobody looks.
func (p *platformTest) neverHealthy() {
	path := filepath.Join(p.dir, "config.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	write(p.t, path, string(text)+fmt.Sprintf(`
[[backend]]
name = "odd"
model = "odd"
urls = ["http://%[1]s"]
[backend.health]
interval = "100ms"
[backend.container]
name = "vllm-odd"
image = %[2]q
pull = "never"
restart = "no"
start_timeout = "6s"
stop_timeout = "2s"
command = ["sim", "--listen", "127.0.0.1:8000", "--model", "odd"]
ports = ["%[1]s:8000"]
networks = [{ name = "llm" }]
`, reserve(p.t), p.docker.Image(p.t)))
	p.serve.await(p.t, "configuration reloaded")
	out := p.run(1, "up")
	if !strings.Contains(out, "not ready after 6s") || !strings.Contains(out, "simulator") {
		p.t.Errorf("up says:\n%s", out)
	}
	for _, c := range []string{"vllm-chat", "vllm-text2sql", "vllm-text2sql-2"} {
		if state, reason := p.state(c); state != "healthy" {
			p.t.Errorf("%s is %s: %s", c, state, reason)
		}
	}
}
