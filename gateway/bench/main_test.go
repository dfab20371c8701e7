package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// TestMain lets the test binary be the backend's process, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == backendCommand {
		exit(runBackend(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// The whole of it, with the real nginx and HAProxy.
func TestRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	lines := filepath.Join(t.TempDir(), "rounds.json")
	o := options{rounds: 2, duration: 50 * time.Millisecond, workloads: []string{"fast"}, short: true, continuous: true, json: lines,
		targets: []string{direct, nginx, haproxy}}
	var out, log strings.Builder
	if err := run(t.Context(), o, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, want := range []string{"nginx version: nginx/", "HAProxy version", "### Streams at full speed", "| direct |", "| nginx |", "| haproxy |", "not measured"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	var order []string
	for line := range strings.Lines(log.String()) {
		order = append(order, strings.Fields(line)[2])
	}
	if got := strings.Join(order, " "); got != "direct nginx haproxy nginx haproxy direct" {
		t.Errorf("measured in the order %s", got)
	}
	f, err := os.Open(lines)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]int{}
	for d := json.NewDecoder(f); ; {
		var r round
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen[r.Target]++
		if r.Bad != 0 || r.Units == 0 || r.BackendCPU <= 0 || r.Target != direct && (r.CPU <= 0 || r.Peak == 0) {
			t.Errorf("round %+v", r)
		}
	}
	for _, name := range o.targets {
		if seen[name] != 2 {
			t.Errorf("%d rounds of %s, want 2", seen[name], name)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if all, err := family(os.Getpid()); err != nil || len(all) > 1 {
		t.Errorf("processes left: %v, %v", all, err)
	}
}

// A gateway that takes any key is not doing the work that it is measured for.
func TestWarmDemandsAuthentication(t *testing.T) {
	w := workload{conns: 1, prompt: 1 << 10, duration: 20 * time.Millisecond}
	answer := newTranscript(promptTokens(chatBody(w.prompt, false)), 0).unary
	p, err := startProcess(t.Context(), t.TempDir(), "door", []string{"sleep", "60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	b := &bench{key: testKey}
	for _, tt := range []struct {
		status int // to a wrong key
		want   string
	}{
		{401, "<nil>"},
		{200, "door does not turn away a wrong key: <nil>"},
		{500, "door does not turn away a wrong key: status 500"},
	} {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go fasthttp.Serve(ln, func(ctx *fasthttp.RequestCtx) {
			ctx.SetBody(answer)
			if string(ctx.Request.Header.Peek("Authorization")) != "Bearer "+testKey {
				ctx.SetStatusCode(tt.status)
			}
		})
		if got := fmt.Sprint(b.warm(t.Context(), &server{addr: ln.Addr().String(), process: p}, w)); got != tt.want {
			t.Errorf("wrong key answered with %d: %q, want %q", tt.status, got, tt.want)
		}
	}
}

func TestMissingBinary(t *testing.T) {
	o := options{rounds: 1, duration: time.Second, workloads: []string{"unary"}, targets: []string{direct, pilothouse},
		binary: filepath.Join(t.TempDir(), "pilothouse")}
	err := run(t.Context(), o, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-pilothouse") {
		t.Errorf("got %v, want a hint at -pilothouse", err)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-rounds", "0"}, {"-duration", "0s"}, {"-nonsense"}, {"more"},
		{"-workloads", "unary,nonsense"}, {"-targets", "direct,nonsense"},
	} {
		o, err := parse(args, io.Discard)
		if err == nil {
			err = run(t.Context(), o, io.Discard, io.Discard)
		}
		if !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want wrong usage", args, err)
		}
	}
}

func TestTargetFiles(t *testing.T) {
	for _, tt := range []struct {
		target string
		want   map[string][]string
	}{
		{nginx, map[string][]string{"nginx.conf": {"worker_processes 1;", "listen 127.0.0.1:1111 ", "server 127.0.0.1:3333;", `"Bearer k" 1;`}}},
		{haproxy, map[string][]string{"haproxy.cfg": {"nbthread 1", "bind 127.0.0.1:1111 ", "server engine 127.0.0.1:3333 ", `"Bearer k"`}}},
		{pilothouse, map[string][]string{
			"pilothouse.toml": {`listen = "127.0.0.1:1111"`, `admin_listen = "127.0.0.1:2222"`, `urls = ["http://127.0.0.1:3333"]`, `api_key_env = "E"`},
			"keys.toml":       {`sha256 = "h"`},
		}},
	} {
		s := &site{Dir: t.TempDir(), Listen: "127.0.0.1:1111", Admin: "127.0.0.1:2222", Backend: "127.0.0.1:3333", Model: model,
			Context: maxContext, Key: "k", KeyHash: "h", BackendKeyEnv: "E", Files: 5000}
		picked, err := pick(targets("bin/pilothouse"), []string{tt.target})
		if err != nil {
			t.Fatal(err)
		}
		args, err := s.write(picked[0])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(args, " "), s.Dir) {
			t.Errorf("%s: arguments %q do not name the folder", tt.target, args)
		}
		for name, marks := range tt.want {
			b, err := os.ReadFile(filepath.Join(s.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range marks {
				if !strings.Contains(string(b), m) {
					t.Errorf("%s: no %q in\n%s", name, m, b)
				}
			}
		}
	}
}
