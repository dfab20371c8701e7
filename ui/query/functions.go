package query

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite's instr, replace and trim look at every place for all of what they look for: with
// two texts of a MiB that is hours, in one step that nothing interrupts. These take time in
// proportion to the texts, and give the same.

func (l *lite) define() error {
	for _, f := range []struct {
		name string
		args int32
		call uintptr
	}{
		{"instr", 2, funcPointer(callInstr)},
		{"replace", 3, funcPointer(callReplace)},
		{"trim", 2, funcPointer(callTrim)},
		{"ltrim", 2, funcPointer(callTrimLeft)},
		{"rtrim", 2, funcPointer(callTrimRight)},
	} {
		name, err := libc.CString(f.name)
		if err != nil {
			return err
		}
		const kind = sqlite3.SQLITE_UTF8 | sqlite3.SQLITE_DETERMINISTIC | sqlite3.SQLITE_INNOCUOUS
		err = l.check(sqlite3.Xsqlite3_create_function_v2(l.tls, l.db, name, f.args, kind, 0, f.call, 0, 0, 0))
		libc.Xfree(l.tls, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// call is one of a function. Its methods give what they gave as long as it lasts.
type call struct {
	tls *libc.TLS
	at  uintptr
	arg []uintptr
}

func called(tls *libc.TLS, at uintptr, argc int32, argv uintptr) call {
	c := call{tls: tls, at: at}
	for i := range uintptr(argc) {
		c.arg = append(c.arg, word(argv+i*unsafe.Sizeof(argv)))
	}
	return c
}

func (c call) class(i int) int32 { return sqlite3.Xsqlite3_value_type(c.tls, c.arg[i]) }

func (c call) null() bool {
	for i := range c.arg {
		if c.class(i) == sqlite3.SQLITE_NULL {
			return true
		}
	}
	return false
}

func (c call) text(i int) string {
	p := sqlite3.Xsqlite3_value_text(c.tls, c.arg[i])
	return bytesAt(p, int(sqlite3.Xsqlite3_value_bytes(c.tls, c.arg[i])))
}

func (c call) blob(i int) string {
	p := sqlite3.Xsqlite3_value_blob(c.tls, c.arg[i])
	return bytesAt(p, int(sqlite3.Xsqlite3_value_bytes(c.tls, c.arg[i])))
}

func (c call) give(s string) {
	p, err := libc.CString(s)
	if err != nil {
		sqlite3.Xsqlite3_result_error_nomem(c.tls, c.at)
		return
	}
	sqlite3.Xsqlite3_result_text(c.tls, c.at, p, int32(len(s)), ^uintptr(0)) // it makes a copy
	libc.Xfree(c.tls, p)
}

func callInstr(tls *libc.TLS, at uintptr, argc int32, argv uintptr) {
	c := called(tls, at, argc, argv)
	if c.null() {
		return
	}
	n := 0
	if c.class(0) == sqlite3.SQLITE_BLOB && c.class(1) == sqlite3.SQLITE_BLOB {
		n = strings.Index(c.blob(0), c.blob(1)) + 1
	} else if x := c.text(0); true {
		if i := strings.Index(x, c.text(1)); i >= 0 {
			n = utf8.RuneCountInString(x[:i]) + 1
		}
	}
	sqlite3.Xsqlite3_result_int(tls, at, int32(n))
}

func callReplace(tls *libc.TLS, at uintptr, argc int32, argv uintptr) {
	c := called(tls, at, argc, argv)
	if c.null() {
		return
	}
	x, y, z := c.text(0), c.text(1), c.text(2)
	if y == "" {
		c.give(x)
		return
	}
	most := int(sqlite3.Xsqlite3_limit(tls, sqlite3.Xsqlite3_context_db_handle(tls, at), sqlite3.SQLITE_LIMIT_LENGTH, -1))
	if len(x)+strings.Count(x, y)*(len(z)-len(y)) > most {
		sqlite3.Xsqlite3_result_error_toobig(tls, at)
		return
	}
	c.give(strings.ReplaceAll(x, y, z))
}

func callTrim(tls *libc.TLS, at uintptr, argc int32, argv uintptr) {
	trim(called(tls, at, argc, argv), strings.TrimFunc)
}

func callTrimLeft(tls *libc.TLS, at uintptr, argc int32, argv uintptr) {
	trim(called(tls, at, argc, argv), strings.TrimLeftFunc)
}

func callTrimRight(tls *libc.TLS, at uintptr, argc int32, argv uintptr) {
	trim(called(tls, at, argc, argv), strings.TrimRightFunc)
}

func trim(c call, how func(string, func(rune) bool) string) {
	if c.null() {
		return
	}
	among := make(map[rune]bool)
	for _, r := range c.text(1) {
		among[r] = true
	}
	c.give(how(c.text(0), func(r rune) bool { return among[r] }))
}
