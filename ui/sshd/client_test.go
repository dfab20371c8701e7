package sshd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// ssh makes a call of OpenSSH's client. Of options that come twice the first counts.
func (b *bed) ssh(who string, more ...string) *exec.Cmd {
	b.t.Helper()
	_, port, err := net.SplitHostPort(b.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	args := append(more, "-F", os.DevNull, "-p", port, "-i", filepath.Join(b.dir, who), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile="+filepath.Join(b.dir, "known_hosts"), "127.0.0.1")
	cmd := exec.Command("ssh", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TERM=xterm-256color"}
	return cmd
}

// result is what a call came to.
type result struct {
	out, errOut string
	code        int
}

// call runs ssh with options and a command line.
func (b *bed) call(who, line string, options ...string) result {
	b.t.Helper()
	cmd := b.ssh(who, options...)
	cmd.Args = append(cmd.Args, line)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	b.run(cmd)
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func (b *bed) run(cmd *exec.Cmd) {
	b.t.Helper()
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatalf("ssh (make deps installs it): %v", err)
	}
}

// dial is a client of Go's, for what OpenSSH's would not do.
func (b *bed) dial(who string) *ssh.Client {
	b.t.Helper()
	c, err := b.login(ssh.PublicKeys(b.people[who].signer))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func (b *bed) login(auth ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", b.Addr().String(), &ssh.ClientConfig{User: "root", Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience})
}

// dialRaw is a client that says nothing.
func dialRaw(addr net.Addr) (net.Conn, error) { return net.Dial("tcp", addr.String()) }

// silent opens a screen, reads all that comes, and answers nothing.
func (b *bed) silent(who string) (net.Conn, ssh.Channel) {
	b.t.Helper()
	raw, err := dialRaw(b.Addr())
	if err != nil {
		b.t.Fatal(err)
	}
	c, _, reqs, err := ssh.NewClientConn(raw, "", &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{ssh.PublicKeys(b.people[who].signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		b.t.Fatal(err)
	}
	go func() {
		for range reqs { // and never a reply
		}
	}()
	ch, answers, err := c.OpenChannel("session", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	go ssh.DiscardRequests(answers)
	go io.Copy(io.Discard, ch)
	pty := ssh.Marshal(struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}{"xterm", 80, 24, 0, 0, ""})
	if ok, err := ch.SendRequest("pty-req", true, pty); !ok || err != nil {
		b.t.Fatal(ok, err)
	}
	if ok, err := ch.SendRequest("shell", true, nil); !ok || err != nil {
		b.t.Fatal(ok, err)
	}
	return raw, ch
}
