package gpu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestXIDLines(t *testing.T) {
	for line, want := range map[string]Event{
		"NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.": {PCI: "0000:01:00", XID: 79, Text: "pid='<unknown>', name=<unknown>, GPU has fallen off the bus."},
		"NVRM: Xid (PCI:0000:3B:00): 31, pid=1234, name=python3, Ch 00000010, intr 00000000":           {PCI: "0000:3b:00", XID: 31, Text: "pid=1234, name=python3, Ch 00000010, intr 00000000"},
		"NVRM: Xid (0000:03:00): 14, Channel 00000001":                                                 {PCI: "0000:03:00", XID: 14, Text: "Channel 00000001"},
		"NVRM: Xid (PCI:00000001:C8:00.0): 48, pid=1":                                                  {PCI: "0001:c8:00", XID: 48, Text: "pid=1"},
		"NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7, Contained":                                    {PCI: "0000:01:00", XID: 94, Text: "pid=7, Contained"},
		"NVRM: Xid (PCI:0000:01:00): 45":                                                               {PCI: "0000:01:00", XID: 45},
	} {
		want.From = fromKernel
		if got, ok := parseXID(line); !ok || got != want {
			t.Errorf("%q: %+v %v", line, got, ok)
		}
	}
	for _, line := range []string{
		"", "NVRM: Xid", "NVRM: Xid (PCI:0000:01:00)", "NVRM: Xid (PCI:0000:01:00): ", "NVRM: Xid (PCI:0000:01:00): x, y", "NVRM: Xid (PCI:0000:01:00): 0, y",
		"NVRM: Xid (PCI:0000:01:00): -79, y", "NVRM: Xid (PCI:0000:01:00): 99999999999, y", "NVRM: Xid (): 79, y", "NVRM: Xid (PCI:zz:01:00): 79, y",
		"it says NVRM: Xid (PCI:0000:01:00): 79, y", "NVRM: GPU at PCI:0000:01:00: GPU-1",
	} {
		if e, ok := parseXID(line); ok {
			t.Errorf("%q: %+v", line, e)
		}
	}
}

func TestKernelRecords(t *testing.T) {
	if at, message, ok := parseRecord("3,4661,13858201058,-;text; more\n"); !ok || at != 13858201058*time.Microsecond || message != "text; more" {
		t.Errorf("%v %q %v", at, message, ok)
	}
	if _, message, ok := parseRecord("6,1,5,-,caller=T12;x"); !ok || message != "x" {
		t.Errorf("%q %v", message, ok)
	}
	for _, line := range []string{
		"", "text", ";", "3;x", "3,4;x", "a,1,5,-;x", "3,1,b,-;x", "3,1,-5,-;x", " SUBSYSTEM=pci", "3,1,99999999999999999,-;x",
		"11,1,5,-;NVRM: Xid (PCI:0000:01:00): 79, a program has written it", // facility 1: user
	} {
		if at, message, ok := parseRecord(line); ok {
			t.Errorf("%q: %v %q", line, at, message)
		}
	}
}

func FuzzKernelLog(f *testing.F) {
	f.Add("3,1,5,-;NVRM: Xid (PCI:0000:01:00): 79, pid=1, \xff")
	f.Add("3,1,5,-;NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, " + strings.Repeat("é", 200))
	f.Fuzz(func(t *testing.T, line string) {
		_, message, ok := parseRecord(line)
		if !ok {
			message = line
		}
		e, ok := parseXID(message)
		if ok && (e.XID < 1 || e.XID > 65535 || slot(e.PCI) != e.PCI || len(e.Text) > mostText || !utf8.ValidString(e.Text)) {
			t.Errorf("%+v", e)
		}
	})
}

// A log is read from what it holds, marked as old, on to what comes; and the
// reader that waits for more ends with its context.
func TestKernelLogIsFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kmsg")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	write := func(ago time.Duration, text string) {
		t.Helper()
		now, err := uptime()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(log, "3,1,%d,-;%s\n SUBSYSTEM=pci\n", (now-ago)/time.Microsecond, text); err != nil {
			t.Fatal(err)
		}
	}
	write(time.Minute, "NVRM: Xid (PCI:0000:01:00): 48, old")
	write(time.Minute, "something else")
	ctx, stop := context.WithCancel(t.Context())
	events, done := make(chan Event, 10), make(chan error, 1)
	go func() { done <- kernelLog(file).Watch(ctx, func(e Event) { events <- e }) }()
	if e := <-events; e.XID != 48 || !e.Old || time.Since(e.At) < 59*time.Second || time.Since(e.At) > 70*time.Second {
		t.Errorf("%+v, %v ago", e, time.Since(e.At))
	}
	write(0, "NVRM: Xid (PCI:0000:01:00): 79, new")
	if e := <-events; e.XID != 79 || e.Old || time.Since(e.At) > 10*time.Second || e.From != fromKernel {
		t.Errorf("%+v", e)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Watch returned %v", err)
	}
}

// The kernel's own, where it may be read: what there is can be read to its end,
// and waiting for more can be ended.
func TestKernelsOwnLog(t *testing.T) {
	if f, err := os.Open(KernelLog); err != nil {
		if err := kernelLog(KernelLog).Watch(t.Context(), nil); err == nil {
			t.Error("a log that can't be read is no error")
		}
		return
	} else {
		f.Close()
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	began := time.Now()
	if err := kernelLog(KernelLog).Watch(ctx, func(e Event) { t.Logf("%+v", e) }); err != nil || time.Since(began) < 200*time.Millisecond {
		t.Errorf("Watch returned %v after %v", err, time.Since(began))
	}
}
