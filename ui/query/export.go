package query

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes the columns' names and the rows as RFC 4180 says: commas, lines that end
// in CRLF, quotes around a cell with a comma, a quote or an end of line in it. A NULL is an
// empty cell, and an empty text is "", as PostgreSQL's own CSV has it.
//
// A text that a spreadsheet would take for a formula, one that begins with =, +, -, @, a tab
// or a carriage return, gets an apostrophe in front unless it is a number: cells hold what
// clients chose, and a file that is opened must not act. Who wants the bytes as they are
// takes WriteJSON.
func (r *Result) WriteCSV(w io.Writer) error {
	b := bufio.NewWriter(w)
	for i, c := range r.Columns {
		separate(b, i)
		b.WriteString(csvCell(c.Name))
	}
	b.WriteString("\r\n")
	for _, row := range r.Rows {
		for i, v := range row {
			separate(b, i)
			if !v.Null {
				b.WriteString(csvCell(v.Text))
			}
		}
		b.WriteString("\r\n")
	}
	return b.Flush() // which fails with the first error
}

func separate(b *bufio.Writer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

func csvCell(s string) string {
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			s = "'" + s
		}
	}
	if s == "" || strings.ContainsAny(s, ",\"\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// WriteJSON writes an array of objects, one a row, with their members in the columns'
// order. A NULL is null; the numbers of a numeric column are numbers, as the database wrote
// them, and NaN and infinities text; all else is text, in which bytes that are no UTF-8
// become U+FFFD. Of columns of one name the second is name_2, and so on.
func (r *Result) WriteJSON(w io.Writer) error {
	b := bufio.NewWriter(w)
	names := r.unique()
	b.WriteByte('[')
	for n, row := range r.Rows {
		separate(b, n)
		b.WriteString("\n{")
		for i, v := range row {
			separate(b, i)
			b.Write(jsonText(names[i]))
			b.WriteByte(':')
			switch {
			case v.Null:
				b.WriteString("null")
			case r.Columns[i].Numeric && json.Valid([]byte(v.Text)):
				b.WriteString(v.Text)
			default:
				b.Write(jsonText(v.Text))
			}
		}
		b.WriteByte('}')
	}
	b.WriteString("\n]\n")
	return b.Flush()
}

// unique are the columns' names, each once.
func (r *Result) unique() []string {
	taken := map[string]bool{}
	for _, c := range r.Columns {
		taken[c.Name] = true
	}
	seen := map[string]bool{}
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		name := c.Name
		for n := 2; seen[name] || name != c.Name && taken[name]; n++ {
			name = c.Name + "_" + strconv.Itoa(n)
		}
		seen[name] = true
		names[i] = name
	}
	return names
}

func jsonText(s string) []byte {
	text, _ := json.Marshal(s) // a string always can be
	return text
}
