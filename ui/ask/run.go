package ask

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pilothouse/ui/query"
)

// Plan asks the database how it would run the SQL.
func (s *Sheet) Plan() {
	s.begin(Planning, s.statement, func(ctx context.Context) error {
		_, err := s.plan(ctx, s.stated())
		return err
	})
}

// Run runs the SQL. It is planned first; where the plan is expensive nothing runs
// unless the operator is sure, and Held says so.
func (s *Sheet) Run(sure bool) {
	s.begin(Planning, s.statement, func(ctx context.Context) error {
		st := s.stated()
		began := s.now()
		p, err := s.plan(ctx, st)
		switch {
		case err != nil:
			s.ran(ctx, st, began, nil, err)
			return err
		case p.Expensive != "" && !sure:
			s.change(func(is *Snapshot) { is.Held = is.SQL == st.sql })
			return nil
		}
		s.turn(Running)
		s.of.used(s)
		began = s.now()
		r, err := st.source.Run(ctx, st.sql, s.of.o.Bounds)
		s.ran(ctx, st, began, r, err)
		return s.failed(st, err)
	})
}

// stated is a statement as it stood when it was to be planned or run.
type stated struct {
	source        query.Source
	question, sql string
}

func (s *Sheet) stated() stated {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stated{s.source(), s.is.Question, s.is.SQL}
}

// statement tells whether there is one to plan or run, and makes ready for it; mu is
// held.
func (s *Sheet) statement() bool {
	if s.source() == nil || strings.TrimSpace(s.is.SQL) == "" {
		return false
	}
	s.is.Err, s.is.Held, s.is.Plan = nil, false, nil
	s.is.Repaired, s.fault = false, fault{}
	return true
}

func (s *Sheet) plan(ctx context.Context, st stated) (*query.Plan, error) {
	p, err := st.source.Plan(ctx, st.sql)
	if err != nil {
		return nil, s.failed(st, err)
	}
	s.change(func(is *Snapshot) { is.Plan = p })
	return p, nil
}

// failed takes down what the database said of a statement that it did not understand
// or would not run, which a model may repair.
func (s *Sheet) failed(st stated, err error) error {
	if e, ok := errors.AsType[*query.Error](err); ok && (e.Reason == query.Wrong || e.Reason == query.Refused) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fault = fault{st.sql, clip(e.Text, maxFault)}
		s.is.Repaired = s.fault == s.repaired
	}
	return err
}

// ran puts what was run into the history, and tells the audit. A plan that came to
// nothing counts: it was to be run.
func (s *Sheet) ran(ctx context.Context, st stated, began time.Time, r *query.Result, err error) {
	e := Entry{At: began.UTC(), Source: st.source.Name(), Question: st.question, SQL: st.sql, Took: s.now().Sub(began)}
	if err == nil {
		e.Rows, e.Took = len(r.Rows), r.Took
	} else if ctx.Err() != nil {
		err = ErrCancelled
	}
	if err != nil {
		e.Failed = failure(err)
		if q, ok := errors.AsType[*query.Error](err); ok && q.Reason == query.Wrong {
			e.Failed = clip(q.Text, maxFault)
		}
	}
	s.mu.Lock()
	if err == nil {
		s.is.Result = r
	}
	s.remember(e)
	s.publish()
	note := s.note
	s.mu.Unlock()
	if note != nil {
		note(context.WithoutCancel(ctx), "query", e.Source, Outline(r, err, e.Took))
	}
}

// Outline is what the audit is told of a run: how many rows it gave and how long it
// took, or how it failed, and nothing that was in the statement or the rows.
func Outline(r *query.Result, err error, took time.Duration) string {
	if took = took.Round(time.Millisecond); err != nil {
		return failure(err) + " after " + took.String()
	}
	return fmt.Sprintf("%d rows in %v", len(r.Rows), took)
}

// failure is the class of an error of a database.
func failure(err error) string {
	if errors.Is(err, ErrCancelled) || errors.Is(err, context.Canceled) {
		return "cancelled"
	}
	e, ok := errors.AsType[*query.Error](err)
	if !ok {
		return "failed"
	}
	switch e.Reason {
	case query.Wrong:
		return "not understood"
	case query.Refused:
		return "refused"
	case query.TimedOut:
		return "timed out"
	case query.Cancelled:
		return "cancelled"
	case query.Unreachable:
		return "unreachable"
	case query.TooMuch:
		return "took too much memory"
	}
	return "failed"
}
