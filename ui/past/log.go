package past

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostLines = 1000
	mostLine  = 4 << 10 // bytes of one
)

// Log keeps the last 1,000 lines of what is written to it, the gateway's own log,
// each up to 4 KiB. The zero value is empty and ready. Any number may write and
// read at once; those who write never wait for those who read.
type Log struct {
	mu   sync.Mutex // of those who write
	open []byte     // a line that has not ended, as far as it is kept
	cut  int        // bytes of it that are not

	lines [mostLines]atomic.Pointer[LogLine]
	last  atomic.Uint64 // the newest line's number
}

// LogLine is one line. It is immutable.
type LogLine struct {
	N    uint64 // counts up from 1
	At   time.Time
	Text string // without its end; it may hold anything
	Cut  int    // bytes that are missing at its end
}

// Write takes lines, and the beginning of one that a later call ends. It never
// fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		keep := min(len(line), mostLine-len(l.open))
		l.cut += len(line) - keep
		switch {
		case !ended:
			l.open = append(l.open, line[:keep]...)
		case len(l.open) == 0:
			l.add(string(line[:keep]))
		default:
			l.add(string(append(l.open, line[:keep]...)))
			l.open = l.open[:0]
		}
		rest = after
	}
	return len(p), nil
}

func (l *Log) add(text string) {
	n := l.last.Load() + 1
	l.lines[n%mostLines].Store(&LogLine{N: n, At: time.Now().UTC(), Text: text, Cut: l.cut})
	l.last.Store(n)
	l.cut = 0
}

// Lines returns the lines behind one, oldest first, of those that are still there,
// and the number of the last of them, to go on from; 0 begins with the oldest.
func (l *Log) Lines(after uint64) ([]LogLine, uint64) {
	last := l.last.Load()
	if after >= last {
		return nil, last
	}
	first := after + 1
	if last > mostLines {
		first = max(first, last-mostLines+1)
	}
	all := make([]LogLine, 0, last-first+1)
	for n := first; n <= last; n++ {
		if line := l.lines[n%mostLines].Load(); line.N == n { // else a newer one has its place by now
			all = append(all, *line)
		}
	}
	return all, last
}
