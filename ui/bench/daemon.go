package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// daemon is an OpenSSH server for one connection at a time, which listens nowhere:
// its connection is a pair of sockets. It lets this user in, with a key of its own.
type daemon struct {
	program string
	dir     string // of all its files; whoever made it removes it
	key     ssh.Signer
}

func newDaemon() (*daemon, error) {
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
		if _, err := os.Stat(program); err != nil {
			return nil, errors.New("install openssh-server")
		}
	}
	if os.Getuid() == 0 {
		// It wants this, which Debian makes at boot. It is left there, since others
		// may have come to want it meanwhile.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	d := &daemon{program: program}
	if d.dir, err = os.MkdirTemp("", "pilothouse-bench-"); err != nil {
		return nil, err
	}
	if err := d.configure(); err != nil {
		_ = os.RemoveAll(d.dir)
		return nil, err
	}
	return d, nil
}

func (d *daemon) path(names ...string) string {
	return filepath.Join(append([]string{d.dir}, names...)...)
}

// configure writes what sshd reads.
func (d *daemon) configure() error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if d.key, err = ssh.NewSignerFromKey(private); err != nil {
		return err
	}
	_, private, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	host, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	may, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"host": string(pem.EncodeToMemory(host)),
		"keys": string(ssh.MarshalAuthorizedKey(may)),
		"config": fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\nPrintLastLog no\n",
			d.path("host"), d.path("keys")),
	} {
		if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// open has a command run in a terminal of a size. The process is that of sshd, to be
// waited for once the screen is closed; it is killed when ctx ends.
func (d *daemon) open(ctx context.Context, w, h int, command string) (*screen, *exec.Cmd, error) {
	who, err := user.Current()
	if err != nil {
		return nil, nil, err
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, d.program, "-i", "-e", "-f", d.path("config"))
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = theirs, theirs, &said, time.Second
	err = cmd.Start()
	_ = theirs.Close() // so that the connection ends where sshd does
	if err != nil {
		_ = ours.Close()
		return nil, nil, err
	}
	s, err := open(ours, who.Username, w, h, true, command, ssh.PublicKeys(d.key))
	if err != nil {
		_ = cmd.Process.Kill() // before it is waited for, in case that it doesn't see the end of its connection
		_ = cmd.Wait()
		return nil, nil, fmt.Errorf("log in at %s as %s: %w: %s", d.program, who.Username, err, cmp.Or(strings.TrimSpace(said.String()), "it says nothing"))
	}
	return s, cmd, nil
}

// pair is two ends of a connection: one for this process, and one to be handed on.
func pair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "pair"), os.NewFile(uintptr(fds[1]), "pair")
	defer mine.Close() // what is made of it has its own
	conn, err := net.FileConn(mine)
	if err != nil {
		_ = theirs.Close()
	}
	return conn, theirs, err
}
