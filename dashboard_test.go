package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// screen is a terminal of its own, held by a real tmux.
type screen struct {
	t      *testing.T
	socket string
}

func newScreen(t *testing.T, cols, rows int, env []string, command string) *screen {
	t.Helper()
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	cmd := exec.Command("tmux", "-S", s.socket, "-f", os.DevNull, "new-session", "-d", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows), command)
	cmd.Env = append(os.Environ(), append(env, "TERM=xterm-256color")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux (make deps installs it): %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) (string, error) {
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).Output()
	return string(out), err
}

func (s *screen) keys(keys ...string) {
	s.t.Helper()
	if _, err := s.tmux(append([]string{"send-keys"}, keys...)...); err != nil {
		s.t.Fatal(err)
	}
}

// pid waits for a process of that name which the terminal's shell has started.
func (s *screen) pid(name string) (pid int) {
	s.t.Helper()
	shell, err := s.tmux("list-panes", "-F", "#{pane_pid}")
	if err != nil {
		s.t.Fatal(err)
	}
	shell = strings.TrimSpace(shell)
	eventually(s.t, "a process "+name, func() bool {
		children, _ := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children") // none: not yet
		for _, child := range strings.Fields(string(children)) {
			comm, _ := os.ReadFile("/proc/" + child + "/comm") // likewise
			if strings.TrimSpace(string(comm)) == name {
				pid, err = strconv.Atoi(child)
				return err == nil
			}
		}
		return false
	})
	return pid
}

// shows waits until the screen matches, and returns the submatches.
func (s *screen) shows(pattern string) []string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		text, err := s.tmux("capture-pane", "-p")
		if err != nil {
			s.t.Fatalf("the terminal is gone while waiting for %q", pattern)
		}
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			s.t.Fatalf("the screen never showed %q:\n%s", pattern, text)
		}
	}
}

// TestDemoDashboard runs the demo in a terminal, as "make run" does. What an
// outside client sends must be seen on its screen.
func TestDemoDashboard(t *testing.T) {
	tmp := t.TempDir()
	s := newScreen(t, 120, 40, []string{"TMPDIR=" + tmp}, binary+" --demo")
	at := s.shows(`(http://[0-9.:]+)\s+key (ph_\S+)`)
	s.shows(`DEMO`)
	s.shows(`text2sql\s+healthy`)
	s.shows(`chat\s+healthy`)
	s.shows(`NVIDIA L4`)
	s.shows(`acme/etl-nightly`) // its own traffic

	client := openai.NewClient(option.WithBaseURL(at[1]+"/v1"), option.WithAPIKey(at[2]))
	answer, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model: "Qwen/Qwen2.5-7B-Instruct", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Why is the sky blue?")}, MaxTokens: openai.Int(5)})
	if err != nil || !strings.Contains(answer.RawJSON(), `"system_fingerprint":"pilothouse-sim`) {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	s.shows(`visitor/demo.*chat.*200 done`)

	s.keys("?")
	s.shows(`(?i)help`)
	s.keys("Escape")
	for _, size := range [][2]string{{"80", "24"}, {"200", "60"}, {"40", "10"}} {
		if _, err := s.tmux("resize-window", "-x", size[0], "-y", size[1]); err != nil {
			t.Fatal(err)
		}
		// The verdict is in the first row and the keys are in the last.
		s.shows(`\A[^\n]*healthy[^\n]*\n(?:[^\n]*\n){` + map[string]string{"24": "22", "60": "58", "10": "8"}[size[1]] + `}[^\n]*help`)
	}
	if _, err := s.tmux("resize-window", "-x", "120", "-y", "40"); err != nil {
		t.Fatal(err)
	}

	// It asks before it stops, leaves the terminal, and leaves nothing behind.
	s.keys("q")
	s.shows(`Cancel`)
	s.keys("Escape")
	eventually(t, "the dialog's end", func() bool {
		text, err := s.tmux("capture-pane", "-p")
		return err == nil && !strings.Contains(text, "Cancel")
	})
	s.keys("C-c")
	eventually(t, "the terminal's end", func() bool {
		_, err := s.tmux("has-session")
		return err != nil
	})
	if left, err := filepath.Glob(tmp + "/*"); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, error %v", left, err)
	}
}

// TestDemoEndsWithItsTerminal: a window that is closed must not leave a demo
// running in the dark, nor its files.
func TestDemoEndsWithItsTerminal(t *testing.T) {
	tmp := t.TempDir()
	s := newScreen(t, 80, 24, []string{"TMPDIR=" + tmp}, binary+" --demo")
	s.shows(`DEMO`)
	if _, err := s.tmux("kill-server"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal of its files", func() bool {
		left, err := filepath.Glob(tmp + "/*")
		return err == nil && len(left) == 0
	})
}
