package pane

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
)

func numbers(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

func newRows() *rows[int] {
	return &rows[int]{
		keys:   NewScrolling(),
		id:     func(n *int) Ref { return Ref{Kind: RefRequest, ID: fmt.Sprint(*n)} },
		text:   func(n *int) string { return fmt.Sprintf("Row %d of acme", *n) },
		orders: []order[int]{{name: "as they come"}, {"falling", func(a, b *int) int { return cmp.Compare(*b, *a) }}},
	}
}

func shown(r *rows[int], h int) []int {
	var all []int
	from, to := r.window(h)
	for i := from; i < to; i++ {
		all = append(all, *r.row(i))
	}
	return all
}

func want(t *testing.T, r *rows[int], h int, rows ...int) {
	t.Helper()
	if got := shown(r, h); !slices.Equal(got, rows) {
		t.Errorf("shown are %v, want %v", got, rows)
	}
}

// What is selected stays where it is on the screen while rows come and go above
// and below it.
func TestSelectedKeepsItsPlace(t *testing.T) {
	r := newRows()
	r.take(numbers(0, 20))
	want(t, r, 5, 0, 1, 2, 3, 4)
	if r.Selected() != (Ref{}) {
		t.Error("something is selected before a key was pressed")
	}
	for range 4 { // the first press selects the first row
		r.press(tea.KeyPressMsg{Code: tea.KeyDown})
	}
	want(t, r, 5, 0, 1, 2, 3, 4)
	r.take(append(numbers(100, 110), numbers(0, 20)...))
	want(t, r, 5, 0, 1, 2, 3, 4)
	if r.Selected().ID != "3" {
		t.Errorf("%v is selected, want 3", r.Selected())
	}
	r.take(numbers(2, 20))
	want(t, r, 5, 2, 3, 4, 5, 6) // there is nothing above any more
	if *r.at() != 3 {
		t.Errorf("%d is selected, want 3", *r.at())
	}
	r.take(append(numbers(2, 3), numbers(4, 20)...)) // it is gone
	if *r.at() != 4 {
		t.Errorf("%d is selected, want what took its place", *r.at())
	}
	r.take(nil)
	want(t, r, 5)
	if r.Selected() != (Ref{}) || r.at() != nil {
		t.Error("something is selected of nothing")
	}
}

func TestFilterAndSort(t *testing.T) {
	r := newRows()
	r.take(numbers(0, 20))
	r.SetFilter("ACME 1 !15")
	want(t, r, 30, 1, 10, 11, 12, 13, 14, 16, 17, 18, 19)
	r.SetSort(1)
	want(t, r, 3, 19, 18, 17)
	if !r.Select(Ref{Kind: RefRequest, ID: "10"}) || r.Select(Ref{Kind: RefRequest, ID: "15"}) {
		t.Error("what can be selected is not what is shown")
	}
	want(t, r, 3, 12, 11, 10)
	r.SetFilter("")
	if *r.at() != 10 {
		t.Errorf("%d is selected, want 10", *r.at())
	}
	r.SetSort(7)
	if r.Sort() != 0 {
		t.Error("an order that there isn't was set")
	}
	r.press(tea.KeyPressMsg{Code: tea.KeyEscape})
	if r.Selected() != (Ref{}) {
		t.Error("esc selects something")
	}
	want(t, r, 3, 0, 1, 2)
}

func TestListKeys(t *testing.T) {
	r := newRows()
	r.take(numbers(0, 20))
	r.window(5)
	for _, c := range []struct {
		key  tea.KeyPressMsg
		want int
	}{
		{tea.KeyPressMsg{Code: 'G', Text: "G"}, 19},
		{tea.KeyPressMsg{Code: tea.KeyDown}, 19},
		{tea.KeyPressMsg{Code: tea.KeyPgUp}, 15},
		{tea.KeyPressMsg{Code: 'k', Text: "k"}, 14},
		{tea.KeyPressMsg{Code: 'g', Text: "g"}, 0},
		{tea.KeyPressMsg{Code: tea.KeyPgDown}, 4},
	} {
		if !r.press(c.key) || *r.at() != c.want {
			t.Errorf("after %s %d is selected, want %d", c.key, *r.at(), c.want)
		}
	}
	if r.press(tea.KeyPressMsg{Code: 'x', Text: "x"}) {
		t.Error("x is a key of lists")
	}
}
