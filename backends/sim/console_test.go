package sim

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// printed are the lines of a console.
type printed struct {
	mu    sync.Mutex
	lines []string
}

func (p *printed) print(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
}

func (p *printed) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// What the engine prints every ten seconds is what it did in them: once more after
// its work has ended, and nothing while it idles or hangs.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p printed
		s, err := New(Config{Model: "m", Console: p.print})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.engine.run(ctx) })
		running.Go(func() { s.report(ctx) })
		spend := func(j *job, d time.Duration) [][]string {
			t.Helper()
			before := len(p.all())
			if err := s.engine.submit(j); err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			var found [][]string
			re := regexp.MustCompile(`^INFO \d\d-\d\d \d\d:\d\d:\d\d \[loggers\.py:\d+\] Engine 000: Avg prompt throughput: ([0-9.]+) tokens/s, ` +
				`Avg generation throughput: ([0-9.]+) tokens/s, Running: (\d+) reqs, Waiting: (\d+) reqs, GPU KV cache usage: ([0-9.]+)%, Prefix cache hit rate: ([0-9.]+)%$`)
			for _, line := range p.all()[before:] {
				m := re.FindStringSubmatch(line)
				if m == nil {
					t.Fatalf("it printed %q", line)
				}
				found = append(found, m[1:])
			}
			return found
		}
		time.Sleep(30*time.Second + time.Millisecond)
		if len(p.all()) != 0 {
			t.Errorf("an idle engine printed %q", p.all())
		}
		got := spend(work("a", 1, 1000, 300), 100*time.Second) // some 15 s of work
		if len(got) != 3 {
			t.Fatalf("lines: %q", got)
		}
		number := func(text string) float64 {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		if sum := 10 * (number(got[0][1]) + number(got[1][1])); math.Abs(sum-300) > 1.1 {
			t.Errorf("%v tokens by the lines, of 300: %q", sum, got)
		}
		if g := got[0]; g[0] != "100.0" || g[2] != "1" || g[3] != "0" || number(g[4]) < 1 {
			t.Errorf("while it works: %q", g)
		}
		if g := fmt.Sprint(got[2]); g != "[0.0 0.0 0 0 0.0 0.0]" {
			t.Errorf("after its work: %q", g)
		}
		s.engine.freeze(true)
		if got := spend(work("a", 1, 1000, 10), time.Minute); len(got) != 0 {
			t.Errorf("an engine that hangs printed %q", got)
		}
		s.engine.freeze(false)
		if got := spend(work("b", 1, 20, 10), 30*time.Second); len(got) != 2 || number(got[0][5]) < 45 || number(got[0][5]) > 55 {
			t.Errorf("with a prompt that came again: %q", got)
		}
		stop()
		running.Wait()
	})
}

// A console that is read while it prints keeps the newest lines, in their order,
// and no more than so many.
func TestConsoleIsBounded(t *testing.T) {
	d, err := NewDocker(Program{Container: "c", Server: Config{Model: "m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const lines = 5*maxLog + 7
	read := func(tail string) []string {
		w := httptest.NewRecorder()
		d.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/containers/c/logs?tail="+tail, nil))
		var numbers []string
		for _, m := range regexp.MustCompile(`line (\d+)\n`).FindAllStringSubmatch(w.Body.String(), -1) {
			numbers = append(numbers, m[1])
		}
		return numbers
	}
	var printing sync.WaitGroup
	printing.Go(func() {
		for i := range lines {
			d.boxes[0].print(fmt.Sprint("line ", i))
		}
	})
	for range 20 {
		numbers := read("all")
		for i := 1; i < len(numbers); i++ {
			if a, _ := strconv.Atoi(numbers[i-1]); numbers[i] != strconv.Itoa(a+1) {
				t.Fatalf("line %s comes after line %s", numbers[i], numbers[i-1])
			}
		}
	}
	printing.Wait()
	if n := len(d.boxes[0].log); n < maxLog || n > 2*maxLog {
		t.Errorf("%d lines are kept", n)
	}
	if got := read("all"); len(got) != maxLog || got[maxLog-1] != strconv.Itoa(lines-1) {
		t.Errorf("%d lines, the last of them %q", len(got), got[len(got)-1:])
	}
	if got := strings.Join(read("2"), " "); got != fmt.Sprintf("%d %d", lines-2, lines-1) {
		t.Errorf("the last two: %s", got)
	}
}
