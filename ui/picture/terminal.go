package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// terminal is one that tmux holds, with the dashboard in it.
type terminal struct {
	socket string
	w, h   int // in cells
}

// attach opens a terminal and in it the dashboard of what serves at a control
// socket. dir is for its files.
func attach(ctx context.Context, binary, control, dir string) (*terminal, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("[server]\nstate_dir = %q\n", filepath.Dir(control))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	t := &terminal{socket: filepath.Join(dir, "tmux"), w: middle[0], h: middle[1]}
	cmd := t.command(ctx, "-f", os.DevNull, "new-session", "-d", "-x", strconv.Itoa(t.w), "-y", strconv.Itoa(t.h), "--", binary, "--config", config, "attach")
	uncoloured := func(e string) bool { return strings.HasPrefix(e, "NO_COLOR=") }
	cmd.Env = append(slices.DeleteFunc(os.Environ(), uncoloured), "TERM=xterm-256color", "COLORTERM=truecolor")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("start tmux: %w: %s", err, out)
	}
	return t, nil
}

// command is one of tmux's own.
func (t *terminal) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "tmux", append([]string{"-u", "-S", t.socket}, args...)...)
}

func (t *terminal) close() { _ = t.command(context.Background(), "kill-server").Run() }

// resize gives the terminal another size.
func (t *terminal) resize(ctx context.Context, w, h int) error {
	t.w, t.h = w, h
	return t.command(ctx, "resize-window", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h)).Run()
}

// press types keys, by tmux's names.
func (t *terminal) press(ctx context.Context, keys ...string) error {
	return t.command(ctx, append([]string{"send-keys"}, keys...)...).Run()
}

// screen is what the terminal shows, with its colours or as text alone.
func (t *terminal) screen(ctx context.Context, colours bool) (string, error) {
	args := []string{"capture-pane", "-p"}
	if colours {
		args = append(args, "-e")
	}
	out, err := t.command(ctx, args...).Output()
	return string(out), err
}

// await waits until the screen matches, for no longer than limit.
func (t *terminal) await(ctx context.Context, pattern string, limit time.Duration) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for end := time.Now().Add(limit); ; {
		text, err := t.screen(ctx, false)
		switch {
		case err != nil:
			return fmt.Errorf("read the screen: %w", err)
		case re.MatchString(text):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("the screen did not show %q within %v:\n%s", pattern, limit, text)
		}
		if err := pass(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
