package past

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestLog(t *testing.T) {
	var l Log
	if lines, next := l.Lines(0); lines != nil || next != 0 {
		t.Errorf("an empty log has %v, %d", lines, next)
	}
	fmt.Fprintf(&l, "one\ntwo\n")
	fmt.Fprintf(&l, "thr")
	fmt.Fprintf(&l, "ee\n\n")
	lines, next := l.Lines(0)
	var got []string
	for i, line := range lines {
		got = append(got, line.Text)
		if line.N != uint64(i+1) || line.At.IsZero() {
			t.Errorf("line %d is number %d, at %v", i, line.N, line.At)
		}
	}
	if want := "one|two|three|"; strings.Join(got, "|") != want || next != 4 {
		t.Errorf("%q, %d; want %q", got, next, want)
	}
	long := strings.Repeat("x", mostLine-3)
	fmt.Fprintf(&l, "%s", long)
	fmt.Fprintf(&l, "%s", long)
	fmt.Fprintf(&l, "yy\nafter\n")
	lines, next = l.Lines(next)
	if len(lines) != 2 || len(lines[0].Text) != mostLine || lines[0].Cut != mostLine-6+2 || lines[1].Text != "after" || lines[1].Cut != 0 {
		t.Errorf("a long line: %d bytes, %d cut; then %q", len(lines[0].Text), lines[0].Cut, lines[1].Text)
	}
	for i := range 3 * mostLines {
		fmt.Fprintf(&l, "%d\n", i)
	}
	lines, last := l.Lines(next)
	if len(lines) != mostLines || lines[mostLines-1].Text != fmt.Sprint(3*mostLines-1) || lines[mostLines-1].N != last {
		t.Errorf("%d lines, the last is %q, number %d", len(lines), lines[len(lines)-1].Text, last)
	}
	if lines, _ := l.Lines(last + 7); lines != nil {
		t.Error("there are lines of a time to come")
	}
	l.last.Store(last - 300) // as it was read before 300 more were written
	lines, _ = l.Lines(0)
	if len(lines) != mostLines-300 || lines[0].N != last-mostLines+1 || lines[len(lines)-1].N != last-300 {
		t.Errorf("while lines are written over: %d, from %d to %d", len(lines), lines[0].N, lines[len(lines)-1].N)
	}
}

// Those who write at once get each line whole; those who read meanwhile see lines
// in order, none twice.
func TestLogAtOnce(t *testing.T) {
	var l Log
	var writers, readers sync.WaitGroup
	log := slog.New(slog.NewJSONHandler(&l, nil))
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			var last uint64
			for {
				lines, next := l.Lines(last)
				for _, line := range lines {
					if line.N <= last || !strings.HasPrefix(line.Text, `{"time"`) || !strings.HasSuffix(line.Text, `"}`) {
						t.Errorf("behind %d: number %d, %q", last, line.N, line.Text)
						return
					}
					last = line.N
				}
				last = next
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 2000 {
				log.Info("written", "of", fmt.Sprint(w, "-", i))
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if _, n := l.Lines(0); n != 8000 {
		t.Errorf("%d lines, want 8000", n)
	}
}
