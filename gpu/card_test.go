package gpu

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGroupsAreReadAtTheirIntervals(t *testing.T) {
	src := &script{list: cards("a"), read: well}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		began := time.Now()
		time.Sleep(20*time.Second + half)
		for group, want := range map[Group][]int{Fast: seconds(0, 20, 1), Slow: seconds(0, 20, 5), Processes: seconds(0, 20, 2)} {
			var at []int
			for _, c := range src.made() {
				if c.due&group != 0 {
					at = append(at, int(c.at.Sub(began)/time.Second))
				}
			}
			if !slices.Equal(at, want) {
				t.Errorf("group %d was read at %v, want %v", group, at, want)
			}
		}
		src.do(nil, failing(errors.New("no")))
		time.Sleep(time.Second)
		src.do(nil, well)
		time.Sleep(time.Second)
		if last := src.made()[len(src.made())-1]; last.due != All {
			t.Errorf("after a call that failed, %d is read, want all", last.due)
		}
	})
}

// One device of eight hangs for half a minute: that one ages and says so, and
// all others are read every second exactly.
func TestAHungDeviceHoldsUpNobody(t *testing.T) {
	src := &script{list: cards("a", "b", "c", "d", "e", "f", "g", "h"), read: well}
	other := &script{list: cards("z"), read: well}
	run(t, Options{}, []Host{{"", src}, {"far", other}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
		began := time.Now()
		time.Sleep(4*time.Second + half)
		release := make(chan struct{})
		src.do(nil, func(ctx context.Context, index int, due Group) (Sample, error) {
			if index == 3 {
				<-release // as in a driver, whatever the context says
			}
			return steady(ctx)
		})
		time.Sleep(30 * time.Second)
		snap := s.Snapshot()
		if g := snap.GPUs[3]; g.State != Hung || g.Err != "the driver does not answer" || g.Age(time.Now()) != 30*time.Second+half || time.Since(g.Since) != 27*time.Second+half {
			t.Errorf("it is %v for %v, %q, %v old", g.State, time.Since(g.Since), g.Err, g.Age(time.Now()))
		}
		close(release)
		time.Sleep(5 * time.Second)
		for i := range 8 {
			want := seconds(0, 39, 1)
			if i == 3 {
				want = append(seconds(0, 5, 1), seconds(35, 39, 1)...)
			}
			if got := src.times(i, began); !slices.Equal(got, want) {
				t.Errorf("device %d was read at %v", i, got)
			}
		}
		if got := other.times(0, began); !slices.Equal(got, seconds(0, 39, 1)) {
			t.Errorf("the other host's was read at %v", got)
		}
		if g := s.Snapshot().GPUs[3]; g.State != OK || g.Err != "" || g.Age(time.Now()) != half || len(g.History) != 40 {
			t.Errorf("afterwards it is %v, %q, with %d points", g.State, g.Err, len(g.History))
		}
		if n := strings.Count(log.String(), "gpu not well"); n != 1 {
			t.Errorf("said %d times:\n%s", n, log)
		}
		if n := len(src.times(-1, began)); n != 1 {
			t.Errorf("listed %d times: that does not help a driver that hangs", n)
		}
	})
}

// A slow answer is not waited for: the others' readings are published without.
func TestASlowDeviceDelaysNoSnapshot(t *testing.T) {
	src := &script{list: cards("a", "b"), read: func(ctx context.Context, index int, _ Group) (Sample, error) {
		if index == 0 {
			time.Sleep(900 * time.Millisecond)
		}
		return steady(ctx)
	}}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		for range 5 {
			time.Sleep(300 * time.Millisecond)
			if age := s.Snapshot().GPUs[1].Age(time.Now()); age != 300*time.Millisecond {
				t.Errorf("the other's reading is %v old", age)
			}
			time.Sleep(700 * time.Millisecond)
		}
		time.Sleep(half)
		if g := s.Snapshot().GPUs[0]; g.State != OK || len(g.History) != 6 {
			t.Errorf("%v, %d points", g.State, len(g.History))
		}
	})
}

// A call that gives up at its deadline is made again, and the device hangs
// until one succeeds.
func TestDeadline(t *testing.T) {
	src := &script{list: cards("a"), read: func(ctx context.Context, _ int, _ Group) (Sample, error) { return hang(ctx) }}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
		began := time.Now()
		time.Sleep(16*time.Second + half)
		if g := s.Snapshot().GPUs[0]; g.State != Hung || g.Since.Sub(began) != 2*time.Second || g.Err != noAnswer {
			t.Errorf("%v since %v, %q", g.State, g.Since.Sub(began), g.Err)
		}
		if got := src.times(0, began); len(got) != 3 && len(got) != 4 {
			t.Errorf("read at %v", got)
		}
		if n := strings.Count(log.String(), "gpu not well"); n != 1 {
			t.Errorf("said %d times:\n%s", n, log)
		}
	})
}
