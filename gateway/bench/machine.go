package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine describes where the figures were taken.
func machine() string {
	return fmt.Sprintf("%d × %s, Linux %s, %s, load average %s before",
		runtime.NumCPU(), after("/proc/cpuinfo", "model name\t: ", "\n"), after("/proc/sys/kernel/osrelease", "", "\n"),
		runtime.Version(), after("/proc/loadavg", "", " "))
}

// after gives what stands in a file between two marks, "unknown" when it does
// not.
func after(file, begin, end string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	_, rest, ok := strings.Cut(string(b), begin)
	if !ok {
		return "unknown"
	}
	value, _, _ := strings.Cut(rest, end)
	return value
}
