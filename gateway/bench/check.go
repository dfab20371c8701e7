package main

import (
	"bytes"
	"fmt"
	"sort"
)

// A checker holds a stream against its transcript, byte for byte, in whatever
// pieces it comes. It belongs to one connection and is reset for each stream.
type checker struct {
	want  *transcript
	at    int // bytes that have come
	event int // events that have come whole
}

func (c *checker) reset(want *transcript) { *c = checker{want: want} }

// add takes the next piece and tells how many events it completed.
func (c *checker) add(piece []byte) (completed int, err error) {
	rest := c.want.stream[c.at:]
	if len(piece) > len(rest) || !bytes.Equal(piece, rest[:len(piece)]) {
		return 0, c.explain(piece)
	}
	c.at += len(piece)
	for ; c.event < len(c.want.ends) && c.want.ends[c.event] <= c.at; c.event++ {
		completed++
	}
	return completed, nil
}

// end tells whether the stream was whole.
func (c *checker) end() error {
	if c.at < len(c.want.stream) {
		return fmt.Errorf("stream cut short: %d of %d events", c.event, len(c.want.ends))
	}
	return nil
}

// explain says what is wrong with a piece that is not the expected one.
func (c *checker) explain(piece []byte) error {
	rest := c.want.stream[c.at:]
	same := 0
	for same < min(len(piece), len(rest)) && piece[same] == rest[same] {
		same++
	}
	if same == len(rest) {
		return fmt.Errorf("stream goes on after its end: %d events are all", len(c.want.ends))
	}
	// The event that holds the first wrong byte, as far as it has come.
	i := sort.SearchInts(c.want.ends, c.at+same+1)
	begin := 0
	if i > 0 {
		begin = c.want.ends[i-1]
	}
	got := append([]byte(nil), c.want.stream[begin:c.at+same]...)
	got = append(got, piece[same:]...)
	got, _, _ = bytes.Cut(got, []byte("\n\n"))
	for j, e := range c.want.events {
		if bytes.Equal(got, bytes.TrimSuffix(e, []byte("\n\n"))) {
			if j < i {
				return fmt.Errorf("event %d came again in place of event %d", j, i)
			}
			return fmt.Errorf("event %d came in place of event %d", j, i)
		}
	}
	return fmt.Errorf("event %d is damaged at byte %d", i, c.at+same-begin)
}
