package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/ui/ask"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// evalItem is what came of a case: a line of what the process that serves prints for
// --cases, and an element of what "ask --eval --json" does.
type evalItem struct {
	ID         string      `json:"id"`
	Question   string      `json:"question"`
	Outcome    ask.Outcome `json:"outcome"`
	Error      string      `json:"error"`
	SQL        string      `json:"sql"`   // the model's
	Known      string      `json:"known"` // the case's
	Model      string      `json:"model"`
	First      float64     `json:"first_token_seconds"`
	Duration   float64     `json:"duration_seconds"` // of the model
	Ran        float64     `json:"query_seconds"`
	Prompt     int64       `json:"prompt_tokens"`
	Completion int64       `json:"completion_tokens"`
}

// evalListing is what "ask --eval --json" prints.
type evalListing struct {
	File       string         `json:"file"`
	Source     string         `json:"source"` // ""; the first
	Model      string         `json:"model"`
	Accuracy   float64        `json:"accuracy"`
	Outcomes   map[string]int `json:"outcomes"`
	Prompt     int64          `json:"prompt_tokens"`
	Completion int64          `json:"completion_tokens"`
	Duration   float64        `json:"duration_seconds"` // of all
	Questions  []evalItem     `json:"questions"`
}

// putCases puts the cases that a shell sent, in the process that serves.
func (f *askFlags) putCases(ctx context.Context, cmd *cobra.Command, opt *AskOptions) error {
	cases, err := ask.ReadCases(strings.NewReader(f.cases))
	if err != nil {
		return &UsageError{fmt.Errorf("--cases: %w", err)}
	}
	src, m, err := f.from(ctx, opt)
	if err != nil {
		return err
	}
	opt.Seat.Note(ctx, "evaluate", src.Name(), counting(len(cases), "question"))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	_, err = ask.Evaluate(ctx, ask.Evaluation{Cases: cases, Models: opt.Models, Model: m, Now: opt.Clock,
		Source: func(name string) query.Source { return f.named(opt, name, src) },
		Each: func(x ask.Finding) {
			if err := encode(cmd.OutOrStdout(), newEvalItem(&x, m.Name)); err != nil {
				stop(err) // the shell has left
			}
		}})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err
}

// named is the database of a case.
func (f *askFlags) named(opt *AskOptions, name string, src query.Source) query.Source {
	if name == "" {
		return src
	}
	for _, s := range opt.Sources {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

func newEvalItem(x *ask.Finding, model string) evalItem {
	return evalItem{ID: x.ID, Question: x.Question, Outcome: x.Outcome, Error: x.Why, SQL: x.Answer.SQL, Known: x.SQL, Model: model,
		First: x.Answer.TTFT.Seconds(), Duration: x.Answer.Took.Seconds(), Ran: x.Ran.Seconds(), Prompt: x.Answer.Prompt, Completion: x.Answer.Completion}
}

// maxCases bounds the bytes of cases in one command line, quoted; what takes command
// lines takes 64 KiB.
const maxCases = 48 << 10

// evaluate reads the file of cases, has the process that serves put them, as many at a
// time as a command line holds, and sums up.
func (f *askFlags) evaluate(cmd *cobra.Command, opt *AskOptions) error {
	cases, err := readCases(f.eval)
	if err != nil {
		return err
	}
	began := time.Now()
	c := &caseReader{errOut: cmd.ErrOrStderr(), all: len(cases), found: make(map[string]evalItem)}
	for rest := cases; len(rest) > 0; {
		text, n := pack(rest)
		if n == 0 {
			return usagef("%s: the case %q is longer than a command line may be", f.eval, rest[0].ID)
		}
		line := []string{"ask", "--cases=" + text}
		for _, o := range []struct{ flag, value string }{{"source", f.source}, {"model", f.model}} {
			if o.value != "" {
				line = append(line, "--"+o.flag+"="+o.value)
			}
		}
		// Where both outputs end in the same place, all comes through one of them.
		code, err := opt.Forward(cmd.Context(), line, c, c)
		if err = errors.Join(err, c.flush()); err != nil {
			return err
		}
		if code != 0 {
			return &ExitError{Code: code}
		}
		rest = rest[n:]
	}
	l := c.sum(cases)
	l.File, l.Source, l.Duration = f.eval, f.source, time.Since(began).Seconds()
	if f.asJSON {
		err = encode(cmd.OutOrStdout(), l)
	} else {
		err = writeEvaluation(cmd.OutOrStdout(), l)
	}
	switch bad := l.Outcomes[string(ask.BadCase)]; {
	case err != nil:
		return err
	case bad > 0:
		return fmt.Errorf("%s of %s can't be used: the SQL that is to be right gives no result", counting(bad, "case"), f.eval)
	case l.Accuracy < f.least:
		return fmt.Errorf("the accuracy is %s, below the %s asked for", inPercent(l.Accuracy), inPercent(f.least))
	}
	return nil
}

func readCases(name string) ([]ask.Case, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("--eval: %w", err)}
	}
	defer in.Close()
	cases, err := ask.ReadCases(in)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("%s: %w", name, err)}
	}
	return cases, nil
}

// pack writes as many cases as a command line holds, and how many those are.
func pack(cases []ask.Case) (text string, n int) {
	var b strings.Builder
	size := 0
	for _, c := range cases {
		line, err := json.Marshal(c)
		if size += len(line) + 1 + 3*bytes.Count(line, []byte("'")); err != nil || size > maxCases {
			break
		}
		b.Write(append(line, '\n'))
		n++
	}
	return b.String(), n
}

// caseReader reads what the process that serves prints: findings, which it keeps, and
// whatever else, which is for people.
type caseReader struct {
	errOut io.Writer
	all    int
	line   []byte
	found  map[string]evalItem // by id
}

func (c *caseReader) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		c.line = append(c.line, line...)
		if whole {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
		rest = after
	}
	return len(p), nil
}

// flush takes in a line that is whole.
func (c *caseReader) flush() error {
	line := c.line
	c.line = nil
	if len(line) == 0 {
		return nil
	}
	var item evalItem
	if line[0] != '{' || json.Unmarshal(line, &item) != nil {
		_, err := fmt.Fprintf(c.errOut, "%s\n", line)
		return err
	}
	c.found[item.ID] = item
	text := fmt.Sprintf("%d of %d  %-16s %s", len(c.found), c.all, item.Outcome, item.ID)
	if item.Error != "" {
		text += ": " + item.Error
	}
	_, err := fmt.Fprintln(c.errOut, widget.Clean(text, false))
	return err
}

// sum sums findings up, in the order of the cases.
func (c *caseReader) sum(cases []ask.Case) *evalListing {
	r := ask.Report{Findings: make([]ask.Finding, len(cases))}
	l := &evalListing{Outcomes: make(map[string]int), Questions: make([]evalItem, len(cases))}
	for i, x := range cases {
		item, ok := c.found[x.ID]
		if !ok {
			item = evalItem{ID: x.ID, Question: x.Question, Known: x.SQL, Outcome: ask.Undone}
		}
		l.Questions[i] = item
		l.Outcomes[string(item.Outcome)]++
		l.Prompt, l.Completion = l.Prompt+item.Prompt, l.Completion+item.Completion
		if item.Model != "" {
			l.Model = item.Model
		}
		r.Findings[i].Outcome = item.Outcome
	}
	l.Accuracy = r.Accuracy()
	return l
}

func inPercent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// writeEvaluation writes a line for each question, and the sums.
func writeEvaluation(w io.Writer, l *evalListing) error {
	rows := make([][]string, len(l.Questions))
	for i, x := range l.Questions {
		question := []rune(x.Question)
		if len(question) > 60 {
			question = append(question[:59], '…')
		}
		rows[i] = []string{x.ID, string(x.Outcome), widget.Duration(time.Duration(x.Duration * float64(time.Second))), digits(x.Prompt), digits(x.Completion), string(question)}
	}
	if err := writeColumns(w, []column{{"ID", false}, {"OUTCOME", false}, {"TOOK", true}, {"IN", true}, {"OUT", true}, {"QUESTION", false}}, rows); err != nil {
		return err
	}
	var parts []string
	for _, o := range ask.Outcomes {
		if n := l.Outcomes[string(o)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	_, err := fmt.Fprintf(w, "\nexecution accuracy %s of %s: %s\n%s; %s prompt and %s completion tokens in %s\n",
		inPercent(l.Accuracy), counting(len(l.Questions), "question"), strings.Join(parts, ", "), widget.Clean(l.Model, false),
		digits(l.Prompt), digits(l.Completion), took(time.Duration(l.Duration*float64(time.Second))))
	return err
}
