package ask

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pilothouse/ui/query"
)

// Same tells whether two results have the same content, by the rule of Spider's
// test-suite accuracy (Zhong et al. 2020): names of columns don't count, columns may
// come in any order, rows are a bag, and only where ordered is set a list. Numbers are
// the same within a millionth of the larger one; text is to the letter; NULL is like
// nothing but NULL.
func Same(want, got *query.Result, ordered bool) bool {
	if len(want.Columns) != len(got.Columns) || len(want.Rows) != len(got.Rows) {
		return false
	}
	if len(want.Rows) == 0 || len(want.Columns) == 0 {
		return true
	}
	w, g := cells(want), cells(got)
	if ordered {
		return sameLists(w, g)
	}
	m := matcher{want: w, got: g, of: make([]int, len(w)), tries: maxTries}
	m.wantSorted, m.gotSorted = sortedColumns(w), sortedColumns(g)
	return m.match(0)
}

// maxTries bounds how many orders of columns are tried.
const maxTries = 5_000

// cell is a value to compare.
type cell struct {
	kind   byte // 0: NULL, 1: number, 2: text
	number float64
	text   string
}

// number is how a number is written; a text with zeros in front, as codes have, is
// none.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$`)

func cellOf(v query.Value) cell {
	switch {
	case v.Null:
		return cell{}
	case len(v.Text) > 0 && len(v.Text) < 64 && number.MatchString(v.Text):
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil && !math.IsInf(f, 0) {
			return cell{1, f, v.Text}
		}
	}
	return cell{2, 0, v.Text}
}

// cells are a result's, by column.
func cells(r *query.Result) [][]cell {
	all := make([][]cell, len(r.Columns))
	for i := range all {
		all[i] = make([]cell, len(r.Rows))
		for j, row := range r.Rows {
			if i < len(row) {
				all[i][j] = cellOf(row[i])
			}
		}
	}
	return all
}

const tolerance = 1e-6

func (a cell) same(b cell) bool {
	switch {
	case a.kind != b.kind:
		return false
	case a.kind == 1:
		return a.text == b.text || !(whole(a.text) && whole(b.text)) &&
			math.Abs(a.number-b.number) <= tolerance*max(1, math.Abs(a.number), math.Abs(b.number))
	}
	return a.text == b.text
}

// whole tells whether a number is written without a fraction; such are the same only
// to the digit.
func whole(s string) bool { return !strings.ContainsAny(s, ".eE") }

func compareCells(a, b cell) int {
	if a.kind == 1 && b.kind == 1 {
		return cmp.Compare(a.number, b.number)
	}
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.text, b.text))
}

func sameColumn(a, b []cell) bool { return slices.EqualFunc(a, b, cell.same) }

// sameLists tells whether each column of one is one of the other's, row by row.
func sameLists(want, got [][]cell) bool {
	used := make([]bool, len(got))
	for _, w := range want {
		i := 0
		for i < len(got) && (used[i] || !sameColumn(w, got[i])) {
			i++
		}
		if i == len(got) {
			return false
		}
		used[i] = true
	}
	return true
}

func sortedColumns(columns [][]cell) [][]cell {
	all := make([][]cell, len(columns))
	for i, c := range columns {
		all[i] = slices.SortedFunc(slices.Values(c), compareCells)
	}
	return all
}

// matcher looks for an order of columns in which two bags of rows are the same.
type matcher struct {
	want, got             [][]cell
	wantSorted, gotSorted [][]cell
	of                    []int // column of got for each of want, so far
	tries                 int
}

func (m *matcher) match(at int) bool {
	if at == len(m.want) {
		m.tries--
		return m.sameRows()
	}
	for j := range m.got {
		if m.tries > 0 && !slices.Contains(m.of[:at], j) && sameColumn(m.wantSorted[at], m.gotSorted[j]) {
			if m.of[at] = j; m.match(at + 1) {
				return true
			}
		}
	}
	return false
}

// sameRows sorts the rows of both, by what is no number first, so that numbers that
// are the same by tolerance alone don't come apart, and compares them one by one.
func (m *matcher) sameRows() bool {
	n := len(m.want[0])
	w, g := make([]int, n), make([]int, n)
	for i := range n {
		w[i], g[i] = i, i
	}
	got := make([][]cell, len(m.of))
	for i, j := range m.of {
		got[i] = m.got[j]
	}
	var columns []int
	for _, numbers := range []bool{false, true} {
		for i, c := range m.want {
			if slices.ContainsFunc(c, func(x cell) bool { return x.kind == 1 && !whole(x.text) }) == numbers {
				columns = append(columns, i)
			}
		}
	}
	by := func(of [][]cell) func(a, b int) int {
		return func(a, b int) int {
			for _, i := range columns {
				if c := compareCells(of[i][a], of[i][b]); c != 0 {
					return c
				}
			}
			return 0
		}
	}
	slices.SortFunc(w, by(m.want))
	slices.SortFunc(g, by(got))
	for i := range n {
		for c := range m.want {
			if !m.want[c][w[i]].same(got[c][g[i]]) {
				return false
			}
		}
	}
	return true
}

// Ordered tells whether a statement asks for an order of its result: whether ORDER BY
// stands in it outside of all parentheses.
func Ordered(sql string) bool {
	depth, last := 0, ""
	for _, t := range tokens(sql) {
		switch t {
		case "(":
			depth++
		case ")":
			depth--
		case "BY":
			if depth == 0 && last == "ORDER" {
				return true
			}
		}
		last = t
	}
	return false
}

// lexeme is a text, a quoted name, a comment, a word or a parenthesis.
var lexeme = regexp.MustCompile(`(?s)'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|[A-Za-z_][A-Za-z0-9_]*|[()]`)

// tokens are a statement's words, in capitals, and its parentheses; texts, quoted names
// and comments are left out.
func tokens(sql string) (list []string) {
	for _, t := range lexeme.FindAllString(sql, -1) {
		if c := t[0]; c == '(' || c == ')' || c == '_' || isLetter(c) {
			list = append(list, strings.ToUpper(t))
		}
	}
	return list
}
