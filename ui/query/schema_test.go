package query

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway/ledger"
)

// written writes a schema in lines.
func written(s *Schema) string {
	var b strings.Builder
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "%s view=%v rows=%d %s:", t.Name, t.View, t.Rows, t.About)
		for _, c := range t.Columns {
			fmt.Fprintf(&b, " %s %s", c.Name, c.Type)
			for _, f := range []struct {
				is   bool
				text string
			}{{c.PrimaryKey, " key"}, {c.NotNull, " notnull"}, {c.References != "", " -> " + c.References}, {c.About != "", " (" + c.About + ")"}} {
				if f.is {
					b.WriteString(f.text)
				}
			}
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestSQLiteSchema(t *testing.T) {
	path, db := liteShop(t)
	s := liteSource(t, path, Config{Tables: []string{"orders", "pairs", "nested"}}, guards{})
	now := time.Now()
	s.schema.clock = func() time.Time { return now }
	is, err := s.Schema(context.Background())
	const want = `nested view=true rows=-1 : name TEXT,
orders view=false rows=5000 : id INTEGER key, customer INTEGER notnull -> customers(id), amount REAL, placed INTEGER, detail TEXT,
pairs view=false rows=0 : a TEXT key notnull, b INTEGER key notnull,
`
	if err != nil || written(is) != want {
		t.Errorf("%v\n%s", err, written(is))
	}
	if _, err := db.Exec("DELETE FROM orders WHERE id < 1001; ANALYZE; INSERT INTO pairs VALUES ('a', 1)"); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Schema(context.Background()); again != is {
		t.Error("it was looked up again within the minute")
	}
	now = now.Add(61 * time.Second)
	is, err = s.Schema(context.Background())
	if err != nil || !strings.Contains(written(is), "orders view=false rows=4000") || !strings.Contains(written(is), "pairs view=false rows=1 ") {
		t.Errorf("a minute later: %v\n%s", err, written(is))
	}
	all := liteSource(t, path, Config{}, guards{})
	if is, err := all.Schema(context.Background()); err != nil || len(is.Tables) != 7 {
		t.Errorf("all tables: %v\n%s", err, written(is))
	}
}

func TestPostgresSchema(t *testing.T) {
	name, b := shop(t)
	b.do("CREATE SCHEMA side; CREATE TABLE side.notes (a int, b text); GRANT USAGE ON SCHEMA side TO PUBLIC; GRANT SELECT ON side.notes TO PUBLIC; CREATE SCHEMA shut; CREATE TABLE shut.notes (a int); GRANT SELECT ON shut.notes TO PUBLIC")
	b.do("CREATE TABLE parts (a int) PARTITION BY RANGE (a); CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1), (2); ANALYZE parts, part1; GRANT SELECT ON parts, part1 TO PUBLIC")
	is, err := pgSource(t, name, Config{}, guards{}).Schema(context.Background())
	const want = `customers view=false rows=50 : id integer key notnull, name text notnull,
orders view=false rows=5000 what was bought: id integer key notnull, customer integer notnull -> customers(id), amount numeric(10,2), placed timestamp with time zone (when), detail jsonb,
parts view=false rows=2 : a integer,
totals view=true rows=-1 : name text, total numeric,
side.notes view=false rows=-1 : a integer, b text,
`
	if err != nil || written(is) != want {
		t.Errorf("%v\n%s", err, written(is))
	}
}

func TestPlanExpensive(t *testing.T) {
	path, _ := liteShop(t)
	name, _ := shop(t)
	lite, pg := Source(liteSource(t, path, Config{}, guards{})), Source(pgSource(t, name, Config{}, guards{}))
	for _, c := range []struct {
		s         Source
		sql, want string
		line      string // that is among them
	}{
		{lite, "SELECT * FROM orders WHERE id = 5", "", "SEARCH orders USING INTEGER PRIMARY KEY (rowid=?)"},
		{lite, "SELECT count(*) FROM orders", "", "SCAN orders"},
		{lite, "SELECT * FROM orders o JOIN customers c ON c.id = o.customer", "", "SEARCH c USING"},
		{lite, "SELECT count(*) FROM orders a, orders b", "it reads all of orders for each row of orders: about 25,000,000 rows", "SCAN b"},
		{lite, "SELECT count(*) FROM orders a, orders b, customers c WHERE a.id <> b.id", "for each row of", "SCAN c"},
		{lite, "SELECT (SELECT count(*) FROM orders b WHERE b.amount > a.amount) FROM orders a", "about 25,000,000 rows", "CORRELATED SCALAR SUBQUERY"},
		{pg, "SELECT * FROM orders WHERE id = 5", "", "Index Scan using orders_pkey on orders"},
		{pg, "SELECT count(*) FROM orders", "", "Seq Scan on orders"},
		{pg, "SELECT count(*) FROM orders a, orders b, customers c", "which is above 1M; most of it in: Nested Loop", "Seq Scan on orders a"},
	} {
		p, err := c.s.Plan(context.Background(), c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if (c.want == "") != (p.Expensive == "") || !strings.Contains(p.Expensive, c.want) {
			t.Errorf("%s: %q, want %q", c.sql, p.Expensive, c.want)
		}
		if text := fmt.Sprint(p.Lines); !strings.Contains(text, c.line) {
			t.Errorf("%s: no %q in %s", c.sql, c.line, text)
		}
		if c.s.Kind() == Postgres && (p.Cost <= 0 || p.Rows <= 0) || c.s.Kind() == SQLite && p.Cost != 0 {
			t.Errorf("%s: cost %v, rows %v", c.sql, p.Cost, p.Rows)
		}
	}
	dear := liteSource(t, path, Config{AskAbove: 1000}, guards{})
	if p, err := dear.Plan(context.Background(), "SELECT count(*) FROM orders"); err != nil || p.Expensive != "it reads all of orders: about 5,000 rows" {
		t.Errorf("a full scan: %v %+v", err, p)
	}
}

// TestLedger reads a ledger that is being written.
func TestLedger(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(ledger.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := time.Date(2026, 11, 3, 9, 26, 53, 589_000_000, time.UTC)
	row := func(n int) {
		if err := l.End(nil, &ledger.Row{ID: fmt.Sprint("r", n), Arrived: at, Ended: at.Add(time.Second), Org: "acme", Key: "k1", Model: "m", Backend: "b", Route: "/v1/chat/completions", Status: 200, Prompt: int64(n), Client: netip.MustParseAddr("::1"), End: ledger.Done}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 10 {
		row(n)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Name: "ledger", Kind: Ledger}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, h := range []honest{
		{"SELECT count(*), sum(prompt_tokens), min(org), min(stream) FROM requests", "10,45,acme,0"},
		{"SELECT datetime(arrived / 1000000, 'unixepoch'), ended - arrived FROM requests WHERE arrived > unixepoch('2026-11-03') * 1000000 LIMIT 1", "2026-11-03 09:26:53,1000000"},
		{"SELECT datetime(hour, 'unixepoch'), requests FROM hourly", "2026-11-03 09:00:00,10"},
		{"SELECT date(day, 'unixepoch'), requests FROM daily", "2026-11-03,10"},
		{"SELECT count(*) FROM grants, audit", "0"},
		{"WITH rows AS (SELECT 1 AS a) SELECT a FROM rows", "1"},
	} {
		r, err := s.Run(context.Background(), h.sql, Bounds{})
		if err != nil || line(r) != h.want {
			t.Errorf("%s: %v %v", h.sql, r, err)
		}
	}
	for _, name := range []string{"names", "rows", "journal", "gateway", "totals", "baselines", "sqlite_schema"} {
		for _, form := range []string{"SELECT * FROM %s", "SELECT count(*) FROM %s", "WITH requests AS (SELECT * FROM %s) SELECT * FROM requests"} {
			if _, err := s.Run(context.Background(), fmt.Sprintf(form, name), Bounds{}); err == nil {
				t.Errorf(form+" is read", name)
			}
		}
	}
	is, err := s.Schema(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range is.Tables {
		names = append(names, table.Name)
		if table.About == "" {
			t.Errorf("%s: nothing about it", table.Name)
		}
		for _, c := range table.Columns {
			if c.About == "" {
				t.Errorf("%s.%s: nothing about it", table.Name, c.Name)
			}
		}
		for column := range ledgerAbout[table.Name].columns {
			if !strings.Contains(written(is), " "+column+" ") {
				t.Errorf("%s.%s isn't there", table.Name, column)
			}
		}
	}
	if got := fmt.Sprint(names); got != "[audit daily grants hourly requests]" {
		t.Error(got)
	}
	if !strings.Contains(written(is), "requests view=true rows=10 ") {
		t.Error(written(is))
	}
}

// TestCheckpoint has a reader hold no checkpoint up once it has its rows, and a writer
// write while it reads.
func TestCheckpoint(t *testing.T) {
	path, db := liteShop(t)
	s := liteSource(t, path, Config{}, guards{})
	if _, err := db.Exec("PRAGMA busy_timeout = 5000"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.Run(ctx, "SELECT count(*) FROM orders a, orders b, orders c, orders d", Bounds{})
		close(done)
	}()
	running(t, s, nil, "")
	if _, err := db.Exec("INSERT INTO secrets VALUES ('new')"); err != nil {
		t.Errorf("a writer beside a reader: %v", err)
	}
	cancel()
	<-done
	if _, err := s.Run(context.Background(), "SELECT * FROM orders", Bounds{}); err != nil { // cut: there are more rows
		t.Fatal(err)
	}
	var busy, pages, moved int
	if err := db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil || busy != 0 {
		t.Errorf("the checkpoint: busy %d, %v", busy, err)
	}
}

// TestAlone reads a database with a WAL that nobody has open. SQLite makes the WAL and its
// index beside it, empty; the database is as it was.
func TestAlone(t *testing.T) {
	path, db := liteShop(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := liteFiles(t, path)
	s := liteSource(t, path, Config{}, guards{})
	if r, err := s.Run(context.Background(), "SELECT count(*) FROM orders", Bounds{}); err != nil || line(r) != "5000" {
		t.Errorf("%v %v", r, err)
	}
	if after := liteFiles(t, path); !strings.HasPrefix(after, before) {
		t.Errorf("files:\n%s\nand before\n%s", after, before)
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() != 0 {
		t.Errorf("the WAL has %d bytes", info.Size())
	}
	again, err := sql.Open("sqlite", liteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Exec("INSERT INTO secrets VALUES ('x')"); err != nil {
		t.Error(err)
	}
}

// TestRoleOfTheManual has what docs/sql.md says make a role that is taken.
func TestRoleOfTheManual(t *testing.T) {
	name, b := shop(t)
	text, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, _ := strings.Cut(string(text), "```sql\n")
	sql, _, ok := strings.Cut(sql, "```")
	if !ok {
		t.Fatal("there is no SQL")
	}
	b.do("GRANT CREATE ON SCHEMA public TO PUBLIC") // as it was before PostgreSQL 15
	p := pgSource(t, name, Config{}, guards{})
	if _, err := p.Run(context.Background(), "SELECT 1", Bounds{}); err == nil || !strings.Contains(err.Error(), "schema public") {
		t.Errorf("before: %v", err)
	}
	b.do(strings.ReplaceAll(sql, "pilothouse_reader", name+"m"))
	t.Setenv("SHOP_DSN", "host="+pgServer(t)+" user="+name+"m dbname="+name)
	if r, err := p.Run(context.Background(), "SELECT count(*) FROM secrets", Bounds{}); err != nil || line(r) != "1" {
		t.Errorf("%v %v", r, err)
	}
}
