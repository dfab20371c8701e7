package gpu

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFindings(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 12, 44, 0, time.UTC)
	is := func(v float64) Reading { return Read(v, now) }
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	on := func(backends ...string) []Owner {
		var all []Owner
		for i, b := range backends {
			all = append(all, Owner{Process: Process{PID: i + 1, Kind: Compute}, Backend: b})
		}
		return all
	}
	history := func(util ...float32) []Point {
		all := make([]Point, 60)
		for i := range all {
			all[i] = Point{Util: util[i%len(util)]}
		}
		return all
	}
	load := func(backend string) (running, waiting int, known bool) {
		switch backend {
		case "chat":
			return 3, 5, true
		case "text2sql":
			return 3, 0, true
		}
		return 0, 9, false
	}
	for name, tc := range map[string]struct {
		change func(g *GPU, s *Snapshot)
		want   string // "kind text", in part; "": none
		grave  bool
	}{
		"well":                 {func(*GPU, *Snapshot) {}, "", false},
		"not read yet":         {func(g *GPU, _ *Snapshot) { *g = GPU{Sample: g.Sample} }, "", false},
		"held by heat":         {func(g *GPU, _ *Snapshot) { g.Throttle = ThrottleHeat | ThrottlePower | ThrottleBrake }, "throttled gpu 1 runs slower: heat, power brake", false},
		"held by hardware":     {func(g *GPU, _ *Snapshot) { g.Throttle = ThrottleSlow }, "throttled gpu 1 runs slower: hw slowdown", false},
		"at its power cap":     {func(g *GPU, _ *Snapshot) { g.Throttle = ThrottlePower | ThrottleSync | ThrottleClocks }, "", false},
		"another host":         {func(g *GPU, _ *Snapshot) { g.Host, g.Throttle = "far", ThrottleHeat }, "throttled gpu 1 on far runs slower: heat", false},
		"warm":                 {func(g *GPU, _ *Snapshot) { g.Temp = is(80.9) }, "", false},
		"nearly hot":           {func(g *GPU, _ *Snapshot) { g.Temp = is(81) }, "hot gpu 1: 81 °C, near the 86 °C at which it slows down", false},
		"hot":                  {func(g *GPU, _ *Snapshot) { g.Temp = is(86) }, "hot gpu 1: 86 °C, over the 86 °C at which it slows down", false},
		"hot, limit not known": {func(g *GPU, _ *Snapshot) { g.Temp, g.TempSlow = is(99), Reading{} }, "", false},
		"hot long ago":         {func(g *GPU, _ *Snapshot) { g.Temp, g.At = is(99), ago(time.Minute) }, "stale", false},
		"memory as engines do": {func(g *GPU, _ *Snapshot) { g.MemUsed = is(96.9) }, "", false},
		"memory nearly full":   {func(g *GPU, _ *Snapshot) { g.MemUsed = is(97) }, "memory gpu 1: memory is 97 % full", false},
		"idle with work":       {func(g *GPU, _ *Snapshot) { g.History = history(4.9, 0) }, "idle gpu 1 is idle while chat has 5 requests waiting (3 running)", false},
		"idle for a while":     {func(g *GPU, _ *Snapshot) { g.History = history(0)[:29] }, "", false},
		"idle but for once":    {func(g *GPU, _ *Snapshot) { g.History = history(0); g.History[30].Util = 5 }, "", false},
		"idle, as it may be":   {func(g *GPU, _ *Snapshot) { g.History = history(0); g.History[29].Util = 99; g.History[45].Util = nan }, "", false},
		"idle without work":    {func(g *GPU, _ *Snapshot) { g.History, g.Processes = history(0), on("text2sql") }, "", false},
		"idle, work not known": {func(g *GPU, _ *Snapshot) { g.History, g.Processes = history(0), on("batch") }, "", false},
		"idle, by its source":  {func(g *GPU, _ *Snapshot) { g.History, g.Processes, g.Serves = history(0), nil, "chat" }, "idle gpu 1", false},
		"two of one backend":   {func(g *GPU, _ *Snapshot) { g.Processes = on("chat", "chat", "") }, "", false},
		"two backends":         {func(g *GPU, _ *Snapshot) { g.Processes = on("chat", "text2sql", "chat") }, "shared gpu 1 has the processes of chat and text2sql on it", false},
		"two backends by MIG":  {func(g *GPU, _ *Snapshot) { g.Processes = on("chat", "text2sql"); g.MIG = &MIG{Enabled: is(1)} }, "", false},
		"MIG off":              {func(g *GPU, _ *Snapshot) { g.Processes = on("chat", "text2sql"); g.MIG = &MIG{Enabled: is(0)} }, "shared", false},
		"two backends by MPS":  {func(g *GPU, _ *Snapshot) { g.Processes = on("chat", "text2sql"); g.Processes[1].Kind = MPS }, "", false},
		"old memory errors":    {func(g *GPU, _ *Snapshot) { g.ECC.Uncorrected, g.NewUncorrected = is(3), is(0) }, "", false},
		"new memory errors":    {func(g *GPU, _ *Snapshot) { g.NewUncorrected = is(2) }, "ecc gpu 1: 2 new memory errors", true},
		"rows wait":            {func(g *GPU, _ *Snapshot) { g.ECC.RemapPending = is(1) }, "remap gpu 1: bad rows of memory wait for a reset", false},
		"rows can't be":        {func(g *GPU, _ *Snapshot) { g.ECC.RemapFailed, g.ECC.RemapPending = is(1), is(1) }, "remap gpu 1: bad rows of memory can't", true},
		"persistence off":      {func(g *GPU, _ *Snapshot) { g.Persistence = is(0) }, "persistent gpu 1: persistence mode is off", false},
		"persistence unknown":  {func(g *GPU, _ *Snapshot) { g.Persistence = NotSupported() }, "", false},
		"hangs":                {func(g *GPU, _ *Snapshot) { g.State, g.Err, g.At = Hung, noAnswer, ago(14*time.Second) }, "stale gpu 1: no reading for 14 s, the driver does not answer", false},
		"hangs from the start": {func(g *GPU, _ *Snapshot) {
			g.State, g.Err, g.At, g.Since = Hung, noAnswer, time.Time{}, ago(14*time.Second)
		}, "stale gpu 1: no reading yet, the driver", false},
		"hangs a little": {func(g *GPU, _ *Snapshot) { g.State, g.Err, g.At = Hung, noAnswer, ago(3*time.Second) }, "", false},
		"lost": {func(g *GPU, _ *Snapshot) {
			g.State, g.Err, g.At, g.Since = Lost, "off the bus", ago(time.Second), ago(time.Second)
		}, "lost gpu 1: lost for 1 s, off the bus", true},
		"needs a reset": {func(g *GPU, _ *Snapshot) { g.State, g.Since = NeedsReset, ago(5*time.Minute) }, "lost gpu 1: reset needed for 5 min", true},
		"mismatch":      {func(g *GPU, _ *Snapshot) { g.State, g.Since = Mismatched, ago(5*time.Hour) }, "lost gpu 1: driver mismatch for 5 h", true},
		"gone":          {func(g *GPU, _ *Snapshot) { g.State, g.Since = Gone, ago(50*time.Hour) }, "lost gpu 1: gone for 2 d", true},
		"no list":       {func(_ *GPU, s *Snapshot) { s.Hosts = []HostStatus{{Name: "far", Err: "refused"}} }, "unlisted gpus on far: refused", false},
		"no driver":     {func(_ *GPU, s *Snapshot) { s.Hosts = []HostStatus{{Err: "none", Absent: true}} }, "", false},
		"an XID": {func(_ *GPU, s *Snapshot) {
			s.Events = []XID{{Code: 74, Index: 1, UUID: "u", Last: ago(16 * time.Minute)}, {Code: 74, Index: 1, UUID: "u", Last: ago(14 * time.Minute), Meaning: "a link failed", Action: "look"}, {Code: 74, Index: 1, UUID: "u", Last: ago(14 * time.Minute)}}
			s.Events[2].Meaning = "a link failed again"
		}, "xid gpu 1: XID 74 14 min ago, a link failed again", true},
		"an XID of no device": {func(_ *GPU, s *Snapshot) {
			s.Events = []XID{{Code: 79, Index: -1, PCI: "0000:01:00", Last: ago(time.Minute), Meaning: "off"}}
		}, "xid gpu 0000:01:00: XID 79 60 s ago, off", true},
		"an XID that can wait": {func(_ *GPU, s *Snapshot) { s.Events = []XID{{Code: 63, Index: 1, UUID: "u", Last: now, Mild: true}} }, "xid gpu 1: XID 63", false},
		"an XID of long ago": {func(_ *GPU, s *Snapshot) {
			s.Events = []XID{{Code: 74, Index: 1, UUID: "u", Last: ago(15 * time.Minute)}}
		}, "", false},
		"an application's XID": {func(_ *GPU, s *Snapshot) {
			s.Events = []XID{{Code: 31, Index: 1, Last: ago(time.Second), Application: true}}
		}, "", false},
		"an event without a number": {func(_ *GPU, s *Snapshot) { s.Events = []XID{{Index: 1, Last: ago(time.Second)}} }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := GPU{Index: 1, UUID: "u", At: now, State: OK, Since: ago(time.Hour), Processes: on("chat"), History: history(70), Sample: Sample{
				Throttle: NotThrottled, Temp: is(60), TempSlow: is(86), MemUsed: is(90), MemTotal: is(100), Persistence: is(1)}}
			s := &Snapshot{At: now, GPUs: []GPU{g}}
			tc.change(&s.GPUs[0], s)
			found := Findings(s, now, load)
			switch {
			case tc.want == "" && len(found) > 0:
				t.Fatalf("%+v", found)
			case tc.want == "":
				return
			case len(found) != 1:
				t.Fatalf("%d findings: %+v", len(found), found)
			}
			if f := found[0]; !strings.HasPrefix(string(f.Kind)+" "+f.Text, tc.want) || f.Grave != tc.grave {
				t.Errorf("%v %q, grave: %v", f.Kind, f.Text, f.Grave)
			}
		})
	}
}

func TestFindingsNameTheirVictims(t *testing.T) {
	now := time.Now()
	g := GPU{UUID: "u", At: now, State: Lost, Since: now, Serves: "chat, text2sql"}
	s := &Snapshot{GPUs: []GPU{{Index: 0, UUID: "v", At: now.Add(-time.Minute), State: OK}, g}, Events: []XID{{UUID: "u", Code: 79, Last: now}}}
	s.GPUs[1].Index, s.Events[0].Index = 1, 1
	found := Findings(s, now, nil)
	if len(found) != 3 || !found[0].Grave || !found[1].Grave || found[2].Kind != Stale {
		t.Fatalf("the gravest first: %+v", found)
	}
	for i, want := range [][]string{{"chat", "text2sql"}, {"chat", "text2sql"}, nil} {
		if !slices.Equal(found[i].Backends, want) {
			t.Errorf("%q hurts %v", found[i].Text, found[i].Backends)
		}
	}
}
