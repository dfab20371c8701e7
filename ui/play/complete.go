package play

import (
	"slices"
	"strings"

	"pilothouse/ui/query"
)

// candidate is something that a word may become.
type candidate struct {
	text string // as it is put in
	name string // as it is looked for, and shown
	note string // what it is
}

// maxCandidates is how many are offered at most.
const maxCandidates = 50

// The words that completion offers: those that people ask questions with.
var sqlKeywords = strings.Fields(`SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN LEFT RIGHT FULL INNER CROSS ON USING AS AND OR NOT IN IS NULL LIKE BETWEEN
	EXISTS CASE WHEN THEN ELSE END DISTINCT UNION ALL EXCEPT INTERSECT WITH RECURSIVE VALUES ASC DESC NULLS FIRST LAST OVER PARTITION ROWS CAST INTERVAL TRUE FALSE FILTER EXPLAIN`)

var sqlFunctions = strings.Fields(`count sum avg min max coalesce nullif round abs lower upper length substr replace trim row_number rank dense_rank lag lead first_value last_value`)

var sqliteFunctions = strings.Fields(`strftime date time datetime julianday unixepoch group_concat ifnull iif json_extract printf instr total`)

var postgresFunctions = strings.Fields(`now date_trunc extract to_char to_timestamp string_agg array_agg generate_series percentile_cont greatest least age
	jsonb_extract_path_text position split_part current_date current_timestamp`)

// endsTables are the words behind which no more tables are named.
var endsTables = strings.Fields(`WHERE GROUP ORDER SELECT ON SET LIMIT HAVING UNION USING VALUES WINDOW RETURNING OFFSET EXCEPT INTERSECT`)

// startsTables are those behind which a table is.
var startsTables = strings.Fields(`FROM JOIN INTO UPDATE`)

// completing is what completion knows of the statement around the cursor.
type completing struct {
	schema *query.Schema
	kind   query.Kind
	sql    string
	tokens []sqlToken // of the statement, without blanks and comments
	scope  []tableUse // the tables that it names
	whole  bool       // the word is one already
}

// tableUse is a table in a statement.
type tableUse struct {
	name  string       // that it goes by there
	table *query.Table // nil: it is made in the statement
}

// complete finds what the word before the byte at of a text may become: the best
// first. from is where the word begins; whole: it is something already. In a string, a
// number or a comment it is nothing. Without a word it is all that may stand there.
func complete(schema *query.Schema, kind query.Kind, sql string, tokens []sqlToken, at int) (from int, list []candidate, whole bool) {
	if schema == nil {
		schema = &query.Schema{}
	}
	c := completing{schema: schema, kind: kind, sql: sql}
	from = at
	prefix := ""
	before := 0 // of c.tokens, those before the word
	for _, t := range tokens {
		switch {
		case t.from < at && at <= t.to && (t.kind == tokenWord || t.kind == tokenName):
			if t.kind == tokenName && at == t.to && closed(sql[t.from:t.to]) {
				return at, nil, true
			}
			from, prefix = t.from, strings.TrimLeft(sql[t.from:at], "\"`[")
		case inside(sql, t, at):
			return at, nil, true
		}
		switch {
		case t.kind == tokenBlank || t.kind == tokenComment:
			continue
		case t.kind == tokenSign && sql[t.from] == ';':
			if t.to <= at { // another statement
				c.tokens, before = c.tokens[:0], 0
				continue
			}
			list = c.find(before, prefix)
			return from, list, c.whole
		}
		if t.from < from {
			before = len(c.tokens) + 1
		}
		c.tokens = append(c.tokens, t)
	}
	list = c.find(before, prefix)
	return from, list, c.whole
}

// inside tells whether a place is within a token in which nothing is completed.
func inside(sql string, t sqlToken, at int) bool {
	if at <= t.from || at > t.to {
		return false
	}
	s := sql[t.from:t.to]
	switch t.kind {
	case tokenNumber:
		return true
	case tokenString:
		return at < t.to || len(s) < 2 || s[len(s)-1] != '\'' && s[len(s)-1] != '$'
	case tokenComment:
		return at < t.to || !strings.HasSuffix(s, "*/")
	}
	return false
}

// closed tells whether a name in quotes has its second quote.
func closed(s string) bool {
	last := s[len(s)-1]
	return len(s) > 1 && (last == s[0] || s[0] == '[' && last == ']')
}

// word is a token in the form in which words are compared.
func (c *completing) word(i int) string {
	if i < 0 || i >= len(c.tokens) {
		return ""
	}
	t := c.tokens[i]
	s := c.sql[t.from:t.to]
	if t.kind == tokenWord {
		return strings.ToUpper(s)
	}
	return s
}

// name is the name that a token is; "": it is none.
func (c *completing) name(i int) string {
	if i < 0 || i >= len(c.tokens) {
		return ""
	}
	t := c.tokens[i]
	s := c.sql[t.from:t.to]
	switch t.kind {
	case tokenWord:
		return s
	case tokenName:
		if closed(s) {
			return strings.ReplaceAll(s[1:len(s)-1], s[:1]+s[:1], s[:1])
		}
	}
	return ""
}

// find is what may stand behind the first before tokens.
func (c *completing) find(before int, prefix string) []candidate {
	wantsTable := c.read(before)
	if c.word(before-1) == "." {
		owner := c.name(before - 2)
		fields := c.fields(owner)
		if len(fields) == 0 && len(c.scope) == 0 { // what it is of comes later
			for i := range c.schema.Tables {
				fields = append(fields, c.columns(&c.schema.Tables[i], c.schema.Tables[i].Name)...)
			}
		}
		return c.rank(prefix, fields)
	}
	upper := prefix == "" || prefix != strings.ToLower(prefix)
	var columns, names, words, tables []candidate
	for _, u := range c.scope {
		if u.table != nil {
			columns = append(columns, c.columns(u.table, u.name)...)
		}
		note := "made here"
		if u.table != nil {
			note = u.table.Name
		}
		names = append(names, candidate{c.quoted(u.name), u.name, note})
	}
	for i := range c.schema.Tables {
		t := &c.schema.Tables[i]
		tables = append(tables, candidate{c.quoted(t.Name), t.Name, tableNote(t)})
		if len(c.scope) == 0 && prefix != "" {
			columns = append(columns, c.columns(t, t.Name)...)
		}
	}
	if wantsTable {
		for i, n := range names { // those that the statement makes are tables too
			if c.scope[i].table == nil {
				tables = append(tables, n)
			}
		}
		return c.rank(prefix, tables)
	}
	words = c.words(upper)
	if prefix == "" && len(c.tokens) == 0 {
		return c.rank(prefix, words)
	}
	return c.rank(prefix, columns, names, words, tables)
}

// read learns which tables the statement names, and tells whether behind the first
// before tokens a table is to be named.
func (c *completing) read(before int) (wantsTable bool) {
	naming := false // among the tables
	next := false   // one comes now
	for i := 0; i < len(c.tokens); i++ {
		if i == before {
			wantsTable = next
		}
		w := c.word(i)
		switch {
		case c.tokens[i].kind == tokenWord && slices.Contains(startsTables, w):
			naming, next = true, true
		case c.tokens[i].kind == tokenWord && slices.Contains(endsTables, w):
			naming, next = false, false
		case w == "," && naming:
			next = true
		case w == "(" && c.word(i-1) == "AS" && c.name(i-2) != "" && (c.word(i-3) == "WITH" || c.word(i-3) == "RECURSIVE" || c.word(i-3) == ","):
			c.scope = append(c.scope, tableUse{name: c.name(i - 2)})
			next = false
		case next && c.name(i) != "":
			i = c.use(i, before)
			next = false
		case w == "(":
			next = false
		}
	}
	if before >= len(c.tokens) {
		wantsTable = next
	}
	return wantsTable
}

// use takes in the table that is named from token i on, and returns the last token of it.
func (c *completing) use(i, before int) int {
	if i == before { // it is being typed
		return i
	}
	name := c.name(i)
	if c.word(i+1) == "." && c.name(i+2) != "" && i+2 != before {
		name += "." + c.name(i+2)
		i += 2
	}
	table := c.table(name)
	as := i + 1
	if c.word(as) == "AS" {
		as++
	}
	alias := c.name(as)
	if alias != "" && as != before && (c.tokens[as].kind == tokenName || !slices.Contains(sqlKeywords, strings.ToUpper(alias))) {
		name, i = alias, as
	}
	if table != nil {
		c.scope = append(c.scope, tableUse{name, table})
	}
	return i
}

// table is the table of a name, with or without its schema before it; nil: there is none.
func (c *completing) table(name string) *query.Table {
	for i := range c.schema.Tables {
		t := &c.schema.Tables[i]
		_, bare, ok := strings.Cut(t.Name, ".")
		if strings.EqualFold(t.Name, name) || ok && strings.EqualFold(bare, name) {
			return t
		}
	}
	return nil
}
