package ui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Model is the dashboard's root: what Bubble Tea runs. New makes one.
type Model struct {
	opts  Options
	clock func() time.Time
	keys  keyMap
	look  widget.Look

	theme    *widget.Theme
	data     pane.Data
	findings []finding
	others   []desk.Presence

	gpus        *pane.GPUs
	backends    *pane.Backends
	traffic     *pane.Traffic
	quotas      *pane.Quotas
	events      *pane.Events
	requests    *pane.Requests
	gpuView     *pane.GPUView
	backendView *pane.BackendView
	requestView *pane.Requests
	quotaView   *pane.Quotas
	logs        *pane.Logs
	chat        pane.Pane
	sql         pane.Pane
	feed        *feed // of logs; nil: there are none to read

	w, h     int
	views    []*view
	at       int // the view that is shown
	slots    []slot
	full     bool // the focused pane has the whole view
	paused   bool
	watching bool // a playground is looked at again soon
	mouse    bool
	moment   time.Time // that is shown; zero: now
	filter   *input    // it is being typed
	dialogs  []dialog
	asked    int // counts what was asked for, so that late answers are known
	flash    flash

	detached bool // the user left, and wants it to go on

	last  tea.View
	dirty bool // the last view no longer holds

	ctx context.Context // of what is asked for; it ends with the screen
}

// tick asks for the next look at the snapshots.
type tick struct{}

const period = time.Second

// New makes a dashboard that has not looked at anything yet. What it asks others
// to do goes on when it is closed; what it only waits for ends with ctx.
func New(ctx context.Context, o Options) *Model {
	m := &Model{opts: o, ctx: ctx, clock: o.Now, keys: newKeyMap(o.Demo, o.Attached)}
	if m.clock == nil {
		m.clock = time.Now
	}
	_ = m.keys.set(o.Keys) // CheckKeys has told what is wrong with them
	m.look = widget.Look{Palette: o.Palette, Profile: o.Profile, ASCII: o.ASCII}
	m.theme = widget.NewTheme(m.look)
	t, scrolling := m.theme, m.keys.Scrolling
	m.gpus, m.gpuView = pane.NewGPUs(t, scrolling), pane.NewGPUView(t, scrolling)
	m.backends, m.backendView = pane.NewBackends(t, scrolling), pane.NewBackendView(t, scrolling)
	m.traffic, m.events = pane.NewTraffic(t), pane.NewEvents(t, scrolling)
	m.requests, m.requestView = pane.NewRequests(t, scrolling), pane.NewRequests(t, scrolling)
	m.quotas, m.quotaView = pane.NewQuotas(t, scrolling), pane.NewQuotas(t, scrolling)
	m.logs = pane.NewLogs(t, scrolling)
	m.newPlaygrounds()
	if o.Seat != nil {
		m.feed = newFeed(o.Seat.Platform().Logs, o.Log)
	}
	m.newViews()
	m.now().focus.SetFocus(true)
	m.refresh()
	m.restore()
	return m
}

// close ends what goes on behind the screen.
func (m *Model) close() {
	if m.feed != nil {
		m.feed.close()
	}
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd {
	if m.look.Palette == widget.Auto || m.look.Palette == widget.ColourBlind {
		return tea.Batch(next(), say(ansi.RequestBackgroundColor))
	}
	return next()
}

func next() tea.Cmd { return tea.Tick(period, func(time.Time) tea.Msg { return tick{} }) }

// panes are all there are.
func (m *Model) panes() []pane.Pane {
	return []pane.Pane{m.gpus, m.backends, m.traffic, m.quotas, m.events, m.requests, m.gpuView, m.backendView, m.requestView, m.quotaView, m.logs, m.chat, m.sql}
}

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tick:
		m.tick()
		cmd = tea.Batch(next(), m.between())
	case logTick:
		m.takeLog()
	case playTick:
		m.lookIn()
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
		cmd = m.press(msg)
		m.keep()
	case tea.PasteMsg:
		m.dirty = true
		m.paste(msg)
		m.keep()
	case tea.MouseMsg:
		cmd = m.point(msg)
	case answer:
		m.dirty = true
		cmd = m.answered(msg)
	}
	return m, tea.Batch(cmd, m.watch())
}

// tick looks at the snapshots, unless the picture is held.
func (m *Model) tick() {
	if !m.flash.until.IsZero() && m.clock().After(m.flash.until) {
		m.flash, m.dirty = flash{}, true
	}
	m.takeLog()
	if !m.paused && m.moment.IsZero() {
		m.refresh()
	}
}

// refresh reads the snapshots, or those of the moment that is shown. Nothing in
// them waits for anybody.
func (m *Model) refresh() {
	d := m.read()
	m.dirty = m.dirty || d.Gateway != m.data.Gateway || d.Pool != m.data.Pool || d.GPUs != m.data.GPUs ||
		d.Past != m.data.Past || d.Now.Unix() != m.data.Now.Unix()
	m.data = d
	m.findings = find(d)
	m.keys.Findings.SetEnabled(len(m.findings) > 0)
	if m.opts.Seat != nil {
		m.others = m.opts.Seat.Others()
	}
	m.inform()
	m.layout()
}

// inform gives the panes of the view that is shown the data. The others wait
// until they are.
func (m *Model) inform() {
	for _, p := range m.now().panes {
		p.Update(m.data)
	}
}

// retheme makes the theme of the look and hands it round.
func (m *Model) retheme() {
	m.theme = widget.NewTheme(m.look)
	for _, p := range m.panes() {
		p.Update(pane.Themed{Theme: m.theme})
	}
	m.dirty = true
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

// View implements tea.Model. It draws only when something changed.
func (m *Model) View() tea.View {
	if m.dirty {
		m.last = tea.NewView(m.draw())
		m.last.AltScreen = true
		if m.mouse {
			m.last.MouseMode = tea.MouseModeCellMotion
		}
		m.dirty = false
	}
	return m.last
}
