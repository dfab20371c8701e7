package ask

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"
	"pilothouse/ui/query"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func column(name string, more ...string) query.Column {
	c := query.Column{Name: name, Type: "INTEGER"}
	for _, m := range more {
		switch {
		case m == "key":
			c.PrimaryKey = true
		case m == "set":
			c.NotNull = true
		case strings.HasSuffix(m, ")"):
			c.References = m
		default:
			c.About = m
		}
	}
	return c
}

func ordersSchema() *query.Schema {
	return &query.Schema{Tables: []query.Table{
		{Name: "audit.Log", About: "who\ndid -- what", Columns: []query.Column{column("at", "set", "microseconds since 1970 UTC"), column("Order")}},
		{Name: "customers", Columns: []query.Column{column("id", "key", "set"), column("name", "set")}},
		{Name: "order_items", Columns: []query.Column{column("order_id", "key", "orders(id)"), column("product_id", "key", "products(id)")}},
		{Name: "orders", Columns: []query.Column{column("id", "key"), column("customer_id", "set", "customers(id)"), column("order")}},
		{Name: "products", Columns: []query.Column{column("id", "key"), column("category")}},
		{Name: "requests", View: true, About: "one for each request", Columns: []query.Column{column("arrived", "microseconds since 1970 UTC"), column("org", "the organisation's name")}},
	}}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func TestPrompt(t *testing.T) {
	p := Prompt(Inquiry{Kind: query.Ledger, Schema: ordersSchema(), Question: " Who ordered most yesterday? ", Now: noon})
	if len(p.Messages) != 1 || p.Messages[0].Role != "user" || len(p.Shown) != 6 || len(p.Left)+len(p.Cut) != 0 {
		t.Errorf("got %+v", p)
	}
	golden(t, "prompt.txt", p.Messages[0].Content)
	p = Prompt(Inquiry{Kind: query.Postgres, Question: "Who?", Now: noon, Tried: "SELECT nam FROM orders", Error: `column "nam" does not exist`})
	golden(t, "repair.txt", p.Messages[0].Content)
	golden(t, "explain.txt", ExplainPrompt(query.SQLite, "SELECT 1")[0].Content)
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"Which organisations' first_byte columns matched?": "organisation first byte column match",
		"orderItems OrderItems HTTPServer":                 "order item httpserver",
		"categories boxes classes status buses analyses":   "category box class status buse analyse",
		"how many of the, in id":                           "",
		"Bestellungen für Köln":                            "bestellungen für köln",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%q has %q, want %q", text, got, want)
		}
	}
}

// The tables that a question is about come first, by name, column or foreign key.
func TestRank(t *testing.T) {
	s := ordersSchema()
	for question, want := range map[string][]string{
		"How many orders are there?":              {"orders", "order_items"},
		"Which customer has the longest name?":    {"customers", "orders"},
		"Which organisation sent most requests?":  {"requests"},
		"How is it distributed by category?":      {"products"},
		"What items of which products were sold?": {"order_items", "products"},
	} {
		r := rank(s, question)
		var got []string
		for _, i := range r.order[:len(want)] {
			got = append(got, s.Tables[i].Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v (%v)", question, got, want, r.score)
		}
	}
}

// large is a schema of so many tables, one of which is called orders.
func large(tables int) *query.Schema {
	s := &query.Schema{}
	for i := range tables {
		t := query.Table{Name: fmt.Sprintf("archive_part_%03d", i)}
		for j := range 20 {
			t.Columns = append(t.Columns, column(fmt.Sprintf("measured_value_%02d", j), "set", "of no interest"))
		}
		s.Tables = append(s.Tables, t)
	}
	s.Tables[tables-3] = query.Table{Name: "customers", Columns: []query.Column{column("id", "key"), column("name")}}
	s.Tables[tables-2] = query.Table{Name: "orders", Columns: []query.Column{column("id", "key"), column("customer_id", "customers(id)")}}
	return s
}

// A prompt of a schema of 500 tables fits, has those that are asked about and their
// neighbours, and tells what was left out.
func TestFit(t *testing.T) {
	s := large(500)
	for _, room := range []int{1500, 3000, 6144} {
		p := Prompt(Inquiry{Schema: s, Question: "How many orders were there?", Now: noon, Tokens: room})
		text := p.Messages[0].Content
		if n := Tokens(text) + templateTokens; n > room || p.Tokens != n {
			t.Errorf("%d tokens, told as %d, in %d", n, p.Tokens, room)
		}
		has(t, text, "CREATE TABLE orders (", "CREATE TABLE customers (")
		if len(p.Shown)+len(p.Left) != 500 || !slices.Contains(p.Shown, "orders") || len(p.Shown) < 3 || slices.Contains(p.Left, "orders") {
			t.Errorf("%d shown, %d left", len(p.Shown), len(p.Left))
		}
		for _, name := range p.Shown {
			if !strings.Contains(text, "CREATE TABLE "+name+" (") {
				t.Errorf("%s is not in it", name)
			}
		}
	}
	p := Prompt(Inquiry{Schema: s, Question: "How many orders were there?", Now: noon, Tokens: 10})
	if len(p.Left) != 500 {
		t.Errorf("without room, %d are left out", len(p.Left))
	}
}

// A table that is asked about and is too wide goes in with its keys and the columns
// that are asked about.
func TestFitColumns(t *testing.T) {
	wide := query.Table{Name: "orders"}
	for i := range 2000 {
		wide.Columns = append(wide.Columns, column(fmt.Sprintf("reserve_%04d", i)))
	}
	wide.Columns[1500] = column("id", "key")
	wide.Columns[1600] = column("customer_id", "customers(id)")
	wide.Columns[1999] = column("discount")
	p := Prompt(Inquiry{Schema: &query.Schema{Tables: []query.Table{wide}}, Question: "Which orders had a discount?", Now: noon, Tokens: 2000})
	if !slices.Equal(p.Cut, []string{"orders"}) || !slices.Equal(p.Shown, []string{"orders"}) || p.Tokens > 2000 || p.Tokens < 1500 {
		t.Errorf("%v cut, %v shown, %d tokens", p.Cut, p.Shown, p.Tokens)
	}
	has(t, p.Messages[0].Content, "  id INTEGER,", "customer_id INTEGER,", "discount INTEGER,", "PRIMARY KEY (id)", "FOREIGN KEY (customer_id) REFERENCES customers(id)")
}

// What a database calls things, and holds of them, ends no line and no statement.
func TestHostileSchema(t *testing.T) {
	evil := "a\n\"; DROP\u2028 TABLE x; --\x00" + strings.Repeat("y", 5000)
	s := &query.Schema{Tables: []query.Table{{Name: evil, About: evil, Columns: []query.Column{{Name: evil, Type: evil, About: evil, References: evil}}}}}
	text := fit(s, evil, -1).ddl
	if n := strings.Count(text, "\n"); n != 5 || len(text) > 3000 || strings.ContainsAny(text, "\x00\u2028") {
		t.Errorf("%d lines, %d bytes:\n%s", n, len(text), text)
	}
}

// The estimate of tokens is above what the simulator's tokenizer counts.
func TestTokens(t *testing.T) {
	model := simulated(t)
	for _, in := range []Inquiry{
		{Schema: large(30), Question: "How many orders?", Now: noon},
		{Schema: ordersSchema(), Question: "Wie viele Bestellungen für Köln, 価格 1234567890?", Now: noon},
		{Question: sim.DemoSchema(), Now: noon},
	} {
		in.Tokens = 7000
		p := Prompt(in)
		w, err := arctic.ask(t.Context(), model, p.Messages, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := w.answer.Prompt; n == 0 || int64(p.Tokens) < n {
			t.Errorf("%d tokens estimated, %d counted", p.Tokens, n)
		}
	}
	if Tokens("") != 0 || Tokens("a b") != 2 || Tokens("select 12") != 4 {
		t.Errorf("%d %d %d", Tokens(""), Tokens("a b"), Tokens("select 12"))
	}
}
