package ask

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pilothouse/ui/query"
)

// begin starts what is named in a goroutine of its own, unless something is under way;
// ready, where set, may refuse it, with mu held. What work returns becomes Err, unless
// it is errTold.
func (s *Sheet) begin(d Doing, ready func() bool, work func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is.Doing != Nothing || s.closed || ready != nil && !ready() {
		return
	}
	ctx, cancel := context.WithCancelCause(s.of.ctx)
	s.cancel = cancel
	s.is.Doing, s.is.Since = d, s.now()
	s.publish()
	s.of.group.Go(func() {
		err := work(ctx)
		if ctx.Err() != nil && err != nil {
			err = ErrCancelled
		}
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
		s.hush()
		s.is.Doing, s.is.Since = Nothing, time.Time{}
		if err != nil {
			s.is.Err = err
		}
		s.publish()
	})
}

// turn tells what is being done of what was begun.
func (s *Sheet) turn(d Doing) {
	s.change(func(is *Snapshot) { is.Doing, is.Since = d, s.now() })
}

// lookUp looks the schema up.
func (s *Sheet) lookUp() {
	s.begin(LookingUp, func() bool { return s.source() != nil }, func(ctx context.Context) error {
		_, _, err := s.schema(ctx)
		return err
	})
}

// schema is that of the source in use.
func (s *Sheet) schema(ctx context.Context) (query.Source, *query.Schema, error) {
	s.mu.Lock()
	src := s.source()
	s.mu.Unlock()
	if src == nil {
		return nil, nil, ErrNoSource
	}
	schema, err := src.Schema(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("look up the schema of %q: %w", src.Name(), err)
	}
	s.change(func(is *Snapshot) { is.Schema = schema })
	return src, schema, nil
}

// Ask has a model write SQL for the question.
func (s *Sheet) Ask() {
	s.begin(LookingUp, func() bool {
		if strings.TrimSpace(s.is.Question) == "" {
			return false
		}
		s.is.Err, s.is.Answer, s.is.Left = nil, Answer{}, nil
		return true
	}, func(ctx context.Context) error { return s.write(ctx, Asking, fault{}) })
}

// Repair gives the last error of the database back to the model, with the SQL that it
// is about, once for each error.
func (s *Sheet) Repair() {
	var f fault
	s.begin(LookingUp, func() bool {
		if f = s.fault; f == (fault{}) || f == s.repaired {
			return false
		}
		s.is.Answer, s.is.Left = Answer{}, nil
		return true
	}, func(ctx context.Context) error { return s.write(ctx, Repairing, f) })
}

// write has the model write SQL, and makes it the draft unless the operator has
// written some meanwhile.
func (s *Sheet) write(ctx context.Context, d Doing, f fault) error {
	src, schema, err := s.schema(ctx)
	if err != nil {
		return err
	}
	m, models, err := s.model()
	if err != nil {
		return err
	}
	s.turn(d)
	s.mu.Lock()
	question, edits := s.is.Question, s.edits
	s.mu.Unlock()
	p := Prompt(Inquiry{Kind: src.Kind(), Schema: schema, Question: question, Now: s.now(), Tokens: m.room(), Tried: f.sql, Error: f.text})
	s.change(func(is *Snapshot) { is.Left = append(p.Left, p.Cut...) })
	w, err := m.ask(ctx, models, p.Messages, func(w *writing) {
		so := *w
		s.show(func(is *Snapshot) { is.Answer = so.parse() })
	})
	a := w.parse()
	var sql string
	if err == nil {
		sql, err = w.sql(m)
	}
	s.change(func(is *Snapshot) {
		s.hush()
		is.Answer = a
		if err != nil {
			return
		}
		if f != (fault{}) {
			s.repaired, is.Repaired, is.Err = f, s.fault == f, nil
		}
		if s.edits == edits {
			s.draft(sql)
			is.Plan = nil
			s.keeping()
		}
	})
	return err
}

// Explain has the model say what the SQL does.
func (s *Sheet) Explain() {
	s.begin(Explaining, func() bool {
		s.is.Words = ""
		return strings.TrimSpace(s.is.SQL) != ""
	}, func(ctx context.Context) error {
		m, models, err := s.model()
		if err != nil {
			return err
		}
		s.mu.Lock()
		kind, sql := s.is.Kind, s.is.SQL
		s.mu.Unlock()
		said := func(w *writing) func(*Snapshot) {
			w = &writing{text: w.text, whole: w.whole}
			return func(is *Snapshot) {
				if w.whole {
					s.hush()
				}
				if is.SQL == sql {
					_, words := unthink(w.text, w.whole)
					is.Words = strings.TrimSpace(untagged(words))
				}
			}
		}
		w, err := m.ask(ctx, models, ExplainPrompt(kind, sql), func(w *writing) { s.show(said(w)) })
		s.change(said(w))
		return err
	})
}

// model is the one to ask, and how.
func (s *Sheet) model() (Model, Models, error) {
	m, ok := Choose(s.of.o.Models(), "")
	s.mu.Lock()
	models := s.models
	s.is.Model = m.Name
	s.mu.Unlock()
	if !ok || models == nil {
		return m, nil, ErrNoModel
	}
	return m, models, nil
}

// show publishes what a model writes, no more often than it can be read.
func (s *Sheet) show(f func(*Snapshot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.soon != nil {
		s.next = f
		return
	}
	f(&s.is)
	s.publish()
	s.soon = time.AfterFunc(writingPace, s.flush)
}

// flush publishes what came since the last time.
func (s *Sheet) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.soon == nil: // it has been hushed
	case s.next == nil:
		s.soon = nil
	default:
		s.next(&s.is)
		s.publish()
		s.next = nil
		s.soon = time.AfterFunc(writingPace, s.flush)
	}
}

// hush drops what waits to be shown; mu is held.
func (s *Sheet) hush() {
	if s.soon != nil {
		s.soon.Stop()
	}
	s.soon, s.next = nil, nil
}
