package sim

import (
	"encoding/binary"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// logLine is what a container printed.
type logLine struct {
	at   time.Time
	text string
}

// maxLog is how many of the newest lines of a container are kept, and at most as
// many before them.
const maxLog = 2000

// print adds a line to the container's log.
func (b *box) print(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := time.Now().UTC()
	if n := len(b.log); n > 0 && !at.After(b.log[n-1].at) {
		at = b.log[n-1].at.Add(1) // readers tell lines apart by their times
	}
	if len(b.log) == 2*maxLog {
		b.log = slices.Clone(b.log[maxLog:]) // the old ones may be being read
	}
	b.log = append(b.log, logLine{at, text})
	b.told()
}

// info adds a line as vLLM's own logger prints it.
func (b *box) info(level, text string) {
	b.print(logged(time.Now(), level, text))
}

// serveLog answers with the log, as lines of the standard output, each behind a
// head that says how long it is.
func (b *box) serveLog(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from := moment(q.Get("since"))
	tail, err := strconv.Atoi(q.Get("tail"))
	if err != nil {
		tail = maxLog
	}
	follow := q.Get("follow") == "1"
	w.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
	for first := true; ; first = false {
		b.mu.Lock()
		lines, changed, running := b.log, b.changed, b.run != nil
		b.mu.Unlock()
		known := sort.Search(len(lines), func(i int) bool { return lines[i].at.After(from) })
		lines = lines[known:]
		if first && len(lines) > tail {
			lines = lines[len(lines)-tail:]
		}
		for _, l := range lines {
			if _, err := w.Write(frame(l)); err != nil {
				return
			}
			from = l.at
		}
		if !follow || !running {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// frame is a line as the Engine API sends it.
func frame(l logLine) []byte {
	text := l.at.Format(time.RFC3339Nano) + " " + l.text + "\n"
	head := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return append(head, text...)
}

// moment reads a time in seconds, as the Engine API has it; the zero time: none.
func moment(s string) time.Time {
	seconds, nanos, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	n, _ := strconv.ParseInt((nanos + "000000000")[:9], 10, 64) // digits, or 0
	return time.Unix(sec, n).UTC()
}
