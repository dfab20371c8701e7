package query

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func table(names string, rows ...[]Value) *Result {
	r := &Result{Rows: rows}
	for n := range strings.FieldsSeq(names) {
		name, numeric := strings.CutSuffix(n, "#")
		r.Columns = append(r.Columns, ResultColumn{Name: name, Numeric: numeric})
	}
	return r
}

func is(s string) Value { return Value{Text: s} }

func TestWriteCSV(t *testing.T) {
	for _, c := range []struct {
		r    *Result
		want string
	}{
		{table("a b"), "a,b\r\n"},
		{table("a b c", []Value{is("x"), {Null: true}, is("")}), "a,b,c\r\nx,,\"\"\r\n"},
		{table("a", []Value{is("one,\"two\"\r\nthree")}), "a\r\n\"one,\"\"two\"\"\r\nthree\"\r\n"},
		{table("a", []Value{is("=HYPERLINK(\"x\")")}), "a\r\n\"'=HYPERLINK(\"\"x\"\")\"\r\n"},
		{table("a b c", []Value{is("@x"), is("+1x"), is("\tx")}), "a,b,c\r\n'@x,'+1x,'\tx\r\n"},
		{table("a b c", []Value{is("-1.5"), is("+2"), is("-x")}), "a,b,c\r\n-1.5,+2,'-x\r\n"},
		{table("=a", []Value{is("é")}), "'=a\r\né\r\n"},
	} {
		var b bytes.Buffer
		if err := c.r.WriteCSV(&b); err != nil || b.String() != c.want {
			t.Errorf("%q, %v; want %q", b.String(), err, c.want)
		}
		if _, err := csv.NewReader(&b).ReadAll(); err != nil {
			t.Errorf("%q: %v", c.want, err)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	for _, c := range []struct {
		r    *Result
		want string
	}{
		{table("a"), "[\n]\n"},
		{table("n# a", []Value{is("12345678901234567890"), is("12")}, []Value{{Null: true}, is("\x1b\"<")}), "[\n{\"n\":12345678901234567890,\"a\":\"12\"},\n{\"n\":null,\"a\":\"\\u001b\\\"\\u003c\"}\n]\n"},
		{table("n# n# n_2 n", []Value{is("NaN"), is("-1.50"), is("x"), is("y\xff")}), "[\n{\"n\":\"NaN\",\"n_3\":-1.50,\"n_2\":\"x\",\"n_4\":\"y�\"}\n]\n"},
		{table("n#", []Value{is("1, \"x\": 2")}), "[\n{\"n\":\"1, \\\"x\\\": 2\"}\n]\n"},
	} {
		var b bytes.Buffer
		if err := c.r.WriteJSON(&b); err != nil || strings.ReplaceAll(b.String(), `\ufffd`, "�") != c.want {
			t.Errorf("%q, %v; want %q", b.String(), err, c.want)
		}
		if !json.Valid(b.Bytes()) {
			t.Errorf("%q is no JSON", b.String())
		}
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteFails(t *testing.T) {
	r := table("a", []Value{is(strings.Repeat("x", 10_000))})
	if err := r.WriteCSV(full{}); err != errFull {
		t.Errorf("CSV: %v", err)
	}
	if err := r.WriteJSON(full{}); err != errFull {
		t.Errorf("JSON: %v", err)
	}
}
