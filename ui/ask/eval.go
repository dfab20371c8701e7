package ask

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"pilothouse/ui/query"
)

// Case is a question whose answer is known.
type Case struct {
	ID       string `json:"id"` // "": the number of its line
	Question string `json:"question"`
	SQL      string `json:"sql"`    // that answers it
	Source   string `json:"source"` // "": the one that the evaluation is about
}

// Outcome is what became of a case.
type Outcome string

// The outcomes.
const (
	Right     Outcome = "ok"
	Different Outcome = "different result"
	Failed    Outcome = "error"  // of the model, or of the database about its SQL
	NoSQL     Outcome = "no SQL" // in the model's answer
	TimedOut  Outcome = "timed out"
	BadCase   Outcome = "bad case" // the SQL that is known gives no result: nobody's fault but the set's
	Undone    Outcome = "not done" // the evaluation was cancelled before
)

// Outcomes are all of them, the best first.
var Outcomes = [...]Outcome{Right, Different, Failed, NoSQL, TimedOut, BadCase, Undone}

// Finding is what came of one case.
type Finding struct {
	Case
	Outcome Outcome
	Why     string // of a failure; from outside
	Answer  Answer
	Ran     time.Duration // of the model's SQL
}

// Report is what came of all.
type Report struct {
	Model    string
	Findings []Finding // in the order of the cases
	Took     time.Duration
}

// Count is how many cases came out so.
func (r *Report) Count(o Outcome) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Outcome == o {
			n++
		}
	}
	return n
}

// Accuracy is the execution accuracy: the share of cases whose SQL gave the known
// result, from 0 to 1, of all but bad ones. Where there are no others it is 0.
func (r *Report) Accuracy() float64 {
	n := len(r.Findings) - r.Count(BadCase)
	if n == 0 {
		return 0
	}
	return float64(r.Count(Right)) / float64(n)
}

// Tokens are those of all prompts and answers.
func (r *Report) Tokens() (prompt, completion int64) {
	for i := range r.Findings {
		prompt, completion = prompt+r.Findings[i].Answer.Prompt, completion+r.Findings[i].Answer.Completion
	}
	return prompt, completion
}

// Evaluation is a set of cases, and what they are put to.
type Evaluation struct {
	Cases  []Case
	Source func(name string) query.Source // nil: there is none; "" is the one to begin with
	Models Models
	Model  Model
	Bounds query.Bounds     // of each query; zero values are 30 s and 10,000 rows
	Now    func() time.Time // nil: time.Now
	// Each, where set, is told of each finding as it comes, one at a time.
	Each func(Finding)
}

// inParallel is how many cases are put at once.
const inParallel = 4

// caseTime bounds what a model may take for one case.
const caseTime = 5 * time.Minute

// Evaluate puts all cases, and returns when it has, or when ctx has ended: the rest is
// Undone then, and the error is that of ctx.
func Evaluate(ctx context.Context, e Evaluation) (*Report, error) {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Bounds.Time == 0 {
		e.Bounds.Time = 30 * time.Second
	}
	if e.Bounds.Rows == 0 {
		e.Bounds.Rows = 10_000
	}
	began := e.Now()
	r := &Report{Model: e.Model.Name, Findings: make([]Finding, len(e.Cases))}
	for i, c := range e.Cases {
		r.Findings[i] = Finding{Case: c, Outcome: Undone}
	}
	next := make(chan int)
	var group sync.WaitGroup
	var telling sync.Mutex
	for range min(inParallel, len(e.Cases)) {
		group.Go(func() {
			for i := range next {
				f := e.put(ctx, e.Cases[i])
				telling.Lock()
				r.Findings[i] = f
				if e.Each != nil && f.Outcome != Undone {
					e.Each(f)
				}
				telling.Unlock()
			}
		})
	}
	for i := range e.Cases {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	group.Wait()
	r.Took = e.Now().Sub(began)
	return r, ctx.Err()
}

// put puts one case.
func (e *Evaluation) put(ctx context.Context, c Case) Finding {
	f := Finding{Case: c}
	end := func(o Outcome, err error) Finding {
		f.Outcome, f.Why = o, clip(err.Error(), maxMessage)
		if ctx.Err() != nil {
			f.Outcome, f.Why = Undone, ""
		}
		return f
	}
	src := e.Source(c.Source)
	if src == nil {
		return end(BadCase, fmt.Errorf("there is no database %q", c.Source))
	}
	want, err := src.Run(ctx, c.SQL, e.Bounds)
	if err == nil && want.Cut != "" {
		err = fmt.Errorf("its result is longer than %s", want.Cut)
	}
	if err != nil {
		return end(BadCase, err)
	}
	schema, err := src.Schema(ctx)
	if err != nil {
		return end(Failed, err)
	}
	limited, stop := context.WithTimeoutCause(ctx, caseTime, errSlow)
	defer stop()
	f.Answer, _, err = e.Model.Write(limited, e.Models, Inquiry{Kind: src.Kind(), Schema: schema, Question: c.Question, Now: e.Now()})
	switch {
	case errors.Is(err, errSlow):
		return end(TimedOut, err)
	case errors.Is(err, ErrNoSQL):
		return end(NoSQL, err)
	case err != nil:
		return end(Failed, err)
	}
	got, err := src.Run(ctx, f.Answer.SQL, e.Bounds)
	if q, ok := errors.AsType[*query.Error](err); ok && q.Reason == query.TimedOut {
		return end(TimedOut, err)
	}
	if err != nil {
		return end(Failed, err)
	}
	f.Ran, f.Outcome = got.Took, Right
	if got.Cut != "" || !Same(want, got, Ordered(c.SQL)) {
		f.Outcome = Different
	}
	return f
}

var errSlow = fmt.Errorf("the model took longer than %v", caseTime)

// Bounds of a set of cases.
const (
	maxCases = 2_000
	maxCase  = 128 << 10 // bytes of a line
)

// CaseError is a line of a file of cases that can't be used.
type CaseError struct {
	Line int
	Err  error
}

func (e *CaseError) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Err.Error() }
func (e *CaseError) Unwrap() error { return e.Err }

// ReadCases reads cases, each an object of JSON on a line of its own; empty lines are
// passed over. Its errors, but for those of in, are *CaseErrors.
func ReadCases(in io.Reader) ([]Case, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4<<10), maxCase)
	var all []Case
	seen := make(map[string]int)
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" {
			continue
		}
		c, err := readCase(text)
		if c.ID == "" {
			c.ID = strconv.Itoa(n)
		}
		switch {
		case err != nil:
		case seen[c.ID] > 0:
			err = fmt.Errorf("the id %q is that of line %d, too", c.ID, seen[c.ID])
		case len(all) == maxCases:
			err = fmt.Errorf("there are more than %d cases", maxCases)
		}
		if err != nil {
			return nil, &CaseError{n, err}
		}
		seen[c.ID] = n
		all = append(all, c)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &CaseError{n + 1, fmt.Errorf("it is longer than %d KiB", maxCase>>10)}
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, &CaseError{n + 1, errors.New("there is no case")}
	}
	return all, nil
}

func readCase(text string) (c Case, err error) {
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return c, fmt.Errorf(`want an object with "question" and "sql", and perhaps "id" and "source": %w`, err)
	}
	if in.More() {
		return c, errors.New("there is more behind the object; each has a line of its own")
	}
	if strings.TrimSpace(c.Question) == "" || strings.TrimSpace(c.SQL) == "" {
		return c, errors.New(`"question" and "sql" are both needed`)
	}
	return c, nil
}
