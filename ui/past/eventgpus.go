package past

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pilothouse/gpu"
)

// seeDevices compares states of devices.
func (w *watch) seeDevices(now time.Time, was, is *gpu.Snapshot) {
	if was == nil {
		return
	}
	for i := range is.GPUs {
		g := &is.GPUs[i]
		old := deviceOf(was, i, g)
		if old == nil || old.State == g.State || old.State == gpu.Unread && g.State == gpu.OK {
			continue
		}
		text := fmt.Sprintf("now %s, was %s for %s", g.State, old.State, span(g.Since.Sub(old.Since)))
		if g.Err != "" {
			text += ": " + g.Err
		}
		grade := Bad
		switch g.State {
		case gpu.OK:
			grade = Good
		case gpu.Hung, gpu.Failing:
			grade = Warn
		}
		w.tell(recent(g.Since, now), KindGPU, deviceName(g.Host, g.Index, ""), grade, text+reason(serves(g.Serves)))
	}
}

func serves(names string) string {
	if names == "" {
		return ""
	}
	return "it serves " + names
}

func deviceOf(s *gpu.Snapshot, i int, g *gpu.GPU) *gpu.GPU {
	same := func(o *gpu.GPU) bool {
		return o.Host == g.Host && o.UUID == g.UUID && (g.UUID != "" || o.Index == g.Index)
	}
	if i < len(s.GPUs) && same(&s.GPUs[i]) {
		return &s.GPUs[i]
	}
	for i := range s.GPUs {
		if same(&s.GPUs[i]) {
			return &s.GPUs[i]
		}
	}
	return nil
}

// deviceName is how a device is called: by its index, or its address where it has
// none.
func deviceName(host string, index int, pci string) string {
	n := "gpu " + strconv.Itoa(index)
	if index < 0 {
		n = strings.TrimSpace("gpu " + pci)
	}
	if host != "" {
		n += " on " + host
	}
	return n
}

// xid tells events of devices apart.
type xid struct {
	at           int64
	host, device string
	code         int
	text         string // of one without a number
}

// seeXIDs tells of what devices and the kernel told since the last look. What was
// in a log before anybody listened is no news; nor is what there is at the first
// look, unless it has only just come.
func (w *watch) seeXIDs(now time.Time, was, is *gpu.Snapshot) {
	if was != nil && len(was.Events) == len(is.Events) && (len(is.Events) == 0 || &was.Events[0] == &is.Events[0]) {
		return
	}
	there := make(map[xid]bool, len(is.Events))
	for i := range is.Events {
		e := &is.Events[i]
		id := xid{e.At.UnixNano(), e.Host, e.PCI, e.Code, ""}
		if e.Code == 0 {
			id.text = e.Text
		}
		there[id] = true
		if w.xids[id] || e.Old || was == nil && now.Sub(e.At) > about {
			continue
		}
		w.tell(e.At, KindGPU, deviceName(e.Host, e.Index, e.PCI), xidGrade(e), xidText(e))
	}
	w.xids = there
}

func xidGrade(e *gpu.XID) Grade {
	if e.Application || e.Mild || e.Code == 0 {
		return Warn
	}
	return Bad
}

func xidText(e *gpu.XID) string {
	text := e.Name
	if e.Code != 0 {
		text = fmt.Sprintf("XID %d: %s", e.Code, e.Meaning)
	} else if e.Text != "" {
		text += ": " + e.Text
	}
	if len(e.Owners) > 0 {
		text += "; on it: " + strings.Join(e.Owners, ", ")
	}
	if e.InFlight > 0 {
		text += " with " + counted(e.InFlight, "request") + " in flight"
	}
	if e.Action != "" {
		text += "; " + e.Action
	}
	return text
}
