package dockertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Close ends the engine with all its containers, and leaves nothing: no process,
// mount, network, control group or file.
func (e *Engine) Close() error {
	if e.running() {
		e.cmd.Process.Signal(syscall.SIGCONT)
		e.removeAll()
	}
	if !e.end(syscall.SIGTERM, 10*time.Second) {
		e.end(syscall.SIGKILL, time.Minute)
	}
	err := errors.Join(e.endProcesses(), e.firewall("-D"), e.unmount(), e.removeBridges(), e.removeGroups(), os.RemoveAll(e.dir))
	if e.lock != nil {
		e.lock.Close()
	}
	return err
}

// removeAll has the engine remove what it can. What is left the rest of Close
// finds.
func (e *Engine) removeAll() {
	c, err := client.New(client.WithHost(e.Host()))
	if err != nil {
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	containers, _ := c.ContainerList(ctx, client.ContainerListOptions{All: true})
	for _, item := range containers.Items {
		c.ContainerRemove(ctx, item.ID, client.ContainerRemoveOptions{Force: true})
	}
	networks, _ := c.NetworkList(ctx, client.NetworkListOptions{})
	for _, n := range networks.Items {
		if n.Driver == "bridge" {
			c.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		}
	}
}

// endProcesses ends containers and what holds them: those in the engine's
// control groups, and those with its directory among their arguments.
func (e *Engine) endProcesses() error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		pids := e.processes()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes of dockerd that don't end: %v", pids)
		}
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (e *Engine) processes() []int {
	var pids []int
	for _, dir := range e.groups() {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
	}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for arg := range strings.SplitSeq(string(text), "\x00") {
			if strings.HasPrefix(arg, e.dir+"/") {
				if pid, err := strconv.Atoi(strings.Split(f, "/")[2]); err == nil {
					pids = append(pids, pid)
				}
				break
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// groups are the engine's control groups, the innermost first.
func (e *Engine) groups() []string {
	var all []string
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + e.group)
	for _, root := range append(roots, "/sys/fs/cgroup/"+e.group) {
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return nil
		})
	}
	slices.Reverse(all)
	return all
}

func (e *Engine) removeGroups() error {
	var left error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		left = nil
		for _, dir := range e.groups() {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				left = err
			}
		}
		if left == nil {
			return nil
		}
	}
	return left
}

// unmount unmounts what is under the engine's directory, the innermost first.
func (e *Engine) unmount() error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var points []string
	for in := bufio.NewScanner(f); in.Scan(); {
		if fields := strings.Fields(in.Text()); len(fields) > 4 && strings.HasPrefix(fields[4], e.dir+"/") {
			points = append(points, fields[4])
		}
	}
	slices.Reverse(points)
	var errs []error
	for _, p := range points {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount %q: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// removeBridges removes the bridges with addresses of the engine's.
func (e *Engine) removeBridges() error {
	if e.pool == nil {
		return nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if in, ok := a.(*net.IPNet); ok && e.pool.Contains(in.IP) {
				if err := removeBridge(i.Name); err != nil {
					return fmt.Errorf("remove bridge %q: %w", i.Name, err)
				}
				break
			}
		}
	}
	return nil
}

// removeBridge takes a bridge down and removes it, as brctl does.
func removeBridge(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(0) // no flags: not up
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCBRDELBR, req)
}
