package ask

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"pilothouse/ui/query"
)

// fitted is what of a schema goes into a prompt.
type fitted struct {
	ddl              string
	shown, left, cut []string
}

// fit chooses tables of a schema for a question, in so many tokens; below 0: all. The
// order among those that are shown is the schema's, so that prompts begin alike.
func fit(s *query.Schema, question string, room int) fitted {
	if s == nil {
		return fitted{}
	}
	r := rank(s, question)
	texts := make([]string, len(s.Tables))
	var f fitted
	for _, at := range r.order {
		t := &s.Tables[at]
		text, whole := ddl(t, nil), true
		if room >= 0 && Tokens(text) > room {
			text, whole = "", false
			if r.score[at] > 0 {
				text = narrowed(t, r.wants, room)
			}
		}
		if text == "" {
			continue
		}
		texts[at] = text
		if room >= 0 {
			room -= Tokens(text)
		}
		if !whole {
			f.cut = append(f.cut, t.Name)
		}
	}
	for i, text := range texts {
		if text == "" {
			f.left = append(f.left, s.Tables[i].Name)
			continue
		}
		f.shown = append(f.shown, s.Tables[i].Name)
		f.ddl += text
	}
	return f
}

// narrowed is a table's statement with the columns that fit: keys and those that are
// asked for before others. "": none do.
func narrowed(t *query.Table, wants func(string) bool, room int) string {
	keep := make([]bool, len(t.Columns))
	text := ""
	for _, wanted := range []func(*query.Column) bool{
		func(c *query.Column) bool { return wants(c.Name) },
		func(c *query.Column) bool { return c.PrimaryKey || c.References != "" },
		func(*query.Column) bool { return true },
	} {
		for i := range t.Columns {
			if keep[i] || !wanted(&t.Columns[i]) {
				continue
			}
			keep[i] = true
			with := ddl(t, keep)
			if Tokens(with) > room {
				return text
			}
			text = with
		}
	}
	return text
}

// ranking is how much tables seem to be what a question is about.
type ranking struct {
	score []float64
	order []int             // of tables: the best first
	wants func(string) bool // the question has a word of this name
}

// What a word of the question is worth where it is found.
const (
	inName   = 10.0 // a table's
	inColumn = 3.0  // a column's, divided among the tables that have it
	inAbout  = 0.5
	besides  = 2.0  // to be joined to a table whose name was found
	half     = 0.5  // of that for a beginning: "org" of "organisation"
	named    = 10.0 // scores from here on have a table's name in them
)

func rank(s *query.Schema, question string) ranking {
	asked := words(question)
	tables := make(map[string]float64) // that have a column word
	for i := range s.Tables {
		for w := range columnWords(&s.Tables[i]) {
			tables[w]++
		}
	}
	r := ranking{score: make([]float64, len(s.Tables)), order: make([]int, len(s.Tables))}
	r.wants = func(name string) bool {
		return slices.ContainsFunc(words(name), func(w string) bool { return likeness(asked, w) > 0 })
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		r.order[i] = i
		name := words(t.Name)
		for _, w := range name {
			r.score[i] += inName * likeness(asked, w) / math.Sqrt(float64(len(name)))
		}
		for w := range columnWords(t) {
			r.score[i] += inColumn * likeness(asked, w) / math.Sqrt(tables[w])
		}
		for _, w := range words(clip(t.About, maxAbout)) {
			r.score[i] += inAbout * likeness(asked, w)
		}
	}
	neighbours(s, r.score)
	slices.SortStableFunc(r.order, func(a, b int) int { return cmp.Compare(r.score[b], r.score[a]) })
	return r
}

// neighbours raises tables that a foreign key joins to one whose name was found.
func neighbours(s *query.Schema, score []float64) {
	at := make(map[string]int, len(s.Tables))
	for i := range s.Tables {
		at[s.Tables[i].Name] = i
	}
	more := make([]float64, len(score))
	for i := range s.Tables {
		for _, c := range s.Tables[i].Columns {
			name, _, _ := strings.Cut(c.References, "(")
			j, ok := at[name]
			if !ok || i == j {
				continue
			}
			if score[j] >= named {
				more[i] = besides
			}
			if score[i] >= named {
				more[j] = besides
			}
		}
	}
	for i := range more {
		score[i] += more[i]
	}
}

// columnWords are the words of a table's columns, each once.
func columnWords(t *query.Table) map[string]bool {
	set := make(map[string]bool)
	for i := range t.Columns {
		for _, w := range words(t.Columns[i].Name) {
			set[w] = true
		}
	}
	return set
}

// likeness is 1 where a word was asked for, half where only its beginning is alike.
func likeness(asked []string, word string) (best float64) {
	for _, a := range asked {
		switch {
		case a == word:
			return 1
		case len(word) >= 3 && strings.HasPrefix(a, word), len(a) >= 4 && strings.HasPrefix(word, a):
			best = half
		}
	}
	return best
}

// words are those of a text that say something: in lower case, each once, without the
// endings of plurals and participles, and names cut at underscores and capitals.
func words(text string) (list []string) {
	var b strings.Builder
	flush := func() {
		w := stem(b.String())
		b.Reset()
		if len(w) > 2 && !strings.Contains(unsaying, " "+w+" ") && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	lower := false
	for _, c := range text {
		capital := c >= 'A' && c <= 'Z'
		switch {
		case capital:
			if lower {
				flush()
			}
			b.WriteRune(c | 0x20)
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c > 0x7f:
			b.WriteRune(c)
		default:
			flush()
		}
		lower = c >= 'a' && c <= 'z'
	}
	flush()
	return list
}

// unsaying are words of questions that are no names.
const unsaying = " the and for are was were has have had how many much which what when who whom whose where why does did with " +
	"each per all any not from that this these those there their our out than then most least more less get give show list " +
	"find tell can could would should into over under between during ever never every number count name id "

func stem(w string) string {
	for _, e := range []struct {
		end, to string
		least   int // letters before the ending
	}{{"ies", "y", 2}, {"sses", "ss", 1}, {"ches", "ch", 2}, {"shes", "sh", 2}, {"xes", "x", 2}, {"ing", "", 4}, {"ed", "", 4}, {"ss", "ss", 1}, {"us", "us", 1}, {"s", "", 3}} {
		if base, ok := strings.CutSuffix(w, e.end); ok && len(base) >= e.least {
			return base + e.to
		}
	}
	return w
}
