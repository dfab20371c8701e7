package ledger

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// childDir, in the environment, makes this binary write to the ledger that is
// there until it is killed.
const childDir = "LEDGER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child has 32 goroutines begin and end requests, without end. It says on its
// output what it is about to begin ("try"), what has begun ("begun") and what
// has ended ("ended").
func child(dir string) {
	tune := small
	tune.batch = 200
	l, err := open(Options{Dir: dir}, tune)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	go l.Run(context.Background()) //nolint:errcheck // it is killed
	for w := range 32 {
		go func() {
			for i := 0; ; i++ {
				row := named(fmt.Sprintf("%d/%d/%d", os.Getpid(), w, i))
				fmt.Println("try", row.ID)
				var e *Entry
				if w%4 != 0 {
					if e, err = l.Begin(row); err != nil {
						fmt.Println("failed", err)
						return
					}
					fmt.Println("begun", row.ID)
					e.Progress(812, int64(i), 0, false)
				}
				if err := l.End(e, row); err != nil {
					fmt.Println("failed", err)
					return
				}
				fmt.Println("ended", row.ID)
				if w == 0 && i%20 == 0 {
					if err := l.Flush(); err != nil {
						fmt.Println("failed", err)
						return
					}
				}
			}
		}()
	}
	select {}
}

// said is the last thing that children said of a request.
type said map[string]string

// run has a child write until it is killed, at a moment that nobody chose: after
// its start, or after it has begun to write.
func (s said) run(t *testing.T, dir string, writing bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		time.AfterFunc(time.Duration(rand.Int64N(int64(200*time.Millisecond))), func() { cmd.Process.Kill() }) //nolint:errcheck // Wait says
	})
	if !writing {
		kill()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		kill()
		what, id, _ := strings.Cut(lines.Text(), " ")
		if what == "failed" {
			t.Errorf("the child: %s", lines.Text())
		}
		s[id] = what
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}

// TestKilled kills writers 20 times, in one directory, and looks after each
// time for what they were told had been written.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	all := make(said)
	for round := range 20 {
		all.run(t, dir, round%4 != 0)
		if round%2 == 1 {
			continue // so that the next child has two deaths to recover from
		}
		mustClose(t, mustOpen(t, dir, small))
		got := inDatabase(t, dir)
		for id, what := range all {
			k := got[id]
			switch {
			case k.times > 1:
				t.Errorf("%q is there %d times", id, k.times)
			case what == "ended" && k.end != "done":
				t.Errorf("%q had ended and is %+v", id, k)
			case what == "begun" && k.end != "done" && k.end != "interrupted":
				t.Errorf("%q had begun and is %+v", id, k)
			}
		}
		for id := range got {
			if all[id] == "" {
				t.Errorf("%q is there and never was", id)
			}
		}
		if t.Failed() {
			t.Fatalf("after %d deaths", round+1)
		}
	}
	count := make(map[string]int)
	for _, what := range all {
		count[what]++
	}
	if count["ended"] < 1000 || count["try"]+count["begun"] == 0 {
		t.Errorf("what the children said was not enough to tell anything: %v", count)
	}
	t.Logf("last said of requests: %v", count)
}
