package ask

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"pilothouse/ui/query"
)

// Message is one of a chat completion's.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Inquiry is what a model is asked for SQL about.
type Inquiry struct {
	Kind     query.Kind
	Schema   *query.Schema // nil: nothing is known of it
	Question string
	Now      time.Time // whose UTC day the model is told as today's
	Tokens   int       // that the prompt may take, by [Tokens]; 0: any number

	Tried string // SQL that failed; "": this is the first time
	Error string // what the database said of it
}

// Prompted is a prompt, and what became of the schema in it.
type Prompted struct {
	Messages []Message
	Tokens   int      // by [Tokens]
	Shown    []string // tables in it, some perhaps without all their columns
	Left     []string // tables that found no room
	Cut      []string // of Shown: those without all their columns
}

// Bounds of what goes into a prompt besides the schema, in bytes.
const (
	maxQuestion = 16 << 10
	maxSQL      = 64 << 10
	maxTried    = 8 << 10
	maxFault    = 2 << 10
)

// templateTokens is more than what a chat template adds to a prompt.
const templateTokens = 64

// Prompt asks a text-to-SQL model a question in the way that Arctic-Text2SQL-R1 was
// trained on: one message of the user's with headings for task, engine, schema,
// question, instructions and output format. The schema is CREATE TABLE statements
// with what columns hold as comments. Where it does not fit whole, tables that the
// question seems to be about go first.
func Prompt(in Inquiry) Prompted {
	in.Question, in.Tried, in.Error = clip(in.Question, maxQuestion), clip(in.Tried, maxTried), clip(in.Error, maxFault)
	room := -1
	if in.Tokens > 0 {
		room = max(0, in.Tokens-Tokens(in.text(""))-templateTokens)
	}
	f := fit(in.Schema, in.Question+" "+in.Tried, room)
	text := in.text(f.ddl)
	return Prompted{Messages: []Message{{"user", text}}, Tokens: Tokens(text) + templateTokens, Shown: f.shown, Left: f.left, Cut: f.cut}
}

// Dialect is the name of the SQL that a source understands.
func Dialect(k query.Kind) string {
	if k == query.Postgres {
		return "PostgreSQL"
	}
	return "SQLite"
}

func (in *Inquiry) text(ddl string) string {
	var b strings.Builder
	section := func(head, text string) { fmt.Fprintf(&b, "%s:\n%s\n\n", head, strings.TrimSpace(text)) }
	now := in.Now.UTC()
	section("Task Overview", "You are an expert in data and SQL. Read the schema of the database below, understand what the question asks for, "+
		"and write one query that answers it.")
	section("Database Engine", Dialect(in.Kind))
	section("Today", fmt.Sprintf("%s, %s (UTC)", now.Weekday(), now.Format(time.DateOnly)))
	section("Database Schema", cmp.Or(ddl, "(unknown)"))
	section("Question", in.Question)
	if in.Tried != "" {
		section("Earlier Attempt", "This query was tried for the question, and the database refused it:\n```sql\n"+in.Tried+"\n```")
		section("Error", in.Error)
	}
	section("Instructions", instructions(in))
	b.WriteString("Output Format:\nPut the final query into one code block:\n```sql\n-- the query\n```\n\nThink step by step before you write it.")
	return b.String()
}

func instructions(in *Inquiry) string {
	lines := []string{
		"- Return what the question asks for and nothing besides: no column more, none less.",
		"- Use only tables and columns of the schema; the comments in it say what columns hold and in which unit.",
		"- Write one statement that reads. Nothing may be changed.",
		"- Reason about tables, joins, conditions and grouping first, then write the query.",
	}
	if in.Tried != "" {
		lines = append(lines, "- Find out what the error means, and write the query anew without it.")
	}
	return strings.Join(lines, "\n")
}

// ExplainPrompt asks a model what a statement does.
func ExplainPrompt(k query.Kind, sql string) []Message {
	return []Message{{"user", "Task Overview:\nSay in plain English, in at most six short sentences, what the query below returns and how it finds it. " +
		"Write no SQL.\n\nDatabase Engine:\n" + Dialect(k) + "\n\nSQL Query:\n```sql\n" + clip(sql, maxTried) + "\n```"}}
}

// Tokens is about how many tokens a text has: rather too many. Common tokenizers take
// three to five letters of English or an identifier as one token, each digit and mark
// as another, and no byte as more than one.
func Tokens(text string) (n int) {
	letters := 0
	flush := func() { n, letters = n+(letters+2)/3, 0 }
	for i := range len(text) {
		switch c := text[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			letters++
		case c == ' ' && i > 0 && text[i-1] != ' ': // it belongs to the word
			flush()
		default:
			flush()
			n++
		}
	}
	flush()
	return n
}

// clip cuts a text to so many bytes, at a character's end.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
