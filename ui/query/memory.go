package query

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// workMemory is what the process may grow by while SQLite runs a statement: 128 MiB.
const workMemory = 128 << 20

// memory watches how much the process grows. SQLite can bound its memory only for the
// whole process, and the ledger's writer must not fail because somebody sorts a table; so
// what is measured is the process, and what else grows in it meanwhile counts too. Where
// the kernel doesn't tell (it is Linux that does), nothing is bounded.
type memory struct {
	file  *os.File
	start int64
	asked time.Time
	full  bool
	off   bool
}

// begin takes the measure; end must follow.
func (m *memory) begin() {
	m.end()
	m.full = false
	if f, err := os.Open("/proc/self/statm"); err == nil {
		m.file = f
		m.start, _ = m.resident()
	}
}

func (m *memory) end() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

// over tells whether it is too much. It looks every two milliseconds.
func (m *memory) over() bool {
	if m.full || m.file == nil || m.off {
		return m.full
	}
	now := time.Now()
	if now.Sub(m.asked) < 2*time.Millisecond {
		return false
	}
	m.asked = now
	if n, ok := m.resident(); ok && n-m.start > workMemory {
		m.full = true
	}
	return m.full
}

// resident is the process's memory, in bytes (proc(5), statm: the second number, pages).
func (m *memory) resident() (int64, bool) {
	var b [128]byte
	n, _ := m.file.ReadAt(b[:], 0)
	fields := strings.Fields(string(b[:n]))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
