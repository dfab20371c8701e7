package query

import (
	"context"
	"fmt"
	"strings"
)

// Plan is SQLite's EXPLAIN QUERY PLAN. It has no cost. What a statement will read at most
// is worked out from the loops of its program and the sizes of the tables.
func (s *sqlite) Plan(ctx context.Context, sql string) (*Plan, error) {
	ctx, leave, err := s.gate.enter(ctx, schemaTime)
	if err != nil {
		return nil, err
	}
	defer leave()
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
	st.close()
	p := &Plan{Rows: -1}
	depth := map[int64]int{}
	err = l.each("EXPLAIN QUERY PLAN "+sql, func(st *stmt) error {
		d := 0
		if parent, ok := depth[st.int(1)]; ok {
			d = parent + 1
		}
		depth[st.int(0)] = d
		p.Lines = append(p.Lines, PlanLine{d, st.all(3)})
		return nil
	})
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	program, err := l.program("EXPLAIN " + sql)
	if err != nil {
		return nil, l.fail(ctx, err)
	}
	l.guard = &guard{own: true}
	p.Expensive = program.expensive(l.trees(), s.c.AskAbove)
	return p, nil
}

// step is one of a program's (https://www.sqlite.org/opcode.html).
type step struct {
	op         string
	p1, p2, p3 int64
}

type program []step

func (l *lite) program(sql string) (p program, err error) {
	err = l.each(sql, func(st *stmt) error {
		p = append(p, step{st.all(1), st.int(2), st.int(3), st.int(4)})
		return nil
	})
	return p, err
}

// tree is what has a root page: a table, or an index of it.
type tree struct {
	table string
	rows  int64
}

// trees are the database's, by their root page.
func (l *lite) trees() map[int64]tree {
	stat, size := l.statistics(), map[string]int64{}
	m := map[int64]tree{}
	_ = l.each("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0", func(st *stmt) error {
		m[st.int(0)] = tree{table: st.all(1)}
		return nil
	})
	for root, t := range m {
		if _, known := size[t.table]; !known {
			size[t.table] = l.rows(t.table, stat)
		}
		m[root] = tree{t.table, size[t.table]}
	}
	return m
}

// loop is a part of a program that is run for each row of a table.
type loop struct {
	from, to int64
	table    string
	rows     float64
}

// loops finds those that go through a table from its beginning to its end. A loop that
// looks a value up isn't one: it ends when the value does.
func (p program) loops(trees map[int64]tree) (loops []loop) {
	open := map[int64]tree{} // by cursor
	begun := map[int64]int64{}
	for _, s := range p {
		if s.op == "OpenRead" {
			open[s.p1] = trees[s.p2]
		}
	}
	for at, s := range p {
		switch s.op {
		case "Count": // goes through it in one step
			if t := open[s.p1]; t.rows > 0 {
				loops = append(loops, loop{int64(at), int64(at), t.table, float64(t.rows)})
			}
		case "Rewind", "Last":
			begun[s.p1] = int64(at)
		case "Next", "Prev":
			from, ok := begun[s.p1]
			if t := open[s.p1]; ok && t.rows > 0 && from < int64(at) {
				loops = append(loops, loop{from, int64(at), t.table, float64(t.rows)})
			}
		}
	}
	return loops
}

// expensive names the loops, where together they read more rows than most.
func (p program) expensive(trees map[int64]tree, most float64) string {
	loops := p.loops(trees)
	for i, l := range loops {
		n, within := l.rows, []string{l.table}
		for j, outer := range loops {
			if i != j && outer.from < l.from && l.to < outer.to {
				n *= outer.rows
				within = append(within, outer.table)
			}
		}
		switch {
		case n <= most:
		case len(within) == 1:
			return fmt.Sprintf("it reads all of %s: about %s", l.table, rowsCut(int(n)))
		default:
			return fmt.Sprintf("it reads all of %s for each row of %s: about %s", l.table, strings.Join(within[1:], " and "), rowsCut(int(min(n, 1e18))))
		}
	}
	return ""
}
