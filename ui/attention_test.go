package ui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// Where the row is short its details go: what is wrong, whom it hurts and the key
// that tells more stay, and no word is cut.
func TestAttentionKeepsWhatMatters(t *testing.T) {
	d := trouble()
	for i := range d.Gateway.Live {
		d.Gateway.Live[i].Backend = "text2sql"
	}
	for w, want := range map[int]string{
		160: " ■ text2sql down for 41 s, /health answers 503; its requests get 503; hurts 5 requests of acme, globex, initech",
		100: " ■ text2sql down for 41 s, /health answers 503… · 5 requests, 3 orgs ",
		80:  " ■ text2sql down for 41 s, /health answers 503… · 5 requests, 3 orgs ",
		60:  " ■ text2sql down for 41 s… · 5 requests, 3 orgs ",
	} {
		m := sized(with(d), w, 30)
		row := ansi.Strip(strings.Split(m.View().Content, "\n")[1])
		m.close()
		if !strings.HasPrefix(row, want) || !strings.Contains(row, "! why, +4") {
			t.Errorf("%d cells: %q, want %q", w, row, want)
		}
	}
}
