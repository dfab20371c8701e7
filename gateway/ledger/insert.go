package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// rows is how requests get into the database. It uses the driver's statements
// themselves: what database/sql does around them costs as much as a third of
// what SQLite does.
type rows struct {
	one, many driver.Stmt // many inserts rowsAtOnce
	values    []driver.NamedValue
	names     map[string]int64 // the numbers of those that are in the database
	fresh     []string         // of names: those that this transaction has put there
}

// rowsAtOnce are inserted by one statement: what a statement costs is shared.
const rowsAtOnce = 32

const rowColumns = 21

const insertInto = `INSERT INTO rows (arrived, sent, first_byte, ended, id, org, key, model, backend, replica, route, status, code, end_state,
	prompt_tokens, completion_tokens, cached_tokens, flags, bytes_in, bytes_out, client) VALUES `

// open prepares the statements on the connection that writes, and reads the names.
func (r *rows) open(ctx context.Context, conn *sql.Conn) error {
	r.values = make([]driver.NamedValue, rowsAtOnce*rowColumns)
	for i := range r.values {
		r.values[i].Ordinal = i + 1
	}
	r.names = make(map[string]int64)
	known, err := conn.QueryContext(ctx, "SELECT number, name FROM names")
	if err != nil {
		return err
	}
	defer known.Close()
	for known.Next() {
		var number int64
		var name string
		if err := known.Scan(&number, &name); err != nil {
			return err
		}
		r.names[name] = number
	}
	if err := known.Err(); err != nil {
		return err
	}
	row := "(" + strings.Repeat("?,", rowColumns-1) + "?)"
	return conn.Raw(func(c any) (err error) {
		p, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("driver connection is a %T", c)
		}
		if r.one, err = p.PrepareContext(ctx, insertInto+row); err == nil {
			r.many, err = p.PrepareContext(ctx, insertInto+strings.Repeat(row+",", rowsAtOnce-1)+row)
		}
		return err
	})
}

// insert puts rows into the database, in the transaction that is open; settle
// says what came of that.
func (r *rows) insert(ctx context.Context, conn *sql.Conn, all []Row) error {
	for len(all) > 0 {
		n, stmt := 1, r.one
		if len(all) >= rowsAtOnce {
			n, stmt = rowsAtOnce, r.many
		}
		for i := range all[:n] {
			if err := r.set(ctx, conn, i*rowColumns, &all[i]); err != nil {
				return err
			}
		}
		if err := conn.Raw(func(any) error {
			_, err := stmt.(driver.StmtExecContext).ExecContext(ctx, r.values[:n*rowColumns])
			return err
		}); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// set puts a row's columns among the values, in the order of insertInto.
func (r *rows) set(ctx context.Context, conn *sql.Conn, at int, row *Row) error {
	client := ""
	if row.Client.IsValid() {
		client = row.Client.String()
	}
	var named [8]int64
	for i, name := range [...]string{row.Org, row.Key, row.Model, row.Backend, row.Replica, row.Route, row.Code, row.End.String()} {
		n, ok := r.names[name]
		if !ok {
			var err error
			if n, err = r.name(ctx, conn, name); err != nil {
				return err
			}
		}
		named[i] = n
	}
	for i, v := range [rowColumns]driver.Value{micro(row.Arrived), micro(row.Sent), micro(row.First), micro(row.Ended), row.ID,
		named[0], named[1], named[2], named[3], named[4], named[5], int64(row.Status), named[6], named[7],
		row.Prompt, row.Completion, row.Cached, int64(flags(row.Estimated, row.Suspect, row.Counted, row.Stream)),
		row.BytesIn, row.BytesOut, client} {
		r.values[at+i].Value = v
	}
	return nil
}

// name gives a name that is new a number.
func (r *rows) name(ctx context.Context, conn *sql.Conn, name string) (number int64, err error) {
	done, err := conn.ExecContext(ctx, "INSERT INTO names (name) VALUES (?)", name)
	if err == nil {
		number, err = done.LastInsertId()
	}
	if err != nil {
		return 0, err
	}
	r.names[name] = number
	r.fresh = append(r.fresh, name)
	return number, nil
}

// settle ends what insert began. Names that did not get into the database after
// all have no number.
func (r *rows) settle(kept bool) {
	if !kept {
		for _, name := range r.fresh {
			delete(r.names, name)
		}
	}
	r.fresh = r.fresh[:0]
	for i := range r.values {
		r.values[i].Value = nil
	}
}

// close gives the statements up. It may be called on what was not opened whole.
func (r *rows) close(conn *sql.Conn) error {
	var errs []error
	err := conn.Raw(func(any) error {
		for _, stmt := range []driver.Stmt{r.one, r.many} {
			if stmt != nil {
				errs = append(errs, stmt.Close())
			}
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}
