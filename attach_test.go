package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// site is a deployment of one backend that nobody serves.
type site struct {
	t    *testing.T
	file string // its configuration
}

func newSite(t *testing.T, more string) *site {
	dir := t.TempDir()
	s := &site{t, filepath.Join(dir, "config.toml")}
	write(t, filepath.Join(dir, "keys.toml"), "[[org]]\nname = \"acme\"\n")
	write(t, s.file, fmt.Sprintf(`
[server]
listen = "127.0.0.1:0"
admin_listen = "off"
state_dir = %q
[gpu]
source = "none"
%s
[[backend]]
name = "b"
model = "m"
urls = ["http://127.0.0.1:1"]
`, dir, more))
	return s
}

// run runs a command, and returns its exit code and outputs.
func (s *site) run(args ...string) (code int, out, errOut string) {
	s.t.Helper()
	cmd := exec.Command(binary, append(args, "--config", s.file)...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		exit, failed := errors.AsType[*exec.ExitError](err)
		if !failed {
			s.t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return code, o.String(), e.String()
}

// terminal runs a command on a terminal, and says there how it ended.
func (s *site) terminal(args ...string) *screen {
	s.t.Helper()
	line := binary + " " + strings.Join(args, " ") + " --config " + s.file
	return newScreen(s.t, 100, 30, nil, "echo before; "+line+`; echo ended $?; stty -a | grep -ow '.\?icanon'; cat`)
}

// log waits until the dashboard's log has a text.
func (s *site) log(text string) {
	s.t.Helper()
	eventually(s.t, "the log to have "+text, func() bool {
		all, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "pilothouse.log"))
		return err == nil && strings.Contains(string(all), text)
	})
}

// TestControl has a shell's commands run in the process that serves, with the exit
// codes that scripts rely on.
func TestControl(t *testing.T) {
	s := newSite(t, "")
	for _, args := range [][]string{{"attach"}, {"drain", "b"}} {
		if code, _, errOut := s.run(args...); code != map[string]int{"attach": 2, "drain": 3}[args[0]] {
			t.Errorf("%s before anything serves: code %d, %s", args, code, errOut) // attach: without a terminal
		}
	}
	start(t, nil, "serve", "--config", s.file)
	for _, c := range []struct {
		line        string
		code        int
		out, errOut string
	}{
		{"version", 0, "v0-test\n", ""},
		{"status --json", 0, `"backends":[{"name":"b"`, ""},
		{"status --check", 1, "", "pilothouse: "},
		{"status nonesuch", 2, "", "nonesuch"},
		{"restart", 2, "", "at least 1 arg"},
		{"cancel r1", 1, "", `no request in flight has the id "r1"`},
		{"drain b --last --reason why --json", 0, `{"replicas":["http://127.0.0.1:1"]}`, ""},
		{"undrain b --read-only", 4, "", "pilothouse: refused: undrain needs the role operator, and yours is viewer\n"},
		{"--read-only grant --org acme --tokens 5 --until 1h --reason why", 4, "", "refused: grant needs the role admin"},
		{"key new --org x --name y --read-only", 4, "", "refused: key new needs the role admin, and yours is viewer"},
		{"key list --read-only", 0, "acme", ""},
		{"events --read-only", 0, "undrain refused", ""},
	} {
		code, out, errOut := s.run(strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.errOut) {
			t.Errorf("%s: code %d, want %d\n%s\n%s", c.line, code, c.code, out, errOut)
		}
	}
}

// TestServeReadOnly: where a gateway serves so, everybody only looks.
func TestServeReadOnly(t *testing.T) {
	s := newSite(t, "")
	start(t, nil, "serve", "--read-only", "--config", s.file)
	if code, out, errOut := s.run("drain", "b", "--last"); code != 4 || out != "" || !strings.Contains(errOut, "yours is viewer") {
		t.Errorf("drain: code %d, %s %s", code, out, errOut)
	}
	if code, out, _ := s.run("status", "--json"); code != 0 || !strings.Contains(out, `"drained":null`) {
		t.Errorf("status: code %d, %s", code, out)
	}
}

// TestAttach: who attaches sees the dashboard of the gateway that serves; leaving
// it, and killing the client, leaves the gateway alone; and a gateway that is
// killed leaves the terminal as it was.
func TestAttach(t *testing.T) {
	s := newSite(t, "")
	x := s.terminal("attach")
	x.shows(`nothing serves here(?s).*ended 3`)
	p, _ := start(t, nil, "serve", "--config", s.file)
	x = s.terminal("attach")
	x.shows(`\? help`)
	x.keys("q")
	x.shows(`(?s)before.*ended 0\s+icanon`)
	x = s.terminal() // which finds that one serves already
	x.shows(`\? help`)
	x.keys("q")
	x.shows(`(?s)before\s+That was the dashboard of the gateway that serves here already; it goes on.\s+ended 0\s+icanon`)
	x = s.terminal("attach")
	x.shows(`\? help`)
	if _, err := x.tmux("kill-server"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all to be gone, by the audit", func() bool {
		code, out, _ := s.run("events")
		return code == 0 && strings.Count(out, "detach") == 3 && strings.Count(out, "attach") == 3
	})
	x = s.terminal("attach")
	x.shows(`\? help`)
	if err := p.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	x.shows(`(?s)before\s+pilothouse: the gateway is gone, or has cut this screen off\s+ended 1\s+icanon`)
}

// TestDashboardOutlivesItsTerminal: a window that is closed must not stop what
// serves; its log says how to get the dashboard back.
func TestDashboardOutlivesItsTerminal(t *testing.T) {
	s := newSite(t, "")
	x := s.terminal()
	pid := x.pid("pilothouse")
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // before the terminal, which it outlives
	x.shows(`\? help`)
	if _, err := x.tmux("kill-server"); err != nil {
		t.Fatal(err)
	}
	s.log("pilothouse attach --config " + s.file)
	x = s.terminal("attach")
	x.shows(`\? help`)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.shows(`(?s)pilothouse: this gateway stops\s+ended 1`)
	eventually(t, "its end", func() bool { code, _, _ := s.run("drain", "b"); return code == 3 })
}

// TestAttachElsewhere: another host's dashboard is OpenSSH's client's to show.
func TestAttachElsewhere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ssh"), "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n")
	if err := os.Chmod(filepath.Join(dir, "ssh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, target string
		code         int
		says         string
	}{
		{dir, "ana@gpu1", 7, "-t|-p|2222|-o|SendEnv=LANG LC_* COLORTERM NO_COLOR|--|ana@gpu1|"},
		{dir, "[2001:db8::1]:22 --read-only", 7, "-t|-p|22|-o|SendEnv=LANG LC_* COLORTERM NO_COLOR|-o|SetEnv=PILOTHOUSE_READ_ONLY=1|--|2001:db8::1|"},
		{dir, "-- -oProxyCommand=x", 2, "want a host"},
		{t.TempDir(), "gpu1", 1, "find OpenSSH's client"},
	} {
		cmd := exec.Command(binary, append([]string{"attach"}, strings.Fields(c.target)...)...)
		cmd.Env = []string{"PATH=" + c.path}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: code %d, %s", c.target, code, out)
		}
	}
}
