package ledger

import (
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// answered is a row with everything in it, and stored is what the database is to
// have of it, column for column: times in µs, which cut the last digits off.
var (
	answered = Row{
		ID: "req-1", Arrived: time.Unix(1772600767, 891_234_567), Sent: time.Unix(1772600768, 999), First: time.Unix(1772600769, 1_000),
		Ended: time.Unix(1772600770, 999_999_999).In(time.FixedZone("Kolkata", 19800)),
		Org:   "acme", Key: "k1", Model: "Qwen/Qwen3-32B", Backend: "qwen", Replica: "http://10.0.0.7:8000", Route: "/v1/chat/completions",
		Status: 502, Code: "upstream_error", Prompt: 1<<53 + 1, Completion: 34, Cached: 12,
		Estimated: true, Suspect: true, Counted: true, BytesIn: 4321, BytesOut: 23456,
		Client: netip.MustParseAddr("10.1.2.3"), Stream: true, End: Done,
	}
	stored = map[string]any{
		"arrived": int64(1772600767_891234), "sent": int64(1772600768_000000), "first_byte": int64(1772600769_000001), "ended": int64(1772600770_999999),
		"id": "req-1", "org": "acme", "key": "k1", "model": "Qwen/Qwen3-32B", "backend": "qwen", "replica": "http://10.0.0.7:8000",
		"route": "/v1/chat/completions", "status": int64(502), "code": "upstream_error", "end_state": "done",
		"prompt_tokens": int64(1<<53 + 1), "completion_tokens": int64(34), "cached_tokens": int64(12),
		"estimated": int64(1), "suspect": int64(1), "counted": int64(1),
		"bytes_in": int64(4321), "bytes_out": int64(23456), "client": "10.1.2.3", "stream": int64(1),
	}
)

// rowCase is a change to that row, and what it changes of what is stored.
type rowCase struct {
	name   string
	change func(*Row)
	want   map[string]any
}

func rowCases() []rowCase {
	cases := []rowCase{
		{"unchanged", func(*Row) {}, nil},
		{"never sent", func(r *Row) { r.Sent, r.First = time.Time{}, time.Time{} }, map[string]any{"sent": nil, "first_byte": nil}},
		{"no answer", func(r *Row) { r.First = time.Time{} }, map[string]any{"first_byte": nil}},
		{"not estimated", func(r *Row) { r.Estimated = false }, map[string]any{"estimated": int64(0)}},
		{"not suspect", func(r *Row) { r.Suspect = false }, map[string]any{"suspect": int64(0)}},
		{"not counted", func(r *Row) { r.Counted = false }, map[string]any{"counted": int64(0)}},
		{"no stream", func(r *Row) { r.Stream = false }, map[string]any{"stream": int64(0)}},
		{"nothing but times", func(r *Row) { *r = Row{Arrived: r.Arrived, Ended: r.Ended, End: Refused} }, map[string]any{
			"sent": nil, "first_byte": nil, "id": "", "org": "", "key": "", "model": "", "backend": "", "replica": "", "route": "", "code": "",
			"status": int64(0), "end_state": "refused", "prompt_tokens": int64(0), "completion_tokens": int64(0), "cached_tokens": int64(0),
			"estimated": int64(0), "suspect": int64(0), "counted": int64(0), "bytes_in": int64(0), "bytes_out": int64(0), "client": "", "stream": int64(0),
		}},
	}
	for end, name := range map[End]string{
		None: "", Done: "done", ClientLeft: "client_left", BackendFailed: "backend_failed", Refused: "refused", Interrupted: "interrupted",
	} {
		cases = append(cases, rowCase{"end " + name, func(r *Row) { r.End = end }, map[string]any{"end_state": name}})
	}
	for addr, want := range map[string]string{
		"2001:db8::7": "2001:db8::7", "fe80::1%eth0": "fe80::1", "::ffff:10.1.2.3": "::ffff:10.1.2.3", "255.255.255.255": "255.255.255.255",
	} {
		cases = append(cases, rowCase{"client " + addr, func(r *Row) { r.Client = netip.MustParseAddr(addr) }, map[string]any{"client": want}})
	}
	for name, s := range map[string]string{
		"quotes":        `'"'); DROP TABLE requests; --`,
		"NUL":           "\x00before\x00after\x00",
		"not UTF-8":     "\xff\xfe\xc0\x80\xed\xa0\x80",
		"terminal":      "\x1b[2J\r\n\t\u202e",
		"2 KB":          strings.Repeat("0123456789abcdef", 128),
		"a rune is cut": "x" + strings.Repeat("é", 600),
		"just whole":    strings.Repeat("w", maxString),
		"a number":      "0012",
	} {
		cut := s[:min(len(s), 1024)]
		cases = append(cases, rowCase{"string: " + name,
			func(r *Row) {
				r.ID, r.Org, r.Key, r.Model, r.Backend, r.Replica, r.Route, r.Code = s, s, s, s, s, s, s, s
			},
			map[string]any{"id": cut, "org": cut, "key": cut, "model": cut, "backend": cut, "replica": cut, "route": cut, "code": cut}})
	}
	return cases
}

// TestRows: each column is in the database as the schema says, whether the
// request had begun or not.
func TestRows(t *testing.T) {
	for _, c := range rowCases() {
		for _, begun := range []bool{true, false} {
			dir := t.TempDir()
			l := mustOpen(t, dir, small)
			row := answered
			c.change(&row)
			var e *Entry
			if begun {
				e = mustBegin(t, l, named("its beginning"))
			}
			mustEnd(t, l, e, &row)
			mustClose(t, l)
			want := maps.Clone(stored)
			maps.Copy(want, c.want)
			if got := columns(t, dir); !reflect.DeepEqual(got, []map[string]any{want}) {
				t.Errorf("%s, begun %v:\ngot  %q\nwant %q", c.name, begun, got, want)
			}
		}
	}
}

// columns returns all that is in the table of rows.
func columns(t *testing.T, dir string) []map[string]any {
	t.Helper()
	rows, err := outside(t, dir).Query("SELECT * FROM requests ORDER BY number")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for rows.Next() {
		values := make([]any, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make(map[string]any)
		for i, name := range names {
			row[name] = values[i]
		}
		delete(row, "number")
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRowsWithoutTimes: a row without the times that every row has is taken in
// all the same, and does not keep those behind it out of the database, nor does
// one that was interrupted.
func TestRowsWithoutTimes(t *testing.T) {
	now := utc("2028-02-29 12:00:00")
	arrived := utc("2028-02-29 11:00:00")
	dir := t.TempDir()
	l, err := open(Options{Dir: dir, Clock: clockAt(now).now}, small)
	if err != nil {
		t.Fatal(err)
	}
	mustEnd(t, l, nil, &Row{ID: "no end", Arrived: arrived, End: Done})
	mustEnd(t, l, nil, &Row{ID: "no arrival", Ended: arrived, End: Done})
	mustEnd(t, l, nil, &Row{ID: "no time", End: Done})
	mustBegin(t, l, &Row{ID: "interrupted"})
	mustEnd(t, l, nil, &Row{ID: "whole", Arrived: arrived, Ended: now, End: Done})
	crash(t, l)
	if l, err = open(Options{Dir: dir, Clock: clockAt(now).now}, small); err != nil {
		t.Fatal(err)
	}
	if sums, err := l.Usage(t.Context(), Query{By: []Dimension{ByDay}}); err != nil || len(sums) != 1 || sums[0].Requests != 5 {
		t.Errorf("sums %+v, error %v, want 5 requests in one day", sums, err)
	}
	mustClose(t, l)
	want := map[any][2]int64{
		"no end": {arrived.UnixMicro(), arrived.UnixMicro()}, "no arrival": {arrived.UnixMicro(), arrived.UnixMicro()},
		"no time": {now.UnixMicro(), now.UnixMicro()}, "interrupted": {now.UnixMicro(), now.UnixMicro()},
		"whole": {arrived.UnixMicro(), now.UnixMicro()},
	}
	got := make(map[any][2]int64)
	for _, row := range columns(t, dir) {
		got[row["id"]] = [2]int64{row["arrived"].(int64), row["ended"].(int64)}
	}
	if !maps.Equal(got, want) {
		t.Errorf("arrived and ended are\n%v, want\n%v", got, want)
	}
}
