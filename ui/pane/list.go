package pane

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// List is a pane with rows that can be selected, filtered and sorted. Nothing is
// selected until a key moves in it; from then on the selected row keeps its place
// on the screen while others come and go.
type List interface {
	Pane
	// Selected is the selected row; the zero Ref: none is.
	Selected() Ref
	// Select selects a row, and tells whether it is there.
	Select(Ref) bool
	// Filter is what rows have to match; "": all are shown.
	Filter() string
	SetFilter(string)
	// Sort is the order's index in Sorts; setting one that there isn't sets the first.
	Sort() int
	SetSort(int)
	Sorts() []string
	// Describe tells all that is known of the selected row; no facts: nothing.
	Describe() (title string, facts []Fact)
}

// order is a way to sort rows.
type order[T any] struct {
	name    string
	compare func(a, b *T) int // nil: as they come
}

// rows is the part that all lists have in common.
type rows[T any] struct {
	keys   Scrolling
	id     func(*T) Ref
	text   func(*T) string // that a filter is looked for in
	orders []order[T]      // at least one
	below  func(*T) bool   // it is but a line that belongs to the row above, and can't be selected; nil: none is

	all    []T
	shown  []int // into all: those that match, in order
	filter string
	sort   int
	sel    Ref // the zero Ref: none, the list follows its first row
	index  int // of the selected one in shown
	off    int // the first row drawn
	h      int // rows of the last view
}

// take replaces the rows and finds the selected one among them. The rows are
// kept until the next time.
func (r *rows[T]) take(all []T) {
	r.all = all
	r.arrange()
}

// arrange filters and sorts, and keeps the selected row where it is on the screen.
func (r *rows[T]) arrange() {
	r.shown = r.shown[:0]
	terms := strings.Fields(strings.ToLower(r.filter))
	for i := range r.all {
		if len(terms) == 0 || matches(strings.ToLower(r.text(&r.all[i])), terms) {
			r.shown = append(r.shown, i)
		}
	}
	if compare := r.orders[r.sort].compare; compare != nil {
		slices.SortStableFunc(r.shown, func(a, b int) int { return compare(&r.all[a], &r.all[b]) })
	}
	if r.following() {
		r.off = 0
		return
	}
	line := r.index - r.off
	for i, at := range r.shown {
		if r.id(&r.all[at]) == r.sel {
			r.index, r.off = i, i-line
			r.settle()
			return
		}
	}
	// It is gone: the reader stays at its place.
	r.choose(r.index)
}

// matches tells whether a text has all terms; one that begins with ! it must not
// have.
func matches(text string, terms []string) bool {
	for _, t := range terms {
		not := len(t) > 1 && t[0] == '!'
		if not {
			t = t[1:]
		}
		if strings.Contains(text, t) == not {
			return false
		}
	}
	return true
}

func (r *rows[T]) following() bool { return r.sel == Ref{} }

// row is the i-th of those shown.
func (r *rows[T]) row(i int) *T { return &r.all[r.shown[i]] }

// at is the selected row; nil: none.
func (r *rows[T]) at() *T {
	if r.following() || r.index >= len(r.shown) {
		return nil
	}
	return r.row(r.index)
}

// press applies a key, and tells whether it was one of the list's.
func (r *rows[T]) press(k tea.KeyPressMsg) bool {
	page := max(1, r.h-1)
	to := r.index
	switch {
	case key.Matches(k, r.keys.Follow):
		if r.following() {
			return false
		}
		r.sel, r.index, r.off = Ref{}, 0, 0
		return true
	case key.Matches(k, r.keys.Up):
		to--
	case key.Matches(k, r.keys.Down):
		if !r.following() {
			to++
		}
	case key.Matches(k, r.keys.PageUp):
		to -= page
	case key.Matches(k, r.keys.PageDown):
		to += page
	case key.Matches(k, r.keys.Top):
		to = 0
	case key.Matches(k, r.keys.Bottom):
		to = len(r.shown) - 1
	default:
		return false
	}
	r.choose(to)
	return true
}

// choose selects the nearest there is to row i of those shown.
func (r *rows[T]) choose(i int) {
	if len(r.shown) == 0 {
		r.sel, r.index, r.off = Ref{}, 0, 0
		return
	}
	i = max(0, min(i, len(r.shown)-1))
	by := 1
	if i < r.index {
		by = -1
	}
	for r.belongs(i) && i+by >= 0 && i+by < len(r.shown) {
		i += by
	}
	for i > 0 && r.belongs(i) {
		i--
	}
	r.index = i
	r.sel = r.id(r.row(i))
	r.settle()
}

// belongs tells whether the i-th of those shown is a line of the row above it.
func (r *rows[T]) belongs(i int) bool { return r.below != nil && r.below(r.row(i)) }

// place is the number of the selected row, from 1, and how many rows there are of
// those shown, lines that belong to another not counted.
func (r *rows[T]) place() (at, of int) {
	for i := range r.shown {
		if r.belongs(i) {
			continue
		}
		if of++; i <= r.index {
			at = of
		}
	}
	return at, of
}

// settle keeps the selected row in the window and the window full.
func (r *rows[T]) settle() {
	h := max(1, r.h)
	last := r.index // what belongs to it is to be seen with it
	for last+1 < len(r.shown) && last-r.index < h-1 && r.belongs(last+1) {
		last++
	}
	r.off = max(r.off, last-h+1)
	r.off = max(0, min(r.off, r.index, len(r.shown)-h))
}

// window is the rows to draw in h lines: the first, and the one behind the last,
// of those shown.
func (r *rows[T]) window(h int) (from, to int) {
	if h != r.h {
		r.h = h
		if !r.following() {
			r.settle()
		}
	}
	return r.off, max(r.off, min(len(r.shown), r.off+h))
}

// Selected, Select, Filter, SetFilter, Sort, SetSort and Sorts are those of List.

func (r *rows[T]) Selected() Ref { return r.sel }

func (r *rows[T]) Select(to Ref) bool {
	for i := range r.shown {
		if r.id(r.row(i)) == to {
			for i > 0 && r.belongs(i) {
				i--
			}
			r.choose(i)
			return true
		}
	}
	return false
}

func (r *rows[T]) Filter() string { return r.filter }

func (r *rows[T]) SetFilter(s string) {
	r.filter = s
	r.arrange()
}

func (r *rows[T]) Sort() int { return r.sort }

func (r *rows[T]) SetSort(i int) {
	if i < 0 || i >= len(r.orders) {
		i = 0
	}
	r.sort = i
	r.arrange()
}

func (r *rows[T]) Sorts() []string {
	names := make([]string, len(r.orders))
	for i, o := range r.orders {
		names[i] = o.name
	}
	return names
}
