package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Of the requests whose answers are timed: so many come a second, in so many
// rounds with and without dashboards, one after the other.
const (
	perSecond = 100
	rounds    = 3
)

// answers times the gateway's answers with none and with many dashboards attached,
// in front of a simulated engine that takes next to no time.
func answers(ctx context.Context, binary string, span time.Duration, many int) error {
	dir, err := os.MkdirTemp("", "pilothouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	free, err := vacant()
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\nadmin_listen = %q\nstate_dir = %q\nkeys_file = %q\n[limits]\nrequests_per_second = 0\n[gpu]\nsource = \"none\"\n[[backend]]\nname = \"chat\"\nmodel = \"m\"\nurls = [\"http://%s\"]\nmax_context = 8192\n",
		free[0], free[1], filepath.Join(dir, "state"), filepath.Join(dir, "keys.toml"), free[2])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	key, err := exec.CommandContext(ctx, binary, "--config", config, "key", "new", "--org", "bench", "--name", "bench").Output()
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	return timed(ctx, binary, config, "http://"+free[0], free[2], strings.TrimSpace(string(key)), filepath.Join(dir, "state", "control.sock"), span, many)
}

// vacant are three addresses that nothing listens on.
func vacant() (free [3]string, err error) {
	for i := range free {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return free, err
		}
		defer l.Close() // only when there are all three, so that they differ
		free[i] = l.Addr().String()
	}
	return free, nil
}

func timed(ctx context.Context, binary, config, url, engine, key, socket string, span time.Duration, many int) error {
	sim := exec.CommandContext(ctx, binary, "sim", "--listen", engine, "--model", "m", "--speed", "1000")
	if err := sim.Start(); err != nil {
		return err
	}
	defer func() { _ = sim.Process.Kill(); _ = sim.Wait() }()
	s, err := start(ctx, binary, "--config", config, "serve")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := pass(ctx, settle); err != nil {
		return err
	}
	var none, with []time.Duration
	for range rounds {
		took, err := load(ctx, url, key, span/rounds)
		if err != nil {
			return err
		}
		none = append(none, took...)
		var screens []*screen
		for range many {
			sc, err := attach(socket, 120, 40)
			if err != nil {
				return err
			}
			screens = append(screens, sc)
		}
		if err := pass(ctx, settle); err != nil {
			return err
		}
		took, err = load(ctx, url, key, span/rounds)
		for _, sc := range screens {
			_ = sc.client.Close()
		}
		if err != nil {
			return err
		}
		with = append(with, took...)
	}
	at := func(all []time.Duration, percent int) time.Duration {
		slices.Sort(all)
		return all[len(all)*percent/100].Round(10 * time.Microsecond)
	}
	fmt.Printf("gateway, %d requests/s: p50 %v and p99 %v with none attached, p50 %v and p99 %v with %d\n",
		perSecond, at(none, 50), at(none, 99), at(with, 50), at(with, 99), many)
	return nil
}

// load sends requests at an even pace and times their answers.
func load(ctx context.Context, url, key string, span time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var group sync.WaitGroup
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for end := time.Now().Add(span); time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		group.Go(func() {
			took, err := ask(ctx, url, key)
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took), errors.Join(failed, err)
		})
	}
	group.Wait()
	return all, failed
}

func ask(ctx context.Context, url, key string) (time.Duration, error) {
	const body = `{"model":"m","messages":[{"role":"user","content":"Hello"}],"max_tokens":1}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
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
