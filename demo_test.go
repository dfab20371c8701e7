package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demoed is a demo that serves without a terminal.
type demoed struct {
	*process
	url, key string
	dir      string // its state directory
}

func startDemo(t *testing.T) *demoed {
	t.Helper()
	p, _ := start(t, []string{"TMPDIR=" + t.TempDir()}, "--demo", "serve")
	at := p.await(t, "demo")
	return &demoed{process: p, url: at["url"].(string), key: at["key"].(string), dir: filepath.Dir(at["socket"].(string))}
}

// requests counts the requests of the demo's own clients that have ended.
func (d *demoed) requests() int { return strings.Count(d.log(), `"msg":"request"`) }

// Several demos that are started in the same moment all serve, and nothing fails
// while they start.
func TestDemosAtOnce(t *testing.T) {
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t)
			eventually(t, "its clients", func() bool { return d.requests() >= 5 })
			if code, text := send(t, "POST", d.url+"/v1/chat/completions", d.key, platformBody("Qwen/Qwen2.5-7B-Instruct", false, 5)); code != 200 {
				t.Errorf("status %d: %s", code, text)
			}
			if err := d.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err := <-d.gone
			d.gone <- err
			if err != nil {
				t.Errorf("it ended with %v:\n%s", err, d.log())
			}
			for _, wrong := range []string{`"status":503`, `"status":502`, `"level":"ERROR"`} {
				if strings.Contains(d.log(), wrong) {
					t.Errorf("the log has %s:\n%s", wrong, d.log())
				}
			}
		})
	}
}

// ctrl-z in a dashboard must not stop the process, and the gateway with it: its
// screen goes on, under a shell that would take the terminal back.
func TestCtrlZStopsNothing(t *testing.T) {
	const prompt = `bash-\S+[#$]`
	s := newScreen(t, 120, 40, []string{"TMPDIR=" + t.TempDir()}, "bash --norc --noprofile -i")
	s.shows(prompt)
	s.keys(binary+" --demo", "Enter")
	at := s.shows(`(http://[0-9.:]+)\s+key (ph_\S+)`)
	pid := s.pid("pilothouse")
	clock := func() string { return s.shows(`\d\d:\d\d:\d\dZ`)[0] }
	for range 2 {
		before := clock()
		s.keys("C-z")
		eventually(t, "a screen that goes on", func() bool { return clock() != before })
	}
	if state := processState(t, pid); state == 'T' {
		t.Error("the process is stopped")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at[1]+"/health/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("the gateway: %v, %v", resp, err)
	}
	resp.Body.Close()
	s.keys("C-c")
	s.shows(prompt + `[^\n]*\s*$`)
}

// processState is a process's state as the kernel has it: 'T' is stopped.
func processState(t *testing.T, pid int) byte {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return stat[strings.LastIndexByte(string(stat), ')')+2]
}
