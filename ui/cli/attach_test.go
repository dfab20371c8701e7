package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestSSHLine(t *testing.T) {
	for target, want := range map[string]string{
		"gpu1": "2222 gpu1", "ana@gpu1": "2222 ana@gpu1", "gpu1:22": "22 gpu1", "ana@gpu1:2022": "2022 ana@gpu1",
		"::1": "2222 ::1", "[::1]": "2222 ::1", "[::1]:22": "22 ::1", "ana@[2001:db8::1]:22": "22 ana@2001:db8::1", "10.0.0.1:1": "1 10.0.0.1",
	} {
		line, err := sshLine(target, false)
		if got := strings.Join(line, " "); err != nil || got != "ssh -t -p "+strings.Replace(want, " ", " -o SendEnv=LANG LC_* COLORTERM NO_COLOR -- ", 1) {
			t.Errorf("%s: %q, %v", target, got, err)
		}
	}
	if line, err := sshLine("gpu1", true); err != nil || !strings.Contains(strings.Join(line, " "), " -o SetEnv=PILOTHOUSE_READ_ONLY=1 -- gpu1") {
		t.Errorf("read-only: %q, %v", line, err)
	}
	for _, target := range []string{"", "@gpu1", "ana@", "-oProxyCommand=x", "-x@gpu1", "ana@-x", "gpu1:", "gpu1:0", "gpu1:65536", "gpu1:ssh", "[::1", "[::1]x", ":22", "a b", "a\nb", "a@b@c"} {
		var wrong *UsageError
		if line, err := sshLine(target, false); !errors.As(err, &wrong) {
			t.Errorf("%q: %q, %v, want a *UsageError", target, line, err)
		}
	}
}
