package ask

import (
	"fmt"
	"strings"

	"pilothouse/ui/query"
)

// maxAbout bounds a comment in bytes; names are bounded likewise.
const maxAbout = 300

// ddl is a table as the statement that would make it; keep chooses its columns, nil is
// all of them.
func ddl(t *query.Table, keep []bool) string {
	var b strings.Builder
	about := oneLine(t.About)
	if t.View && about == "" {
		about = "a view"
	}
	if about != "" {
		b.WriteString("-- " + about + "\n")
	}
	b.WriteString("CREATE TABLE " + tableName(t.Name) + " (\n")
	var lines, notes, keys []string
	for i := range t.Columns {
		c := &t.Columns[i]
		if keep != nil && !keep[i] {
			continue
		}
		line := strings.TrimRight("  "+quote(c.Name)+" "+oneLine(c.Type), " ")
		if c.NotNull && !c.PrimaryKey {
			line += " NOT NULL"
		}
		if c.PrimaryKey {
			keys = append(keys, quote(c.Name))
		}
		lines, notes = append(lines, line), append(notes, oneLine(c.About))
	}
	if len(keys) > 0 {
		lines, notes = append(lines, "  PRIMARY KEY ("+strings.Join(keys, ", ")+")"), append(notes, "")
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.References != "" && (keep == nil || keep[i]) {
			lines, notes = append(lines, fmt.Sprintf("  FOREIGN KEY (%s) REFERENCES %s", quote(c.Name), oneLine(c.References))), append(notes, "")
		}
	}
	for i, line := range lines {
		b.WriteString(line)
		if i < len(lines)-1 {
			b.WriteByte(',')
		}
		if notes[i] != "" {
			b.WriteString(" -- " + notes[i])
		}
		b.WriteByte('\n')
	}
	b.WriteString(");\n")
	return b.String()
}

// tableName writes a name that may have its schema in front.
func tableName(name string) string {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return quote(schema) + "." + quote(table)
	}
	return quote(name)
}

// quote writes a name as SQL has it, with quotes where it needs them.
func quote(name string) string {
	name = oneLine(name)
	plain := name != "" && (name[0] < '0' || name[0] > '9') && !strings.Contains(reserved, " "+strings.ToUpper(name)+" ")
	for i := range len(name) {
		c := name[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_')
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// reserved are words that PostgreSQL or SQLite take for something else than a name.
const reserved = " ALL AND ANY AS ASC BETWEEN BY CASE CHECK COLLATE COLUMN CREATE CROSS DEFAULT DELETE DESC DISTINCT ELSE END EXCEPT " +
	"FOR FOREIGN FROM FULL GRANT GROUP HAVING IN INDEX INNER INSERT INTERSECT INTO IS JOIN LEFT LIKE LIMIT NATURAL NOT NULL OFFSET " +
	"ON OR ORDER OUTER PRIMARY REFERENCES RIGHT SELECT SET TABLE THEN TO UNION UNIQUE UPDATE USER USING VALUES WHEN WHERE WINDOW WITH "

// oneLine is a text without what would end a line or a comment, and bounded.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(clip(s, maxAbout), func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' }), " ")
}
