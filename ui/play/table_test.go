package play

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

func plainTheme() *widget.Theme { return widget.NewTheme(sqlLooks["none"]) }

// wideResult has rows, columns and cells of a size.
func wideResult(rows, cols, size int) *query.Result {
	r := &query.Result{}
	cell := strings.Repeat("long ", size/5)
	for j := range cols {
		r.Columns = append(r.Columns, query.ResultColumn{Name: fmt.Sprintf("c%d", j)})
	}
	row := make([]query.Value, cols)
	for j := range row {
		row[j] = query.Value{Text: cell}
	}
	for range rows {
		r.Rows = append(r.Rows, row)
	}
	return r
}

func newTable(r *query.Result) *table {
	t := &table{keys: pane.NewScrolling(), theme: plainTheme()}
	t.take(r)
	return t
}

// drawn is what a table shows in a size.
func paneText(t *table, w, h int) []string {
	c := widget.NewCanvas(t.theme, w, h)
	t.draw(c, true)
	return strings.Split(sqlTrimmed(widgetText(c)), "\n")
}

// widgetText is a canvas without its colours.
func widgetText(c *widget.Canvas) string { return stripped(c.String()) }

func TestTableDraws(t *testing.T) {
	r := &query.Result{Columns: []query.ResultColumn{{Name: "org"}, {Name: "n", Numeric: true}, {Name: "note"}}, Rows: [][]query.Value{
		{text("acme"), text("5"), text("NULL")}, {text("東京"), text("12345"), {Null: true}}, {text("a\tb\nc"), {Null: true}, text("")}, {text("short")},
	}}
	got := paneText(newTable(r), 40, 6)
	want := []string{" org            n  note", ">acme           5  \"NULL\"", " 東京       12345  NULL", " a    b\\nc   NULL", " short       NULL  NULL", ""}
	want[1] = "▸" + want[1][1:]
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The selected cell is always in the window, whatever way one goes.
func TestTableScrolls(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		tb := newTable(wideResult(50, 40, 10))
		tb.fixed = fixed
		for i := range tb.res.Columns {
			tb.res.Columns[i].Name = fmt.Sprintf("col%02d", i)
		}
		paneText(tb, 60, 10)
		go1 := func(name string, n int) {
			t.Helper()
			for range n {
				tb.press(sqlKey(name))
				lines := paneText(tb, 60, 10)
				if !strings.Contains(lines[0], tb.res.Columns[tb.col].Name) {
					t.Fatalf("fixed %t: column %d is not in %q", fixed, tb.col, lines[0])
				}
				if fixed && !strings.Contains(lines[0], "col00") {
					t.Fatalf("the fixed column is not in %q", lines[0])
				}
				if tb.row < tb.top || tb.row >= tb.top+9 {
					t.Fatalf("row %d is not in the window from %d", tb.row, tb.top)
				}
			}
		}
		go1("right", 45)
		if tb.col != 39 {
			t.Errorf("at column %d, want 39", tb.col)
		}
		go1("pgdown", 9)
		if tb.row != 49 {
			t.Errorf("at row %d, want 49", tb.row)
		}
		go1("left", 45)
		go1("g", 1)
		if tb.col != 0 || tb.row != 0 {
			t.Errorf("at %d, %d, want 0, 0", tb.row, tb.col)
		}
	}
}

// Columns don't shrink while one scrolls: what is read would jump.
func TestTableKeepsWidths(t *testing.T) {
	r := wideResult(40, 2, 10)
	r.Rows[0] = []query.Value{text(strings.Repeat("w", 30)), text("x")}
	tb := newTable(r)
	paneText(tb, 100, 10)
	was := tb.widths[0]
	tb.press(sqlKey("G"))
	paneText(tb, 100, 10)
	if was != 30 || tb.widths[0] != was {
		t.Errorf("%d cells became %d, want 30", was, tb.widths[0])
	}
}

// What a table of a thousand rows, two hundred columns and megabytes a cell costs to draw
// is what is seen of it.
func TestTableCostsWhatIsSeen(t *testing.T) {
	took := func(r *query.Result) time.Duration {
		tb := newTable(r)
		least := time.Hour
		for range 3 {
			start := time.Now()
			for range 20 {
				paneText(tb, 120, 40)
				tb.press(sqlKey("right"))
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	small, large := took(wideResult(40, 12, 50)), took(wideResult(1000, 200, 1<<20))
	if large > 20*small && large > time.Second {
		t.Errorf("%v, and %v for a large one", small, large)
	}
}

func TestViewer(t *testing.T) {
	th := plainTheme()
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, text string
		first      []string // rows at the top
		last       string   // the last row, at the end
	}{
		{"short", "one", []string{"one"}, "one"},
		{"lines", "one\n\ntwo\tx\n", []string{"one", "", "two    x"}, "two    x"},
		{"words", "aaaa bbbb cccc ddd eeee", []string{"aaaa bbbb cccc ddd", "eeee"}, "eeee"},
		{"JSON", `{"a":[1,2]}`, []string{"{", `  "a": [`, "    1,"}, "}"},
		{"no JSON", `{"a":[1,2]`, []string{`{"a":[1,2]`}, `{"a":[1,2]`},
		{"a megabyte", long, []string{long[:18], long[:18]}, long[:(1<<20)%18]},
		{"nothing", "", []string{""}, ""},
		{"hostile", "\x1b[2J\r\n\u202e", []string{`\x1b[2J\r`, `\u202e`}, `\u202e`},
		{"wide", strings.Repeat("長", 12), []string{strings.Repeat("長", 9), strings.Repeat("長", 3)}, strings.Repeat("長", 3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newViewer(pane.NewScrolling(), tt.text)
			show := func() []string {
				c := widget.NewCanvas(th, 20, 4)
				v.draw(c)
				return strings.Split(sqlTrimmed(widgetText(c)), "\n")
			}
			for i, l := range show() {
				if i < len(tt.first) && strings.TrimPrefix(l, " ") != tt.first[i] {
					t.Errorf("row %d is %q, want %q", i, l, tt.first[i])
				}
			}
			v.press(th, sqlKey("G"))
			rows := show()
			at := len(rows) - 1
			for at > 0 && rows[at] == "" {
				at--
			}
			if strings.TrimPrefix(rows[at], " ") != tt.last {
				t.Errorf("the last row is %q, want %q", rows[at], tt.last)
			}
			v.press(th, sqlKey("g"))
			if rows := show(); strings.TrimPrefix(rows[0], " ") != tt.first[0] {
				t.Errorf("back at %q", rows[0])
			}
		})
	}
}

// JSON that would grow beyond reason when it is set out stays as it is.
func TestPrettyIsBounded(t *testing.T) {
	for _, s := range []string{strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "[" + strings.Repeat("1,", maxPretty) + "1]"} {
		if got := pretty(s); got != s {
			t.Errorf("%d bytes became %d", len(s), len(got))
		}
	}
}

func TestChart(t *testing.T) {
	two := func(label, figure query.ResultColumn, cells ...string) *query.Result {
		r := &query.Result{Columns: []query.ResultColumn{label, figure}}
		for i := 0; i < len(cells); i += 2 {
			r.Rows = append(r.Rows, []query.Value{text(cells[i]), text(cells[i+1])})
		}
		return r
	}
	word, number := query.ResultColumn{Name: "w"}, query.ResultColumn{Name: "n", Numeric: true}
	for _, tt := range []struct {
		name string
		r    *query.Result
		want string // none, bars, line
	}{
		{"nothing", nil, "none"},
		{"one column", &query.Result{Columns: []query.ResultColumn{number}, Rows: [][]query.Value{{text("1")}}}, "none"},
		{"no numbers", two(word, word, "a", "b"), "none"},
		{"numbers that are none", two(word, number, "a", "b"), "none"},
		{"words", two(word, number, "a", "1", "b", "2", "c", "3"), "bars"},
		{"the number first", two(number, word, "1", "a", "2", "b"), "bars"},
		{"days", two(word, number, "2026-01-01", "1", "2026-01-02", "2", "2026-01-03", "9"), "line"},
		{"days, newest first", two(word, number, "2026-01-03", "1", "2026-01-02", "2", "2026-01-01", "9"), "line"},
		{"days without order", two(word, number, "2026-01-03", "1", "2026-01-01", "2", "2026-01-02", "9"), "bars"},
		{"two days", two(word, number, "2026-01-01", "1", "2026-01-02", "2"), "bars"},
		{"hours by number", two(number, number, "0", "5", "1", "6", "2", "7"), "line"},
		{"negative", two(word, number, "a", "-1", "b", "2", "c", "NaN"), "bars"},
		{"huge", two(number, number, "-1e308", "-1e308", "0", "0", "1e308", "1e308"), "line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := "none"
			if ch := newChart(tt.r, 1); ch != nil {
				got = "bars"
				if ch.line {
					got = "line"
				}
				for _, size := range [][2]int{{1, 1}, {5, 3}, {60, 8}} {
					c := widget.NewCanvas(plainTheme(), size[0], size[1])
					ch.draw(c, tt.r, 0)
					sqlShaped(t, c.String(), size[0], size[1])
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// A line goes from its first point to its last, on the way between those known.
func TestChartSamples(t *testing.T) {
	r := &query.Result{Columns: []query.ResultColumn{{Name: "x", Numeric: true}, {Name: "y", Numeric: true}}}
	for _, p := range [][2]string{{"0", "0"}, {"10", "10"}, {"40", "40"}} {
		r.Rows = append(r.Rows, []query.Value{text(p[0]), text(p[1])})
	}
	s := newChart(r, 1).samples(5, 0)
	for i, v := range s {
		if v != float64(i*10) {
			t.Errorf("sample %d is %v, want %d", i, v, i*10)
		}
	}
}

// A frame of a large result.
func BenchmarkTable(b *testing.B) {
	tb := newTable(wideResult(1000, 200, 1<<20))
	c := new(widget.Canvas)
	for b.Loop() {
		c.Reset(tb.theme, 118, 36)
		tb.draw(c, true)
	}
}

// Where several columns have text a bar is named by all of them, and no line is drawn
// through what belongs to several things.
func TestChartOfSeveralNames(t *testing.T) {
	cell := func(s string) query.Value { return query.Value{Text: s} }
	r := &query.Result{Columns: []query.ResultColumn{{Name: "date"}, {Name: "model"}, {Name: "answered", Numeric: true}}}
	for _, day := range []string{"2026-11-28", "2026-11-29"} {
		for _, model := range []string{"chat", "sql"} {
			r.Rows = append(r.Rows, []query.Value{cell(day), cell(model), cell("7")})
		}
	}
	ch := newChart(r, 0)
	if ch == nil || ch.line || ch.name(r, 1) != "2026-11-28, sql" || ch.heading(r.Columns) != "date, model" {
		t.Fatalf("%+v", ch)
	}
	if ch := newChart(&query.Result{Columns: r.Columns, Rows: [][]query.Value{{cell("a")}, {cell("b"), {Null: true}, cell("2")}}}, 0); ch.name(r, 0) == "" || ch.known != 1 {
		t.Errorf("%+v", ch)
	}
}
