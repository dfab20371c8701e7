package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// feed gives a checker a stream in pieces and returns its events and verdict.
func feed(want *transcript, stream []byte, piece int) (events int, err error) {
	var c checker
	c.reset(want)
	for p := range slices.Chunk(stream, piece) {
		n, err := c.add(p)
		if err != nil {
			return events, err
		}
		events += n
	}
	return events, c.end()
}

func TestCheckerCountsEventsInAnyPieces(t *testing.T) {
	want := newTranscript(10, 3)
	for _, piece := range []int{1, 7, 100, 250, len(want.stream)} {
		events, err := feed(want, want.stream, piece)
		if err != nil || events != len(want.events) {
			t.Errorf("pieces of %d bytes: %d events, %v; want %d", piece, events, err, len(want.events))
		}
	}
}

func TestCheckerNotices(t *testing.T) {
	want := newTranscript(10, 5)
	e := want.events
	swap := slices.Clone(e)
	swap[2], swap[3] = swap[3], swap[2]
	damaged := slices.Clone(e)
	damaged[4] = bytes.Replace(e[4], []byte("w00003"), []byte("w00O03"), 1)
	for _, tt := range []struct {
		name   string
		events [][]byte
		want   string // in the error
	}{
		{"lost event", slices.Delete(slices.Clone(e), 3, 4), "event 4 came in place of event 3"},
		{"repeated event", slices.Insert(slices.Clone(e), 4, e[3]), "event 3 came again in place of event 4"},
		{"swapped events", swap, "event 3 came in place of event 2"},
		{"damaged event", damaged, "event 4 is damaged at byte"},
		{"usage left in", append([][]byte{e[0], want.metered[1]}, e[2:]...), "event 1 is damaged"},
		{"comment put in", slices.Insert(slices.Clone(e), 2, []byte(": hello\n\n")), "event 2 is damaged at byte 0"},
		{"no [DONE]", e[:len(e)-1], "cut short: 8 of 9"},
		{"cut in an event", [][]byte{e[0], e[1][:30]}, "cut short: 1 of 9"},
		{"nothing", nil, "cut short: 0 of 9"},
		{"second [DONE]", append(slices.Clone(e), e[len(e)-1]), "goes on after its end"},
	} {
		stream := bytes.Join(tt.events, nil)
		for _, piece := range []int{1 << 20, 300} {
			_, err := feed(want, stream, piece)
			if err == nil {
				t.Errorf("%s in pieces of %d: taken for whole", tt.name, piece)
			} else if piece == 1<<20 && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %q, want %q in it", tt.name, err, tt.want)
			}
		}
	}
}
