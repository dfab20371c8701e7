package sim_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"
	"pilothouse/gateway/ledger"

	_ "modernc.org/sqlite"
)

// rows are what a query gives, a line each.
func rows(t *testing.T, path, query string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_query_only=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	in, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer in.Close()
	names, err := in.Columns()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for in.Next() {
		values, to := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		if err := in.Scan(to...); err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintln(values...)))
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// fill makes a ledger with requests of now and of yesterday noon.
func fill(t *testing.T, now time.Time) (path string) {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Options{Dir: dir, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	noon := now.Truncate(24 * time.Hour).Add(-12 * time.Hour)
	for i, r := range []struct {
		at             time.Time
		org            string
		prompt, cached int64
		status         int
		code           string
		end            ledger.End
	}{
		{noon, "acme", 1000, 0, 200, "", ledger.Done},
		{noon, "beta", 500, 0, 200, "", ledger.Done},
		{now, "acme", 100, 25, 200, "", ledger.Done},
		{now, "beta", 300, 75, 200, "", ledger.Done},
		{now, "beta", 0, 0, 429, "quota_exceeded", ledger.Refused},
		{now, "beta", 100, 0, 502, "backend_error", ledger.BackendFailed},
	} {
		row := ledger.Row{ID: fmt.Sprint("r", i), Arrived: r.at, Ended: r.at.Add(time.Duration(i+1) * time.Second), Org: r.org, Key: "k", Model: "m", Backend: "b",
			Route: "/v1/chat/completions", Status: r.status, Code: r.code, Prompt: r.prompt, Cached: r.cached, End: r.end}
		if r.end == ledger.Done {
			row.Sent, row.First = r.at, r.at.Add(250*time.Millisecond)
			row.Replica, row.Completion, row.Counted = "http://b", 50, true
		}
		if err := l.End(nil, &row); err != nil {
			t.Fatal(err)
		}
	}
	err = l.Note(t.Context(), ledger.Event{At: now, Author: "anna", Action: "restart", Object: "chat", Detail: "hung"})
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "ledger.db")
}

// The queries about the ledger run on a ledger as it is, and are right.
func TestLedgerQuestions(t *testing.T) {
	now := time.Now().UTC()
	got := answers(t, now)
	if end := time.Now().UTC(); end.Day() != now.Day() {
		now = end
		got = answers(t, now) // the day began in the middle of it
	}
	day := now.Format(time.DateOnly)
	before, hour, month := now.Add(-24*time.Hour).Format(time.DateOnly), now.Format("15"), []string{day + " m 2"}
	if before[:7] == day[:7] {
		month = []string{before + " m 2", day + " m 2"}
	}
	failed := []string{"m 25 4"}
	if now.Hour() < 12 { // yesterday's are not a day ago
		failed = []string{"m 16.67 6"}
	}
	most := hour + " 4"
	if hour == "12" {
		most = hour + " 6"
	}
	want := map[string][]string{
		"Which organisation used the most tokens yesterday?":                        {"acme 1050"},
		"Which organisation has used the most tokens today?":                        {"beta 450"},
		"Which organisations used the most tokens in the last 7 days?":              {"acme 1200", "beta 1000"},
		"How many requests did each model answer per day this month?":               month,
		"What share of requests failed per model in the last 24 hours?":             failed,
		"What is the average duration of a request per organisation?":               {"beta 3000", "acme 2000"},
		"How long did the first byte of an answer take per model today?":            {"m 250 2"},
		"Which hour of the day has the most requests?":                              {most},
		"Which keys were refused most often today, and why?":                        {"beta k quota_exceeded 1"},
		"What share of prompt tokens came out of the prefix cache per model today?": {"m 20"},
		"Which ten requests of the last hour took longest?":                         {"r5 beta m 502 6", "r4 beta m 429 5", "r3 beta m 200 4", "r2 acme m 200 3"},
		"What did operators do last?":                                               {now.Format(time.DateTime) + " anna restart chat hung"},
	}
	for _, q := range sim.LedgerQuestions() {
		lines, known := want[q.Text]
		if !known {
			t.Errorf("no test knows the answer to %q", q.Text)
		}
		if strings.Join(got[q.Text], "\n") != strings.Join(lines, "\n") {
			t.Errorf("%q: got %q, want %q", q.Text, got[q.Text], lines)
		}
	}
}

// answers are what the queries about a ledger give, by question.
func answers(t *testing.T, now time.Time) map[string][]string {
	t.Helper()
	path, got := fill(t, now), make(map[string][]string)
	for _, q := range sim.LedgerQuestions() {
		got[q.Text] = rows(t, path, q.SQL)
	}
	return got
}

// Those about the shop run on the sample, and give something.
func TestShopQuestions(t *testing.T) {
	text, err := os.ReadFile("../../docs/sample/shop.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(string(text))
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, q := range sim.ShopQuestions() {
		if got := rows(t, path, q.SQL); len(got) == 0 {
			t.Errorf("%q has no answer", q.Text)
		}
	}
}

// No question is taken for another, in whatever prompt it stands.
func TestQuestionsInPrompts(t *testing.T) {
	s := start(t, sim.Config{Kind: sim.Text2SQL, Speed: 1000})
	client := s.client("any")
	say := func(prompt string) string {
		got, err := client.Chat.Completions.New(t.Context(), ask(prompt))
		if err != nil {
			t.Fatal(err)
		}
		return got.Choices[0].Message.Content
	}
	for _, q := range sim.DemoQuestions() {
		prompt := "Task Overview:\nAnswer.\n\nDatabase Schema:\n" + sim.DemoSchema() + "\nQuestion:\n" + strings.TrimRight(strings.ToLower(q.Text), "?") + "\n\nInstructions:\nWrite one query."
		if got := say(prompt); !strings.Contains(got, q.SQL) {
			t.Errorf("%q is answered with %q", q.Text, got)
		}
		got := say("Task Overview:\nExplain.\n\nSQL Query:\n```sql\n" + q.SQL + "\n```")
		if !strings.Contains(got, q.Text) || strings.Contains(got, "```") {
			t.Errorf("%q is explained as %q", q.Text, got)
		}
	}
	if got := say("SQL Query:\n```sql\nSELECT 7\n```"); !strings.Contains(got, "simulated model") || strings.Contains(got, "```") {
		t.Errorf("an unknown query is explained as %q", got)
	}
	if got := say("Database Schema:\nCREATE TABLE boats (\n  id INTEGER\n);\n\nQuestion:\nHow tall is the mast?\n\nInstructions:\nWrite."); !strings.Contains(got, "SELECT *\nFROM boats\nLIMIT 10;") {
		t.Errorf("an unknown question is answered with %q", got)
	}
}
