package ui

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/ui/ask"
	"pilothouse/ui/chat"
	"pilothouse/ui/query"
)

// parrot answers each question with the same Markdown, in one event.
type parrot struct{}

func (parrot) Ask(context.Context, string, []byte) (*http.Response, error) {
	const said = `A **KV cache** holds what attention has computed:\n\n` + "```go" + `\nif n > 40 {\n\tdrop(n) // oldest first\n}\n` + "```" + `\n\n- it grows with each token\n- \u001b[31mred\u001b[0m text stays harmless`
	body := fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n", said) +
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":64}}\n\ndata: [DONE]\n\n"
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}, "X-Request-Id": {"r42"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (p parrot) AskReplica(ctx context.Context, _, path string, body []byte) (*http.Response, error) {
	return p.Ask(ctx, path, body)
}

// talked is a room with a conversation that compares both ways, at a moment that stays.
func talked(t *testing.T, now time.Time) *chat.Room {
	t.Helper()
	rooms := chat.New(chat.Config{Now: func() time.Time { return now }})
	t.Cleanup(rooms.Close)
	r := rooms.Enter("ana", parrot{})
	until(t, "the room to open", func() bool { return !r.Snapshot().Loading })
	id, err := r.New(chat.Settings{Model: "chat-7b", Targets: []chat.Target{{}, {Replica: "http://chat:8000"}}})
	if err == nil {
		err = r.Ask(id, "What is a KV cache?")
	}
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the answers", func() bool {
		c := r.Snapshot().Find(id)
		return c != nil && len(c.Turns) == 1 && !c.Running()
	})
	return r
}

// until waits for what another goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// worked is a sheet with a question, its SQL and its rows.
func worked(now time.Time) *scratch {
	sql := "SELECT org, SUM(prompt_tokens + completion_tokens) AS tokens\nFROM daily -- by the day\nWHERE day >= unixepoch('now', '-7 days')\nGROUP BY org\nORDER BY tokens DESC;"
	r := &query.Result{Columns: []query.ResultColumn{{Name: "org"}, {Name: "tokens", Numeric: true}}, Took: 3 * time.Millisecond}
	for i, org := range []string{"acme", "globex", "\x1b[31mred\x1b[0m", "initech"} {
		r.Rows = append(r.Rows, []query.Value{{Text: org}, {Text: fmt.Sprint(9120400 / (i + 1))}})
	}
	r.Rows = append(r.Rows, []query.Value{{Null: true}, {Text: "12"}})
	return &scratch{snap: ask.Snapshot{Version: 1, Sources: []string{"usage"}, Source: "usage", Kind: query.Ledger, Model: "text2sql-7b",
		Schema:   &query.Schema{Tables: []query.Table{{Name: "daily", Rows: 812, Columns: []query.Column{{Name: "day", Type: "INTEGER", PrimaryKey: true}, {Name: "org", Type: "TEXT"}}}, {Name: "requests", View: true, Rows: 3402118}}},
		Question: "Which organisations used the most tokens in the last 7 days?", SQL: sql,
		Answer: ask.Answer{Reasoning: "The tokens of a request are its prompt and its completion together.", SQL: sql, RequestID: "r43", TTFT: 120 * time.Millisecond, Took: 1800 * time.Millisecond, Prompt: 812, Completion: 93},
		Plan:   &query.Plan{Lines: []query.PlanLine{{Text: "SEARCH daily USING PRIMARY KEY (day>?)"}, {Text: "USE TEMP B-TREE FOR GROUP BY"}}, Rows: -1},
		Result: r, History: []ask.Entry{{At: now.Add(-time.Minute), Source: "usage", Question: "Which hour has the most requests?", SQL: "SELECT 1", Rows: 1, Took: time.Millisecond}}}}
}
