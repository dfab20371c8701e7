package ui

import (
	"fmt"
	"strings"
	"testing"

	"pilothouse/gpu"
)

// laid is where the boxes are, as "name widthxheight", from top to bottom.
func laid(m *Model) string {
	var out []string
	for _, s := range m.slots {
		name, _ := s.pane.Title()
		name = strings.Fields(strings.TrimLeft(name, "0123456789 "))[0]
		out = append(out, fmt.Sprintf("%s %dx%d", name, s.w, s.h))
	}
	return strings.Join(out, ", ")
}

func TestArrange(t *testing.T) {
	gpus := func(n int) Options {
		d := calm()
		one := d.GPUs.GPUs[0]
		d.GPUs = &gpu.Snapshot{At: night, Source: "nvml"}
		for i := range n {
			one.Index = i
			d.GPUs.GPUs = append(d.GPUs.GPUs, one)
		}
		return with(d)
	}
	quiet := calm()
	quiet.Past.Events = quiet.Past.Events[:1]
	none := with(calm())
	none.GPUs = nil
	for _, tt := range []struct {
		name string
		o    Options
		w, h int
		want string
	}{
		{"nothing but the verdict", with(calm()), 80, 1, ""},
		{"no room for a box", with(calm()), 80, 4, "backends 80x3"},
		{"one box", with(calm()), 40, 6, "backends 40x4"},
		{"two", with(calm()), 40, 10, "gpus 40x4, backends 40x4"},
		{"small", with(calm()), 80, 24, "gpus 80x4, backends 80x5, traffic 44x8, quotas 36x8, events 80x5"},
		{"between, lines for cards", with(calm()), 100, 30, "gpus 100x4, backends 100x5, traffic 55x8, quotas 45x8, events 100x4, requests 100x7"},
		{"medium", with(calm()), 120, 40, "gpus 120x10, backends 120x5, traffic 66x10, quotas 54x10, events 120x6, requests 120x7"},
		{"medium with trouble", with(trouble()), 120, 40, "gpus 120x10, backends 120x8, traffic 66x8, quotas 54x8, events 120x4, requests 120x7"},
		{"medium, with little that has happened", with(quiet), 120, 40, "gpus 120x10, backends 120x5, traffic 66x12, quotas 54x12, events 120x4, requests 120x7"},
		{"large", with(calm()), 200, 60, "gpus 150x10, backends 150x5, traffic 82x14, quotas 68x14, requests 150x29, events 50x29, logs 50x29"},
		{"no gpus", none, 120, 40, "backends 120x5, traffic 66x14, quotas 54x14, events 120x7, requests 120x12"},
		{"more gpus than cards have room", gpus(8), 120, 40, "gpus 120x10, backends 120x5, traffic 66x10, quotas 54x10, events 120x6, requests 120x7"},
		{"cards side by side", gpus(8), 200, 60, "gpus 150x34, backends 150x5, traffic 82x12, quotas 68x12, requests 150x7, events 50x29, logs 50x29"},
		{"more than that", gpus(24), 200, 60, "gpus 150x26, backends 150x5, traffic 82x14, quotas 68x14, requests 150x13, events 50x29, logs 50x29"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := laid(sized(tt.o, tt.w, tt.h)); got != tt.want {
				t.Errorf("%dx%d: %s\nwant %s", tt.w, tt.h, got, tt.want)
			}
		})
	}
}
