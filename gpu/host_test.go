package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestALostDeviceIsListedAgainWithABackOff(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		state State
	}{"lost": {ErrLost, Lost}, "reset needed": {ErrReset, NeedsReset}, "driver mismatch": {ErrMismatch, Mismatched}} {
		t.Run(name, func(t *testing.T) {
			src := &script{list: cards("a", "b"), read: well}
			run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
				began := time.Now()
				time.Sleep(9*time.Second + half)
				src.do(nil, func(ctx context.Context, index int, due Group) (Sample, error) {
					if index == 1 {
						return failing(tc.err)(ctx, index, due)
					}
					return steady(ctx)
				})
				time.Sleep(200 * time.Second)
				g := s.Snapshot().GPUs[1]
				if g.State != tc.state || g.State.String() != name || g.Since.Sub(began) != 10*time.Second || !strings.Contains(g.Err, tc.err.Error()) {
					t.Errorf("it is %v since %v, %q", g.State, g.Since.Sub(began), g.Err)
				}
				// Lost at 10: seen by the round at 11, listed after 5, 10, 20, 40, 60 and 60 s.
				again := []int{16, 26, 46, 86, 146, 206}
				if got := src.times(-1, began); !slices.Equal(got, append([]int{0}, again...)) {
					t.Errorf("listed at %v", got)
				}
				if got := src.times(1, began); !slices.Equal(got, append(seconds(0, 10, 1), again...)) {
					t.Errorf("read at %v", got)
				}
				if n := strings.Count(log.String(), "level=WARN"); n != 1 {
					t.Errorf("said %d times:\n%s", n, log)
				}
				points := len(g.History)
				src.do(cards("b", "a"), well) // it is back, and has another index
				time.Sleep(70 * time.Second)
				snap := s.Snapshot()
				if len(snap.GPUs) != 2 || snap.GPUs[0].UUID != "b" {
					t.Fatalf("afterwards: %+v", snap.GPUs)
				}
				if g := &snap.GPUs[0]; g.State != OK || g.Index != 0 || len(g.History) != points+70 || !Known(g.History[5].Power) || Known(g.History[100].Power) {
					t.Errorf("it is %v with %d points", g.State, len(g.History))
				}
				if got := src.times(-1, began); got[len(got)-1] != 266 {
					t.Errorf("listed at %v", got)
				}
			})
		})
	}
}

func TestAGoneDeviceStaysForAnHour(t *testing.T) {
	src := &script{list: cards("a", "b"), read: well}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(9*time.Second + half)
		src.do(cards("a"), func(ctx context.Context, index int, due Group) (Sample, error) {
			if index == 1 {
				return failing(ErrLost)(ctx, index, due)
			}
			return steady(ctx)
		})
		time.Sleep(10 * time.Second)
		g := s.Snapshot().GPUs[1]
		if g.State != Gone || g.UUID != "b" || !strings.Contains(g.Err, "not listed any more; before: read: it has fallen") || g.Power.Or(0) != 36 {
			t.Errorf("%v, %q", g.State, g.Err)
		}
		time.Sleep(59 * time.Minute)
		if n := len(s.Snapshot().GPUs); n != 2 {
			t.Errorf("after an hour less some seconds %d devices are shown", n)
		}
		time.Sleep(time.Minute)
		if n := len(s.Snapshot().GPUs); n != 1 {
			t.Errorf("after an hour %d devices are shown", n)
		}
		src.do(cards("a", "b"), well)
		time.Sleep(time.Minute)
		if snap := s.Snapshot(); len(snap.GPUs) != 2 || snap.GPUs[1].State != OK {
			t.Errorf("when it is back: %d devices", len(snap.GPUs))
		}
	})
}

// A device that hangs, goes and comes back is not called a second time.
func TestADeviceIsNotForgottenWhileItHangs(t *testing.T) {
	src := &script{list: cards("a", "b"), read: well}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		began := time.Now()
		time.Sleep(4*time.Second + half)
		release := make(chan struct{})
		src.do(cards("a"), func(ctx context.Context, index int, due Group) (Sample, error) {
			if index == 1 {
				<-release
			}
			return Sample{}, errors.New("no")
		})
		time.Sleep(2 * time.Hour)
		if g := s.Snapshot().GPUs; len(g) != 2 || g[1].State != Gone {
			t.Errorf("%d devices, %v", len(g), g[len(g)-1].State)
		}
		src.do(cards("a", "b"), nil)
		time.Sleep(2 * time.Minute)
		if got := src.times(1, began); !slices.Equal(got, seconds(0, 5, 1)) {
			t.Errorf("read at %v", got)
		}
		src.do(nil, well)
		close(release)
		time.Sleep(2 * time.Minute)
		if g := s.Snapshot().GPUs; len(g) != 2 || g[1].State != OK || g[1].Age(time.Now()) > time.Second {
			t.Errorf("%d devices, %v", len(g), g[1].State)
		}
	})
}

// What a device that has gone answered before does not bring it back.
func TestALateAnswerOfAGoneDevice(t *testing.T) {
	src := &script{list: cards("a", "b"), read: well}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(4*time.Second + half)
		release := make(chan struct{})
		src.do(cards("a"), func(ctx context.Context, index int, due Group) (Sample, error) {
			if index == 1 {
				<-release
				return steady(ctx)
			}
			return Sample{}, errors.New("no")
		})
		time.Sleep(20 * time.Second)
		close(release)
		time.Sleep(2 * time.Second)
		if g := s.Snapshot().GPUs[1]; g.State != Gone || g.Age(time.Now()) < 20*time.Second {
			t.Errorf("it is %v, %v old", g.State, g.Age(time.Now()))
		}
	})
}

func TestAHostWithoutADriver(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		lists []int
	}{"no driver": {ErrAbsent, []int{0, 60, 120}}, "no cgo": {ErrNoCgo, []int{0}}} {
		t.Run(name, func(t *testing.T) {
			src := &script{list: func() (Listing, error) { return Listing{}, fmt.Errorf("open: %w", tc.err) }, read: well}
			far := &script{list: cards("a"), read: well}
			run(t, Options{}, []Host{{"", src}, {"far", far}}, func(t *testing.T, s *Sampler, log *bytes.Buffer) {
				began := time.Now()
				time.Sleep(150*time.Second + half)
				snap := s.Snapshot()
				if h := snap.Hosts[0]; !h.Absent || h.Err != "open: "+tc.err.Error() || snap.Err != "" {
					t.Errorf("%+v, %q", h, snap.Err)
				}
				if h := snap.Hosts[1]; h.Name != "far" || h.Driver != "550.54.15" || h.Err != "" || snap.GPUs[0].Host != "far" || snap.CUDA != "12.4" {
					t.Errorf("the other: %+v", h)
				}
				if got := src.times(-1, began); !slices.Equal(got, tc.lists) {
					t.Errorf("listed at %v, want %v", got, tc.lists)
				}
				if n := strings.Count(log.String(), "no gpus listed"); n != 1 {
					t.Errorf("said %d times:\n%s", n, log)
				}
				if fs := Findings(snap, time.Now(), nil); len(fs) != 0 {
					t.Errorf("that is no fault: %+v", fs)
				}
				src.do(cards("x"), nil) // somebody installs one
				time.Sleep(time.Minute)
				if got := len(s.Snapshot().GPUs); got != 2 && tc.err == ErrAbsent {
					t.Errorf("with a driver %d devices", got)
				}
			})
		})
	}
}

// Whatever a source lists, what is kept stays bounded.
func TestMoreDevicesThanAnyHostHas(t *testing.T) {
	n := 0
	src := &script{read: failing(errors.New("broken"))}
	src.list = func() (Listing, error) {
		var uuids []string
		for range 40 {
			uuids = append(uuids, fmt.Sprint("new ", n))
			n++
		}
		return cards(uuids...)()
	}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(10 * time.Minute)
		if got := len(s.Snapshot().GPUs); got != mostCards {
			t.Errorf("%d devices after %d listings", got, len(src.lists))
		}
	})
	src = &script{list: cards(make([]string, 100)...), read: well}
	run(t, Options{}, []Host{{"", src}}, func(t *testing.T, s *Sampler, _ *bytes.Buffer) {
		time.Sleep(time.Second)
		if snap := s.Snapshot(); len(snap.GPUs) != mostCards || snap.Hosts[0].Err != "more than 64 gpus: the rest is left out" {
			t.Errorf("%d devices, %+v", len(snap.GPUs), snap.Hosts[0])
		}
	})
}
