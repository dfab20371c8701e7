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
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// btop measures btop over SSH at each size, writes a line of each and returns what
// is to be said below them.
func (p *plan) btop(ctx context.Context, out io.Writer) string {
	said := "of btop's figure, % of a core:"
	for _, size := range sizes {
		m, err := remote(ctx, size.w, size.h, p.span)
		if err != nil {
			return fmt.Sprintf("btop over SSH could not be measured: %v", err)
		}
		fmt.Fprintf(out, "btop %dx%d\t%.2f\t%.0f\t%.0f\t\t\t\n", size.w, size.h, m.own+m.sshd, m.bytes, m.wire)
		said += fmt.Sprintf(" %dx%d: %.2f itself, %.2f sshd;", size.w, size.h, m.own, m.sshd)
	}
	version, _ := exec.CommandContext(ctx, "btop", "--version").Output() // it has run
	return strings.TrimSuffix(said, ";") + "\n" + strings.TrimSpace(string(version))
}

// watched is what a program costs over SSH.
type watched struct {
	measured
	own, sshd float64 // % of a core: the program's process, and all of sshd's
}

// remote measures btop in a terminal of a size over SSH, with its usual settings but
// for looking once a second, as the dashboard does.
func remote(ctx context.Context, w, h int, span time.Duration) (*watched, error) {
	if _, err := exec.LookPath("btop"); err != nil {
		return nil, errors.New("install btop")
	}
	d, err := newDaemon()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(d.dir)
	if err := os.MkdirAll(d.path("btop"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("btop", "btop.conf"), []byte("update_ms = 1000\n"), 0o600); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, cmd, err := d.open(ctx, w, h, fmt.Sprintf("echo $$ >%s; exec env XDG_CONFIG_HOME=%s LANG=C.UTF-8 btop --utf-force", d.path("pid"), d.dir))
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = s.client.Close() // which ends btop, and sshd
		late := time.AfterFunc(5*time.Second, stop)
		_ = cmd.Wait()
		late.Stop()
	}()
	if err := pass(ctx, settle); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(d.path("pid"))
	if err != nil {
		return nil, fmt.Errorf("start btop over SSH: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	return s.watched(ctx, pid, cmd.Process.Pid, span)
}

// watched measures what runs as pid, below the sshd that runs as server.
func (s *screen) watched(ctx context.Context, pid, server int, span time.Duration) (*watched, error) {
	var others []int
	for _, other := range family(server) {
		if other != pid {
			others = append(others, other)
		}
	}
	own, err := stopwatch(pid)
	if err != nil {
		return nil, err
	}
	sshd, err := stopwatch(others...)
	if err != nil {
		return nil, err
	}
	drawn, line, began := s.read.Load(), s.line.read.Load(), time.Now()
	if err := pass(ctx, span); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	m := &watched{measured: measured{bytes: float64(s.read.Load()-drawn) / took, wire: float64(s.line.read.Load()-line) / took}}
	if m.own, err = own(); err != nil {
		return nil, err
	}
	m.sshd, err = sshd()
	return m, err
}

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
	defer theirs.Close()
	cmd := exec.CommandContext(ctx, d.program, "-i", "-e", "-f", d.path("config"))
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = theirs, theirs, &said, time.Second
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, nil, err
	}
	s, err := open(ours, who.Username, w, h, command, ssh.PublicKeys(d.key))
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
