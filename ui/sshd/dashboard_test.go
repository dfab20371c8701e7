package sshd

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/ui"
)

// empty is a gateway and its pool before anything is known.
type (
	emptyGateway struct{}
	emptyPool    struct{}
)

func (emptyGateway) Snapshot() *gateway.Snapshot { return nil }
func (emptyPool) Snapshot() *backends.Snapshot   { return nil }

// The real dashboard, over the real client, in a real terminal: drawn in the
// places where it should be, at each size; left on a key, and when the client is
// killed or the server ends, with the terminal as it was.
func TestDashboard(t *testing.T) {
	left := make(chan error, 10)
	b := newBed(t, func(o *Options, _ *limits) {
		o.Screen = func(ctx context.Context, s Session) error {
			err := ui.Run(ctx, ui.Options{Gateway: emptyGateway{}, Pool: emptyPool{}, Seat: s.Seat, Attached: true, Version: "test",
				Input: s.In, Output: s.Out, Environ: s.Environ, Size: s.Size, Sizes: s.Sizes})
			left <- err
			return err
		}
	})
	start := func() *tmux {
		cmd := b.ssh("oli")
		script := "echo before; " + quoteAll(cmd.Args) + "; echo ended $?; cat"
		cmd.Args = []string{"sh", "-c", script}
		return newTmux(t, 80, 24, cmd)
	}
	rows := func(x *tmux) []string {
		return strings.Split(strings.TrimRight(x.do("capture-pane", "-p"), "\n"), "\n")
	}
	drawn := func(x *tmux, cols, height int) {
		t.Helper()
		eventually(t, "the screen", func() bool {
			r := rows(x)
			// The boxes begin at the left edge and end at the right one.
			return len(r) == height && strings.Contains(r[height-1], "help") && len([]rune(strings.TrimRight(r[height/2], " "))) == cols
		})
	}
	x := start()
	x.do("set-option", "status", "off")
	drawn(x, 80, 24)
	x.do("resize-window", "-x", "120", "-y", "40")
	drawn(x, 120, 40)
	x.do("send-keys", "C-z", "?")
	x.shows("leave at once")
	x.do("send-keys", "q", "q")
	x.shows("ended 0")
	x.shows("before")
	if err := receive(t, "the dashboard's end", left); err != nil {
		t.Error(err)
	}
	x.do("kill-server")

	x = start()
	x.shows("help")
	x.do("kill-server")
	if err := receive(t, "the dashboard's end", left); err != nil && !errors.Is(err, ui.ErrLost) {
		t.Error(err)
	}

	x = start()
	x.shows("help")
	began := time.Now()
	b.end()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the server took %v to end", took)
	}
	x.shows("before")
	x.shows("pilothouse: this gateway stops")
	x.shows("ended 1")
}

func quoteAll(args []string) string {
	var b strings.Builder
	for _, a := range args {
		io.WriteString(&b, "'"+strings.ReplaceAll(a, "'", `'\''`)+"' ")
	}
	return b.String()
}
