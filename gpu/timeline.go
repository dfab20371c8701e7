package gpu

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// XID is something that a device, or the kernel of its host, has told of: once,
// or Count times within seconds.
type XID struct {
	At, Last time.Time // the first and the last time
	Count    int

	Host  string // "": this one
	Index int    // on its host; -1: no listed device has that address
	UUID  string
	PCI   string

	Code        int    // NVIDIA's number; 0: it has none, and only Text tells
	Name        string // as NVIDIA calls it
	Meaning     string
	Action      string // what to do about it
	Application bool   // what runs on the device has caused it, most probably
	Mild        bool   // no work is lost, and what is to be done can wait
	Text        string // what was told; it comes from outside, and may hold anything
	Old         bool   // it was in the log before anybody listened

	Owners   []string // who was on the device at that moment
	InFlight int      // requests that those backends worked on
}

const (
	same     = 5 * time.Second // in which the same error of a device is one entry
	mostXIDs = 512
	settled  = 10 * time.Second // that a watcher listens until its last error is forgotten
)

// timeline is the events, oldest first.
type timeline struct {
	entries []*entry
	shown   []XID // of the last view; nil: they have changed
}

// entry is an XID in the making.
type entry struct {
	XID
	told map[string]int // times, by who told: all may tell of the same
}

// view is the events as they are now.
func (t *timeline) view() []XID {
	if t.shown == nil {
		t.shown = make([]XID, len(t.entries))
		for i, e := range t.entries {
			t.shown[i] = e.XID
		}
	}
	return t.shown
}

// again counts an event that is a known one once more, and tells whether it is.
func (t *timeline) again(x *XID, from string) bool {
	for _, e := range slices.Backward(t.entries) {
		device := e.UUID != "" && e.UUID == x.UUID || e.PCI != "" && e.PCI == x.PCI
		if !device || e.Host != x.Host || e.Code != x.Code || e.Code == 0 && e.Text != x.Text ||
			x.At.Before(e.At.Add(-same)) || x.At.After(e.Last.Add(same)) {
			continue
		}
		e.told[from]++
		e.Count = max(e.Count, e.told[from])
		if x.At.After(e.Last) {
			e.Last = x.At
		}
		if e.Text == "" || from == fromKernel && e.told[from] == 1 {
			e.Text = x.Text // the kernel's says most
		}
		t.shown = nil
		return true
	}
	return false
}

func (t *timeline) add(x *XID, from string) {
	if len(t.entries) >= mostXIDs {
		t.entries = slices.Delete(t.entries, 0, len(t.entries)-mostXIDs+1)
	}
	t.entries = append(t.entries, &entry{*x, map[string]int{from: 1}})
	t.shown = nil
}

// place notes which devices the events are of, now that those are listed anew.
func (t *timeline) place(find func(host, uuid, pci string) *card) {
	for _, e := range t.entries {
		if c := find(e.Host, e.UUID, e.PCI); c != nil {
			e.Index, e.UUID = c.gpu.Index, c.gpu.UUID
		}
	}
	t.shown = nil
}

// report is what a watcher has to say: an event, or that it can't hear any.
type report struct {
	host, from string
	event      Event
	err        error
	heard      bool // it can again
}

// watch listens to a watcher, again and again with a back-off. Why it can't is
// told once.
func (s *Sampler) watch(ctx context.Context, host, from string, w Watcher) {
	tell := func(r report) {
		r.host, r.from = host, from
		select {
		case s.events <- r:
		case <-ctx.Done():
		}
	}
	told := ""
	for wait := relist; ; wait = min(2*wait, relistMost) {
		well := time.AfterFunc(settled, func() { tell(report{heard: true}) })
		err := w.Watch(ctx, func(e Event) { tell(report{event: e}) })
		well.Stop()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it has ended")
		}
		if errors.Is(err, ErrNoCgo) {
			return // listing the devices has told so
		}
		if !errors.Is(err, ErrAbsent) { // the same
			if told != err.Error() {
				told = err.Error()
				s.log.Warn("gpu events not heard of", "host", host, "from", from, "err", err)
			}
			tell(report{err: err})
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// happened notes what a watcher has told.
func (s *Sampler) happened(r report) {
	if r.err != nil || r.heard {
		s.deaf(r)
		return
	}
	e := &r.event
	if e.At.IsZero() {
		e.At = time.Now()
	}
	x := XID{At: e.At, Last: e.At, Count: 1, Host: r.host, Index: -1, UUID: e.UUID, PCI: slot(e.PCI), Code: e.XID, Text: clip(e.Text), Old: e.Old}
	c := s.device(x.Host, x.UUID, x.PCI)
	if c != nil {
		x.Index, x.UUID, x.PCI = c.gpu.Index, c.gpu.UUID, slot(c.gpu.PCI)
	}
	from := e.From
	if from == "" {
		from = r.from
	}
	if s.timeline.again(&x, from) {
		return
	}
	x.explain()
	if c != nil && !x.Old {
		s.victims(&x, c)
	}
	s.timeline.add(&x, from)
	s.log.Warn("gpu event", "host", x.Host, "gpu", x.Index, "uuid", x.UUID, "pci", x.PCI, "xid", x.Code, "text", x.Text, "old", x.Old, "owners", x.Owners)
}

// victims notes who is on a device, and how much they have to do.
func (s *Sampler) victims(x *XID, c *card) {
	var backends []string
	name := func(all *[]string, n string) {
		if n != "" && !slices.Contains(*all, n) {
			*all = append(*all, n)
		}
	}
	name(&backends, c.serves)
	name(&x.Owners, c.serves)
	for i := range c.gpu.Processes {
		o := &c.gpu.Processes[i]
		name(&backends, o.Backend)
		name(&x.Owners, o.String())
	}
	if s.o.InFlight == nil {
		return
	}
	for _, b := range backends {
		x.InFlight += s.o.InFlight(b)
	}
}

// deaf notes whether a watcher hears anything.
func (s *Sampler) deaf(r report) {
	for _, h := range s.hosts {
		if h.status.Name != r.host {
			continue
		}
		says := r.from + ": "
		switch {
		case r.err != nil:
			h.status.EventsErr = says + r.err.Error()
		case strings.HasPrefix(h.status.EventsErr, says):
			h.status.EventsErr = ""
		}
	}
}

// device is the listed device with that UUID or, in the form of slot, that
// address; nil: there is none.
func (s *Sampler) device(host, uuid, pci string) *card {
	for _, h := range s.hosts {
		if h.status.Name != host {
			continue
		}
		for _, c := range h.cards {
			if uuid != "" && c.gpu.UUID == uuid || uuid == "" && pci != "" && slot(c.gpu.PCI) == pci {
				return c
			}
		}
	}
	return nil
}
