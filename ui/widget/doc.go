// Package widget draws: a theme, a canvas that clips and cleans, and the pure
// pieces that the panes are made of (boxes, bars, braille graphs, tables,
// numbers).
//
// # What it guarantees
//
// A Canvas yields exactly its height in lines and exactly its width in cells on
// each, whatever is drawn on it: what falls outside is clipped, a wide
// character that would be cut in half is left out. Text comes in through
// Canvas.Text alone, which makes it harmless (see Clean): no control
// character, escape sequence, bidirectional mark or invisible character that
// came from a client, a file or an engine reaches the terminal, and no cluster
// of characters on whose width terminals disagree can push a line out of shape.
//
// Colour says one of six things (good, warning, bad, not known, focused,
// selected) and never alone: each has a Mark, a word or an attribute too, so
// that a screen reads the same in 16 colours, in none, and in pure ASCII.
//
// # Rules
//
// Nothing here keeps state between calls, reads a clock or does input or
// output. A Theme is immutable and may be used by many goroutines at once; a
// Canvas belongs to one.
package widget
