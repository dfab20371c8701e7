package past

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
)

// fixedLogs are logs that say what a test wants.
type fixedLogs func(ctx context.Context, name string, o backends.LogOptions, each func(string, backends.LogLine)) error

func (f fixedLogs) Logs(ctx context.Context, name string, o backends.LogOptions, each func(string, backends.LogLine)) error {
	return f(ctx, name, o, each)
}

func unpack(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[h.Name]; twice || !filepath.IsLocal(h.Name) || h.Mode != 0o600 || h.Typeflag != tar.TypeReg || strings.ContainsAny(h.Name, "\n\\ ") {
			t.Errorf("file %q, mode %o", h.Name, h.Mode)
		}
		files[h.Name] = string(text)
	}
}

const (
	evil   = "../x\n=cmd|' /C calc'!A0,\"\x1b[2J"
	secret = "ph_AbCdEfGhIjKlMnOpQrStUvWx"
)

// hostile is a platform whose names and logs mean no good.
func hostile() (*plant, BundleOptions) {
	f := newPlant(2, 2, 3).run(130)
	f.now = f.now.Add(time.Second)
	f.gateway()
	f.pool()
	f.devices()
	f.p.s.Backends[1].Name = evil
	for i, n := range []string{"../../etc/passwd", "..\\..\\etc\\passwd"} {
		c := *f.boxes[i]
		c.Name, c.At = n, f.now
		c.Changes = []backends.Change{{Field: "environment.TOKEN", Have: "hunter2hunter2", Want: secret}}
		f.p.s.Backends[i].Replicas[0].Container = &c
	}
	f.p.s.Backends[0].Replicas[0].URL = "http://user:hunter2hunter2@chat:8000"
	f.p.s.Jobs = []backends.Job{{ID: 1, Author: evil, State: backends.Done, Ended: f.now, Parts: []backends.Part{{Changes: []backends.Change{{Have: "hunter2hunter2"}}}}}}
	f.g.s.Recent[0].Model, f.g.s.Recent[0].Org, f.g.s.Recent[1].KeyName = evil, "=1+1", secret
	f.u.s.GPUs[0].Host = evil
	f.books.quotas = append(f.books.quotas, gateway.OrgQuotas{Org: evil, Windows: f.books.quotas[0].Windows})
	f.books.audit = []ledger.Event{{At: f.now, Author: evil, Action: "grant", Detail: "because of " + secret}, {At: f.now.Add(-time.Minute), Author: "ana", Action: "attach"}}
	f.readBooksOnce(context.Background())
	f.step(f.now)
	f.now = f.now.Add(3 * time.Second)
	f.step(f.now)
	var log Log
	fmt.Fprintf(&log, "{\"msg\":\"accepted\",\"authorization\":\"Bearer %s\"}\n{\"msg\":\"plain\"}\n", secret)
	return f, BundleOptions{By: evil, Version: "1.2.3", Log: &log, Config: []byte("[server]\nlisten = \"127.0.0.1:8080\"\napi_key = \"" + secret + "\"\napi_key_env = \"PILOTHOUSE_BACKEND_KEY\"\n"),
		Logs: fixedLogs(func(ctx context.Context, name string, o backends.LogOptions, each func(string, backends.LogLine)) error {
			if name == "../../etc/passwd" {
				return errors.New("no such\ncontainer")
			}
			for i := range 3000 {
				each(name, backends.LogLine{At: f.now, Text: fmt.Sprintf("INFO %d \x1b[31m%s", i, strings.Repeat("é", 200))})
			}
			each(name, backends.LogLine{At: f.now, Text: "Received request cmpl-1: prompt: 'my hunter2hunter2 prompt', params: x"})
			each(name, backends.LogLine{At: f.now, Text: "HF_TOKEN=hf_hunter2hunter2 api-key: " + secret + " " + strings.Repeat("x", 1<<20)})
			return nil
		})}
}

func TestBundle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however busy the machine is
		f, o := hostile()
		var b bytes.Buffer
		if err := f.Bundle(t.Context(), &b, o); err != nil {
			t.Fatal(err)
		}
		files := unpack(t, b.Bytes())
		for _, name := range []string{"README.txt", "audit.jsonl", "config.toml", "day/backends.csv", "day/quotas.csv", "day/traffic.csv", "events.jsonl", "logs/container-_.._etc_passwd.log",
			"logs/gateway.log", "quotas.json", "requests.csv", "series/backends.csv", "series/gpus.csv", "series/quotas.csv", "series/traffic.csv", "snapshot.json"} {
			if _, ok := files[strings.Replace(name, "container-_.._etc", "container-.._.._etc", 1)]; !ok {
				t.Errorf("no %s in %v", name, slices.Sorted(func(yield func(string) bool) {
					for n := range files {
						yield(n)
					}
				}))
			}
		}
		for name, text := range files {
			for _, no := range []string{secret, "hunter2", "\x1b"} {
				if strings.Contains(text, no) {
					t.Errorf("%s tells %q", name, no)
				}
			}
			switch filepath.Ext(name) {
			case ".csv":
				rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
				if err != nil || len(rows) < 2 {
					t.Errorf("%s: %d rows, %v", name, len(rows), err)
				}
				for _, row := range rows {
					for _, c := range row {
						if strings.ContainsAny(c, "\n\r") || c != "" && strings.ContainsAny(c[:1], "=+@") {
							t.Errorf("%s: cell %q", name, c)
						}
					}
				}
			case ".json":
				if !json.Valid([]byte(text)) {
					t.Errorf("%s is no JSON", name)
				}
			case ".jsonl":
				for line := range strings.Lines(text) {
					if !json.Valid([]byte(line)) {
						t.Errorf("%s: %q is no JSON", name, line)
					}
				}
			}
		}
		tail := files["logs/container-.._.._etc_passwd.log"]
		if n := strings.Count(tail, "\n"); n > tailLines || len(tail) > tailBytes || n < 100 || !strings.Contains(tail, "prompt: [left out]") {
			t.Errorf("a log of %d lines, %d bytes", n, len(tail))
		}
		if rows := strings.Split(files["series/traffic.csv"], "\n"); len(rows) != 1+130+1+1+1 || rows[0] != "time,requests_per_second,tokens_per_second,errors_per_second,in_flight,queued,first_token_p95_seconds" ||
			!strings.HasPrefix(rows[1], "2026-11-22T03:12:41Z,") {
			t.Errorf("traffic has %d rows:\n%s", len(rows), strings.Join(rows[:3], "\n"))
		}
		if !strings.Contains(files["README.txt"], `the log of container "../../etc/passwd", after 0 lines: no such\x0acontainer`) || strings.Count(files["README.txt"], "Bearer") > 0 {
			t.Errorf("README:\n%s", files["README.txt"])
		}
		if !strings.Contains(files["config.toml"], `api_key_env = "PILOTHOUSE_BACKEND_KEY"`) {
			t.Errorf("configuration:\n%s", files["config.toml"])
		}
		if first, _, _ := strings.Cut(files["audit.jsonl"], "\n"); !strings.Contains(first, `"ana"`) {
			t.Errorf("the audit begins with %s", first)
		}
	})
}

// One of a moment that is past has what was known then, and lines of logs until then.
func TestBundleOfThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however busy the machine is
		f := newPlant(1, 1, 1).run(1500)
		then := f.now.Add(-20 * time.Minute)
		var b bytes.Buffer
		stopped := false
		err := f.Bundle(t.Context(), &b, BundleOptions{At: then, Logs: fixedLogs(func(ctx context.Context, _ string, o backends.LogOptions, each func(string, backends.LogLine)) error {
			for at := o.Since; ctx.Err() == nil; at = at.Add(time.Minute) {
				each("", backends.LogLine{At: at, Text: "line"})
			}
			stopped = true
			return ctx.Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		files := unpack(t, b.Bytes())
		if log := files["logs/container-vllm-00.log"]; strings.Count(log, "\n") != 16 || !stopped {
			t.Errorf("log:\n%s", log)
		}
		if strings.Contains(files["README.txt"], "Missing") {
			t.Errorf("README:\n%s", files["README.txt"])
		}
		rows := strings.Split(strings.TrimSpace(files["series/traffic.csv"]), "\n")
		if last, want := rows[len(rows)-1], then.Truncate(10*time.Second).Format(time.RFC3339); !strings.HasPrefix(last, want) {
			t.Errorf("traffic ends with %s, want %s", last, want)
		}
		if err := f.Bundle(t.Context(), io.Discard, BundleOptions{At: night.Add(-time.Hour)}); err == nil {
			t.Error("there is a bundle of before the beginning")
		}
	})
}

// An engine that doesn't answer, and doesn't let go either, costs five seconds.
func TestBundleInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPlant(0, 3, 0).run(5)
		release := make(chan struct{})
		began := time.Now()
		var b bytes.Buffer
		err := f.Bundle(t.Context(), &b, BundleOptions{Logs: fixedLogs(func(ctx context.Context, name string, _ backends.LogOptions, each func(string, backends.LogLine)) error {
			each(name, backends.LogLine{Text: "one line"})
			if name == "vllm-01" {
				<-release
				each(name, backends.LogLine{Text: "too late"})
			}
			return nil
		})})
		if took := time.Since(began); err != nil || took != tailWithin {
			t.Errorf("took %v, %v", took, err)
		}
		close(release)
		files := unpack(t, b.Bytes())
		if !strings.Contains(files["logs/container-vllm-01.log"], "one line") || !strings.Contains(files["README.txt"], `container "vllm-01", after 1 line: context deadline exceeded`) {
			t.Errorf("README:\n%s", files["README.txt"])
		}
	})
}

// brokenWriter takes so many bytes.
type brokenWriter int

func (w *brokenWriter) Write(p []byte) (int, error) {
	if *w -= brokenWriter(len(p)); *w < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func TestBundleFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however busy the machine is
		f, o := hostile()
		for _, n := range []brokenWriter{0, 100, 5000} {
			if err := f.Bundle(t.Context(), &n, o); err == nil || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("error %v", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		dir := t.TempDir()
		if _, err := f.SaveBundle(ctx, dir, o); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%v is left of a bundle that was not finished", left)
		}
	})
}

// Files are their owner's alone, whole, and the twenty newest of them.
func TestSaveBundle(t *testing.T) {
	f := newPlant(1, 1, 1).run(30)
	dir := filepath.Join(t.TempDir(), "state", "incidents")
	path, err := f.SaveBundle(t.Context(), dir, BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "incident-20261122T031310Z.tar.gz"); path != want {
		t.Errorf("path %s, want %s", path, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unpack(t, data)
	again, err := f.SaveBundle(t.Context(), dir, BundleOptions{})
	if err != nil || again != strings.TrimSuffix(path, ".tar.gz")+"-2.tar.gz" {
		t.Errorf("path %s, %v", again, err)
	}
	for _, other := range []string{"notes.txt", "incident-mine.tar.gz", unfinished + "1"} {
		if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ago := f.now.Add(-2 * time.Hour)
	for i, p := range []string{path, again, filepath.Join(dir, unfinished+"1")} {
		if err := os.Chtimes(p, ago, ago.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	for range keptBundles - 1 {
		f.second()
		if _, err := f.SaveBundle(t.Context(), dir, BundleOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	if len(names) != keptBundles+2 || slices.Contains(names, filepath.Base(path)) || !slices.Contains(names, filepath.Base(again)) || slices.Contains(names, unfinished+"1") {
		t.Errorf("%d files: %v", len(names), names)
	}
}

func TestScrub(t *testing.T) {
	for line, want := range map[string]string{
		`INFO 12.3 tokens/s, prompt throughput: 3.1, max_tokens=2048`: `INFO 12.3 tokens/s, prompt throughput: 3.1, max_tokens=2048`,
		`Authorization: Bearer abcdefghij`:                            `Authorization: Bearer [left out]`,
		`{"api_key":"abcdefghij","n":1}`:                              `{"api_key":"[left out]","n":1}`,
		`curl -H 'bearer abc'`:                                        `curl -H 'bearer [left out]'`,
		`redis://user:pass@host:6379/0`:                               `redis://[left out]@host:6379/0`,
		`HF_TOKEN=abcdefghij next`:                                    `HF_TOKEN=[left out] next`,
		`got sk-abcdefghijkl.`:                                        `got [left out].`,
		`prompt: 'a secret', params`:                                  `prompt: [left out]`,
		`{"messages":[{"role":"user","content":"hi"}]}`:               `{"messages: [left out]`,
	} {
		if got := scrub(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

// A line of a log as engines write them.
func BenchmarkScrub(b *testing.B) {
	line := `(APIServer pid=1) INFO:     10.0.0.7:41828 - "POST /v1/chat/completions HTTP/1.1" 200 OK Avg prompt throughput: 812.3 tokens/s, Avg generation throughput: 301.2 tokens/s, Running: 5 reqs`
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		scrub(line)
	}
}

func BenchmarkBundle(b *testing.B) {
	f := newPlant(8, 20, 500).run(1000)
	for b.Loop() {
		if err := f.Bundle(b.Context(), io.Discard, BundleOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
