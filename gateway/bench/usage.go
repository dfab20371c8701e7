package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// A reading is what /proc tells about a target's processes at one moment.
type reading struct {
	ticks time.Duration // user and system time, counted by the kernel in ticks
	exact time.Duration // the same from the scheduler, without threads that have ended
	pids  int
}

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on Linux.
const tick = 10 * time.Millisecond

// readUsage reads processes that are all alive.
func readUsage(pids []int) (reading, error) {
	r := reading{pids: len(pids)}
	for _, p := range pids {
		ticks, err := statTime(p)
		if err != nil {
			return r, err
		}
		exact, err := schedTime(p)
		if err != nil {
			return r, err
		}
		r.ticks += ticks
		r.exact += exact
	}
	return r, nil
}

// since is the processor time spent since an earlier reading. The scheduler's
// count is the finer one; where it lags behind the ticks, a thread has ended
// and taken its time with it.
func (r reading) since(o reading) time.Duration {
	exact, ticks := r.exact-o.exact, r.ticks-o.ticks
	if ticks-exact > 4*tick*time.Duration(max(1, r.pids)) {
		return ticks
	}
	return exact
}

// family is a process and all its living descendants.
func family(pid int) ([]int, error) {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", all[i]))
		if err != nil {
			return nil, fmt.Errorf("read threads of process %d: %w", all[i], err)
		}
		for _, t := range tasks {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[i], t.Name()))
			if err != nil && !gone(err) {
				return nil, fmt.Errorf("read children of process %d: %w", all[i], err)
			}
			for _, f := range strings.Fields(string(b)) {
				child, err := strconv.Atoi(f)
				if err != nil {
					return nil, fmt.Errorf("read children of process %d: %w", all[i], err)
				}
				all = append(all, child)
			}
		}
	}
	return all, nil
}

// gone tells that a thread ended while its files were being read.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// statTime is a process's own user and system time.
func statTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the command's name, in parentheses, and may hold
	// anything; utime and stime are the fields 14 and 15.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const utime = 14 - 3
	if len(f) < utime+2 {
		return 0, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(f))
	}
	var sum time.Duration
	for _, s := range f[utime : utime+2] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// schedTime sums the time that a process's living threads ran.
func schedTime(pid int) (time.Duration, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if gone(err) {
			continue
		} else if err != nil {
			return 0, err
		}
		var ran int64
		if _, err := fmt.Sscan(string(b), &ran); err != nil {
			return 0, fmt.Errorf("read schedstat of process %d: %w", pid, err)
		}
		sum += time.Duration(ran)
	}
	return sum, nil
}

// resident is the memory in use by processes, in bytes; one that has ended has
// none.
func resident(pids []int) (sum int64) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		var size, pages int64
		if _, err := fmt.Sscan(string(b), &size, &pages); err == nil {
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}

// watchResident samples the memory of processes until ctx ends, and then gives
// the most that it has seen.
func watchResident(ctx context.Context, pids []int) <-chan int64 {
	peak := make(chan int64, 1)
	go func() {
		clock := time.NewTicker(100 * time.Millisecond)
		defer clock.Stop()
		most := resident(pids)
		for {
			select {
			case <-clock.C:
				most = max(most, resident(pids))
			case <-ctx.Done():
				peak <- most
				return
			}
		}
	}()
	return peak
}
