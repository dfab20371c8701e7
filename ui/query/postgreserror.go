package query

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// unreachable says why there is no connection, in words of ours: pgconn's have the user,
// the host and the database of the DSN in them.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	var said *pgconn.PgError
	var errno syscall.Errno
	var name *net.DNSError
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	text := "the server can't be reached"
	switch {
	case errors.As(err, &said) && strings.HasPrefix(said.Code, "28"):
		text = "the server refuses the role, or its password (" + said.Code + ")"
	case errors.As(err, &said) && said.Code == "3D000":
		text = "the server has no such database (3D000)"
	case errors.As(err, &said):
		text = "the server lets nobody in now (" + said.Code + ")"
	case errors.As(err, &unknown), errors.As(err, &host):
		text = "the server's certificate is not one that is trusted for it"
	case errors.As(err, &errno):
		text += ": " + errno.Error()
	case errors.As(err, &name):
		text += ": there is no host of that name"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		text += ": it doesn't answer"
	}
	return &Error{Unreachable, text, -1}
}

// fail turns what the server said of a statement that stands behind before bytes into an
// *Error.
func (p *postgres) fail(ctx context.Context, err error, before int) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if tooLong(err) {
		return &Error{TooMuch, "what the server said is longer than what is read", -1}
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return &Error{Unreachable, "the connection to the server broke", -1}
	}
	e := &Error{Wrong, said.Message, -1}
	if n := int(said.Position) - 1 - before; said.Position > 0 && n >= 0 {
		e.At = n // in characters; place makes bytes of it
	}
	switch {
	case said.Code == "57014", said.Code == "55P03": // its clock, or a lock's
		e.Reason = TimedOut
	case said.Code == "25006", said.Code == "42501", said.Code == "42P11": // read-only, no right, no cursor
		e.Reason = Refused
	case strings.HasPrefix(said.Code, "53"), strings.HasPrefix(said.Code, "54"): // resources, limits
		e.Reason = TooMuch
	case strings.HasPrefix(said.Code, "57P"), strings.HasPrefix(said.Code, "08"):
		e.Reason = Unreachable
	}
	if len(e.Text) > 2000 { // it may have a value in it
		e.Text = strings.ToValidUTF8(e.Text[:2000], "") + "…"
	}
	return e
}

// place makes At a byte offset of sql, from one in characters.
func place(err error, sql string) error {
	var e *Error
	if !errors.As(err, &e) || e.At < 0 {
		return err
	}
	at, n := 0, e.At
	for ; n > 0 && at < len(sql); n-- {
		_, size := utf8.DecodeRuneInString(sql[at:])
		at += size
	}
	e.At = min(at, len(sql))
	return e
}

func tooLong(err error) bool {
	var long *pgproto3.ExceededMaxBodyLenErr
	return errors.As(err, &long)
}

// explainRefusal tells a statement that is wrong from one that would do more than read:
// what can't be behind a cursor, but would be a statement alone, or several.
func (p *postgres) explainRefusal(ctx context.Context, s *session, sql string, err error) error {
	failed := place(p.fail(ctx, err, len(declare)), sql)
	var said *pgconn.PgError
	if !errors.As(err, &said) || ctx.Err() != nil {
		return failed
	}
	switch {
	case said.Code == "0A000": // data-modifying WITH, and such
		return &Error{Refused, said.Message, -1}
	case said.Code != "42601":
		return failed
	case said.Position == 0:
		return &Error{Refused, "one statement at a time is run here, and there is another", -1}
	}
	if _, err := s.conn.Exec(ctx, "ROLLBACK; BEGIN TRANSACTION READ ONLY").ReadAll(); err != nil {
		return failed
	}
	if _, err := s.conn.Prepare(ctx, "", sql, nil); err == nil { // which runs nothing
		return &Error{Refused, "only a query is run here: SELECT, VALUES or TABLE", -1}
	}
	return failed
}
