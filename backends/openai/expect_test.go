package openai

import (
	"bytes"
	"strings"
	"testing"
)

// TestExpect: an event whose size was announced is copied once, to where it is
// sent from, in however many pieces it comes.
func TestExpect(t *testing.T) {
	event := []byte("data: {\"choices\":[{\"delta\":{\"content\":\"" + strings.Repeat("x", 1<<20) + "\"}}]}\n\n")
	for _, announced := range []bool{true, false} {
		var s Stream
		s.Reset(true, true)
		moves := 0
		var at *byte
		for rest := event; len(rest) > 0; {
			n := min(16<<10, len(rest))
			if announced {
				s.Expect(int64(len(rest) - n))
			}
			if err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if now := &s.buf[:1][0]; now != at {
				at = now
				moves++
			}
		}
		if announced != (moves == 1) {
			t.Errorf("announced %v: the event lay in %d places", announced, moves)
		}
		if !bytes.Contains(s.Chunk(), event) {
			t.Errorf("announced %v: the event is not what came", announced)
		}
	}
}

// What is announced costs no more than an event may be large.
func TestExpectIsBounded(t *testing.T) {
	s := Stream{MaxEvent: 1 << 16}
	s.Reset(true, true)
	for _, n := range []int64{1 << 62, -1} {
		s.Expect(n)
		if err := s.Write([]byte("data: x")); err != nil {
			t.Fatal(err)
		}
		if cap(s.buf) > 1<<18 {
			t.Errorf("%d announced: room for %d", n, cap(s.buf))
		}
	}
}
