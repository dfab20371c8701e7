package play

import (
	"slices"
	"strings"

	"pilothouse/ui/query"
)

// fields is what may stand behind a name and a dot: the columns of a table, or the
// tables of a schema.
func (c *completing) fields(owner string) []candidate {
	for _, u := range c.scope {
		if strings.EqualFold(u.name, owner) && u.table != nil {
			return c.columns(u.table, "")
		}
	}
	if t := c.table(owner); t != nil {
		return c.columns(t, "")
	}
	var list []candidate
	for i := range c.schema.Tables {
		t := &c.schema.Tables[i]
		if in, bare, ok := strings.Cut(t.Name, "."); ok && strings.EqualFold(in, owner) {
			list = append(list, candidate{c.quoted(bare), bare, tableNote(t)})
		}
	}
	return list
}

// columns are those of a table; of names the table that they are of.
func (c *completing) columns(t *query.Table, of string) []candidate {
	list := make([]candidate, 0, len(t.Columns))
	for i := range t.Columns {
		col := &t.Columns[i]
		note := columnNote(col)
		if of != "" {
			note = strings.TrimSpace(note + " of " + of)
		}
		list = append(list, candidate{c.quoted(col.Name), col.Name, note})
	}
	return list
}

// words are those of the language.
func (c *completing) words(upper bool) []candidate {
	own := sqliteFunctions
	if c.kind == query.Postgres {
		own = postgresFunctions
	}
	var list []candidate
	for _, w := range sqlKeywords {
		if !upper {
			w = strings.ToLower(w)
		}
		list = append(list, candidate{w, w, "keyword"})
	}
	for _, w := range slices.Concat(sqlFunctions, own) {
		list = append(list, candidate{w, w, "function"})
	}
	return list
}

// rank is what of some lists matches a prefix, in their order: first what begins with
// it, then what has it in it. A word that is whole already is not offered.
func (c *completing) rank(prefix string, lists ...[]candidate) []candidate {
	const within = 2 // bytes from which on a word may have it anywhere
	var found []candidate
	seen := make(map[string]bool)
	low := strings.ToLower(prefix)
	take := func(match func(string) bool) {
		for _, list := range lists {
			for _, k := range list {
				if len(found) < maxCandidates && !seen[k.text] && match(strings.ToLower(k.name)) {
					seen[k.text] = true
					found = append(found, k)
				}
			}
		}
	}
	take(func(s string) bool { return strings.HasPrefix(s, low) })
	if len(prefix) >= within {
		take(func(s string) bool { return strings.Contains(s, low) })
	}
	if len(found) > 0 && found[0].text == prefix {
		c.whole = true
		return nil
	}
	return found
}

// quoted is a name as it stands in a statement, each of its parts.
func (c *completing) quoted(name string) string {
	in, bare, ok := strings.Cut(name, ".")
	if !ok {
		return c.quotedPart(name)
	}
	return c.quotedPart(in) + "." + c.quotedPart(bare)
}

func (c *completing) quotedPart(s string) string {
	simple := s != "" && !digit(s[0]) && !slices.Contains(sqlKeywords, strings.ToUpper(s))
	for i := 0; i < len(s) && simple; i++ {
		b := s[i]
		simple = b == '_' || digit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' && c.kind != query.Postgres
	}
	if simple {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// tableNote tells what a table is.
func tableNote(t *query.Table) string {
	if t.View {
		return "view"
	}
	return "table"
}

// columnNote tells what a column is.
func columnNote(c *query.Column) string {
	note := strings.ToLower(headBytes(c.Type, 64))
	switch {
	case c.PrimaryKey:
		note += " key"
	case c.References != "":
		note += " > " + headBytes(c.References, 64)
	}
	return strings.TrimSpace(note)
}
