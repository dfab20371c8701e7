package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// answers times the gateway's answers in turns with no dashboard attached and with
// many. The engine behind it is in this process and answers at once, so that little
// but the gateway's own time is measured; the many have a process of their own, which
// gives way to all others, as those of operators elsewhere would.
func (p *plan) answers(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "pilothouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	engine := &http.Server{Handler: engine()}
	defer engine.Close()
	go engine.Serve(l) // until it is closed
	config := filepath.Join(dir, "config.toml")
	state := filepath.Join(dir, "state")
	text := fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = %q\nkeys_file = %q\n[limits]\nrequests_per_second = 0\n[gpu]\nsource = \"none\"\n[[backend]]\nname = \"chat\"\nmodel = \"m\"\nurls = [\"http://%s\"]\nmax_context = 8192\n",
		state, filepath.Join(dir, "keys.toml"), l.Addr())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	key, err := exec.CommandContext(ctx, p.binary, "--config", config, "key", "new", "--org", "bench", "--name", "bench").Output()
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	s, err := start(ctx, p.binary, "--config", config, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	s.socket = filepath.Join(state, "control.sock")
	c := &client{url: s.url, key: strings.TrimSpace(string(key)), http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	defer c.http.CloseIdleConnections()
	if err := c.ready(ctx); err != nil {
		return err
	}
	if err := pass(ctx, settle); err != nil {
		return err
	}
	return p.turn(ctx, s, c)
}

// engine is an inference server that answers at once.
func engine() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"vllm","max_model_len":8192}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}`)
	})
	return mux
}

// client asks the gateway.
type client struct {
	url, key string
	http     http.Client
}

// ready waits until the gateway has found its engine.
func (c *client) ready(ctx context.Context) error {
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := c.ask(ctx)
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := pass(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// load sends requests at an even pace and times their answers.
func (c *client) load(ctx context.Context, rate int, span time.Duration) (all []time.Duration, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	for i := range int(span.Seconds() * float64(rate)) {
		if err := pass(ctx, time.Until(began.Add(time.Second*time.Duration(i)/time.Duration(rate)))); err != nil {
			return nil, err
		}
		group.Go(func() {
			took, failed := c.ask(ctx)
			mu.Lock()
			defer mu.Unlock()
			all, err = append(all, took), errors.Join(err, failed)
		})
	}
	group.Wait()
	if late := time.Since(began) - span; late > span/10 {
		fmt.Fprintf(os.Stderr, "bench: %d requests a second were too many for this machine: %v of them took %v longer\n", rate, span, late.Round(time.Millisecond))
	}
	return all, err
}

func (c *client) ask(ctx context.Context) (time.Duration, error) {
	const body = `{"model":"m","messages":[{"role":"user","content":"Hello"}],"max_tokens":1}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/chat/completions", bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the gateway answered %s", resp.Status)
	}
	return time.Since(began), nil
}

// audience is the command's second face, which it starts of itself: so many
// dashboards at a socket, until its input ends.
const audience = "watch"

// attached is that the audience says when all are attached.
const allAttached = "attached"

// watch opens so many dashboards, and reads and forgets what they draw.
func watch(socket, many string) error {
	var n int
	if err := json.Unmarshal([]byte(many), &n); err != nil {
		return err
	}
	for range n {
		s, err := attach(socket, 120, 40, false)
		if err != nil {
			return err
		}
		defer s.close()
	}
	fmt.Println(allAttached)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// crowd is the process of an audience.
type crowd struct {
	cmd *exec.Cmd
	in  io.Closer
}

func gather(ctx context.Context, socket string, many int) (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &crowd{cmd: exec.CommandContext(ctx, "nice", "-n", "19", self, audience, socket, fmt.Sprint(many))}
	c.cmd.Stderr, c.cmd.WaitDelay = os.Stderr, time.Second
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != allAttached {
		return nil, fmt.Errorf("attach %d dashboards: %w", many, errors.Join(c.cmd.Wait(), errors.New("their process ended")))
	}
	return c, nil
}

// leave ends all of it.
func (c *crowd) leave() error {
	_ = c.in.Close()
	return c.cmd.Wait()
}
