// Package paint puts frames on a terminal: each as soon as it is there, with the
// work and the bytes that its difference from the last one takes.
//
// A frame is what a terminal of its size shows: lines of text, one for each row,
// each as wide as the terminal, with SGR sequences and no other control characters,
// and with the style reset at the end of a line. Whoever draws frames vouches for
// that; what came from outside has been made harmless before.
//
// # What is written
//
// A line that is the same as before costs a comparison. Lines that have moved up or
// down together are scrolled (DECSTBM, SU, SD: ECMA-48 and DEC STD 070). Of the
// others both versions are taken apart into cells, and what differs is written,
// with whatever lies between two places where going to the second would take more
// bytes than writing on. Positions are absolute, so that a terminal with an opinion
// of its own on how wide a character is is wrong for that character and not for the
// row.
//
// Where the terminal knows synchronized output (mode 2026) a frame appears at once.
//
// # When
//
// A frame that comes after a quiet time is written at once, so that a key echoes
// within one round trip; after it the next has to wait for Gap, and only the last
// of those that came meanwhile is written. A terminal that takes no output holds up
// the goroutine that writes, and nobody else: Show never waits.
package paint
