package query

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	_ "modernc.org/sqlite" // its start makes the library ready
	sqlite3 "modernc.org/sqlite/lib"
)

// lite is a connection to SQLite, of its C interface. The driver for database/sql is not
// used here because it can't keep what this package promises: it ends a statement only
// until its first row, reads a value whole before its length is known, and runs several
// statements where there are several. One goroutine at a time may use a lite, other than
// for stop.
type lite struct {
	tls   *libc.TLS
	db    uintptr
	id    uintptr // by which the library's calls back find it
	guard *guard

	stopped atomic.Bool
	began   atomic.Bool // a statement of an operator's
	mem     memory
	mu      sync.Mutex // stop and close
}

// lites are those that the library calls back.
var lites struct {
	sync.Map // uintptr → *lite
	next     atomic.Uintptr
}

// fault is what SQLite said.
type fault struct {
	code int // extended
	text string
	at   int // byte offset in the statement; -1: none
}

func (e *fault) Error() string { return e.text }

// openLite opens a file to read it, or with path "" an empty database in memory.
func openLite(path string, off guards) (*lite, error) {
	l := &lite{tls: libc.NewTLS(), id: lites.next.Add(1)}
	name, flags := ":memory:", int32(sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_CREATE|sqlite3.SQLITE_OPEN_FULLMUTEX)
	if path != "" {
		flags = sqlite3.SQLITE_OPEN_URI | sqlite3.SQLITE_OPEN_READONLY | sqlite3.SQLITE_OPEN_FULLMUTEX
		q := "mode=ro"
		if off.readOnly {
			flags = sqlite3.SQLITE_OPEN_URI | sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_FULLMUTEX
			q = "mode=rw"
		}
		name = (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q}).String()
	}
	lites.Store(l.id, l)
	if err := l.open(name, flags); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lite) open(name string, flags int32) error {
	zName, err := libc.CString(name)
	if err != nil {
		return err
	}
	defer libc.Xfree(l.tls, zName)
	slot := l.tls.Alloc(int(unsafe.Sizeof(uintptr(0))))
	defer l.tls.Free(int(unsafe.Sizeof(uintptr(0))))
	rc := sqlite3.Xsqlite3_open_v2(l.tls, zName, slot, flags, 0)
	l.db = word(slot)
	if rc != sqlite3.SQLITE_OK {
		return l.fault(rc)
	}
	sqlite3.Xsqlite3_extended_result_codes(l.tls, l.db, 1)
	sqlite3.Xsqlite3_progress_handler(l.tls, l.db, 500, funcPointer(onProgress), l.id)
	return nil
}

// close may be called twice.
func (l *lite) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tls == nil {
		return
	}
	if l.db != 0 {
		sqlite3.Xsqlite3_close_v2(l.tls, l.db)
	}
	lites.Delete(l.id)
	l.tls.Close()
	l.tls, l.db = nil, 0
}

// stop ends what runs, from any goroutine; the connection is of no use afterwards. What
// SQLite does in one step of its program it ends for the interrupt only where it looks
// for one, as in count(*); between steps it asks onProgress.
func (l *lite) stop() {
	l.stopped.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db != 0 {
		tls := libc.NewTLS()
		sqlite3.Xsqlite3_interrupt(tls, l.db)
		tls.Close()
	}
}

// watch stops l when ctx ends, until the function that it gives is called.
func (l *lite) watch(ctx context.Context) (stop func() bool) { return context.AfterFunc(ctx, l.stop) }

func onProgress(_ *libc.TLS, id uintptr) int32 {
	v, ok := lites.Load(id)
	if !ok {
		return 1
	}
	if l := v.(*lite); l.stopped.Load() || l.mem.over() {
		return 1
	}
	return 0
}

func onAuthorize(_ *libc.TLS, id uintptr, action int32, a, b, database, within uintptr) int32 {
	if v, ok := lites.Load(id); ok {
		if g := v.(*lite).guard; g != nil && g.allow(action, text(a), text(b), text(database), text(within)) {
			return sqlite3.SQLITE_OK
		}
	}
	return sqlite3.SQLITE_DENY
}

// authorize has g asked of everything that is prepared from here on.
func (l *lite) authorize(g *guard) error {
	l.guard = g
	return l.check(sqlite3.Xsqlite3_set_authorizer(l.tls, l.db, funcPointer(onAuthorize), l.id))
}

// configure sets one of SQLite's switches, which no statement can.
func (l *lite) configure(which int32, on bool) error {
	args := libc.NewVaList(libc.Bool32(on), uintptr(0))
	defer libc.Xfree(l.tls, args)
	return l.check(sqlite3.Xsqlite3_db_config(l.tls, l.db, which, args))
}

func (l *lite) limit(which, n int32) { sqlite3.Xsqlite3_limit(l.tls, l.db, which, n) }

func (l *lite) check(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	return l.fault(rc)
}

func (l *lite) fault(rc int32) error {
	f := &fault{code: int(rc), text: text(sqlite3.Xsqlite3_errstr(l.tls, rc)), at: -1}
	if l.db != 0 {
		f.text = text(sqlite3.Xsqlite3_errmsg(l.tls, l.db))
		f.at = int(sqlite3.Xsqlite3_error_offset(l.tls, l.db))
	}
	return f
}

// do runs a statement of ours.
func (l *lite) do(sql string) error {
	return l.each(sql, func(*stmt) error { return nil })
}

// each calls f for each row of a statement of ours.
func (l *lite) each(sql string, f func(*stmt) error) error {
	s, err := l.prepare(sql)
	if err != nil {
		return err
	}
	defer s.close()
	for {
		more, err := s.step()
		if err != nil || !more {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
}

// stmt is a statement that is prepared. It must be closed.
type stmt struct {
	l    *lite
	at   uintptr
	tail string // what stands after it
}

var errNothing = errors.New("there is no statement")

// prepare fails with errNothing where there are only blanks and comments.
func (l *lite) prepare(sql string) (*stmt, error) {
	zSQL, err := libc.CString(sql)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(l.tls, zSQL)
	const size = int(2 * unsafe.Sizeof(uintptr(0)))
	slots := l.tls.Alloc(size)
	defer l.tls.Free(size)
	tail := slots + unsafe.Sizeof(uintptr(0))
	// With the length, SQLite knows a statement that is too long before it reads it.
	if rc := sqlite3.Xsqlite3_prepare_v2(l.tls, l.db, zSQL, int32(len(sql)+1), slots, tail); rc != sqlite3.SQLITE_OK {
		return nil, l.fault(rc)
	}
	if word(slots) == 0 {
		return nil, errNothing
	}
	return &stmt{l, word(slots), sql[word(tail)-zSQL:]}, nil
}

func (s *stmt) close() {
	if s.at != 0 {
		sqlite3.Xsqlite3_finalize(s.l.tls, s.at)
		s.at = 0
	}
}

// step tells whether there is a row.
func (s *stmt) step() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(s.l.tls, s.at); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.l.fault(rc)
	}
}

func (s *stmt) reset() { sqlite3.Xsqlite3_reset(s.l.tls, s.at) }

// readOnly is SQLite's own opinion: that the statement writes no file.
func (s *stmt) readOnly() bool { return sqlite3.Xsqlite3_stmt_readonly(s.l.tls, s.at) != 0 }
func (s *stmt) explains() bool { return sqlite3.Xsqlite3_stmt_isexplain(s.l.tls, s.at) != 0 }
func (s *stmt) columns() int   { return int(sqlite3.Xsqlite3_column_count(s.l.tls, s.at)) }
func (s *stmt) name(i int) string {
	return text(sqlite3.Xsqlite3_column_name(s.l.tls, s.at, int32(i)))
}
func (s *stmt) declared(i int) string {
	return text(sqlite3.Xsqlite3_column_decltype(s.l.tls, s.at, int32(i)))
}
func (s *stmt) class(i int) int32 { return sqlite3.Xsqlite3_column_type(s.l.tls, s.at, int32(i)) }
func (s *stmt) int(i int) int64   { return sqlite3.Xsqlite3_column_int64(s.l.tls, s.at, int32(i)) }

// text is a cell's first n bytes, and how many there are.
func (s *stmt) text(i, n int) (string, int) {
	p := sqlite3.Xsqlite3_column_text(s.l.tls, s.at, int32(i))
	size := int(sqlite3.Xsqlite3_column_bytes(s.l.tls, s.at, int32(i)))
	return bytesAt(p, min(n, size)), size
}

func (s *stmt) blob(i, n int) (string, int) {
	p := sqlite3.Xsqlite3_column_blob(s.l.tls, s.at, int32(i))
	size := int(sqlite3.Xsqlite3_column_bytes(s.l.tls, s.at, int32(i)))
	return bytesAt(p, min(n, size)), size
}

// all is a cell of a statement of ours.
func (s *stmt) all(i int) string {
	v, _ := s.text(i, 1<<20)
	return v
}

// The library's memory is its own, and not the collector's: an address there is a
// number.

func word(at uintptr) uintptr { return **(**uintptr)(unsafe.Pointer(&at)) }

func text(at uintptr) string {
	if at == 0 {
		return ""
	}
	return libc.GoString(at)
}

func bytesAt(at uintptr, n int) string {
	if at == 0 || n == 0 {
		return ""
	}
	return string(libc.GoBytes(at, n))
}

// funcPointer is a function as the library calls it: f must be declared, and no closure.
func funcPointer[T any](f T) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f T }{f})) }

func quoted(name string) string { return fmt.Sprintf(`"%s"`, doubled(name, '"')) }

func literal(s string) string { return fmt.Sprintf(`'%s'`, doubled(s, '\'')) }

func doubled(s string, quote byte) string {
	var b []byte
	for i := range len(s) {
		if b = append(b, s[i]); s[i] == quote {
			b = append(b, quote)
		}
	}
	return string(b)
}
