package ask

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pilothouse/ui/query"
)

// table makes a result of lines with cells apart by bars; "-" is NULL.
func table(lines ...string) *query.Result {
	r := &query.Result{}
	for i, l := range lines {
		var row []query.Value
		for _, c := range strings.Split(l, "|") {
			row = append(row, query.Value{Null: c == "-", Text: c})
		}
		if i == 0 {
			r.Columns = make([]query.ResultColumn, len(row))
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

func TestSame(t *testing.T) {
	empty := func(columns int) *query.Result {
		return &query.Result{Columns: make([]query.ResultColumn, columns)}
	}
	for name, tc := range map[string]struct {
		want, got *query.Result
		list, as  bool // the same as a list, and as a bag
	}{
		"equal":                {table("a|1", "b|2"), table("a|1", "b|2"), true, true},
		"other order":          {table("a|1", "b|2"), table("b|2", "a|1"), false, true},
		"columns swapped":      {table("a|1", "b|2"), table("1|a", "2|b"), true, true},
		"both":                 {table("a|1", "b|2"), table("2|b", "1|a"), false, true},
		"crossed":              {table("a|1", "b|2"), table("a|2", "b|1"), false, false},
		"crossed of alike":     {table("1|2", "2|1", "3|3"), table("1|1", "2|2", "3|3"), false, false},
		"once more":            {table("a", "a", "b"), table("a", "b", "b"), false, false},
		"a row more":           {table("a"), table("a", "a"), false, false},
		"a column more":        {table("a"), table("a|a"), false, false},
		"a column twice":       {table("a|a|b"), table("a|b|b"), false, false},
		"a column twice, same": {table("a|b|a"), table("b|a|a"), true, true},
		"empty":                {empty(2), empty(2), true, true},
		"empty, narrower":      {empty(2), empty(1), false, false},
		"nearly":               {table("x|0.30000000000000004", "y|1"), table("x|0.3", "y|1.0000001"), true, true},
		"nearly, moved":        {table("x|0.3", "y|0.30000000000000004"), table("y|0.3", "x|0.30000000000000004"), false, true},
		"not nearly":           {table("1000"), table("1000.01"), false, false},
		"large":                {table("1000000000"), table("1000000001"), false, false},
		"larger than exact":    {table("9007199254740993"), table("9007199254740992"), false, false},
		"whole and not":        {table("5"), table("5.0"), true, true},
		"codes":                {table("007"), table("7"), false, false},
		"NULL and nothing":     {table("-"), table(""), false, false},
		"NULL and NULL":        {table("-|x"), table("x|-"), true, true},
		"letters":              {table("A"), table("a"), false, false},
		"text and number":      {table("1e400"), table("1e401"), false, false},
	} {
		if as := Same(tc.want, tc.got, false); as != tc.as {
			t.Errorf("%s, as a bag: %v", name, as)
		}
		if as := Same(tc.want, tc.got, true); as != tc.list {
			t.Errorf("%s, as a list: %v", name, as)
		}
		if Same(tc.want, tc.got, false) != Same(tc.got, tc.want, false) {
			t.Errorf("%s is not the same both ways", name)
		}
	}
}

// Any order of rows and columns is the same; one cell that is another is not.
func TestSameShuffled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rows, columns := 1+random.IntN(12), 1+random.IntN(5)
		var lines []string
		for range rows {
			cells := make([]string, columns)
			for i := range cells {
				cells[i] = fmt.Sprint(random.IntN(3))
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
		want, got := table(lines...), table(lines...)
		random.Shuffle(rows, func(i, j int) { got.Rows[i], got.Rows[j] = got.Rows[j], got.Rows[i] })
		order := random.Perm(columns)
		for i, row := range got.Rows {
			moved := make([]query.Value, columns)
			for j, at := range order {
				moved[j] = row[at]
			}
			got.Rows[i] = moved
		}
		if !Same(want, got, false) {
			t.Fatalf("%v and %v are not the same", want.Rows, got.Rows)
		}
		got.Rows[random.IntN(rows)][random.IntN(columns)].Text = "9"
		if Same(want, got, false) {
			t.Fatalf("%v and %v are the same", want.Rows, got.Rows)
		}
	}
}

// Columns that are all alike, of which there are many orders, don't take for ever.
func TestSameMany(t *testing.T) {
	var want, got []string
	for i := range 12 {
		row := make([]string, 12)
		for j := range row {
			row[j] = fmt.Sprint((i + j) % 12)
		}
		want = append(want, strings.Join(row, "|"))
		slices.Sort(row)
		got = append(got, strings.Join(append(row[i:], row[:i]...), "|"))
	}
	got[0], got[1] = got[1], got[0]
	Same(table(want...), table(got...), false)
}

func TestOrdered(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1 order\n by 1":                                   true,
		"SELECT a FROM t ORDER BY a LIMIT 1":                      true,
		"SELECT a FROM (SELECT a FROM t ORDER BY a)":              false,
		"SELECT sum(a) OVER (ORDER BY b) FROM t":                  false,
		"SELECT sum(a) OVER (ORDER BY b) FROM t ORDER /*x*/ BY a": true,
		"SELECT 'ORDER BY' FROM t -- ORDER BY a":                  false,
		`SELECT "ORDER" "BY", ')' FROM t /* ORDER BY */`:          false,
		"SELECT ')' FROM (SELECT 1 ORDER BY 1)":                   false,
		"":                                                        false,
	} {
		if got := Ordered(sql); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
}
