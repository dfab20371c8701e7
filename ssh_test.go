package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSSH has operators come with the real client: a command runs here as it does
// for a shell, and a role holds.
func TestSSH(t *testing.T) {
	dir := t.TempDir()
	key, port := filepath.Join(dir, "id"), reserve(t)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	site := newSite(t, fmt.Sprintf(`
[ssh]
listen = %q
[[ssh.operator]]
name = "ana"
role = "viewer"
public_key = %q
`, port, strings.TrimSpace(string(public))))
	start(t, nil, "serve", "--config", site.file)
	host, at, _ := strings.Cut(port, ":")
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"version", 0, "v0-test\n"},
		{"status --json", 0, `"backends"`},
		{"restart b --last", 4, "needs the role operator, and yours is viewer"},
		{"frobnicate", 2, "unknown command"},
		{"key list", 2, "unknown command"}, // the host's own
		{"attach", 2, "unknown command"},
		{"events", 0, "  ana from 127.0.0.1  restart refused  b   refused: restart needs the role operator, and yours is viewer\n"},
	} {
		cmd := exec.Command("ssh", "-F", "none", "-i", key, "-p", at, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="+filepath.Join(dir, "known"), host, c.line)
		var out []byte
		eventually(t, "the server to listen", func() bool {
			again := *cmd
			out, err = again.CombinedOutput()
			return !strings.Contains(string(out), "Connection refused")
		})
		code := 0
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			code = exit.ExitCode()
		}
		if code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: code %d, want %d\n%s", c.line, code, c.code, out)
		}
	}
}
