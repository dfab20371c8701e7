package play

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/ask"
	"pilothouse/ui/pane"
	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

var evening = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// paper is a Sheet that does at once what a test says, and notes what it was asked.
type paper struct {
	s     ask.Snapshot
	calls []string
	// What comes of Run and Ask; nil: they go on until they are ended.
	onRun, onAsk func(*ask.Snapshot)
}

func (p *paper) change(call string, f func(*ask.Snapshot)) {
	p.calls = append(p.calls, call)
	next := p.s
	next.Version++
	f(&next)
	p.s = next
}

func (p *paper) start(call string, doing ask.Doing, then func(*ask.Snapshot)) {
	p.change(call, func(s *ask.Snapshot) {
		if s.Doing != ask.Nothing {
			return
		}
		s.Doing, s.Since = doing, evening
		if then != nil {
			s.Doing = ask.Nothing
			then(s)
		}
	})
}

func (p *paper) Snapshot() *ask.Snapshot { s := p.s; return &s }
func (p *paper) Use(name string) {
	p.change("use "+name, func(s *ask.Snapshot) { s.Source = name })
}
func (p *paper) SetQuestion(text string) {
	p.change("question", func(s *ask.Snapshot) { s.Question = text })
}
func (p *paper) SetSQL(text string) {
	p.change("sql", func(s *ask.Snapshot) { s.SQL, s.Err, s.Plan, s.Words = text, nil, nil, "" })
}
func (p *paper) Ask()     { p.start("ask", ask.Asking, p.onAsk) }
func (p *paper) Explain() { p.start("explain", ask.Explaining, nil) }
func (p *paper) Repair() {
	p.start("repair", ask.Repairing, nil)
}
func (p *paper) Plan() {
	p.start("plan", ask.Planning, func(s *ask.Snapshot) { s.Plan = fixturePlan() })
}
func (p *paper) Run(sure bool) { p.start(fmt.Sprintf("run %t", sure), ask.Running, p.onRun) }
func (p *paper) Cancel()       { p.change("cancel", func(s *ask.Snapshot) { s.Doing = ask.Nothing }) }
func (p *paper) Save(name string) {
	p.change("save "+name, func(s *ask.Snapshot) {
		s.Saved = append(slices.Clone(s.Saved), ask.Saved{Name: name, Source: s.Source, Question: s.Question, SQL: s.SQL})
	})
}
func (p *paper) Forget(name string) {
	p.change("forget "+name, func(s *ask.Snapshot) {
		s.Saved = slices.DeleteFunc(slices.Clone(s.Saved), func(q ask.Saved) bool { return q.Name == name })
	})
}
func (p *paper) Recall(i int) {
	p.change(fmt.Sprint("recall ", i), func(s *ask.Snapshot) { s.Question, s.SQL = s.History[i].Question, s.History[i].SQL })
}
func (p *paper) Load(name string) {
	p.change("load "+name, func(s *ask.Snapshot) {
		for _, q := range s.Saved {
			if q.Name == name {
				s.Question, s.SQL = q.Question, q.SQL
			}
		}
	})
}

// last is the last call of a kind.
func (p *paper) last(prefix string) string {
	for _, c := range slices.Backward(p.calls) {
		if strings.HasPrefix(c, prefix) {
			return c
		}
	}
	return ""
}

func fixtureSchema() *query.Schema {
	return &query.Schema{Tables: []query.Table{
		{Name: "api_keys", Rows: 214, About: "who may ask", Columns: []query.Column{
			{Name: "id", Type: "TEXT", PrimaryKey: true, NotNull: true}, {Name: "org", Type: "TEXT", NotNull: true, References: "organisations(name)"}, {Name: "name", Type: "TEXT"}}},
		{Name: "organisations", Rows: 38, About: "who pays", Columns: []query.Column{
			{Name: "name", Type: "TEXT", PrimaryKey: true, NotNull: true}, {Name: "plan", Type: "TEXT", About: "what was agreed: free, team or large"}, {Name: "Since Day", Type: "TEXT"}}},
		{Name: "requests", Rows: 1_240_000, About: "a row for each request, written before the client's last byte", Columns: []query.Column{
			{Name: "id", Type: "INTEGER", PrimaryKey: true, NotNull: true}, {Name: "at", Type: "INTEGER", NotNull: true, About: "when it came, in milliseconds"},
			{Name: "org", Type: "TEXT", NotNull: true, References: "organisations(name)"}, {Name: "key", Type: "TEXT", References: "api_keys(id)"}, {Name: "model", Type: "TEXT"},
			{Name: "prompt_tokens", Type: "INTEGER"}, {Name: "output_tokens", Type: "INTEGER"}, {Name: "status", Type: "INTEGER"}}},
		{Name: "usage_by_day", View: true, Rows: -1, Columns: []query.Column{{Name: "day", Type: "TEXT"}, {Name: "org", Type: "TEXT"}, {Name: "tokens", Type: "INTEGER"}}},
	}}
}

func fixturePlan() *query.Plan {
	return &query.Plan{Cost: 1234, Rows: 38, Lines: []query.PlanLine{{Depth: 0, Text: "SEARCH r USING INDEX requests_at (at>?)"}, {Depth: 1, Text: "SEARCH o USING COVERING INDEX organisations_name (name=?)"},
		{Depth: 0, Text: "USE TEMP B-TREE FOR GROUP BY"}, {Depth: 0, Text: "USE TEMP B-TREE FOR ORDER BY"}}}
}

const fixtureSQL = `-- yesterday, in UTC
SELECT o.name, o.plan,
       sum(r.prompt_tokens + r.output_tokens) AS tokens,
       count(*) AS requests
FROM requests r
JOIN organisations o ON o.name = r.org
WHERE r.at >= unixepoch('now', 'start of day', '-1 day') * 1000
  AND r.at < unixepoch('now', 'start of day') * 1000
GROUP BY o.name, o.plan
ORDER BY tokens DESC
LIMIT 100`

var fixtureReasoning = strings.TrimSpace(strings.Repeat("The question is about tokens of an organisation, so the requests are grouped by it. ", 15))

// emptySheet has a schema and nothing else.
func emptySheet() ask.Snapshot {
	return ask.Snapshot{Version: 1, Sources: []string{"ledger", "warehouse", "crm"}, Source: "ledger", Kind: query.Ledger, Schema: fixtureSchema()}
}

// askedSheet has the model's answer.
func askedSheet() ask.Snapshot {
	s := emptySheet()
	s.Question, s.SQL, s.Model = "which organisation used most tokens yesterday?", fixtureSQL, "text2sql"
	s.Answer = ask.Answer{Reasoning: fixtureReasoning, SQL: fixtureSQL, RequestID: "req-7", TTFT: 120 * time.Millisecond, Took: 1800 * time.Millisecond, Prompt: 812, Completion: 393}
	s.Plan = fixturePlan()
	for i, q := range []string{"how many requests failed today?", "", "tokens by model this week", "p95 of the time to first token by hour"} {
		s.History = append(s.History, ask.Entry{At: evening.Add(-time.Duration(i*i*7) * time.Hour), Source: "ledger", Question: q, SQL: "SELECT count(*) FROM requests WHERE status >= 500", Rows: 1 + 40*i, Took: time.Duration(31+i*400) * time.Millisecond})
	}
	s.History[3].Failed = "no such column: ttft"
	s.Saved = []ask.Saved{{Name: "errors by hour", Source: "ledger", Question: "errors by hour", SQL: "SELECT 1"}, {Name: "morning", Source: "ledger", SQL: "SELECT org FROM requests"}}
	return s
}

func text(s string) query.Value { return query.Value{Text: s} }

// resultSheet has rows.
func resultSheet() ask.Snapshot {
	s := askedSheet()
	r := &query.Result{Took: 31 * time.Millisecond, Columns: []query.ResultColumn{{Name: "name", Type: "TEXT"}, {Name: "plan", Type: "TEXT"}, {Name: "tokens", Type: "INTEGER", Numeric: true}, {Name: "requests", Type: "INTEGER", Numeric: true}}}
	for i, n := range []string{"acme", "globex", "initech", "東京電力", "umbrella", "hooli", "stark", "wayne", "wonka", "tyrell", "cyberdyne", "soylent"} {
		plan := text([]string{"large", "team", "free", "NULL"}[i%4])
		if i%5 == 1 {
			plan = query.Value{Null: true}
		}
		tokens := 9_120_400 / (i + 1)
		r.Rows = append(r.Rows, []query.Value{text(n), plan, text(fmt.Sprint(tokens)), text(fmt.Sprint(tokens / 950))})
	}
	s.Result = r
	return s
}

// cutSheet has more rows than it may.
func cutSheet() ask.Snapshot {
	s := resultSheet()
	r := &query.Result{Took: 240 * time.Millisecond, Cut: "1,000 rows"}
	for i := range 30 {
		r.Columns = append(r.Columns, query.ResultColumn{Name: fmt.Sprintf("column_%d", i), Type: "INTEGER", Numeric: i%3 != 1})
	}
	for i := range 1000 {
		row := make([]query.Value, 30)
		for j := range row {
			row[j] = text(fmt.Sprint(i * (j + 1)))
		}
		row[1] = text(fmt.Sprintf(`{"id":%d,"tags":["a","b"],"note":"a cell that is longer than its column may be"}`, i))
		r.Rows = append(r.Rows, row)
	}
	s.Result = r
	return s
}

// barSheet has two columns, lineSheet two of which one is time.
func barSheet() ask.Snapshot {
	s := resultSheet()
	r := &query.Result{Took: 9 * time.Millisecond, Columns: []query.ResultColumn{{Name: "org"}, {Name: "tokens", Numeric: true}}}
	for _, row := range s.Result.Rows {
		r.Rows = append(r.Rows, []query.Value{row[0], row[2]})
	}
	s.Result = r
	return s
}

func lineSheet() ask.Snapshot {
	s := resultSheet()
	r := &query.Result{Took: 9 * time.Millisecond, Columns: []query.ResultColumn{{Name: "hour"}, {Name: "requests", Numeric: true}}}
	for i := range 48 {
		r.Rows = append(r.Rows, []query.Value{text(evening.Add(time.Duration(i) * time.Hour).Format("2006-01-02 15:04")), text(fmt.Sprint(200 + (i*i*37)%90 + i*4))})
	}
	s.Result = r
	return s
}

func runningSheet() ask.Snapshot {
	s := askedSheet()
	s.Doing, s.Since = ask.Running, evening.Add(-7*time.Second)
	return s
}

func askingSheet() ask.Snapshot {
	s := askedSheet()
	s.SQL, s.Plan = "", nil
	s.Doing, s.Since = ask.Asking, evening.Add(-2*time.Second)
	s.Answer = ask.Answer{Reasoning: "The question is about", SQL: "SELECT o.name,\n  sum("}
	return s
}

func errorSheet() ask.Snapshot {
	s := askedSheet()
	s.SQL = strings.Replace(s.SQL, "o.plan,\n", "o.plam,\n", 1)
	s.Plan = nil
	s.Err = &query.Error{Text: "no such column: o.plam", At: strings.Index(s.SQL, "o.plam")}
	return s
}

// hostileTexts are what a model or a database would say to take a terminal over.
var hostileTexts = []string{"\x1b[2J\x1b[H", "\x1b]52;c;aGk=\a", "\x1b]0;title\a", "\u009b31m", "a\nb\r\nc\td", "\u202egnp.exe", "z\u200be\u200dr\ufeffo", "東京都庁舎", "e\u0301\u0302\u0303", "\u0301",
	"👩\u200d👩\u200d👧\u200d👦", "🇩🇪🇫🇷", "❤\ufe0f", "क्षि", "\xff\xfe", "\x00", "\u2028", strings.Repeat("長", 300), strings.Repeat("x", 5000), "\U000e0041", "─│╭", strings.Repeat("a\u0300\u0316", 50), "", "NULL", "'", "\"", "$$", "/*", "--", "[", "\\"}

func hostileSheet() ask.Snapshot {
	s := askedSheet()
	bad := strings.Join(hostileTexts[:12], " ")
	s.Question, s.SQL = bad, "SELECT '"+strings.Join(hostileTexts, "\n")
	s.Source, s.Sources = "\x1b[31mled", []string{"\x1b[31mled", "two\nlines"}
	s.Answer.Reasoning, s.Words = bad, bad
	s.Schema = &query.Schema{Tables: []query.Table{{Name: bad, About: bad, Columns: []query.Column{{Name: bad, Type: bad, References: bad, About: bad}}}, {Name: "t", Rows: -1}}}
	s.Err = &query.Error{Reason: query.Refused, Text: bad, At: 3}
	r := &query.Result{Cut: bad, Took: time.Second}
	var row []query.Value
	for _, h := range hostileTexts {
		r.Columns = append(r.Columns, query.ResultColumn{Name: h, Type: h})
		row = append(row, text(h))
	}
	r.Rows = [][]query.Value{row, row[:3], nil, slices.Concat(row, row)}
	s.Result = r
	s.Plan = &query.Plan{Cost: -1, Rows: -1, Expensive: bad, Lines: []query.PlanLine{{Depth: 1 << 30, Text: bad}, {Depth: -5, Text: bad}}}
	s.History = []ask.Entry{{At: evening, Source: bad, Question: bad, SQL: bad, Failed: bad}, {SQL: bad, Rows: -1}}
	s.Saved = []ask.Saved{{Name: bad, SQL: bad}}
	return s
}

var fixtureOptions = SQLOptions{
	CSV: func(w io.Writer, r *query.Result) error {
		out := csv.NewWriter(w)
		for _, row := range r.Rows {
			var cells []string
			for _, v := range row {
				cells = append(cells, v.Text)
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	},
	JSON: func(w io.Writer, r *query.Result) error { return json.NewEncoder(w).Encode(len(r.Rows)) },
	Suggested: func(*ask.Snapshot) []string {
		return []string{"which organisation used most tokens yesterday?", "requests per hour today", "which models fail, and how often?"}
	},
}

// newSQLPane makes a pane on a sheet, with the focus, in a theme.
func newSQLPane(s ask.Snapshot, t *widget.Theme) (*SQL, *paper) {
	sheet := &paper{s: s}
	p := NewSQL(sheet, fixtureOptions)
	p.Update(pane.Themed{Theme: t})
	p.SetFocus(true)
	p.Update(pane.Data{Now: evening})
	return p, sheet
}

// sqlKey makes a key's message from its name.
func sqlKey(name string) tea.KeyPressMsg {
	var k tea.KeyPressMsg
	for {
		mod, rest, ok := strings.Cut(name, "+")
		if !ok || rest == "" {
			break
		}
		k.Mod |= map[string]tea.KeyMod{"ctrl": tea.ModCtrl, "alt": tea.ModAlt, "shift": tea.ModShift}[mod]
		name = rest
	}
	codes := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"esc": tea.KeyEscape, "enter": tea.KeyEnter, "tab": tea.KeyTab, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "space": tea.KeySpace}
	if c, ok := codes[name]; ok {
		k.Code = c
		if name == "space" && k.Mod == 0 {
			k.Text = " "
		}
		return k
	}
	k.Code = []rune(name)[0]
	if k.Mod == 0 {
		k.Text = name
	}
	return k
}

// keyed presses keys, and draws after each as the dashboard does.
func keyed(p *SQL, keys ...string) {
	for _, k := range keys {
		p.Update(sqlKey(k))
		p.View(p.pic.w, p.pic.h)
	}
}

// typed types a text.
func typed(p *SQL, s string) {
	for _, r := range s {
		k := tea.KeyPressMsg{Code: r, Text: string(r)}
		if r == '\n' {
			k = tea.KeyPressMsg{Code: tea.KeyEnter}
		}
		p.Update(k)
	}
}
