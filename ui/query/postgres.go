package query

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// postgres is a database of PostgreSQL's.
type postgres struct {
	c      Config
	gate   *gate
	schema fresh
	off    guards

	mu      sync.Mutex
	trusted time.Time // the role was last found to have no right to change anything
}

func (p *postgres) Name() string { return p.c.Name }
func (p *postgres) Kind() Kind   { return Postgres }

// Close ends what runs.
func (p *postgres) Close() error {
	p.gate.shut()
	return nil
}

// What stands before an operator's statement. A cursor is declared for one SELECT, VALUES
// or TABLE: the grammar has nothing else there, and the extended protocol takes no second
// statement. It is executed by a FETCH.
const (
	declare = "DECLARE pilothouse NO SCROLL CURSOR FOR "
	explain = "EXPLAIN (FORMAT JSON) "
)

// connectTime is how long it may take to get a connection.
const connectTime = 5 * time.Second

// endTime is how long the server has to end a statement that was cancelled, before the
// connection is simply closed.
const endTime = 2 * time.Second

// session is a connection for one call, within a transaction that reads.
type session struct {
	conn *pgconn.PgConn
	off  guards
}

// begin opens one. What it fails with is an *Error. The caller ends it.
func (p *postgres) begin(ctx context.Context, b Bounds) (*session, error) {
	dsn := os.Getenv(p.c.DSNEnv)
	if dsn == "" {
		return nil, &Error{Unreachable, fmt.Sprintf("the environment variable %s, which should hold the DSN, is empty", p.c.DSNEnv), -1}
	}
	config, err := pgconn.ParseConfig(dsn)
	if err != nil { // which repeats the DSN
		return nil, &Error{Unreachable, fmt.Sprintf("the environment variable %s holds no DSN that can be read; write it like postgres://user@host:5432/database", p.c.DSNEnv), -1}
	}
	config.ConnectTimeout = connectTime
	config.RuntimeParams["application_name"] = "pilothouse"
	config.MaxProtocolMessageBodyLen = messageMax(b)
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: endTime}
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	s := &session{conn, p.off}
	if err := s.start(ctx, b.Time); err != nil {
		s.end()
		return nil, p.fail(ctx, err, 0)
	}
	if err := p.trust(ctx, s); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// messageMax is the longest message that is read: a row, or what the server says.
func messageMax(b Bounds) int { return int(max(1<<20, b.Bytes)) + 1<<16 }

// start begins the transaction. The limits are the server's clock: they hold even if this
// process should vanish.
func (s *session) start(ctx context.Context, d time.Duration) error {
	begin := "BEGIN TRANSACTION READ ONLY"
	if s.off.transaction {
		begin = "BEGIN TRANSACTION READ WRITE"
	}
	if s.off.serverClock {
		d = time.Hour
	}
	ms := strconv.FormatInt(max(1, d.Milliseconds()), 10)
	_, err := s.conn.Exec(ctx, begin+
		"; SET LOCAL statement_timeout = "+ms+
		"; SET LOCAL lock_timeout = "+ms+
		"; SET LOCAL idle_in_transaction_session_timeout = "+strconv.FormatInt(d.Milliseconds()+5000, 10)+
		"; SET LOCAL bytea_output = 'hex'; SET LOCAL client_encoding = 'UTF8'").ReadAll()
	return err
}

// end rolls back and closes. Nothing that was done in the session is left.
func (s *session) end() {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if !s.conn.IsClosed() {
		_, _ = s.conn.Exec(ctx, "ROLLBACK").ReadAll() // closing it does the same
	}
	_ = s.conn.Close(ctx)
	select {
	case <-s.conn.CleanupDone():
	case <-ctx.Done():
	}
}

// Run runs one statement, as a cursor of which the rows are fetched at once: one FETCH,
// so that the statement has no turn in which it could change the limit that it is under.
func (p *postgres) Run(ctx context.Context, sql string, b Bounds) (*Result, error) {
	b = p.c.bounds(b)
	if err := plausible(sql); err != nil {
		return nil, err
	}
	d := b.Time
	if p.off.clock {
		d = time.Hour
	}
	ctx, leave, err := p.gate.enter(ctx, d)
	if err != nil {
		return nil, err
	}
	defer leave()
	begun := time.Now()
	s, err := p.begin(ctx, b)
	if err != nil {
		return nil, err
	}
	defer s.end()
	r, err := p.fetch(ctx, s, sql, b)
	if err != nil {
		return nil, err
	}
	r.Took = time.Since(begun)
	return r, nil
}

func plausible(sql string) error {
	if len(sql) > maxStatement {
		return &Error{TooMuch, "the statement is longer than 64 KiB", -1}
	}
	for i := range len(sql) {
		if sql[i] == 0 {
			return &Error{Wrong, "there is a zero byte in the statement", i}
		}
	}
	if !utf8.ValidString(sql) {
		return &Error{Wrong, "the statement is not UTF-8", -1}
	}
	return nil
}

func (p *postgres) fetch(ctx context.Context, s *session, sql string, b Bounds) (*Result, error) {
	if err := s.declare(ctx, sql); err != nil {
		return nil, p.explainRefusal(ctx, s, sql, err)
	}
	d, err := s.conn.Prepare(ctx, "f", fmt.Sprintf("FETCH FORWARD %d FROM pilothouse", b.Rows+1), nil)
	if err != nil {
		return nil, p.fail(ctx, err, 0)
	}
	r := &Result{}
	if r.Columns, err = s.head(ctx, d.Fields); err != nil {
		return nil, p.fail(ctx, err, 0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows := s.conn.ExecPrepared(ctx, "f", nil, nil, nil)
	pot := bytePot{left: b.Bytes}
	for r.Cut == "" && rows.NextRow() {
		if len(r.Rows) == b.Rows {
			r.Cut = rowsCut(b.Rows)
		} else if row, ok := keep(rows.Values(), &pot); ok {
			r.Rows = append(r.Rows, row)
		} else {
			r.Cut = bytesCut(b.Bytes)
		}
	}
	if r.Cut != "" {
		cancel() // the server is told, and what it has sent is passed over
		_, _ = rows.Close()
		return r, nil
	}
	if _, err := rows.Close(); err != nil {
		if tooLong(err) {
			r.Cut = "a row of over " + bytesCut(int64(messageMax(b))&^(1<<16-1))
			return r, nil
		}
		return nil, p.fail(ctx, err, 0)
	}
	if pot.cut {
		r.Cut = cellCut
	}
	return r, nil
}

func (s *session) declare(ctx context.Context, sql string) error {
	if s.off.cursor { // for a test: what the other guards hold
		if err := s.one(ctx, sql); err != nil {
			return err
		}
		sql = "SELECT 1"
	}
	return s.one(ctx, declare+sql)
}

// one runs one statement: in the extended protocol there can be no second.
func (s *session) one(ctx context.Context, sql string) error {
	return s.conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read().Err
}

// keep copies a row.
func keep(cells [][]byte, pot *bytePot) ([]Value, bool) {
	row := make([]Value, len(cells))
	for i, c := range cells {
		switch {
		case c == nil:
			row[i].Null = true
		case len(c) > CellBytes:
			row[i] = Value{Cut: true, Text: string(c[:CellBytes])}
		default:
			row[i].Text = string(c)
		}
		if !pot.take(row[i]) {
			return nil, false
		}
	}
	return row, true
}

// head asks for the types' names.
func (s *session) head(ctx context.Context, fields []pgconn.FieldDescription) ([]ResultColumn, error) {
	oids := "{"
	for i, f := range fields {
		if i > 0 {
			oids += ","
		}
		oids += strconv.FormatUint(uint64(f.DataTypeOID), 10)
	}
	r := s.conn.ExecParams(ctx, "SELECT pg_catalog.format_type(o, NULL) FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS u(o, n) ORDER BY n", [][]byte{[]byte(oids + "}")}, nil, nil, nil).Read()
	if r.Err != nil {
		return nil, r.Err
	}
	columns := make([]ResultColumn, len(fields))
	for i, f := range fields {
		columns[i] = ResultColumn{Name: f.Name, Numeric: numeric(f.DataTypeOID)}
		if i < len(r.Rows) {
			columns[i].Type = string(r.Rows[i][0])
		}
	}
	return columns, nil
}

// numeric is of int8, int2, int4, oid, float4, float8 and numeric (pg_type.dat).
func numeric(oid uint32) bool {
	switch oid {
	case 20, 21, 23, 26, 700, 701, 1700:
		return true
	}
	return false
}
