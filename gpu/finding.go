package gpu

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Finding is something about a GPU that wants attention.
type Finding struct {
	Host     string
	Index    int // -1: the host as a whole, or a device that isn't listed
	Kind     FindingKind
	Grave    bool     // work is lost or wrong, or soon will be
	Text     string   // plain words; names in it may come from anywhere
	Backends []string // that it hurts; none: not known
}

// FindingKind tells findings apart.
type FindingKind string

// The kinds of finding.
const (
	Unlisted    FindingKind = "unlisted"   // a host's GPUs can't be listed
	Unreachable FindingKind = "lost"       // lost, gone, in need of a reset or of a driver
	Error       FindingKind = "xid"        // an XID that no application caused
	Uncorrected FindingKind = "ecc"        // memory errors that could not be corrected
	Remap       FindingKind = "remap"      // rows of memory to be put out of use
	Stale       FindingKind = "stale"      // hung, failing, or silent
	Shared      FindingKind = "shared"     // two backends on one device
	Throttled   FindingKind = "throttled"  // held back by heat or hardware
	Hot         FindingKind = "hot"        // near its slow-down temperature
	Full        FindingKind = "memory"     // nearly full
	Idle        FindingKind = "idle"       // while there is work
	Unkept      FindingKind = "persistent" // persistence mode is off
)

// From where on it is a finding.
const (
	staleAge   = 5 * time.Second
	nearHeat   = 5.0  // °C below the slow-down temperature
	nearlyFull = 0.97 // of memory: engines fill nine tenths by design
	idleBelow  = 5    // percent of utilisation
	idleFor    = 30   // seconds
	recent     = 15 * time.Minute
)

// Findings says what wants attention, the gravest first. load tells what a
// backend has to do: requests that are computed and that wait; nil: not known.
func Findings(s *Snapshot, now time.Time, load func(backend string) (running, waiting int, known bool)) []Finding {
	if load == nil {
		load = func(string) (int, int, bool) { return 0, 0, false }
	}
	var all []Finding
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.Err != "" && !h.Absent {
			all = append(all, Finding{Host: h.Name, Index: -1, Kind: Unlisted, Text: "gpus" + on(h.Name) + ": " + h.Err})
		}
	}
	for i := range s.GPUs {
		f := finder{g: &s.GPUs[i], now: now}
		f.reach()
		f.memory()
		f.heat()
		f.work(load)
		all = append(all, f.found...)
	}
	all = append(all, troubles(s.Events, s.GPUs, now)...)
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(weight(a), weight(b)) })
	return all
}

func weight(f Finding) int {
	if f.Grave {
		return 0
	}
	return 1
}

// on names a host behind its device; "" for this one.
func on(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

// finder finds what is wrong with one device.
type finder struct {
	g     *GPU
	now   time.Time
	found []Finding
}

func (f *finder) add(kind FindingKind, grave bool, format string, args ...any) {
	f.found = append(f.found, Finding{Host: f.g.Host, Index: f.g.Index, Kind: kind, Grave: grave, Backends: f.g.backends(),
		Text: "gpu " + strconv.Itoa(f.g.Index) + on(f.g.Host) + fmt.Sprintf(format, args...)})
}

// backends are those on the device.
func (g *GPU) backends() []string {
	var names []string
	for i := range g.Processes {
		if b := g.Processes[i].Backend; b != "" && !slices.Contains(names, b) {
			names = append(names, b)
		}
	}
	if len(names) == 0 && g.Serves != "" {
		names = strings.Split(g.Serves, ", ")
	}
	return names
}

// stale tells whether the device's readings are too old to conclude from.
func (f *finder) stale() bool { return f.g.At.IsZero() || f.g.Age(f.now) >= staleAge }

// reach looks at whether the device can be read.
func (f *finder) reach() {
	g := f.g
	age := g.Age(f.now)
	why := ""
	if g.Err != "" {
		why = ", " + g.Err
	}
	switch g.State {
	case Lost, NeedsReset, Mismatched, Gone:
		f.add(Unreachable, true, ": %s for %s%s", g.State, span(f.now.Sub(g.Since)), why)
	default:
		switch {
		case age >= staleAge:
			f.add(Stale, false, ": no reading for %s%s", span(age), why)
		case g.At.IsZero() && (g.State == Hung || g.State == Failing) && f.now.Sub(g.Since) >= staleAge:
			f.add(Stale, false, ": no reading yet%s", why)
		}
	}
}

// memory looks at how much there is left, and how well it is.
func (f *finder) memory() {
	g := f.g
	used, total := g.MemUsed.Or(0), g.MemTotal.Or(0)
	if !f.stale() && total > 0 && used >= nearlyFull*total {
		f.add(Full, false, ": memory is %.0f %% full", 100*used/total)
	}
	if n := g.NewUncorrected.Or(0); n > 0 {
		f.add(Uncorrected, true, ": %.0f new memory errors that ECC can't correct", n)
	}
	switch {
	case g.ECC.RemapFailed.Or(0) > 0:
		f.add(Remap, true, ": bad rows of memory can't be put out of use: it is to be replaced")
	case g.ECC.RemapPending.Or(0) > 0:
		f.add(Remap, false, ": bad rows of memory wait for a reset to be put out of use")
	}
}

// heat looks at what holds the device back.
func (f *finder) heat() {
	g := f.g
	if f.stale() {
		return
	}
	held := g.Throttle & (ThrottleHeat | ThrottleBrake | ThrottleSlow)
	temp, known := g.Temp.Value()
	slow, has := g.TempSlow.Value()
	switch {
	case held != 0:
		f.add(Throttled, false, " runs slower: %s", strings.Join(held.Reasons(), ", "))
	case known && has && temp >= slow:
		f.add(Hot, false, ": %.0f °C, over the %.0f °C at which it slows down", temp, slow)
	case known && has && temp >= slow-nearHeat:
		f.add(Hot, false, ": %.0f °C, near the %.0f °C at which it slows down", temp, slow)
	}
	if v, ok := g.Persistence.Value(); ok && v == 0 {
		f.add(Unkept, false, ": persistence mode is off, each start of a process loads the driver anew: nvidia-smi -pm 1")
	}
}

// work looks at who is on the device, and whether it does anything for them.
func (f *finder) work(load func(backend string) (running, waiting int, known bool)) {
	g := f.g
	if f.stale() {
		return
	}
	backends := g.backends()
	if n := g.sharers(); len(n) > 1 {
		f.add(Shared, false, " has the processes of %s on it: each should have a GPU of its own", strings.Join(n, " and "))
	}
	if !g.idle() {
		return
	}
	for _, b := range backends {
		if running, waiting, known := load(b); known && waiting > 0 {
			f.add(Idle, false, " is idle while %s has %d requests waiting (%d running)", b, waiting, running)
			return
		}
	}
}

// sharers are the backends whose processes share the device, where that can't
// be meant: not by MIG, and not by MPS.
func (g *GPU) sharers() []string {
	if g.MIG != nil && g.MIG.Enabled.Or(0) != 0 {
		return nil
	}
	var names []string
	for i := range g.Processes {
		p := &g.Processes[i]
		if p.Kind == MPS || p.MIG != "" {
			return nil
		}
		if p.Backend != "" && !slices.Contains(names, p.Backend) {
			names = append(names, p.Backend)
		}
	}
	return names
}

// idle tells whether it has done next to nothing for a while.
func (g *GPU) idle() bool {
	if len(g.History) < idleFor {
		return false
	}
	for _, p := range g.History[len(g.History)-idleFor:] {
		if !Known(p.Util) || p.Util >= idleBelow {
			return false
		}
	}
	return true
}

// troubles are the XIDs of late that no application has caused: of a device the
// newest of each number.
func troubles(events []XID, gpus []GPU, now time.Time) []Finding {
	type one struct {
		host, device string
		code         int
	}
	told := make(map[one]bool)
	var found []Finding
	for i := range slices.Backward(events) {
		e := &events[i]
		o := one{e.Host, cmp.Or(e.UUID, e.PCI), e.Code}
		if e.Code == 0 || e.Application || now.Sub(e.Last) >= recent || told[o] {
			continue
		}
		told[o] = true
		f := Finding{Host: e.Host, Index: e.Index, Kind: Error, Grave: !e.Mild}
		who := "gpu " + strconv.Itoa(e.Index)
		if e.Index < 0 {
			who = "gpu " + cmp.Or(e.PCI, e.UUID)
		}
		for i := range gpus {
			if g := &gpus[i]; g.Host == e.Host && g.UUID == e.UUID && g.Index == e.Index {
				f.Backends = g.backends()
			}
		}
		f.Text = fmt.Sprintf("%s%s: XID %d %s ago, %s", who, on(e.Host), e.Code, span(now.Sub(e.Last)), e.Meaning)
		if e.Action != "" {
			f.Text += "; " + e.Action
		}
		found = append(found, f)
	}
	return found
}

// span writes how long something has been so, coarsely: 41 s, 12 min, 3 h, 9 d.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " d"
}
