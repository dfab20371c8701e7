package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of its own, of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount a tmpfs, for which the tests need root (CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %q: %v", dir, err)
		}
	})
	return dir
}

// fill writes a file until the disk is full, and again after what others give
// back. It returns the file's name.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return name
}

// TestFullDisk fills the disk while 64 goroutines write: requests that are open
// end, no other begins, and nothing that ended is lost.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	tune := small
	tune.segment, tune.batch = 256<<10, 200
	l := mustOpen(t, dir, tune)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()

	var held []*Entry
	for i := range 100 {
		held = append(held, mustBegin(t, l, named(fmt.Sprint("held/", i))))
	}
	var quit atomic.Bool
	var begun, refused atomic.Int64
	var work sync.WaitGroup
	for w := range 64 {
		work.Go(func() {
			for i := 0; !quit.Load(); i++ {
				row := named(fmt.Sprintf("%d/%d", w, i))
				time.Sleep(time.Millisecond) // without a pause, they would fill the disk themselves
				e, err := l.Begin(row)
				if err != nil {
					refused.Add(1)
					continue
				}
				begun.Add(1)
				if err := l.End(e, row); err != nil {
					t.Errorf("an open request could not end: %v", err)
				}
			}
		})
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for at := time.Now(); !done(); time.Sleep(time.Millisecond) {
			if time.Since(at) > 20*time.Second {
				t.Fatalf("%s: not after 20 s; status %+v", what, l.Status())
			}
		}
	}
	wait("rows", func() bool { return begun.Load() > 100 })
	var filler string
	wait("the full disk is noticed", func() bool { filler = fill(t, dir); return l.Status().Refusing })
	if s := l.Status(); s.Err == "" || s.Since.IsZero() || s.Lost != 0 {
		t.Errorf("status %+v on a full disk", s)
	}
	for i, e := range held {
		if err := l.End(e, named(fmt.Sprint("held/", i))); err != nil {
			t.Errorf("an open request could not end on a full disk: %v", err)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	before := begun.Load()
	wait("requests begin again", func() bool { return begun.Load() > before+100 })
	quit.Store(true)
	work.Wait()
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.Err != "" || s.Refusing || s.Lost != 0 || s.Backlog != 0 || s.WaitingRows != 0 {
		t.Errorf("status %+v after all", s)
	}
	mustClose(t, l)
	got := inDatabase(t, dir)
	if want := int(begun.Load()) + len(held); len(got) != want || refused.Load() == 0 {
		t.Errorf("%d rows, want %d; %d were refused", len(got), want, refused.Load())
	}
	for id, k := range got {
		if k.times != 1 || k.end != "done" {
			t.Errorf("%q is %+v", id, k)
		}
	}
}

// TestOpenOnFullDisk opens what a process left on a disk that is full: it fails,
// and loses nothing.
func TestOpenOnFullDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	l := mustOpen(t, dir, small)
	for i := range 200 {
		mustEnd(t, l, nil, named(fmt.Sprint("ended/", i)))
	}
	mustBegin(t, l, named("open"))
	crash(t, l)
	filler := fill(t, dir)
	for range 2 {
		if l, err := open(Options{Dir: dir}, small); err == nil {
			t.Error("a ledger was opened on a full disk")
			mustClose(t, l)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, dir, small))
	got := inDatabase(t, dir)
	if len(got) != 201 || got["open"].end != "interrupted" || got["ended/0"].times != 1 {
		t.Errorf("%d rows, want 201; the open request is %+v", len(got), got["open"])
	}
}
