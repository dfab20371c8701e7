package widget

import "strings"

// Shorten takes words off the end of a text until it has room in w cells, with an
// ellipsis for them; whole clauses where that leaves half of the room in use. A
// first word that is too long stays whole, for [Canvas.Text] to cut.
func (t *Theme) Shorten(s string, w int) string {
	if t.Width(s) <= w {
		return s
	}
	word, clause := "", ""
	for i := range s {
		if s[i] != ' ' {
			continue
		}
		head := strings.TrimRight(s[:i], ",;:")
		if t.Width(head)+1 > w {
			break
		}
		if word = head; len(head) < i {
			clause = head
		}
	}
	switch {
	case 2*t.Width(clause) >= w:
		return clause + t.Ellipsis
	case word != "":
		return word + t.Ellipsis
	}
	return s // one long word: it is cut where it has to be
}
