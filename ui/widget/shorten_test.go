package widget

import "testing"

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		text string
		w    int
		want string
	}{
		{"down for 41 s, /health answers 503", 34, "down for 41 s, /health answers 503"},
		{"down for 41 s, /health answers 503", 33, "down for 41 s, /health answers…"},
		{"down for 41 s, /health answers 503", 25, "down for 41 s…"},
		{"down for 41 s, /health answers 503", 14, "down for 41 s…"},
		{"down for 41 s, /health answers 503", 13, "down for 41…"},
		{"now, healthy again after a while", 24, "now, healthy again…"}, // a clause of three letters is too little
		{"overlong", 4, "overlong"},
		{"長い 名前", 6, "長い…"},
		{"", 0, ""},
	} {
		if got := plainTheme().Shorten(tt.text, tt.w); got != tt.want {
			t.Errorf("%q in %d is %q, want %q", tt.text, tt.w, got, tt.want)
		}
	}
}

func TestMany(t *testing.T) {
	for n, want := range map[int]string{0: "0 lines", 1: "1 line", 2: "2 lines", 34201: "34,201 lines"} {
		if got := Many(n, "line"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
