package sshd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui"
)

// Nothing but the key of an operator lets anybody in.
func TestLoginRefused(t *testing.T) {
	b := newBed(t, nil)
	b.people["eve"] = newPerson(t, b.dir, "eve")
	if got := b.call("eve", "status"); got.code != 255 || !strings.Contains(got.errOut, "Permission denied (publickey)") {
		t.Errorf("a stranger's key: %+v", got)
	}
	if got := b.call("ada", "status", "-o", "PreferredAuthentications=password,keyboard-interactive,hostbased,none"); got.code != 255 || !strings.Contains(got.errOut, "Permission denied (publickey)") {
		t.Errorf("without a key: %+v", got)
	}
	for name, auth := range map[string][]ssh.AuthMethod{
		"nothing": nil, "a password": {ssh.Password("secret")},
		"questions":             {ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
		"a key that is not had": {ssh.PublicKeys(liar{b.people["ada"].signer.PublicKey(), b.people["eve"].signer})},
	} {
		if c, err := b.login(auth...); err == nil {
			c.Close()
			t.Errorf("%s lets a client in", name)
		}
	}
	// ada's key is offered and taken, vera's is proven: it is vera who is in.
	for file, text := range map[string]string{"ghost": "lost", "ghost.pub": b.people["ada"].public} {
		if err := os.WriteFile(filepath.Join(b.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := b.call("ghost", "restart chat", "-o", "LogLevel=DEBUG1", "-i", filepath.Join(b.dir, "ghost"), "-i", filepath.Join(b.dir, "vera"))
	if !strings.Contains(got.errOut, "Server accepts key: "+filepath.Join(b.dir, "ghost")) || !strings.Contains(got.errOut, "Server accepts key: "+filepath.Join(b.dir, "vera")) {
		t.Errorf("the keys were not both offered: %s", got.errOut)
	}
	if got.code != 4 || !strings.Contains(got.errOut, "yours is viewer") {
		t.Errorf("with a key that was not proven: %+v", got)
	}
}

// liar offers a key, and signs with another.
type liar struct {
	key ssh.PublicKey
	ssh.Signer
}

func (l liar) PublicKey() ssh.PublicKey { return l.key }

func TestRefused(t *testing.T) {
	b := newBed(t, nil)
	for _, options := range [][]string{
		{"-o", "Ciphers=aes128-cbc"}, {"-o", "Ciphers=3des-cbc"},
		{"-o", "KexAlgorithms=diffie-hellman-group14-sha1"}, {"-o", "KexAlgorithms=diffie-hellman-group-exchange-sha1"},
		{"-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha1"}, {"-o", "Ciphers=aes256-ctr", "-o", "MACs=hmac-sha1-etm@openssh.com"},
		{"-o", "HostKeyAlgorithms=ssh-rsa"},
	} {
		if got := b.call("ada", "status", append(options, "-o", "LogLevel=INFO")...); got.code != 255 || !strings.Contains(got.errOut, "no matching") {
			t.Errorf("%s: %+v", options, got)
		}
	}
	for _, options := range [][]string{{"-o", "Ciphers=aes256-ctr"}, {"-o", "KexAlgorithms=ecdh-sha2-nistp384"}, {"-A", "-X"}} {
		if got := b.call("ada", "status", options...); got.code != 1 || got.out != "ada: status\n" {
			t.Errorf("%s: %+v", options, got)
		}
	}
	if got := b.call("ada", "status", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"); got.code != 255 || !strings.Contains(got.errOut, "remote port forwarding failed") {
		t.Errorf("-R: %+v", got)
	}
	if got := b.call("ada", "sftp", "-s"); got.code != 255 || !strings.Contains(got.errOut, "subsystem request failed") {
		t.Errorf("sftp: %+v", got)
	}
	if got := b.call("ada", "x", "-W", b.Addr().String()); got.code != 255 || !strings.Contains(got.errOut, "stdio forwarding failed") {
		t.Errorf("-W: %+v", got)
	}
	c := b.dial("ada")
	if _, err := c.Dial("tcp", b.Addr().String()); err == nil || !strings.Contains(err.Error(), "nothing is forwarded here") {
		t.Errorf("a port is forwarded: %v", err)
	}
	for _, kind := range []string{"direct-streamlocal@openssh.com", "auth-agent@openssh.com", "x11", "tun@openssh.com"} {
		if _, _, err := c.OpenChannel(kind, nil); err == nil {
			t.Errorf("%s is opened", kind)
		}
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"auth-agent-req@openssh.com", "x11-req", "subsystem", "eow@openssh.com"} {
		if ok, err := s.SendRequest(kind, true, ssh.Marshal(struct{ Name string }{"sftp"})); ok || err != nil {
			t.Errorf("%s: %v, %v", kind, ok, err)
		}
	}
	for name, want := range map[string]bool{"LANG": true, "LC_ALL": true, ui.EnvTheme: true, ui.EnvASCII: true, "COLORTERM": true, "NO_COLOR": true,
		"LD_PRELOAD": false, "PATH": false, "SSH_TTY": false, "LC_": false, "LC_A=B": false, "TERM": false} {
		if err := s.Setenv(name, "x"); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Setenv("LANG", "\x1b[2J") == nil || s.Setenv("LANG", strings.Repeat("x", maxValue+1)) == nil {
		t.Error("a variable may be anything")
	}
}
