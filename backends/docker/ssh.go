package docker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sshConn is a connection to an engine through the system's ssh, which knows the
// operator's keys, known hosts, agents and jump hosts. On the other side it runs
// what Docker's own client runs there.
type sshConn struct {
	net.Conn // our end of a pair of sockets; ssh has the other as its input and output
	process  *os.Process
	says     *tail         // the end of its standard error
	ended    chan struct{} // closed when the process is gone
	status   string        // of its end
	heard    atomic.Bool
	close    sync.Once
}

// sshError is that ssh has ended before the engine has said anything.
type sshError struct{ status, says string }

func (e *sshError) Error() string {
	if e.says == "" {
		return "ssh: " + e.status
	}
	return "ssh: " + e.status + ": " + quote(e.says)
}

// dialSSH starts ssh. Whether it gets through is seen when it is read from.
func dialSSH(to target, timeout time.Duration) (net.Conn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a pair of sockets for ssh: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ssh"), os.NewFile(uintptr(fds[1]), "ssh")
	defer ours.Close()
	defer theirs.Close()
	pipe, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("make a connection for ssh: %w", err)
	}
	// BatchMode: it asks for nothing, on a terminal that may be a dashboard's.
	args := []string{"-T", "-o", "BatchMode=yes", "-o", fmt.Sprintf("ConnectTimeout=%d", max(1, int(timeout/time.Second)))}
	cmd := exec.Command("ssh", append(append(args, to.ssh...), to.remote...)...)
	c := &sshConn{Conn: pipe, says: &tail{}, ended: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, c.says
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, and no signals of it
	cmd.WaitDelay = time.Second                          // what it has started may hold its standard error
	if err := cmd.Start(); err != nil {
		pipe.Close()
		return nil, &sshError{status: "it can't be run; install openssh-client"}
	}
	c.process = cmd.Process
	go func() {
		cmd.Wait()
		c.status = cmd.ProcessState.String()
		close(c.ended)
	}()
	return c, nil
}

func (c *sshConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, c.why(err)
}

func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.why(err)
}

// why is what ssh has said, where it has ended the connection before anything
// came over it.
func (c *sshConn) why(err error) error {
	if err == nil || c.heard.Load() || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	select {
	case <-c.ended:
		return &sshError{c.status, c.says.String()}
	case <-time.After(2 * time.Second): // it has closed its output, and lives
		return err
	}
}

// Close ends ssh and waits for that.
func (c *sshConn) Close() error {
	var err error
	c.close.Do(func() {
		err = c.Conn.Close()
		select {
		case <-c.ended:
		default:
			syscall.Kill(-c.process.Pid, syscall.SIGKILL) // with what it has started
			<-c.ended
		}
	})
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - mostQuoted; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
