package ui

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"pilothouse/ui/desk"
	"pilothouse/ui/paint"
	"pilothouse/ui/widget"
)

// Ten operators look at a platform for a day and two hours, go through all views, type
// filters, open and close dialogs; two of them come and go. What their screens take is
// what the heap has more than on the same day without them. It does not grow once each
// has been everywhere; all together does not once a day's history is full; and no
// goroutine is left. PILOTHOUSE_DAY=1 lets that time pass, which takes minutes; otherwise
// it is minutes that pass, of the same, with half as many.
func TestDay(t *testing.T) {
	spell, spells, operators := time.Duration(len(round))*time.Second, 2, 5
	full, slack := spells, 256<<10 // spells until the history is full, not in minutes; bytes
	if os.Getenv("PILOTHOUSE_DAY") != "" {
		spell, spells, operators, full, slack = time.Hour, 26, 10, 24, 1<<20
	}
	if time.Hour%(time.Duration(len(round))*time.Second) != 0 {
		t.Errorf("a round of %d keys is not over at the end of an hour, so that hours can't be compared", len(round))
	}
	mib := func(n int) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }
	goroutines := runtime.NumGoroutine()
	empty := spend(t, spell, spells, 0)
	all := spend(t, spell, spells, operators)
	first := all[0] - empty[0]
	for i := range all {
		passed, screens := time.Duration(i+1)*spell, all[i]-empty[i]
		t.Logf("after %v: heap %s more, of it screens %s", passed, mib(all[i]), mib(screens))
		if screens > first+slack {
			t.Errorf("after %v screens take %s; they took %s after %v", passed, mib(screens), mib(first), spell)
		}
		if i >= full && all[i] > all[full-1]+all[full-1]/20+slack {
			t.Errorf("after %v all takes %s; it took %s when the history was full", passed, mib(all[i]), mib(all[full-1]))
		}
	}
	if first <= 0 {
		t.Errorf("screens take %s: that is not what was to be measured", mib(first))
	}
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of what were %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// spend lets spells of time pass with operators, and returns what the heap has more
// after each than at the beginning.
func spend(t *testing.T, spell time.Duration, spells, operators int) (heaps []int) {
	synctest.Test(t, func(t *testing.T) {
		heap := func() int {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before := heap()
		p := newShift()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.recorder.Run(ctx) }()
		var crew []*colleague
		for i := range operators {
			crew = append(crew, p.colleague(i))
		}
		for range spells {
			for end := time.Now().Add(spell); time.Now().Before(end); {
				time.Sleep(time.Second)
				synctest.Wait()
				p.second()
				var group sync.WaitGroup
				for _, c := range crew {
					group.Go(func() { c.second(t, p) })
				}
				group.Wait()
			}
			heaps = append(heaps, heap()-before)
			t.Logf("%d operators, after %v: heap %.2f MiB more", operators, time.Duration(len(heaps))*spell, float64(heaps[len(heaps)-1])/(1<<20))
		}
		for _, c := range crew {
			c.leave()
		}
		busy(t, crew)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		runtime.KeepAlive(p)
	})
	return heaps
}

// colleague is an operator and their dashboard. Their keys come one a second, over
// and over.
type colleague struct {
	who     desk.Operator
	w, h    int
	first   int // of the keys
	stays   bool
	pressed int // keys
	m       *Model
	shown   dashboard // m, on a terminal that takes all
	seat    *desk.Seat
	depart  func()
	views   map[string]bool // that were shown
	dialogs map[string]bool // that were open
	filters map[string]bool // that were set
}

// round is what an operator types. What does something stays with Cancel chosen.
var round = strings.Fields("tab tab tab / a c esc down d esc s y f down f : t h e m e down enter ? G esc ! esc m m " +
	"2 down enter esc d esc / c h enter n N / esc 3 / z z z esc y f f R tab tab esc down d esc R esc D enter U esc s " +
	"4 / o r g enter down enter esc X esc O esc s / esc 5 down d T 5 M esc esc s s " +
	"6 down t w / e r enter n / esc l q 7 esc 8 esc down esc " +
	"1 , , , . 2 3 4 5 0 space 2 3 space 1 J esc S 3 l q : w h o enter esc ] ] [ [ 1 q esc c x Z 1")

// colleague makes one, who comes at once.
func (p *shift) colleague(i int) *colleague {
	size := [...]Size{{80, 24}, {120, 40}, {200, 60}}[i%3]
	c := &colleague{who: desk.Operator{Name: fmt.Sprintf("op-%d", i), Role: desk.Admin, From: "203.0.113.9"}, w: size.Width, h: size.Height, stays: i%5 != 4, first: 13 * i,
		views: map[string]bool{}, dialogs: map[string]bool{}, filters: map[string]bool{}}
	c.come(p)
	return c
}

func (c *colleague) come(p *shift) {
	c.seat = p.desk.Seat(c.who)
	c.depart = c.seat.Enter(context.Background())
	c.m = New(context.Background(), Options{Gateway: &p.gateway, Pool: &p.pool, GPUs: &p.gpus, Past: p.recorder, Seat: c.seat, Log: &p.log, Explainer: p, Version: "0.1.0", Attached: true,
		Palette: widget.Dark, Profile: colorprofile.TrueColor,
		Save:     func(context.Context, *desk.Seat, time.Time) (string, error) { return "/tmp/incident.tar.gz", nil },
		SaveText: func(name, _ string) (string, error) { return "/tmp/" + name, nil }})
	c.shown = dashboard{c.m, paint.New(io.Discard, c.w, c.h)}
	c.shown.Update(tea.WindowSizeMsg{Width: c.w, Height: c.h})
	c.shown.View()
}

func (c *colleague) leave() {
	c.depart()
	_ = c.shown.screen.Close() // nothing fails there
	c.m.close()
}

// second is what their screen and they do in one.
func (c *colleague) second(t *testing.T, p *shift) {
	c.shown.Update(tick{})
	c.shown.Update(logTick{})
	c.shown.View()
	do(c.m, round[(c.first+c.pressed)%len(round)])
	c.pressed++
	c.views[c.m.now().name] = true
	if n := len(c.m.dialogs); n > 0 {
		c.dialogs[fmt.Sprintf("%T", c.m.dialogs[n-1])] = true
	}
	if l := c.m.list(); l != nil && l.Filter() != "" {
		c.filters[c.m.now().name] = true
	}
	if len(c.m.dialogs) > 2 {
		t.Errorf("dialogs pile up: %d are open after %q", len(c.m.dialogs), round[:(c.first+c.pressed)%len(round)])
	}
	if !c.stays && c.pressed%50 == 0 {
		c.leave()
		c.come(p)
	}
}

// busy makes sure that a crew has done what it is there for.
func busy(t *testing.T, crew []*colleague) {
	t.Helper()
	dialogs, filters := map[string]bool{}, map[string]bool{}
	for _, c := range crew {
		if c.pressed < len(round) || len(c.views) != len(viewNames) {
			t.Errorf("%s pressed %d keys, of a round of %d, and was in views %v", c.who.Name, c.pressed, len(round), c.views)
		}
		maps.Copy(dialogs, c.dialogs)
		maps.Copy(filters, c.filters)
	}
	for _, d := range []dialog{&helpDialog{}, &factsDialog{}, &findingsDialog{}, &paletteDialog{}, &explainDialog{}, &form{}, &jobDialog{}} {
		if crew != nil && !dialogs[fmt.Sprintf("%T", d)] {
			t.Errorf("nobody opened a %T", d)
		}
	}
	for _, view := range []string{"overview", "gpus", "requests", "logs"} {
		if crew != nil && !filters[view] {
			t.Errorf("nobody filtered in %s", view)
		}
	}
}
