package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What a program draws by itself soon after a key is not the key's effect.
func TestPressWaitsForItsOwnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{page: newPage(20, 3), news: make(chan struct{}, 1)}
		defer s.page.Close()
		draw := func(after time.Duration, text string) {
			time.AfterFunc(after, func() { _, _ = s.Write([]byte(text)) })
		}
		_, _ = s.Write([]byte("the view"))
		s.keys = func(k string) error {
			draw(3*time.Millisecond, "\x1b[2;1H12:00")
			draw(20*time.Millisecond, "\x1b[1;1H\x1b[K")
			draw(21*time.Millisecond, "\x1b[1;1Hother")
			return nil
		}
		view := toggle{keys: [2]string{"a", "b"}, text: "the view"}
		if took, err := s.press(view, 0); err != nil || took != 20*time.Millisecond {
			t.Errorf("%v, %v, want 20ms", took, err)
		}
		time.Sleep(time.Second)
		if _, err := s.press(view, 0); err == nil {
			t.Error("a key that had nothing to change was timed")
		}
		if took, err := s.press(view, 1); err == nil {
			t.Errorf("a key without effect was timed: %v", took)
		}
	})
}

// program is one that draws at certain moments only, and something each time.
func program(every time.Duration, first, second string) *screen {
	s := &screen{page: newPage(20, 3), news: make(chan struct{}, 1)}
	pressed := make(chan string, 1)
	s.keys = func(k string) error { pressed <- k; return nil }
	_, _ = s.Write([]byte("\x1b[2;1H" + second))
	go func() {
		for range time.Tick(every) {
			select {
			case k := <-pressed:
				if k == "quit" {
					return
				}
				_, _ = s.Write([]byte("\x1b[2;1H" + map[string]string{"a": first, "b": second}[k]))
			default:
				_, _ = s.Write([]byte("\x1b[1;1H12:00"))
			}
		}
	}()
	return s
}

// Keys were once pressed 150 ms after what the one before had changed, so that a
// program which draws ten times a second let each wait for 50 ms, and none for longer.
func TestWalkPressesAtAllPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := program(100*time.Millisecond, "     ", "shown")
		all, err := s.walk(t.Context(), toggle{keys: [2]string{"a", "b"}, text: "shown"}, 40)
		if err != nil || len(all) != 40 {
			t.Fatal(len(all), err)
		}
		slices.Sort(all)
		for i, took := range all {
			if want := time.Duration(i) * 2500 * time.Microsecond; took < want-5*time.Millisecond || took > want+8*time.Millisecond {
				t.Errorf("%d of 40 took %v, want about %v", i, took, want)
			}
		}
		_ = s.keys("quit")
		_ = s.page.Close()
		time.Sleep(time.Second)
	})
}
