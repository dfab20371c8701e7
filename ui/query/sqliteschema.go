package query

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// schemaTime is how long it may take to look a schema up, and a plan.
const schemaTime = 10 * time.Second

func (s *sqlite) Schema(ctx context.Context) (*Schema, error) {
	ctx, leave, err := s.gate.enter(ctx, schemaTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	if is := s.schema.get(); is != nil {
		return is, nil
	}
	is, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	s.schema.set(is)
	return is, nil
}

// look reads the schema, with statements of ours alone: no authorizer is asked.
func (s *sqlite) look(ctx context.Context) (*Schema, error) {
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	defer l.watch(ctx)()
	l.guard = &guard{own: true}
	is := &Schema{}
	stat := l.statistics()
	err = l.each(`SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`, func(st *stmt) error {
		t := Table{Name: st.all(0), View: st.all(1) == "view", Rows: -1}
		if s.only == nil || s.listed(t.Name) {
			t.About = s.about[t.Name].table
			is.Tables = append(is.Tables, t)
		}
		return nil
	})
	for i := range is.Tables {
		if err == nil {
			err = s.describe(l, &is.Tables[i], stat)
		}
	}
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	return is, nil
}

func (s *sqlite) listed(name string) bool {
	return slices.ContainsFunc(s.only, func(o string) bool { return lower(o) == lower(name) })
}

// describe fills in a table's columns, and how many rows there are. Nothing of it fails
// the rest: a view may be broken, or a table of a module that isn't there.
func (s *sqlite) describe(l *lite, t *Table, stat map[string]int64) error {
	references := map[string]string{}
	_ = l.each("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list("+literal(t.Name)+")", func(st *stmt) error {
		to := st.all(1)
		if st.all(2) != "" {
			to += "(" + st.all(2) + ")"
		}
		references[st.all(0)] = to
		return nil
	})
	_ = l.each("SELECT name, type, pk, \"notnull\" FROM pragma_table_xinfo("+literal(t.Name)+")", func(st *stmt) error {
		c := Column{Name: st.all(0), Type: st.all(1), PrimaryKey: st.int(2) > 0, NotNull: st.int(3) != 0}
		c.References, c.About = references[c.Name], s.about[t.Name].columns[c.Name]
		t.Columns = append(t.Columns, c)
		return nil
	})
	switch {
	case !t.View:
		t.Rows = l.rows(t.Name, stat)
	case s.c.Kind == Ledger:
		t.Rows = l.rows("rows", stat)
	}
	if l.stopped.Load() {
		return &fault{code: sqlite3.SQLITE_INTERRUPT, text: "interrupted", at: -1}
	}
	return nil
}

// statistics is what ANALYZE found, where it was run: the rows of each table.
func (l *lite) statistics() map[string]int64 {
	m := map[string]int64{}
	_ = l.each("SELECT tbl, stat FROM sqlite_stat1", func(st *stmt) error {
		first, _, _ := strings.Cut(st.all(1), " ")
		if n, err := strconv.ParseInt(first, 10, 64); err == nil {
			m[st.all(0)] = max(m[st.all(0)], n)
		}
		return nil
	})
	return m
}

// counted is how many rows are counted, where nothing tells their number.
const counted = 100_000

// rows estimates those of a table: from ANALYZE's statistics; from the least and the
// greatest rowid; or, where there is none, counted up to a bound.
func (l *lite) rows(table string, stat map[string]int64) int64 {
	if n, ok := stat[table]; ok {
		return n
	}
	n := int64(-1)
	take := func(st *stmt) error { n = st.int(0); return nil }
	if l.each("SELECT ifnull((SELECT max(rowid) FROM "+quoted(table)+") - (SELECT min(rowid) FROM "+quoted(table)+") + 1, 0)", take) == nil {
		return n
	}
	_ = l.each("SELECT count(*) FROM (SELECT 1 FROM "+quoted(table)+" LIMIT "+strconv.Itoa(counted)+")", take)
	return n
}
