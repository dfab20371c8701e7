package backends

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 499 * time.Millisecond: "0 s", 41*time.Second + 600*time.Millisecond: "42 s", 119 * time.Second: "119 s",
		2 * time.Minute: "2 min", 4*time.Minute + 59*time.Second: "4 min", 119 * time.Minute: "119 min", 2 * time.Hour: "2 h", 50 * time.Hour: "50 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
