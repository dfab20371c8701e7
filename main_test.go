package main

import (
	"bufio"
	"bytes"
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
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// binary is the real one, built as make builds it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "pilothouse-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "pilothouse")
		build := exec.Command("go", "build", "-o", binary, "-ldflags", "-X main.version=v0-test", ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
			return 1
		}
		return m.Run()
	}())
}

// TestScripts runs the command line as a person types it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits CODE COMMAND...: run it and hold its exit status against CODE.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				code := "0"
				if exit := new(exec.ExitError); err != nil {
					if !asExit(err, &exit) {
						ts.Fatalf("%v", err)
					}
					code = fmt.Sprint(exit.ExitCode())
				}
				if (code == args[0]) == neg {
					ts.Fatalf("exit status %s, want %s", code, args[0])
				}
			},
		},
	})
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

// process is a command under test that serves until it is told to stop.
type process struct {
	*exec.Cmd
	mu     sync.Mutex
	stderr bytes.Buffer
	lines  chan string
	gone   chan error
}

// start runs the binary and waits for its "listening" line, whose attributes
// it returns.
func start(t *testing.T, env []string, args ...string) (*process, map[string]any) {
	t.Helper()
	p := &process{Cmd: exec.Command(binary, args...), lines: make(chan string, 1000), gone: make(chan error, 1)}
	p.Env = append(os.Environ(), env...)
	pipe, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s := bufio.NewScanner(pipe)
		for s.Scan() {
			p.mu.Lock()
			p.stderr.WriteString(s.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.lines <- s.Text():
			default:
			}
		}
		p.gone <- p.Wait()
		close(p.lines)
	}()
	t.Cleanup(func() { p.Process.Kill(); <-p.gone })
	return p, p.await(t, "listening")
}

// await waits for the log line with that message.
func (p *process) await(t *testing.T, msg string) map[string]any {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("it ended before %q:\n%s", msg, p.log())
			}
			var attrs map[string]any
			if json.Unmarshal([]byte(line), &attrs) == nil && attrs["msg"] == msg {
				return attrs
			}
		case <-timeout:
			t.Fatalf("no line %q:\n%s", msg, p.log())
		}
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

func send(t *testing.T, method, url, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition, and fails where it doesn't come.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !cond() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("it did not come: %s", what)
		}
	}
}

// TestServe serves a simulated backend headless: answers, takes a changed
// configuration while it serves, and drains at SIGTERM.
func TestServe(t *testing.T) {
	const key, backendKey = "sk-test-of-the-command-line", "sk-test-backend"
	_, at := start(t, []string{"SIM_KEY=" + backendKey}, "sim", "--listen", "127.0.0.1:0", "--model", "m", "--speed", "20", "--api-key-env", "SIM_KEY")
	backend := at["address"]
	dir := t.TempDir()
	conf := func(more string) string {
		return fmt.Sprintf(`
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
state_dir = %q
%s
[[backend]]
name = "b"
model = "m"
urls = [%q]
api_key_env = "TEST_BACKEND_KEY"
aliases = ["before"]
`, dir, more, backend)
	}
	path := filepath.Join(dir, "config.toml")
	write(t, path, conf(""))
	write(t, filepath.Join(dir, "keys.toml"), fmt.Sprintf("[[org]]\nname = \"acme\"\n[[org.key]]\nid = \"k1\"\nname = \"test\"\nsha256 = \"%x\"\n", sha256.Sum256([]byte(key))))
	p, at := start(t, []string{"TEST_BACKEND_KEY=" + backendKey}, "serve", "--config", path)
	url := at["clients"].(string)

	body := func(model string, stream bool, tokens int) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Hello"}],"stream":%v,"max_tokens":%d,"ignore_eos":true}`, model, stream, tokens)
	}
	if code, answer := send(t, "POST", url+"/v1/chat/completions", key, body("before", false, 5)); code != 200 {
		t.Fatalf("status %d: %s", code, answer)
	}
	if code, answer := send(t, "GET", at["admin"].(string)+"/metrics", "", ""); code != 200 || !strings.Contains(answer, `pilothouse_build_info{goversion="go1`) || !strings.Contains(answer, `version="v0-test"`) {
		t.Errorf("metrics: status %d:\n%.500s", code, answer)
	}

	// A mistake changes nothing; a good file is taken, at once at SIGHUP and soon by itself.
	write(t, path, strings.ReplaceAll(conf("nonsense = 1"), "before", "after"))
	p.await(t, "the configuration was not taken; the one before it stays in force")
	if !strings.Contains(p.log(), "config.toml:6: server.nonsense: got a setting that does not exist") {
		t.Errorf("the log does not say where the mistake is:\n%s", p.log())
	}
	if code, _ := send(t, "POST", url+"/v1/chat/completions", key, body("before", false, 5)); code != 200 {
		t.Errorf("after a bad file: status %d", code)
	}
	write(t, path, strings.ReplaceAll(conf(`drain_timeout = "20s"`), "before", "after")+"\n[[sql.source]]\nname = \"ledger\"\nkind = \"ledger\"\n")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if restart := p.await(t, "configuration reloaded")["needs_restart"]; fmt.Sprint(restart) != "[server.drain_timeout sql]" {
		t.Errorf("needs_restart: %v", restart)
	}
	if code, _ := send(t, "POST", url+"/v1/chat/completions", key, body("before", false, 5)); code != 404 {
		t.Errorf("the old alias: status %d, want 404", code)
	}
	if code, _ := send(t, "POST", url+"/v1/chat/completions", key, body("after", false, 5)); code != 200 {
		t.Errorf("the new alias: status %d, want 200", code)
	}

	// A stream that runs when SIGTERM comes ends whole.
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/chat/completions", strings.NewReader(body("m", true, 2000))) // five seconds, in which the drain has to be seen
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewReader(resp.Body)
	if _, err := events.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "503 on /health/ready", func() bool {
		code, _ := send(t, "GET", url+"/health/ready", "", "")
		return code == 503
	})
	rest, err := io.ReadAll(events)
	if err != nil || !bytes.HasSuffix(rest, []byte("data: [DONE]\n\n")) || bytes.Contains(rest, []byte(`"error"`)) {
		t.Errorf("the stream ended with %v: %.300q", err, rest[max(0, len(rest)-300):])
	}
	if n := bytes.Count(rest, []byte(`"content":`)); n < 2000 {
		t.Errorf("%d events with content, want 2000 at least", n)
	}
	select {
	case err := <-p.gone:
		p.gone <- err
		if err != nil {
			t.Errorf("serve ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Error("serve did not end")
	}
	for _, secret := range []string{key, backendKey, "Hello"} {
		if strings.Contains(p.log(), secret) {
			t.Errorf("the log has %q in it", secret)
		}
	}
	if n := strings.Count(p.log(), `"msg":"request"`); n < 6 {
		t.Errorf("%d requests in the access log", n)
	}
}

// TestSimStops holds the simulator's two ways to end at SIGTERM: it breaks off
// what runs, or with a time for it lets it end.
func TestSimStops(t *testing.T) {
	for _, drain := range []bool{false, true} {
		args := []string{"sim", "--listen", "127.0.0.1:0", "--model", "m", "--speed", "20"}
		tokens := 8000 // more than can come before the end
		if drain {
			args, tokens = append(args, "--shutdown-timeout", "15s"), 400
		}
		p, at := start(t, nil, args...)
		resp, err := http.Post(at["address"].(string)+"/v1/chat/completions", "application/json",
			strings.NewReader(fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"Hello"}],"stream":true,"max_tokens":%d,"ignore_eos":true}`, tokens)))
		if err != nil {
			t.Fatal(err)
		}
		events := bufio.NewReader(resp.Body)
		if _, err := events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(events)
		resp.Body.Close()
		if whole := err == nil && bytes.HasSuffix(rest, []byte("data: [DONE]\n\n")); whole != drain {
			t.Errorf("drain %v: the stream ended with %v and %.60q", drain, err, rest[max(0, len(rest)-60):])
		}
		select {
		case err := <-p.gone:
			p.gone <- err
			if err != nil {
				t.Errorf("drain %v: sim ended with %v", drain, err)
			}
		case <-time.After(60 * time.Second):
			t.Errorf("drain %v: sim did not end", drain)
		}
	}
}
