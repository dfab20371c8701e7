// Package query reads databases, and can do nothing else to them: the gateway's own
// ledger, files of SQLite, and PostgreSQL.
//
// # What is enforced
//
// Nothing here judges a statement by its words. A database is opened so that it can't be
// written, and its own parser and its own rights decide:
//
//   - SQLite: the file is opened read-only, and query_only on top of it; an authorizer lets
//     SELECT and READ through and functions that are known to have no effect; what may be
//     prepared must be one statement that SQLite itself calls read-only; nothing can be
//     attached. Where only some tables may be read, the statement must first be one that is
//     complete with those alone, in an empty database that has nothing else.
//   - PostgreSQL: the role must have no right to change anything, or the source is refused;
//     the transaction is READ ONLY, and always rolled back; the statement is what a cursor
//     is declared for, which the server's grammar allows for one query and nothing else.
//
// Every statement has a connection of its own, which ends with it: nothing that one sets,
// locks or prepares is there for the next. A statement's time, rows, bytes and, in SQLite,
// memory are bounded, and the end of its context stops the database.
//
// What can't be enforced is told in docs/sql.md.
//
// # Errors
//
// Methods fail with an [*Error]. It never has a DSN or a password in it.
package query

import (
	"context"
	"time"
)

// Source is a database that is read. Its methods may be called at once, of which four
// run and the others wait; each ends when ctx does, and the database's work with it.
// Close ends those that run, and may be called twice.
type Source interface {
	Name() string
	Kind() Kind
	// Schema is what may be read; it is looked up anew when it is older than a minute.
	Schema(ctx context.Context) (*Schema, error)
	// Plan tells how a statement would be run, and runs nothing.
	Plan(ctx context.Context, sql string) (*Plan, error)
	// Run runs one statement.
	Run(ctx context.Context, sql string, b Bounds) (*Result, error)
	Close() error
}

// Kind is what a source is; it is the dialect of its SQL, too, where a ledger is SQLite.
type Kind string

const (
	Ledger   Kind = "ledger"
	SQLite   Kind = "sqlite"
	Postgres Kind = "postgres"
)

// Schema is a source's tables, views among them, by name.
type Schema struct{ Tables []Table }

// Table is one of them.
type Table struct {
	Name    string // with its schema in front where that isn't the default one
	View    bool
	Rows    int64  // estimated; -1: not known
	About   string // what it holds, where that is known
	Columns []Column
}

// Column is one of a table's.
type Column struct {
	Name       string
	Type       string // as the database says
	PrimaryKey bool
	NotNull    bool
	References string // "table(column)"; "": it is no foreign key
	About      string
}

// Plan is how a statement would be run.
type Plan struct {
	Lines     []PlanLine
	Cost      float64 // the database's own figure; 0: it has none
	Rows      float64 // expected; -1: not known
	Expensive string  // why it needs a second thought; "": it doesn't
}

// PlanLine is a step, and how deep it stands.
type PlanLine struct {
	Depth int
	Text  string
}

// Bounds of one run; zero values are the source's own, and so are larger ones.
type Bounds struct {
	Time  time.Duration
	Rows  int
	Bytes int64 // of cells: their text, and 16 for each
}

// Result is what a statement gave.
type Result struct {
	Columns []ResultColumn
	Rows    [][]Value
	Cut     string // why there would be more: "1,000 rows", "4 MiB", "a cell of over 64 KiB"; "": this is all
	Took    time.Duration
}

// ResultColumn heads a column.
type ResultColumn struct {
	Name    string
	Type    string
	Numeric bool // numbers throughout: aligned to the right
}

// Value is a cell: a NULL, or text as the database gives it; a BLOB of SQLite's is
// written x'0a0b'.
type Value struct {
	Null bool
	Cut  bool // Text is the first [CellBytes] bytes of it
	Text string
}

// CellBytes is how much is kept of one cell.
const CellBytes = 64 << 10

// Error is what a database said of a statement, or what was refused. Text that came from the
// database is as it came: whoever draws it makes it harmless.
type Error struct {
	Reason Reason
	Text   string
	At     int // byte offset in the statement; -1: not known
}

func (e *Error) Error() string { return e.Text }

// Reason is what became of a statement that gave no result.
type Reason uint8

const (
	Wrong   Reason = iota // the database doesn't understand it
	Refused               // it would do more than read
	TimedOut
	Cancelled
	Unreachable // the database; or the role is one that could do more than read
	TooMuch     // it took more memory than a statement may, or a value is too long
)
