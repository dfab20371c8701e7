package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTaken(t *testing.T) {
	before, err := taken(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.anonymous <= 0 || before.share < before.anonymous+1 || before.resident < before.share {
		t.Errorf("%+v", before)
	}
	block, err := unix.Mmap(-1, 0, 64<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(block)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	after, err := taken(os.Getpid(), os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, grown := range []float64{after.resident/2 - before.resident, after.share/2 - before.share, after.anonymous/2 - before.anonymous} {
		if grown < 60 || grown > 80 {
			t.Errorf("64 MiB more are %.1f", grown)
		}
	}
	if _, err := taken(1 << 30); err == nil {
		t.Error("a process that is not has memory")
	}
	if each := (memory{30, 20, 10}).each(5, memory{10, 10, 5}); each != (held{4, 1}) {
		t.Errorf("%+v", each)
	}
}
