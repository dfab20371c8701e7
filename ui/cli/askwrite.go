package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/ask"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// writeAnswer writes what the model reasoned to one output, and its SQL to the other.
func writeAnswer(out, errOut io.Writer, a *asked) error {
	if err := writeReasoning(errOut, a); err != nil {
		return err
	}
	_, err := io.WriteString(out, printable(a.answer.SQL)+"\n")
	return err
}

// writeReasoning writes it folded to the width of a screen, and what it cost.
func writeReasoning(w io.Writer, a *asked) error {
	var b strings.Builder
	if a.answer.Reasoning != "" {
		b.WriteString(ansi.Wrap(printable(a.answer.Reasoning), screen, "") + "\n\n")
	}
	fmt.Fprintf(&b, "%s, %s prompt and %s completion tokens, first token after %s, all after %s\n", widget.Clean(a.model.Name, false),
		digits(a.answer.Prompt), digits(a.answer.Completion), widget.Duration(a.answer.TTFT), widget.Duration(a.answer.Took))
	if n := len(a.prompt.Left); n > 0 {
		fmt.Fprintf(&b, "the model's context had no room for %d of %d tables\n", n, n+len(a.prompt.Shown))
	}
	if n := len(a.prompt.Cut); n > 0 {
		fmt.Fprintf(&b, "nor for all columns of: %s\n", widget.Clean(strings.Join(a.prompt.Cut, ", "), false))
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// printable is text of several lines that a terminal takes no harm from.
func printable(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\t", "    "), "\n")
	for i, l := range lines {
		lines[i] = widget.Clean(l, false)
	}
	return strings.Join(lines, "\n")
}

// widestCell bounds a cell of a table, in characters; --json has all of it.
const widestCell = 100

// writeResult writes rows as a table, and how many there are to the other output.
func writeResult(out, errOut io.Writer, r *query.Result) error {
	cols, rows := make([]column, len(r.Columns)), make([][]string, len(r.Rows))
	for i, c := range r.Columns {
		cols[i] = column{widget.Clean(c.Name, false), c.Numeric}
	}
	for i, row := range r.Rows {
		rows[i] = make([]string, len(cols))
		for j := range min(len(row), len(cols)) {
			rows[i][j] = cellText(row[j])
		}
	}
	if _, err := io.WriteString(out, "\n"); err != nil {
		return err
	}
	if err := writeColumns(out, cols, rows); err != nil {
		return err
	}
	note := fmt.Sprintf("%s in %s", counting(len(rows), "row"), widget.Duration(r.Took))
	if r.Cut != "" {
		note += "; there is more, but it ends at " + r.Cut
	}
	_, err := fmt.Fprintln(errOut, note)
	return err
}

func cellText(v query.Value) string {
	if v.Null {
		return "NULL"
	}
	if text := []rune(v.Text); len(text) > widestCell {
		return string(text[:widestCell]) + "…"
	}
	return v.Text
}

// counting is "1 row", "2 rows".
func counting(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return digits(int64(n)) + " " + what
}

// askListing is what "ask --json" prints.
type askListing struct {
	Question   string      `json:"question"`
	Source     string      `json:"source"`
	Dialect    string      `json:"dialect"`
	Model      string      `json:"model"`
	RequestID  string      `json:"request_id"`
	Reasoning  string      `json:"reasoning"`
	SQL        string      `json:"sql"`
	First      float64     `json:"first_token_seconds"`
	Duration   float64     `json:"duration_seconds"`
	Prompt     int64       `json:"prompt_tokens"`
	Completion int64       `json:"completion_tokens"`
	Left       []string    `json:"tables_left_out"`
	Cut        []string    `json:"tables_cut"` // that the prompt had not all columns of
	Expensive  string      `json:"expensive"`  // why; "": it isn't, or nothing was planned
	Result     *resultItem `json:"result"`     // null: nothing was run
	Error      string      `json:"error"`      // the database's
}

// resultItem is a result; values are text as the database gives it, or null.
type resultItem struct {
	Columns  []columnItem `json:"columns"`
	Rows     [][]*string  `json:"rows"`
	Cut      string       `json:"cut"` // why there would be more
	Duration float64      `json:"duration_seconds"`
}

type columnItem struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func newAskListing(a *asked) *askListing {
	l := &askListing{Question: a.question, Source: a.source.Name(), Dialect: ask.Dialect(a.source.Kind()), Model: a.model.Name,
		RequestID: a.answer.RequestID, Reasoning: a.answer.Reasoning, SQL: a.answer.SQL,
		First: a.answer.TTFT.Seconds(), Duration: a.answer.Took.Seconds(), Prompt: a.answer.Prompt, Completion: a.answer.Completion,
		Left: list(a.prompt.Left), Cut: list(a.prompt.Cut)}
	if a.plan != nil {
		l.Expensive = a.plan.Expensive
	}
	if a.err != nil {
		l.Error = a.err.Error()
	}
	if r := a.result; r != nil {
		l.Result = &resultItem{Columns: make([]columnItem, len(r.Columns)), Rows: make([][]*string, len(r.Rows)), Cut: r.Cut, Duration: r.Took.Seconds()}
		for i, c := range r.Columns {
			l.Result.Columns[i] = columnItem{c.Name, c.Type}
		}
		for i, row := range r.Rows {
			l.Result.Rows[i] = make([]*string, len(row))
			for j := range row {
				if !row[j].Null {
					l.Result.Rows[i][j] = &row[j].Text
				}
			}
		}
	}
	return l
}
