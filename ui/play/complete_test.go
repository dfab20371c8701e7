package play

import (
	"slices"
	"strings"
	"testing"

	"pilothouse/ui/query"
)

// names are what candidates are called.
func names(list []candidate) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.name)
	}
	return all
}

func TestComplete(t *testing.T) {
	schema := fixtureSchema()
	schema.Tables = append(schema.Tables, query.Table{Name: "audit.log", Columns: []query.Column{{Name: "who"}, {Name: "Was Done"}}}, query.Table{Name: "Odd Name"})
	for _, tt := range []struct {
		name string
		sql  string // | is the cursor
		want string // the first ones, by blanks
		not  string // that must not be there
	}{
		{"a keyword in its case", "SEL|", "SELECT", ""},
		{"a keyword in small letters", "sel|", "select", ""},
		{"nothing begun, nothing there", "|", "SELECT", "requests"},
		{"tables behind from", "SELECT * FROM |", "api_keys organisations requests usage_by_day", "SELECT"},
		{"tables behind from, begun", "SELECT * FROM re|", "requests", "REPLACE"},
		{"tables behind join", "SELECT * FROM requests r JOIN org|", "organisations", ""},
		{"tables behind a comma", "SELECT * FROM requests, us|", "usage_by_day", ""},
		{"columns behind a dot", "SELECT requests.| FROM requests", "id at org key model prompt_tokens output_tokens status", "name"},
		{"an alias, named behind", "SELECT r.pr| FROM requests r", "prompt_tokens", "prompt"},
		{"an alias with as", "SELECT o.n| FROM organisations AS o", "name", ""},
		{"an alias in either case", "SELECT R.mod| FROM requests r", "model", ""},
		{"an alias in another statement", "SELECT 1 FROM requests r; SELECT r.mod| FROM organisations o", "", "model"},
		{"columns of the tables named", "SELECT pl| FROM organisations", "plan", ""},
		{"columns of others don't", "SELECT out| FROM organisations", "", "output_tokens"},
		{"columns of any where none is named", "SELECT out|", "output_tokens", ""},
		{"columns in where", "SELECT * FROM requests WHERE sta|", "status", ""},
		{"columns behind a join's on", "SELECT * FROM requests r JOIN organisations o ON o.na|", "name", ""},
		{"a part within a name", "SELECT tokens| FROM requests", "prompt_tokens output_tokens", ""},
		{"an alias that isn't named yet", "SELECT o.pl|", "plan", ""},
		{"a function", "SELECT coa|", "coalesce", ""},
		{"a name in capitals and blanks", "SELECT since| FROM organisations", "Since Day", ""},
		{"a name begun in quotes", `SELECT "Sin| FROM organisations`, "Since Day", ""},
		{"what a statement makes", "WITH busy AS (SELECT 1) SELECT * FROM bu|", "busy", ""},
		{"a table in a schema", "SELECT * FROM audit.|", "log", ""},
		{"columns of a table in a schema", "SELECT l.w| FROM audit.log l", "who", ""},
		{"not in a string", "SELECT 'sel|'", "", "SELECT"},
		{"not in a string left open", "SELECT 'sel|", "", "SELECT"},
		{"not in a comment", "-- sel|", "", "SELECT"},
		{"not in a number", "SELECT 12|", "", ""},
		{"behind a string", "SELECT 'a' fro|", "from", ""},
		{"a whole word is left alone", "SELECT model| FROM requests", "", "model"},
		{"another word is no alias", "SELECT wh| FROM requests WHERE true", "where when", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := strings.Index(tt.sql, "|")
			sql := tt.sql[:at] + tt.sql[at+1:]
			from, list, _ := complete(schema, query.Ledger, sql, sqlTokens(sql, query.Ledger), at)
			got := strings.Join(names(list), " ")
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && tt.not == "" && got != "" {
				t.Errorf("got %q, want %q first", got, tt.want)
			}
			if tt.not != "" && slices.Contains(names(list), tt.not) {
				t.Errorf("%q is in %q", tt.not, got)
			}
			if from < 0 || from > at {
				t.Errorf("the word begins at %d of %d", from, at)
			}
		})
	}
}

// A name that needs quotes gets them, in each dialect's way.
func TestCompleteQuotes(t *testing.T) {
	for _, tt := range []struct {
		kind       query.Kind
		name, want string
	}{
		{query.SQLite, "plain_1", "plain_1"},
		{query.SQLite, "Mixed", "Mixed"},
		{query.Postgres, "Mixed", `"Mixed"`},
		{query.Postgres, "two words", `"two words"`},
		{query.Postgres, `a"b`, `"a""b"`},
		{query.Postgres, "select", `"select"`},
		{query.Postgres, "audit.Log", `audit."Log"`},
		{query.SQLite, "1st", `"1st"`},
		{query.SQLite, "", `""`},
		{query.SQLite, "x; DROP TABLE y", `"x; DROP TABLE y"`},
	} {
		c := completing{kind: tt.kind}
		if got := c.quoted(tt.name); got != tt.want {
			t.Errorf("%s: %q is quoted %s, want %s", tt.kind, tt.name, got, tt.want)
		}
	}
}

// Whatever is typed, completion has an answer, and its word lies before the cursor.
func FuzzComplete(f *testing.F) {
	f.Add("SELECT r. FROM requests r", 9, true)
	f.Add("WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b JOIN", 40, false)
	f.Add("FROM a.b.c AS AS AS , , ( FROM", 5, true)
	f.Fuzz(func(t *testing.T, sql string, at int, postgres bool) {
		kind := query.SQLite
		if postgres {
			kind = query.Postgres
		}
		if len(sql) > maxSQL || at < 0 || at > len(sql) {
			return
		}
		from, list, _ := complete(fixtureSchema(), kind, sql, sqlTokens(sql, kind), at)
		if from < 0 || from > at || len(list) > maxCandidates {
			t.Fatalf("%d candidates for a word at %d before %d", len(list), from, at)
		}
	})
}
