package gpu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Owner is a process on a device, and whose it is.
type Owner struct {
	Process
	Started   time.Time // zero: not known
	ID        string    // of its container; "": it is in none, or that is not known
	Container string    // its name; "": not known
	Unit      string    // of systemd, "vllm.service", where it is in no container
	Backend   string    // that runs there; "": none of the configured ones, as far as is known
	Why       string    // why nothing is known of it; "": something is
}

// String says who it is, as far as is known.
func (o *Owner) String() string {
	who := fmt.Sprintf("%s (pid %d)", o.Name, o.PID)
	switch {
	case o.Backend != "":
		return o.Backend
	case o.Container != "":
		return o.Container
	case o.Why != "":
		return fmt.Sprintf("pid %d, %s", o.PID, o.Why)
	case o.ID != "":
		return who + ", of container " + short(o.ID) + ", which is not known"
	case o.Unit != "":
		return who + ", of " + o.Unit
	}
	return who + ", not of a known container"
}

// short is an id as docker ps has it.
func short(id string) string { return id[:min(12, len(id))] }

// serves names the backends of the processes, or else their containers.
func serves(owners []Owner) string {
	var names, containers []string
	for _, o := range owners {
		if o.Backend != "" && !slices.Contains(names, o.Backend) {
			names = append(names, o.Backend)
		}
		if o.Container != "" && !slices.Contains(containers, o.Container) {
			containers = append(containers, o.Container)
		}
	}
	if len(names) == 0 {
		names = containers
	}
	return strings.Join(names, ", ")
}

// registry knows this host's processes. What doesn't change about one is read
// once: a process is its number and when it started, since numbers come again.
type registry struct {
	root  string // "/proc"
	names func(id string) (name, backend string)

	elsewhere func() bool // see there; asked once

	mu    sync.Mutex
	known map[birth]place
	boot  time.Time
}

// birth is what identifies a process: its number, and when it started in clock
// ticks since the host did.
type birth struct {
	pid   int
	start int64
}

// place is what a process runs in.
type place struct{ id, unit string }

const (
	mostKnown = 4096                       // processes
	clockTick = 10 * time.Millisecond      // USER_HZ is 100 wherever Linux has NVIDIA's driver
	firstNS   = "pid:[4026531836]"         // the host's own PID namespace: PROC_PID_INIT_INO, include/linux/proc_ns.h
	foreign   = "of another PID namespace" // what its number means here is not known
	unseen    = "which is not in /proc: it has ended, or is of another PID namespace"
)

func newRegistry(root string, names func(id string) (name, backend string)) *registry {
	if names == nil {
		names = func(string) (string, string) { return "", "" }
	}
	return &registry{root: root, names: names, known: make(map[birth]place), elsewhere: sync.OnceValue(func() bool { return elsewhere(root) })}
}

// owners finds out whose the processes are. Those of other hosts, and simulated
// ones, their source alone can explain: by saying whom the device serves.
func (r *registry) owners(all []Process, local bool, serves string) []Owner {
	owners := make([]Owner, len(all))
	elsewhere := local && r.elsewhere()
	for i, p := range all {
		switch o := &owners[i]; {
		case !local:
			*o = Owner{Process: p, Backend: serves}
		case elsewhere:
			*o = Owner{Process: p, Why: foreign}
		default:
			*o = r.owner(p)
		}
	}
	return owners
}

// elsewhere tells whether the numbers in /proc are not the driver's, which are
// the host's: a process with the same number would be somebody else.
func elsewhere(proc string) bool {
	for _, pid := range [...]string{"1", "self"} { // the first tells of a /proc that was mounted here; not everybody may ask
		if ns, err := os.Readlink(filepath.Join(proc, pid, "ns", "pid")); err == nil {
			return ns != firstNS
		}
	}
	return false
}

func (r *registry) owner(p Process) Owner {
	o := Owner{Process: p}
	dir := filepath.Join(r.root, strconv.Itoa(p.PID))
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	name, start, ok := parseStat(string(text))
	if err != nil || !ok {
		if o.Why = unseen; err != nil && !errors.Is(err, fs.ErrNotExist) {
			o.Why = "whose process can't be read: " + err.Error()
		}
		return o
	}
	if o.Name == "" {
		o.Name = name
	}
	in := r.place(dir, birth{p.PID, start}, &o)
	o.ID, o.Unit = in.id, in.unit
	if o.ID != "" {
		o.Container, o.Backend = r.names(o.ID)
	}
	return o
}

// place is what a process runs in, and says since when.
func (r *registry) place(dir string, b birth, o *Owner) place {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.boot.IsZero() {
		r.boot = bootTime(filepath.Join(r.root, "stat"))
	}
	if !r.boot.IsZero() {
		o.Started = r.boot.Add(time.Duration(b.start) * clockTick)
	}
	in, ok := r.known[b]
	if ok {
		return in
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return place{}
	}
	in.id, in.unit = container(string(text))
	if len(r.known) >= mostKnown {
		clear(r.known)
	}
	r.known[b] = in
	return in
}

// parseStat reads a process's name and when it started out of its stat. The
// name may hold anything, brackets and blanks too (proc_pid_stat(5)).
func parseStat(text string) (name string, start int64, ok bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return "", 0, false
	}
	fields := strings.Fields(text[end+1:])
	const startTime = 22 - 3 // the third field is the first after the name
	if len(fields) <= startTime {
		return "", 0, false
	}
	start, err := strconv.ParseInt(fields[startTime], 10, 64)
	return text[open+1 : end], start, err == nil && start >= 0
}

// bootTime is when the host started; zero: not known.
func bootTime(file string) time.Time {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(text)) {
		if after, ok := strings.CutPrefix(line, "btime "); ok {
			if s, err := strconv.ParseInt(strings.TrimSpace(after), 10, 64); err == nil {
				return time.Unix(s, 0)
			}
		}
	}
	return time.Time{}
}
