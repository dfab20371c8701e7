package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite is a file of SQLite's, or the ledger.
type sqlite struct {
	c      Config
	path   string
	only   []string // what may be read; nil: every table
	about  map[string]about
	gate   *gate
	schema fresh
	off    guards
}

func (s *sqlite) Name() string { return s.c.Name }
func (s *sqlite) Kind() Kind   { return s.c.Kind }

// Close ends what runs.
func (s *sqlite) Close() error {
	s.gate.shut()
	return nil
}

// Run runs one statement. It holds up no checkpoint longer than it takes: what it reads
// is in memory when it returns, and the file closed.
func (s *sqlite) Run(ctx context.Context, sql string, b Bounds) (*Result, error) {
	b = s.c.bounds(b)
	ctx, leave, err := s.gate.enter(ctx, b.Time)
	if err != nil {
		return nil, err
	}
	defer leave()
	begun := time.Now()
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	defer l.watch(ctx)()
	st, err := s.prepare(ctx, l, sql)
	if err != nil {
		return nil, err
	}
	defer st.close()
	l.mem.off = s.off.memory
	l.mem.begin()
	l.began.Store(true)
	defer l.mem.end()
	r, err := collect(ctx, st, b)
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	r.Took = time.Since(begun)
	return r, nil
}

// connect opens the database for one call, with every guard that there is. What it fails
// with is an *Error. The caller closes it.
func (s *sqlite) connect(ctx context.Context) (*lite, error) {
	// SQLite makes a file where it may; here it mayn't, but says it in words of its own.
	if info, err := os.Stat(s.path); err != nil || !info.Mode().IsRegular() {
		return nil, &Error{Unreachable, fmt.Sprintf("there is no database at %q", s.path), -1}
	}
	l, err := openLite(s.path, s.off)
	if err != nil {
		return nil, &Error{Unreachable, fmt.Sprintf("open %q: %v", s.path, err), -1}
	}
	stop := l.watch(ctx)
	defer stop()
	if err := s.guard(l); err != nil {
		err = l.fail(ctx, err)
		l.close()
		if e := err.(*Error); e.Reason == Wrong {
			e.Reason, e.Text = Unreachable, fmt.Sprintf("open %q: %s", s.path, e.Text)
		}
		return nil, err
	}
	return l, nil
}

func (s *sqlite) guard(l *lite) error {
	sqlite3.Xsqlite3_busy_timeout(l.tls, l.db, 200)
	if err := l.configure(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, true); err != nil {
		return err
	}
	if err := l.configure(sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA, false); err != nil {
		return err
	}
	pragmas := []string{"PRAGMA temp_store = 2", "PRAGMA mmap_size = 0"}
	if !s.off.queryOnly {
		pragmas = append(pragmas, "PRAGMA query_only = 1")
	}
	for _, p := range pragmas {
		if err := l.do(p); err != nil {
			return err
		}
	}
	g, err := s.rights(l)
	if err != nil {
		return err
	}
	g.anything = s.off.functions
	if err := l.define(); err != nil {
		return err
	}
	if !s.off.limits {
		l.bound()
	}
	if s.off.authorizer {
		return nil
	}
	return l.authorize(g)
}

// rights looks up what there is, and tells it apart from what may be read.
func (s *sqlite) rights(l *lite) (*guard, error) {
	g := &guard{tables: map[string]bool{}, closed: map[string]bool{}, views: map[read]bool{}}
	views := map[string]bool{}
	err := l.each("SELECT lower(name), type FROM sqlite_schema WHERE type IN ('table', 'view')", func(st *stmt) error {
		name := st.all(0)
		if s.only == nil || s.listed(name) {
			g.tables[name] = true
			views[name] = st.all(1) == "view"
		} else {
			g.closed[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.only == nil {
		for name := range set("sqlite_master sqlite_schema sqlite_sequence sqlite_stat1 sqlite_stat4") {
			g.tables[name] = true
		}
		g.tables["sqlite_temp_master"] = false
	}
	err = l.each("SELECT lower(name) FROM pragma_module_list", func(st *stmt) error {
		if name := st.all(0); !generators[name] && !g.tables[name] {
			g.closed[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, is := range views {
		if is {
			if err := l.record(g, name); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// record finds what a view reads. One that is broken reads nothing.
func (l *lite) record(g *guard, view string) error {
	r := &guard{views: g.views, recording: true, anything: true}
	if err := l.authorize(r); err != nil {
		return err
	}
	st, err := l.prepare("SELECT * FROM " + quoted(view))
	if err == nil {
		st.close()
	}
	l.guard = nil
	return l.check(sqlite3.Xsqlite3_set_authorizer(l.tls, l.db, 0, 0))
}

// prepare prepares a statement of the operator's. What it fails with is an *Error.
func (s *sqlite) prepare(ctx context.Context, l *lite, sql string) (*stmt, error) {
	if len(sql) > maxStatement {
		return nil, &Error{TooMuch, "the statement is longer than 64 KiB", -1}
	}
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return nil, &Error{Wrong, "there is a zero byte in the statement", i}
	}
	if s.only != nil && !s.off.mirror {
		if err := s.mirrored(ctx, l, sql); err != nil {
			return nil, err
		}
	}
	st, err := l.prepare(sql)
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	if err := l.one(st); err != nil {
		st.close()
		return nil, err
	}
	if !s.off.statement && (!st.readOnly() || st.columns() == 0 || st.explains()) {
		st.close()
		return nil, &Error{Refused, "only a query is run here", -1}
	}
	return st, nil
}

// one fails if another statement follows.
func (l *lite) one(st *stmt) error {
	if strings.TrimSpace(st.tail) == "" {
		return nil
	}
	more, err := l.prepare(st.tail)
	if err == errNothing {
		return nil
	}
	if err == nil {
		more.close()
	}
	return &Error{Refused, "one statement at a time is run here, and there is another", -1}
}

// mirrored fails if sql isn't complete with the tables that may be read. Within a view
// the authorizer is told only a name, and a table of the statement's own (WITH) may have
// the same: here there is nothing else that it could read.
func (s *sqlite) mirrored(ctx context.Context, l *lite, sql string) error {
	m, err := s.mirror(ctx)
	if err != nil {
		return l.fail(ctx, err)
	}
	defer m.close()
	defer m.watch(ctx)()
	st, err := m.prepare(sql)
	if err != nil {
		return m.fail(ctx, err)
	}
	st.close()
	return nil
}

// mirror is an empty database with what may be read, as tables.
func (s *sqlite) mirror(ctx context.Context) (*lite, error) {
	m, err := openLite("", s.off)
	if err != nil {
		return nil, err
	}
	schema := s.schema.get()
	if schema == nil {
		if schema, err = s.look(ctx); err != nil {
			m.close()
			return nil, err
		}
		s.schema.set(schema)
	}
	for _, t := range schema.Tables {
		var columns []string
		for _, c := range t.Columns {
			columns = append(columns, quoted(c.Name))
		}
		if len(columns) == 0 { // a view that is broken
			continue
		}
		if err := m.do("CREATE TABLE " + quoted(t.Name) + " (" + strings.Join(columns, ", ") + ")"); err != nil {
			m.close()
			return nil, err
		}
	}
	if !s.off.limits {
		m.bound()
	}
	return m, nil
}

// fail turns what SQLite said into an *Error.
func (l *lite) fail(ctx context.Context, err error) error {
	var f *fault
	switch {
	case err == errNothing:
		return &Error{Wrong, errNothing.Error(), -1}
	case !errors.As(err, &f):
		if _, ours := err.(*Error); ours {
			return err
		}
		return &Error{Wrong, err.Error(), -1}
	}
	e := &Error{Wrong, f.text, f.at}
	switch f.code & 0xff {
	case sqlite3.SQLITE_INTERRUPT:
		if l.mem.full {
			return &Error{TooMuch, "the statement was stopped: it took more memory than it may", -1}
		}
		if ctx.Err() != nil {
			return ended(ctx)
		}
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		e.Reason = TimedOut
		if ctx.Err() != nil {
			return ended(ctx)
		}
	case sqlite3.SQLITE_TOOBIG:
		e.Reason, e.Text = TooMuch, "a value is longer than 1 MiB, or the statement too large"
	case sqlite3.SQLITE_NOMEM:
		e.Reason = TooMuch
	case sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY:
		e.Reason = Refused
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		e.Reason = Unreachable
	}
	if l.guard != nil && l.guard.why != "" {
		e.Reason, e.Text = Refused, l.guard.why
	}
	return e
}
