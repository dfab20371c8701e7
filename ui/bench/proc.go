package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processor is the processor time of a process so far, with that of threads which
// have ended. Its clock is that of clock_getcpuclockid(3): /proc counts in
// hundredths of a second, which is coarser than what a screen takes in a second.
func processor(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// family is a process and all that descend from it.
func family(pid int) []int {
	all := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only where the pattern is wrong
	children := make(map[int][]int)
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may hold anything
		if fields := strings.Fields(rest); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// memory is what processes take of it, in MiB.
type memory struct {
	resident  float64 // what is mapped and there
	share     float64 // of that, with what n processes map counted as an nth
	anonymous float64 // of that, what is of no file: no other process has a part in it
}

// taken is what some processes take together.
func taken(pids ...int) (m memory, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return memory{}, err
		}
		for line := range strings.Lines(string(text)) {
			var kib float64
			name, value, _ := strings.Cut(line, ":")
			if _, err := fmt.Sscan(value, &kib); err != nil {
				continue // the line of addresses
			}
			switch name {
			case "Rss":
				m.resident += kib / 1024
			case "Pss":
				m.share += kib / 1024
			case "Anonymous":
				m.anonymous += kib / 1024
			}
		}
	}
	return m, nil
}
