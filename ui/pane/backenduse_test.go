package pane

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

// A name is whole where it can be, with its share where both fit.
func TestUsesMost(t *testing.T) {
	for _, tt := range []struct {
		uses []backendUse
		want string // in 10 cells
	}{
		{nil, "–"},
		{[]backendUse{{org: "acme", queued: 3}}, "–"},
		{[]backendUse{{org: "acme", requests: 1, share: 1}}, "acme  100%"},
		{[]backendUse{{org: "globex", requests: 4, share: 0.57}, {org: "acme", requests: 3, share: 0.43}}, "globex 57%"},
		{[]backendUse{{org: "initech", requests: 4, share: 0.74}, {org: "acme", requests: 3, share: 0.26}}, "initech"},
		{[]backendUse{{org: "initech", requests: 4, share: 1}}, "initech"},
		{[]backendUse{{org: "vandelay-industries", requests: 4, share: 0.74}, {org: "acme", requests: 3, share: 0.26}}, "vande… 74%"},
		{[]backendUse{{org: "vandelay-industries", requests: 4, share: 1}}, "vandelay-…"},
	} {
		c := widget.NewCanvas(theme(), 14, 1)
		l := backendTable{}
		l.most(c, 0, widget.Span{X: 1, W: 10}, &backendRow{uses: tt.uses})
		if got := strings.TrimSpace(ansi.Strip(c.String())); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.uses, got, tt.want)
		}
	}
}
