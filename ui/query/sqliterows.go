package query

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	sqlite3 "modernc.org/sqlite/lib"
)

// collect reads the rows that b has room for.
func collect(ctx context.Context, st *stmt, b Bounds) (*Result, error) {
	r := &Result{}
	n := st.columns()
	kinds := make([]columnKind, n)
	for i := range n {
		r.Columns = append(r.Columns, ResultColumn{Name: st.name(i), Type: st.declared(i)})
	}
	pot := bytePot{left: b.Bytes}
	for {
		more, err := st.first(ctx, len(r.Rows) == 0)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if len(r.Rows) == b.Rows {
			r.Cut = rowsCut(b.Rows)
			break
		}
		row := make([]Value, n)
		for i := range row {
			kinds[i].see(st.class(i))
			if row[i] = st.value(i); !pot.take(row[i]) {
				break
			}
		}
		if pot.left < 0 {
			r.Cut = bytesCut(b.Bytes)
			break
		}
		r.Rows = append(r.Rows, row)
	}
	for i := range r.Columns {
		kinds[i].head(&r.Columns[i])
	}
	if r.Cut == "" && pot.cut {
		r.Cut = cellCut
	}
	return r, nil
}

// first steps; before the first row it waits for a lock until ctx ends.
func (st *stmt) first(ctx context.Context, none bool) (bool, error) {
	for {
		more, err := st.step()
		var f *fault
		if !none || !errors.As(err, &f) || f.code&0xff != sqlite3.SQLITE_BUSY || ctx.Err() != nil {
			return more, err
		}
		st.reset()
	}
}

func (st *stmt) value(i int) Value {
	switch st.class(i) {
	case sqlite3.SQLITE_NULL:
		return Value{Null: true}
	case sqlite3.SQLITE_INTEGER:
		return Value{Text: strconv.FormatInt(st.int(i), 10)}
	case sqlite3.SQLITE_BLOB:
		v, n := st.blob(i, CellBytes/2-2)
		return Value{Text: fmt.Sprintf("x'%x'", v), Cut: n > len(v)}
	}
	v, n := st.text(i, CellBytes)
	return Value{Text: v, Cut: n > len(v)}
}

// columnKind is what the cells of a column are.
type columnKind struct{ integer, real, text, blob bool }

func (k *columnKind) see(class int32) {
	switch class {
	case sqlite3.SQLITE_INTEGER:
		k.integer = true
	case sqlite3.SQLITE_FLOAT:
		k.real = true
	case sqlite3.SQLITE_TEXT:
		k.text = true
	case sqlite3.SQLITE_BLOB:
		k.blob = true
	}
}

func (k columnKind) head(c *ResultColumn) {
	c.Numeric = (k.integer || k.real) && !k.text && !k.blob
	if c.Type != "" {
		return
	}
	switch {
	case k == columnKind{integer: true}:
		c.Type = "INTEGER"
	case c.Numeric:
		c.Type = "REAL"
	case k == columnKind{text: true}:
		c.Type = "TEXT"
	case k == columnKind{blob: true}:
		c.Type = "BLOB"
	}
}
