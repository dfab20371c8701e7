package ask

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct{ text, reasoning, sql string }{
		"plain":             {"I count.\n\n```sql\nSELECT 1;\n```", "I count.", "SELECT 1;"},
		"thought":           {"<think>\nI count.\n</think>\n```sql\nSELECT 1\n```\nThat is all.", "I count.\n\nThat is all.", "SELECT 1"},
		"thought, answered": {"<think>I count.</think>\n<answer>\n```sql\nSELECT 1\n```\n</answer>", "I count.", "SELECT 1"},
		"half a think":      {"I count.\n</think>\n\n```sql\nSELECT 1\n```", "I count.", "SELECT 1"},
		"draft first":       {"First\n```sql\nSELECT 0\n```\nbetter\n```sql\nSELECT 1\n```", "First\n```sql\nSELECT 0\n```\nbetter", "SELECT 1"},
		"draft in thought":  {"<think>```sql\nSELECT 0\n```</think>no\n```sql\nSELECT 1\n```", "```sql\nSELECT 0\n```\n\nno", "SELECT 1"},
		"only thought":      {"<think>I try\n```sql\nSELECT 0\n```\nbut", "I try\n```sql\nSELECT 0\n```\nbut", "SELECT 0"},
		"marked wins":       {"```sqlite\nSELECT 1\n```\nwhich gives\n```\n| 1 |\n```", "which gives\n```\n| 1 |\n```", "SELECT 1"},
		"unmarked":          {"```\nSELECT 1\n```", "", "SELECT 1"},
		"other language":    {"```python\nprint(1)\n```", "```python\nprint(1)\n```", ""},
		"on one line":       {"It is ```sql SELECT 1``` then.", "It is\n\nthen.", "SELECT 1"},
		"unmarked line":     {"```SELECT 1```", "", "SELECT 1"},
		"four marks":        {"````sql\nSELECT 1\n````\nx", "x", "SELECT 1"},
		"no end":            {"Well\n```SQL\nSELECT 1\nFROM t", "Well", "SELECT 1\nFROM t"},
		"CRLF":              {"Well\r\n```sql\r\nSELECT 1\r\n,2\r\n```", "Well", "SELECT 1\n,2"},
		"bare":              {"I count all.\n\nSELECT count(*)\nFROM t;\n\nThat was it.", "I count all.\n\nThat was it.", "SELECT count(*)\nFROM t;"},
		"bare with":         {"Here:\nwith x as (select 1)\nselect * from x;", "Here:", "with x as (select 1)\nselect * from x;"},
		"bare thought":      {"<think>Select one.</think>SELECT 1", "Select one.", "SELECT 1"},
		"prose":             {"Select the customers who paid.\nWith that it is done.", "Select the customers who paid.\nWith that it is done.", ""},
		"nothing":           {"", "", ""},
		"empty block":       {"Well ```sql\n```", "Well ```sql\n```", ""},
		"controls":          {"```sql\nSELECT '\x1b[2J\x00\u0085'\t, 1\n```", "", "SELECT '[2J'\t, 1"},
		"tag in a text":     {"```sql\nSELECT '</think>'\n```", "", "SELECT '</think>'"},
		"broken UTF-8":      {"a\xff```sql\nSELECT '\xfe'\n```", "a\ufffd", "SELECT '\ufffd'"},
	} {
		if reasoning, sql := Parse(tc.text, true); reasoning != tc.reasoning || sql != tc.sql {
			t.Errorf("%s: %q and %q, want %q and %q", name, reasoning, sql, tc.reasoning, tc.sql)
		}
	}
}

// While an answer comes, SQL is what is in its block, and nothing that was thought or
// only looks like a mark.
func TestParseComing(t *testing.T) {
	const text = "<think>SELECT it\n```sql\nSELECT 0\n```\n</think>Now\n```sql\nSELECT 1\nFROM t\n```\n"
	before := ""
	for i := range len(text) + 1 {
		reasoning, sql := Parse(text[:i], false)
		if !strings.HasPrefix("SELECT 1\nFROM t", sql) || !strings.HasPrefix(sql, before) {
			t.Fatalf("%q has SQL %q", text[:i], sql)
		}
		if strings.ContainsAny(reasoning, "<>") && !strings.HasSuffix(text[:i], reasoning) {
			t.Fatalf("%q has reasoning %q", text[:i], reasoning)
		}
		before = sql
	}
	if before != "SELECT 1\nFROM t" {
		t.Errorf("the SQL is %q", before)
	}
}

// What a model writes costs no more than its length.
func TestParseHostile(t *testing.T) {
	for name, text := range map[string]string{
		"marks":    strings.Repeat("```", maxAnswer/3),
		"ticks":    strings.Repeat("`", maxAnswer),
		"tags":     strings.Repeat("<think>", maxAnswer/7),
		"lines":    strings.Repeat("\n\n", maxAnswer/2),
		"withs":    strings.Repeat("with a (", maxAnswer/8),
		"with":     "with a (" + strings.Repeat("x", maxAnswer),
		"selects":  strings.Repeat("select\n\n", maxAnswer/8),
		"one SQL":  "```sql\n" + strings.Repeat("é", maxAnswer/2),
		"controls": "```sql\n" + strings.Repeat("\x1b", maxAnswer) + "```",
	} {
		began := time.Now()
		_, sql := Parse(text, true)
		if took := time.Since(began); took > 10*time.Second || len(sql) > maxSQL {
			t.Errorf("%s: %v, %d bytes", name, took, len(sql))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<think>a</think>b\n```sql\nSELECT 1\n```c", true)
	f.Add("WITH x AS (\nSELECT 1)\n\nSELECT * FROM x;", true)
	f.Add("```sql SELECT '`' ``", false)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		reasoning, sql := Parse(text, whole)
		if !utf8.ValidString(reasoning) || !utf8.ValidString(sql) || len(sql) > maxSQL {
			t.Errorf("%q: %q, %q", text, reasoning, sql)
		}
		if strings.ContainsFunc(sql, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q has control characters in its SQL %q", text, sql)
		}
		if strings.TrimSpace(sql) != sql || strings.TrimSpace(reasoning) != reasoning {
			t.Errorf("%q: %q, %q", text, reasoning, sql)
		}
	})
}
