package dockertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// own marks the engine as this process's for as long as that lives, and notes
// what is to be given back.
func (e *Engine) own() error {
	f, err := os.OpenFile(e.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	e.lock = f
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	_, err = f.WriteString(e.pool.String())
	return err
}

// sweep closes the engines of processes that have ended without doing so.
func sweep() error {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", "lock"))
	var errs []error
	for _, file := range locks {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			continue // somebody else was quicker
		}
		text, err := io.ReadAll(f)
		_, pool, err2 := net.ParseCIDR(string(text))
		if err != nil || err2 != nil || unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			f.Close()
			continue // it is somebody's
		}
		e := at(filepath.Dir(file))
		e.pool, e.lock = pool, f
		errs = append(errs, e.Close())
	}
	return errors.Join(append(errs, err)...)
}

// firewall lets (-I) packets between the engine's containers through, or no more
// (-D): a Docker of this machine's own, which drops all others, may be or have been
// here.
func (e *Engine) firewall(change string) error {
	if e.pool == nil {
		return nil
	}
	if on, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-iptables"); change == "-I" && (err != nil || strings.TrimSpace(string(on)) != "1") {
		return nil // it does not see them
	}
	pool := e.pool.String()
	rule := func(change string) ([]byte, error) {
		return exec.Command("/usr/sbin/iptables", "-w", change, "FORWARD", "-s", pool, "-d", pool, "-j", "ACCEPT").CombinedOutput()
	}
	if _, err := rule("-C"); change == "-D" && err != nil {
		return nil // there is none
	}
	if out, err := rule(change); err != nil {
		return fmt.Errorf("iptables %s: %w: %s", change, err, out)
	}
	return nil
}
