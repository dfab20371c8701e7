package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// KernelLog is where Linux tells its log, to those who may read it: root, and
// others where kernel.dmesg_restrict is 0.
const KernelLog = "/dev/kmsg"

// fromKernel names the kernel log in events.
const fromKernel = "kernel log"

// kernelLog is a file that is written like /dev/kmsg, and a Watcher of the XIDs
// in it: of those too that were there before, as old ones.
type kernelLog string

// Watch implements Watcher.
func (path kernelLog) Watch(ctx context.Context, tell func(Event)) error {
	f, err := os.OpenFile(string(path), os.O_RDONLY|unix.O_NONBLOCK, 0) // so that a reader that waits can be ended
	if err != nil {
		return fmt.Errorf("read the kernel log: %w", err)
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	since, err := uptime()
	if err != nil {
		return fmt.Errorf("read the kernel's clock: %w", err)
	}
	buf := make([]byte, 8192) // a record's most: CONSOLE_EXT_LOG_MAX, kernel/printk
	for {
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EPIPE): // records were overwritten before they were read
			continue
		case err != nil:
			return fmt.Errorf("read the kernel log: %w", err)
		}
		if !bytes.Contains(buf[:n], []byte(xidPrefix)) {
			continue
		}
		for line := range strings.Lines(string(buf[:n])) {
			at, message, ok := parseRecord(line)
			if !ok {
				continue
			}
			e, ok := parseXID(message)
			if !ok {
				continue
			}
			now, err := uptime()
			if err != nil {
				return fmt.Errorf("read the kernel's clock: %w", err)
			}
			e.At, e.Old = time.Now().Add(-max(0, now-at)), at < since
			tell(e)
		}
	}
}

// uptime is the kernel's clock, which its log is stamped with.
func uptime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano()), err
}

// parseRecord reads a record: "6,4661,13858201058,-;text", which is priority,
// number, microseconds and flags (Documentation/ABI/testing/dev-kmsg). Only what
// the kernel itself says counts: of what programs write it makes another
// facility than 0.
func parseRecord(line string) (at time.Duration, message string, ok bool) {
	prefix, message, ok := strings.Cut(line, ";")
	if !ok {
		return 0, "", false
	}
	fields := strings.SplitN(prefix, ",", 4)
	if len(fields) < 3 {
		return 0, "", false
	}
	priority, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil || priority>>3 != 0 {
		return 0, "", false
	}
	us, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || us < 0 || us > int64(100*365*24*time.Hour/time.Microsecond) {
		return 0, "", false
	}
	return time.Duration(us) * time.Microsecond, strings.TrimSuffix(message, "\n"), true
}

const (
	xidPrefix = "NVRM: Xid ("
	mostText  = 300 // bytes of an event's text
)

// parseXID reads what the driver says of an error:
//
//	NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
func parseXID(message string) (Event, bool) {
	rest, ok := strings.CutPrefix(message, xidPrefix)
	if !ok {
		return Event{}, false
	}
	device, rest, ok := strings.Cut(rest, "): ")
	if !ok {
		return Event{}, false
	}
	device, _, _ = strings.Cut(device, " ") // a MIG device: "PCI:0000:01:00 GPU-I:05"
	number, text, _ := strings.Cut(rest, ",")
	code, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16)
	pci := slot(device)
	if err != nil || code == 0 || pci == "" {
		return Event{}, false
	}
	return Event{PCI: pci, XID: int(code), Text: clip(strings.TrimSpace(text)), From: fromKernel}, true
}

// clip is a text of bounded length and valid UTF-8.
func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), mostText)], "") }

// slot is a PCI address in the one form in which addresses are compared,
// "0000:01:00": the domain may come with 4 digits or 8, and the function may be
// left out, which for a GPU is always 0. "": it is none.
func slot(address string) string {
	address, _, _ = strings.Cut(strings.TrimPrefix(address, "PCI:"), ".")
	parts := strings.Split(address, ":")
	if len(parts) == 2 {
		parts = append([]string{"0"}, parts...)
	}
	if len(parts) != 3 {
		return ""
	}
	domain, err1 := strconv.ParseUint(parts[0], 16, 32)
	bus, err2 := strconv.ParseUint(parts[1], 16, 8)
	device, err3 := strconv.ParseUint(parts[2], 16, 8)
	if errors.Join(err1, err2, err3) != nil {
		return ""
	}
	return fmt.Sprintf("%04x:%02x:%02x", domain, bus, device)
}
