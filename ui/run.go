package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
	"pilothouse/ui/chat"
	"pilothouse/ui/desk"
	"pilothouse/ui/paint"
	"pilothouse/ui/past"
	"pilothouse/ui/play"
	"pilothouse/ui/widget"
)

// Gateway is what the dashboard reads of the gateway. Snapshot never blocks;
// nil means that nothing has been published yet.
type Gateway interface{ Snapshot() *gateway.Snapshot }

// Pool is what it reads of the backends, likewise.
type Pool interface{ Snapshot() *backends.Snapshot }

// GPUs is what it reads of the GPUs, likewise.
type GPUs interface{ Snapshot() *gpu.Snapshot }

// Past is what it reads of the past, and of the books; a *past.Recorder.
type Past interface {
	past.Trends
	Snapshot() *past.Snapshot
	// At is the platform as it was; false: it is not known any more.
	At(time.Time) (past.Moment, bool)
}

// Options are what a dashboard is made of. Gateway and Pool are required.
type Options struct {
	Gateway Gateway
	Pool    Pool
	GPUs    GPUs       // nil: there are none to show
	Past    Past       // nil: nothing is kept
	Seat    *desk.Seat // who looks, and what they do it with; nil: nobody, and nothing can be done
	Log     OwnLog     // the gateway's own; nil: it is elsewhere

	// SaveText writes text to a file of about that name, and returns its path; nil:
	// none can be.
	SaveText  func(name, text string) (path string, err error)
	Explainer Explainer // nil: nothing is told of why

	Chat  *chat.Room // whose conversations view 7 shows; nil: there is nobody to talk to
	Sheet play.Sheet // the questions and queries of view 8; nil: there is no database

	// Command runs a command line for the seat's operator and returns its exit code.
	Command func(ctx context.Context, args []string, out, errOut io.Writer) int
	// Save saves an incident bundle of a moment and returns where; nil: none can be made.
	Save func(ctx context.Context, s *desk.Seat, at time.Time) (path string, err error)

	Demo       bool   // marked on every screen
	DemoKey    string // the demo's own gateway key, shown with a command to try
	Version    string
	Attached   bool                // the gateway goes on without this screen, so that leaving it needs no thought
	Detachable bool                // it can, if the user wants that
	Keys       map[string][]string // for what CheckKeys names, instead of the usual ones

	Palette widget.Palette       // "": Auto
	ASCII   bool                 // draw without Unicode
	Profile colorprofile.Profile // Unknown: what Environ says of the terminal

	Input   io.Reader // nil: standard input
	Output  io.Writer // nil: standard output
	Environ []string  // of the terminal's side; nil: the process's

	Size  Size        // of a terminal that can't be asked; zero: it can
	Sizes <-chan Size // what it becomes, likewise; nil: it tells by a signal

	Now func() time.Time // nil: time.Now
}

// Size is a terminal's, in cells.
type Size struct{ Width, Height int }

// grace is how long Run waits, once it has to end, for a terminal that takes no
// output: one behind a line that hangs, or held with ctrl-s.
const grace = 2 * time.Second

// ErrDetached is what Run returns when its user left and wants the process to go
// on serving.
var ErrDetached = errors.New("the dashboard was left")

// Run draws the dashboard until its user quits or ctx ends, both of which
// return nil, or its user detaches, which returns ErrDetached, or its terminal goes away, which returns ErrLost, or fails. It has
// the terminal to itself meanwhile and leaves it as it was. Signals are the
// caller's: Run installs no handlers but the one that tells of a new size.
//
// Run returns after the last of what it started has ended, but for a timer of at
// most a second; and, when it has to end and the terminal is stuck, after grace
// with ErrStuck, so that a terminal can't hold a process up. What hangs in the
// write is then left behind, and the terminal is not put back.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	t, err := takeOver(&o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	m := New(ctx, o)
	defer m.close()
	out := paint.New(t.out, t.size.Width, t.size.Height)
	lost, sized := make(chan struct{}), make(chan struct{})
	onSized := sync.OnceFunc(func() { close(sized) })
	p := tea.NewProgram(dashboard{m, out},
		tea.WithoutRenderer(), // the screen writes all there is to write
		tea.WithOutput(io.Discard),
		tea.WithFPS(1), // the library's own ticker, which has nothing to do
		tea.WithInput(watch(t.in, sync.OnceFunc(func() { close(lost) }))),
		tea.WithWindowSize(t.size.Width, t.size.Height),
		tea.WithoutSignalHandler(),
		tea.WithColorProfile(o.Profile),
		tea.WithEnvironment(o.Environ),
		// Suspending would stop the whole process, and with it the gateway.
		tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
			switch msg.(type) {
			case tea.SuspendMsg:
				return nil
			case tea.WindowSizeMsg:
				onSized()
			}
			return msg
		}))
	over, resized := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(resized)
		resize(p, t.sizes, sized, over)
	}()
	done := make(chan error, 1)
	go func() {
		_, err := p.Run()
		close(over)
		<-resized
		_ = out.Close() // which fails where the terminal is gone
		t.close()
		done <- err
	}()
	var why error
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("run the dashboard: %w", err)
		}
		if m.detached {
			return ErrDetached
		}
		return nil
	case <-ctx.Done():
	case <-lost:
		why = ErrLost
	}
	// Quit and not the library's own context: that one leaves its reader behind.
	go p.Quit()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-done:
		return why
	case <-late.C:
		return cmp.Or(why, ErrStuck)
	}
}

// resize tells the program of each new size until it is over. The one that it
// starts with comes first, whenever the library gets to it.
func resize(p *tea.Program, sizes <-chan Size, first, over <-chan struct{}) {
	select {
	case <-first:
	case <-over:
	}
	for {
		select {
		case s, ok := <-sizes:
			if !ok {
				return
			}
			p.Send(tea.WindowSizeMsg{Width: s.Width, Height: s.Height})
		case <-over:
			return
		}
	}
}

// What whoever looks may say of their own screen, whichever way they come. It goes
// before the configuration.
const (
	EnvTheme = "PILOTHOUSE_THEME" // as [dashboard] has it
	EnvASCII = "PILOTHOUSE_ASCII" // any value: without Unicode
)

// withDefaults fills in what was left open.
func (o Options) withDefaults() Options {
	if o.Palette == "" {
		o.Palette = widget.Auto
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Profile == colorprofile.Unknown {
		o.Profile = colorprofile.Env(o.Environ)
	}
	for _, e := range o.Environ {
		switch name, value, _ := strings.Cut(e, "="); name {
		case EnvTheme:
			if p, err := widget.ParsePalette(value); err == nil {
				o.Palette = p
			}
		case EnvASCII:
			o.ASCII = o.ASCII || value != ""
		}
	}
	// NO_COLOR counts whatever its value (no-color.org); colorprofile wants it
	// to be a true one.
	if noColor(o.Environ) && o.Profile > colorprofile.ASCII {
		o.Profile = colorprofile.ASCII
	}
	return o
}

func noColor(env []string) bool {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "NO_COLOR="); ok && v != "" {
			return true
		}
	}
	return false
}
