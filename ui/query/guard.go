package query

import (
	"fmt"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// guards are those that a test turns off, to see that the others hold alone.
type guards struct {
	readOnly, queryOnly, authorizer, statement, limits, mirror, functions, memory bool // SQLite
	transaction, role, cursor, clock, serverClock                                 bool // PostgreSQL
}

// functions are those that a statement may call: they have no effect, look at nothing
// outside the database, and end in a time that is no worse than proportional to the length
// of what they get, or nearly so. instr, replace and trim are our own for that reason
// (functions.go). json_patch is not here: it takes the square of its arguments' length.
var functions = set(`-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling
	char coalesce concat concat_ws cos cosh count cume_dist current_date current_time current_timestamp
	date datetime degrees dense_rank exp first_value floor format glob group_concat hex if ifnull iif instr
	json json_array json_array_length json_error_position json_extract json_group_array json_group_object
	json_insert json_object json_pretty json_quote json_remove json_replace json_set json_type json_valid
	jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object
	jsonb_remove jsonb_replace jsonb_set julianday lag last_value lead length like likelihood likely
	ln log log10 log2 lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pi
	pow power printf quote radians random randomblob rank replace round row_number rtrim sign sin sinh soundex sqlite_version
	sqrt strftime string_agg substr substring subtype sum tan tanh time timediff total trim trunc typeof unhex unicode
	unistr unistr_quote unixepoch unlikely upper zeroblob`)

// generators are tables that are functions, without effect.
var generators = set("json_each json_tree jsonb_each jsonb_tree")

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// lower is SQLite's: of ASCII alone.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// read is a column that is read within a view; "" in within: by the statement itself.
// With no column of it read, a table's rows could be counted so; the mirror keeps that, too.
type read struct{ within, table, column string }

// guard decides what a statement may be prepared for. It is a connection's, and lives as
// long.
type guard struct {
	tables    map[string]bool // that may be read, in small letters
	closed    map[string]bool // that may not: the others, and tables that are modules, such as sqlite_dbpage
	views     map[read]bool   // what the views among tables read; column "": anything of the table
	recording bool            // views is being made
	anything  bool            // functions
	own       bool            // the statements are ours: all may be read
	why       string          // what was refused, first
}

// allow is asked while a statement is prepared, with the arguments of
// sqlite3_set_authorizer (https://www.sqlite.org/c3ref/c_alter_table.html).
func (g *guard) allow(action int32, a, b, database, within string) bool {
	if g.own {
		return true
	}
	switch action {
	case sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE:
		return true
	case sqlite3.SQLITE_READ:
		return g.mayRead(lower(a), lower(b), database, lower(within)) || g.refuse("%s may not be read here", a)
	case sqlite3.SQLITE_FUNCTION:
		return functions[lower(b)] || g.anything || g.refuse("the function %s may not be called here", b)
	}
	return g.refuse("a statement here may only read: %s", actionName(action))
}

func (g *guard) refuse(form, what string) bool {
	if g.why == "" {
		g.why = fmt.Sprintf(form, what)
	}
	return false
}

func (g *guard) mayRead(table, column, database, within string) bool {
	if g.recording {
		g.views[read{within, table, column}] = true
		g.views[read{within, table, ""}] = true
		g.views[read{"", table, ""}] = true // where SQLite makes one query of a view and what is around it
		return true
	}
	switch {
	case database != "" && database != "main":
		return false
	case g.tables[table] || generators[table]:
		return true
	case column == "" && !g.closed[table] && !strings.HasPrefix(table, "pragma_") && !strings.HasPrefix(table, "sqlite_"):
		return true // a table of the statement's own (WITH), of which no column is read: SQLite names it as it names ours
	}
	return g.views[read{within, table, column}]
}

// actionName says what an action is.
func actionName(action int32) string {
	switch action {
	case sqlite3.SQLITE_INSERT:
		return "INSERT"
	case sqlite3.SQLITE_UPDATE:
		return "UPDATE"
	case sqlite3.SQLITE_DELETE:
		return "DELETE"
	case sqlite3.SQLITE_PRAGMA:
		return "PRAGMA"
	case sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH:
		return "ATTACH, DETACH and VACUUM"
	case sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT:
		return "transactions"
	case sqlite3.SQLITE_ANALYZE, sqlite3.SQLITE_REINDEX:
		return "ANALYZE and REINDEX"
	}
	return "CREATE, ALTER and DROP"
}

// limits are SQLite's own (https://www.sqlite.org/limits.html). A value, and what a
// function makes, is a MiB at most: what a function does is one step, which nothing
// interrupts.
func (l *lite) bound() {
	for _, v := range []struct{ which, n int32 }{
		{sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20},
		{sqlite3.SQLITE_LIMIT_SQL_LENGTH, maxStatement + 64},
		{sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 500},
		{sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 100},
		{sqlite3.SQLITE_LIMIT_VDBE_OP, 100_000},
		{sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 64},
		{sqlite3.SQLITE_LIMIT_ATTACHED, 0},
		{sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
		{sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 0},
		{sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1},
		{sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0},
	} {
		l.limit(v.which, v.n)
	}
}

// maxStatement is the longest statement, in bytes.
const maxStatement = 64 << 10
