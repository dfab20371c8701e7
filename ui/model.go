package ui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Model is the dashboard's root: what Bubble Tea runs. New makes one.
type Model struct {
	opts Options
	now  func() time.Time
	keys keyMap
	look widget.Look

	theme    *widget.Theme
	data     pane.Data
	findings []finding

	gpus     *pane.GPUs
	backends *pane.Backends
	traffic  *pane.Traffic
	requests *pane.Requests

	w, h    int
	slots   []slot
	focus   pane.Pane
	chosen  pane.Pane // what the user gave the focus to, shown or not
	full    bool      // the focused pane has the whole view
	paused  bool
	dialogs []dialog

	view  tea.View // the last one
	dirty bool     // the last view no longer holds
}

// tick asks for the next look at the snapshots.
type tick struct{}

const period = time.Second

// New makes a dashboard that has not looked at anything yet.
func New(o Options) *Model {
	m := &Model{opts: o, now: o.Now, keys: newKeyMap(o.Demo, o.Attached)}
	if m.now == nil {
		m.now = time.Now
	}
	m.look = widget.Look{Palette: o.Palette, Profile: o.Profile, ASCII: o.ASCII}
	m.theme = widget.NewTheme(m.look)
	m.gpus = pane.NewGPUs(m.theme, m.keys.Scrolling)
	m.backends = pane.NewBackends(m.theme, m.keys.Scrolling)
	m.traffic = pane.NewTraffic(m.theme)
	m.requests = pane.NewRequests(m.theme, m.keys.Scrolling)
	m.focus, m.chosen = m.requests, m.requests
	m.requests.SetFocus(true)
	m.refresh()
	return m
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd {
	if m.look.Palette == widget.Auto || m.look.Palette == widget.ColourBlind {
		return tea.Batch(next(), tea.RequestBackgroundColor)
	}
	return next()
}

func next() tea.Cmd { return tea.Tick(period, func(time.Time) tea.Msg { return tick{} }) }

// panes are all there are, in the order of the focus.
func (m *Model) panes() []pane.Pane {
	return []pane.Pane{m.gpus, m.backends, m.traffic, m.requests}
}

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		if !m.paused {
			m.refresh()
		}
		return m, next()
	case tea.WindowSizeMsg:
		m.w, m.h, m.dirty = msg.Width, msg.Height, true
		m.layout()
	case tea.BackgroundColorMsg:
		m.look.OnLight = !msg.IsDark()
		m.retheme()
	case tea.ColorProfileMsg:
		// The terminal may turn out to know more colours than was thought; what
		// was asked for without colour stays so.
		if m.look.Profile >= colorprofile.ANSI && msg.Profile > m.look.Profile {
			m.look.Profile = msg.Profile
			m.retheme()
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

// refresh reads the snapshots. Nothing in them waits for anybody.
func (m *Model) refresh() {
	d := pane.Data{Gateway: m.opts.Gateway.Snapshot(), Pool: m.opts.Pool.Snapshot(), Now: m.now()}
	if m.opts.GPUs != nil {
		d.GPUs = m.opts.GPUs.Snapshot()
	}
	m.dirty = m.dirty || d.Gateway != m.data.Gateway || d.Pool != m.data.Pool || d.GPUs != m.data.GPUs ||
		d.Now.Unix() != m.data.Now.Unix()
	m.data = d
	m.findings = find(d)
	m.keys.Findings.SetEnabled(len(m.findings) > 0)
	for _, p := range m.panes() {
		p.Update(d)
	}
	m.layout()
}

// retheme makes the theme of the look and hands it round.
func (m *Model) retheme() {
	m.theme = widget.NewTheme(m.look)
	for _, p := range m.panes() {
		p.Update(pane.Themed{Theme: m.theme})
	}
	m.dirty = true
}

// press routes a key: to the way out, to the dialog on top, to the dashboard,
// to the focused pane.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	m.dirty = true
	if key.Matches(k, m.keys.Interrupt) {
		return tea.Quit
	}
	if key.Matches(k, m.keys.Redraw) {
		return tea.ClearScreen
	}
	if n := len(m.dialogs); n > 0 {
		done, cmd := m.dialogs[n-1].update(k)
		if done {
			m.dialogs = m.dialogs[:n-1]
		}
		return cmd
	}
	switch {
	case m.full && (key.Matches(k, m.keys.Quit) || key.Matches(k, m.keys.Scrolling.Follow) && !m.selecting()):
		m.full = false
		m.layout()
	case key.Matches(k, m.keys.Help):
		m.dialogs = append(m.dialogs, m.help())
	case key.Matches(k, m.keys.Quit) && m.opts.Attached:
		return tea.Quit
	case key.Matches(k, m.keys.Quit):
		m.dialogs = append(m.dialogs, m.quit())
	case key.Matches(k, m.keys.Findings):
		m.dialogs = append(m.dialogs, &findingsDialog{keys: m.keys, findings: m.findings})
	case key.Matches(k, m.keys.Try):
		m.dialogs = append(m.dialogs, &tryDialog{keys: m.keys, command: curl(m.opts, m.data)})
	case key.Matches(k, m.keys.Next):
		m.turn(1)
	case key.Matches(k, m.keys.Previous):
		m.turn(-1)
	case key.Matches(k, m.keys.Full):
		m.full = !m.full
		m.layout()
	case key.Matches(k, m.keys.Pause):
		if m.paused = !m.paused; !m.paused {
			m.refresh()
		}
	case key.Matches(k, m.keys.Refresh):
		m.refresh()
	default:
		m.focus.Update(k)
	}
	return nil
}

// quit asks whether to stop: this process serves as well as shows.
func (m *Model) quit() dialog {
	lines := []string{"This process is the gateway. Stopping it refuses new", "requests and lets those in flight end first."}
	if g := m.data.Gateway; g != nil {
		lines = append(lines, "", widget.Count(uint64(max(0, g.InFlight)))+" in flight now.")
	}
	return &confirmDialog{keys: m.keys, title: "stop pilothouse?", lines: lines, verb: "Stop", yes: tea.Quit}
}

func (m *Model) help() dialog {
	name, _, _ := strings.Cut(title(m.focus), " "+m.theme.Dot)
	d := &helpDialog{keys: m.keys, sections: []helpSection{{"everywhere", m.keys.global()}}}
	if keys := m.focus.Keys(); len(keys) > 0 {
		d.sections = append(d.sections, helpSection{name, keys})
	}
	return d
}

func title(p pane.Pane) string {
	name, _ := p.Title()
	return name
}

// selecting tells whether esc has something to give up in the focused pane
// before it leaves the full screen.
func (m *Model) selecting() bool { return m.focus == m.requests && m.requests.Selecting() }

// turn moves the focus among the panes that are shown; in full screen, where
// each has all the room, among all.
func (m *Model) turn(by int) {
	var at []pane.Pane
	if m.full {
		for _, p := range m.panes() {
			if p != m.gpus || m.gpus.Present() {
				at = append(at, p)
			}
		}
	} else {
		for _, s := range m.slots {
			at = append(at, s.pane)
		}
	}
	if i := slices.Index(at, m.focus); i >= 0 {
		m.chosen = at[(i+by+len(at))%len(at)]
		m.setFocus(m.chosen)
	}
	m.layout()
}

func (m *Model) setFocus(p pane.Pane) {
	if p == m.focus {
		return
	}
	m.focus.SetFocus(false)
	m.focus = p
	p.SetFocus(true)
}

// framed is how many rows the frame takes.
func (m *Model) framed() int {
	n := 1 // status
	if len(m.findings) > 0 || m.opts.Demo {
		n++
	}
	if m.h >= keysFrom {
		n++
	}
	return min(n, m.h)
}

// keysFrom is the height from which on the keys have a row.
const keysFrom = 5

// layout places the panes for the size and the data. The focus is where the
// user put it, or on the last pane shown while that one has no place.
func (m *Model) layout() {
	w, h := m.w, m.h-m.framed()
	if m.full {
		m.slots = []slot{{pane: m.focus, w: w, h: h}}
		return
	}
	m.slots = m.arrange(tierOf(m.w, m.h), w, h)
	to := m.focus
	for _, s := range m.slots {
		if to = s.pane; to == m.chosen {
			break
		}
	}
	m.setFocus(to)
}

// View implements tea.Model. It draws only when something changed.
func (m *Model) View() tea.View {
	if m.dirty {
		m.view = tea.NewView(m.draw())
		m.view.AltScreen = true
		m.dirty = false
	}
	return m.view
}
