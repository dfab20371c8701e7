package main

import (
	"fmt"
	"time"
)

// measured is what one dashboard costs, or one btop.
type measured struct {
	core        float64 // % of one
	bytes       float64 // a second, for the terminal
	wire        float64 // a second, as SSH sends them
	keys        []time.Duration
	first, last held   // when the measurement begins, and when it ends
	grown       string // what is to be said of its memory over a longer time
}

// held is what of memory is one dashboard's or one btop's, in MiB.
type held struct {
	resident  float64
	anonymous float64 // of that, what is of no file
}

const heads = "size\t% of a core\tbytes/s\twith SSH's own\tkey to screen, median\tp95\tMiB resident: first\tlast\tanonymous: first\tlast\t"

// line is a row of the table.
func (m *measured) line(name string) string {
	return fmt.Sprintf("%s\t%.2f\t%.0f\t%.0f\t%v\t%v\t%.2f\t%.2f\t%.2f\t%.2f\t",
		name, m.core, m.bytes, m.wire, m.key(50), m.key(95), m.first.resident, m.last.resident, m.first.anonymous, m.last.anonymous)
}

// presses is how many keys are timed.
const presses = 40

// key is a percentile of the times from a key to what it changes.
func (m *measured) key(percent int) time.Duration {
	return percentile(m.keys, percent).Round(100 * time.Microsecond)
}

// watch counts what screens get, each of them, while something goes on.
func (m *measured) watch(screens []*screen, while func() (float64, error)) (float64, error) {
	read := func() (drawn, line float64) {
		for _, s := range screens {
			drawn, line = drawn+float64(s.read.Load()), line+float64(s.line.read.Load())
		}
		return drawn, line
	}
	drawn, line := read()
	began := time.Now()
	result, err := while()
	each := float64(len(screens)) * time.Since(began).Seconds()
	nowDrawn, nowLine := read()
	m.bytes, m.wire = (nowDrawn-drawn)/each, (nowLine-line)/each
	return result, err
}
