package query

import (
	"fmt"
	"strconv"
)

// cellCost is what a cell counts on top of its text.
const cellCost = 16

const cellCut = "a cell of over 64 KiB"

// bytePot is the room that a result has.
type bytePot struct {
	left int64
	cut  bool // a cell was
}

// take tells whether a cell has room.
func (p *bytePot) take(v Value) bool {
	p.left -= int64(len(v.Text)) + cellCost
	p.cut = p.cut || v.Cut
	return p.left >= 0
}

func rowsCut(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if n == 1 {
		return s + " row"
	}
	return s + " rows"
}

func bytesCut(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<18) == 0:
		return fmt.Sprintf("%g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
