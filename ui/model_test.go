package ui

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// sized makes a dashboard of calm data at a size.
func sized(o Options, w, h int) *Model {
	m := New(context.Background(), o)
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return m
}

func content(m *Model) string { return ansi.Strip(m.View().Content) }

// quits tells whether a command ends the program.
func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	_, ok := cmd().(tea.QuitMsg)
	return ok
}

func TestQuit(t *testing.T) {
	for _, tt := range []struct {
		keys  string
		quits bool
		open  bool // a dialog is
	}{
		{"ctrl+c", true, false},
		{"? ctrl+c", true, true},
		{"q", false, true},
		{"q enter", false, false}, // Cancel has the focus
		{"q esc", false, false},
		{"q q", false, false},
		{"q tab enter", true, false},
		{"q right enter", true, false},
		{"q tab tab enter", false, false},
		{"f q", false, false}, // back, not out
		{"f q q", false, true},
	} {
		t.Run(tt.keys, func(t *testing.T) {
			m := sized(with(calm()), 80, 24)
			var cmd tea.Cmd
			for _, k := range strings.Fields(tt.keys) {
				_, cmd = m.Update(press(k))
			}
			if got := quits(cmd); got != tt.quits {
				t.Errorf("quits: %v, want %v", got, tt.quits)
			}
			if open := len(m.dialogs) > 0; open != tt.open {
				t.Errorf("a dialog is open: %v, want %v", open, tt.open)
			}
		})
	}
}

// A process that serves can go on without its dashboard.
func TestDetach(t *testing.T) {
	o := with(calm())
	o.Detachable = true
	m := sized(o, 80, 24)
	m.Update(press("q"))
	if s := content(m); !strings.Contains(s, "Stop") || !strings.Contains(s, "Detach, go on serving") {
		t.Fatalf("no choice:\n%s", s)
	}
	m.Update(press("tab"))
	m.Update(press("tab"))
	if _, cmd := m.Update(press("enter")); !quits(cmd) || !m.detached {
		t.Error("it doesn't detach")
	}
	m = sized(o, 80, 24)
	m.Update(press("q"))
	m.Update(press("tab"))
	if _, cmd := m.Update(press("enter")); !quits(cmd) || m.detached {
		t.Error("it doesn't stop")
	}
}

func focused(m *Model) string {
	name, _ := m.now().focus.Title()
	name, _, _ = strings.Cut(name, " ·")
	return name
}

func TestFocus(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	var got []string
	for _, k := range []string{"", "tab", "tab", "tab", "tab", "tab", "shift+tab", "shift+tab"} {
		if k != "" {
			m.Update(press(k))
		}
		got = append(got, focused(m))
	}
	want := []string{"backends", "traffic", "quotas", "events", "requests", "gpus", "requests", "events"}
	if !slices.Equal(got, want) {
		t.Errorf("focus goes %v, want %v", got, want)
	}
	if !strings.Contains(content(m), "▸events") {
		t.Error("the focused pane has no pointer")
	}
}

// A pane that has no room at a size gives the focus up, and has it back when
// there is room again.
func TestFocusComesBack(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	m.Update(press("shift+tab"))
	m.Update(press("shift+tab"))
	m.Update(tea.WindowSizeMsg{Width: 40, Height: 10})
	if got := focused(m); got == "requests" {
		t.Fatalf("%s has the focus without a place", got)
	}
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	if got := focused(m); got != "requests" {
		t.Errorf("%s has the focus, want requests", got)
	}
}

func TestFullScreen(t *testing.T) {
	m := sized(with(calm()), 40, 10)
	m.Update(press("f"))
	if s := content(m); strings.Count(s, "╭") != 1 || !strings.Contains(s, "▸3 backends") {
		t.Errorf("not one pane:\n%s", s)
	}
	// Full screen every pane has room, also those that had none.
	for range 4 {
		m.Update(press("tab"))
	}
	if s := content(m); !strings.Contains(s, "▸4 requests") || strings.Count(s, "╭") != 1 {
		t.Errorf("tab doesn't reach the requests:\n%s", s)
	}
	m.View()
	m.Update(press("down"))
	m.Update(press("esc")) // gives the selection up first
	if !m.full {
		t.Error("esc left the full screen with a request selected")
	}
	m.Update(press("esc"))
	if m.full {
		t.Error("esc doesn't leave the full screen")
	}
}

func TestPauseHoldsThePicture(t *testing.T) {
	d := calm()
	o := with(d)
	now := night
	o.Now = func() time.Time { return now }
	m := sized(o, 120, 40)
	m.Update(press("space"))
	held := content(m)
	if !strings.Contains(held, "PAUSED") {
		t.Fatal("nothing says that the picture is held")
	}
	now = night.Add(time.Minute)
	o.Gateway.(*fixedGateway).s = trouble().Gateway
	m.Update(tick{})
	if content(m) != held {
		t.Error("a tick changed the held picture")
	}
	m.Update(press("space"))
	if s := content(m); strings.Contains(s, "PAUSED") || !strings.Contains(s, "03:13:44Z") {
		t.Errorf("not released:\n%s", s)
	}
}

func TestRefreshLooksAtOnce(t *testing.T) {
	o := with(calm())
	m := sized(o, 120, 40)
	o.Pool.(*fixedPool).s = trouble().Pool
	if strings.Contains(content(m), "connection refused") {
		t.Fatal("it looked without being told")
	}
	m.Update(press("ctrl+r"))
	if !strings.Contains(content(m), "connection refused") {
		t.Error("ctrl-r doesn't look")
	}
}

func TestRedraw(t *testing.T) {
	m := sized(with(calm()), 80, 24)
	_, cmd := m.Update(press("ctrl+l"))
	if cmd == nil || cmd() != (redraw{}) {
		t.Error("ctrl-l doesn't have the screen written anew")
	}
}

// Nothing is drawn when neither data nor size nor keys changed, and a tick
// with the same data in the same second changes nothing.
func TestNothingNewCostsNothing(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	m.View()
	if n := testing.AllocsPerRun(10, func() { m.View() }); n != 0 {
		t.Errorf("%v allocations to show the same again", n)
	}
	m.Update(tick{})
	if m.dirty {
		t.Error("the same data made the screen dirty")
	}
}

func TestTickGoesOn(t *testing.T) {
	m := sized(with(calm()), 80, 24)
	for _, keys := range []string{"", "space"} { // held or not
		if keys != "" {
			m.Update(press(keys))
		}
		if _, cmd := m.Update(tick{}); cmd == nil {
			t.Fatal("no further tick")
		}
	}
}

// The help has every key that works, and is made from the key map.
func TestHelpHasEveryKey(t *testing.T) {
	o := with(trouble())
	o.Demo, o.DemoKey = true, "k"
	m := sized(o, 80, 60)
	keys := slices.Concat(m.keys.global(), m.now().focus.Keys())
	m.Update(press("?"))
	s := content(m)
	for _, k := range keys {
		if !k.Enabled() {
			t.Errorf("%s is off", k.Help().Key)
		}
		if !strings.Contains(s, k.Help().Key) || !strings.Contains(s, k.Help().Desc) {
			t.Errorf("no %s %s in the help", k.Help().Key, k.Help().Desc)
		}
	}
	m.Update(press("esc"))
	m.keys.Pause.SetHelp("F9", "hold on")
	m.Update(press("?"))
	if s := content(m); !strings.Contains(s, "F9") || !strings.Contains(s, "hold on") {
		t.Error("the help doesn't follow the key map")
	}
}

func TestHelpScrolls(t *testing.T) {
	m := sized(with(calm()), 80, 24)
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 12})
	m.Update(press("?"))
	first := content(m)
	m.Update(press("down"))
	if content(m) == first {
		t.Error("down doesn't scroll")
	}
	m.Update(press("G"))
	if s := content(m); !strings.Contains(s, "stop at once") {
		t.Errorf("the end is not to be seen:\n%s", s)
	}
}

// Keys that act nowhere are not offered, and don't act.
func TestKeysThatDontApply(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	for _, k := range []string{"c", "!"} { // no demo, no findings
		m.Update(press(k))
		if len(m.dialogs) > 0 {
			t.Errorf("%s opened something", k)
		}
	}
	m.Update(press("?"))
	if s := content(m); strings.Contains(s, "curl") || strings.Contains(s, "findings") {
		t.Error("the help offers them")
	}
}

func TestCurl(t *testing.T) {
	d := calm()
	o := with(d)
	o.Demo, o.DemoKey = true, "demo-key"
	m := sized(o, 80, 24)
	m.Update(press("c"))
	m.View()
	s := content(m)
	for _, w := range []string{"curl -N http://127.0.0.1:8080/v1/chat/completions", "Bearer demo-key", "Qwen/Qwen2.5-7B-Instruct"} {
		if !strings.Contains(s, w) {
			t.Errorf("no %q in\n%s", w, s)
		}
	}
	_, cmd := m.Update(press("y"))
	if cmd == nil || cmd() != copied(strings.Join(curl(o, d), "\n"))() {
		t.Error("y doesn't copy the command")
	}
	// A name that a shell or JSON would have to quote is not put in a command.
	d.Pool.Backends[1].Model = `'; rm -rf ~; '`
	if line := strings.Join(curl(o, d), ""); strings.Contains(line, "rm -rf") || !strings.Contains(line, "Arctic") {
		t.Errorf("the command is %q", line)
	}
	d.Gateway.Listen = "http://$(reboot)"
	if curl(o, d) != nil {
		t.Errorf("the command is %q", curl(o, d))
	}
}

func TestThemeFollowsTheTerminal(t *testing.T) {
	o := with(calm())
	o.Palette, o.Profile = widget.Auto, colorprofile.TrueColor
	m := sized(o, 80, 24)
	dark := m.View().Content
	m.Update(tea.BackgroundColorMsg{Color: ansi.RGBColor{R: 255, G: 255, B: 255}})
	light := m.View().Content
	if dark == light {
		t.Error("a light background changes nothing")
	}
	o.Palette, o.Profile = widget.Dark, colorprofile.ANSI
	m = sized(o, 80, 24)
	few := m.View().Content
	m.Update(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
	if m.View().Content == few {
		t.Error("more colours change nothing")
	}
	o.Profile = colorprofile.ASCII
	m = sized(o, 80, 24)
	none := m.View().Content
	m.Update(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
	if m.View().Content != none {
		t.Error("colours came in where none were wanted")
	}
}

func TestNoColour(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want colorprofile.Profile
	}{
		{[]string{"TERM=xterm-256color", "COLORTERM=truecolor"}, colorprofile.TrueColor},
		{[]string{"TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR=1"}, colorprofile.ASCII},
		{[]string{"TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR=yes please"}, colorprofile.ASCII},
		{[]string{"TERM=xterm-256color", "NO_COLOR="}, colorprofile.ANSI256},
		{[]string{"TERM=xterm"}, colorprofile.ANSI},
		{[]string{"TERM=dumb"}, colorprofile.NoTTY},
	} {
		if got := (Options{Environ: tt.env}).withDefaults().Profile; got != tt.want {
			t.Errorf("%v: %v, want %v", tt.env, got, tt.want)
		}
	}
}

// Who looks has the last word on how.
func TestEnvironment(t *testing.T) {
	o := Options{Palette: widget.Light, Environ: []string{"TERM=xterm", EnvTheme + "=colour-blind", EnvASCII + "=1"}}.withDefaults()
	if o.Palette != widget.ColourBlind || !o.ASCII {
		t.Errorf("%q, ASCII: %v", o.Palette, o.ASCII)
	}
	o = Options{Palette: widget.Light, Environ: []string{"TERM=xterm", EnvTheme + "=pink", EnvASCII + "="}}.withDefaults()
	if o.Palette != widget.Light || o.ASCII {
		t.Errorf("%q, ASCII: %v", o.Palette, o.ASCII)
	}
}

// BenchmarkFrame draws a screen at 120 by 40 anew each time, as after a tick that
// brought new snapshots.
func BenchmarkFrame(b *testing.B) {
	one, two := calm(), calm()
	o := with(one)
	o.Palette, o.Profile = widget.Dark, colorprofile.TrueColor
	m := sized(o, 120, 40)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d := one
		if i%2 == 0 {
			d = two
		}
		o.Gateway.(*fixedGateway).s, o.Pool.(*fixedPool).s, o.GPUs.(*fixedGPUs).s = d.Gateway, d.Pool, d.GPUs
		m.Update(tick{})
		m.View()
	}
}

// In the logs digits choose a part of the log: the last row must not say that they
// lead to views, and the palette leads to them all the same.
func TestLogsHaveAWayOut(t *testing.T) {
	m := sized(with(calm()), 120, 40)
	m.Update(press("6"))
	s := content(m)
	if last := s[strings.LastIndexByte(s, '\n')+1:]; strings.Contains(last, "2 gpus") || !strings.Contains(last, "q overview") {
		t.Errorf("the keys are %q", last)
	}
	for _, k := range []string{":", "o", "v", "e", "r", "v", "enter"} {
		m.Update(press(k))
	}
	if m.at != atOverview {
		t.Errorf("the palette leads to view %d", m.at)
	}
}
