package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// prose writes about a question's subject: what its notes say where they know
// the subject, and what holds of most subjects where they don't.
type prose struct {
	question string
	subject  string
	random   *rand.Rand
	lines    []string // on the subject, not used yet
	general  []string // on any, not used yet
}

func newProse(question string, random *rand.Rand) *prose {
	p := &prose{question: question, subject: subjectOf(question), random: random}
	if p.subject == "" {
		p.subject = "this"
	}
	p.lines = notesOn(keywords(question))
	for range min(len(p.lines), random.IntN(3)) { // not the same to everybody
		i := random.IntN(len(p.lines))
		p.lines = slices.Delete(p.lines, i, i+1)
	}
	return p
}

// whole is an answer of the length that the question seems to want.
func (p *prose) whole() string {
	q := " " + strings.ToLower(p.question) + " "
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(q, w) })
	}
	switch {
	case has(" hello", " hi ", " hi,", " good morning", " good evening") && len(q) < 40:
		return "Hello! I am a simulated model: what I write is made of prepared sentences, with the timing of a real one. Ask me anything."
	case has("who are you", "what are you", "your name"):
		return "I am a simulator of a language model. Nothing here is inferred: the sentences are prepared, and only their timing is that of a GPU."
	case has(" briefly", "one sentence", "in short", "short answer", "one line"):
		return p.brief()
	case has(" list", " steps", "checklist", " ways ", "how do i ", "how to "):
		return p.list(4 + p.random.IntN(4))
	}
	return p.paragraphs(2 + p.random.IntN(3))
}

// brief is two sentences.
func (p *prose) brief() string {
	if len(p.lines) > 1 {
		return p.line() + " " + p.line()
	}
	return p.pick(openings()) + " " + p.line()
}

func (p *prose) paragraphs(n int) string {
	var b strings.Builder
	b.WriteString(p.pick(openings()))
	for i := range n {
		if i > 0 {
			b.WriteString("\n\n")
		}
		for j := range 2 + p.random.IntN(3) {
			if i == 0 || j > 0 {
				b.WriteString(" ")
			}
			b.WriteString(p.line())
		}
	}
	b.WriteString("\n\n")
	b.WriteString(p.pick(closings()))
	return b.String()
}

func (p *prose) list(n int) string {
	var b strings.Builder
	b.WriteString(p.pick(openings()))
	b.WriteString("\n")
	for i := range n {
		b.WriteString("\n")
		b.WriteString(string(rune('1' + i)))
		b.WriteString(". ")
		b.WriteString(p.line())
	}
	b.WriteString("\n\n")
	b.WriteString(p.pick(closings()))
	return b.String()
}

// more is a further sentence, for an answer that must go on.
func (p *prose) more() string { return " " + p.line() }

// line is the next sentence: on the subject while there are any, then general
// ones, each once before any comes again.
func (p *prose) line() string {
	if len(p.lines) > 0 {
		first := p.lines[0]
		p.lines = p.lines[1:]
		return first
	}
	if len(p.general) == 0 {
		p.general = remarks()
		p.random.Shuffle(len(p.general), func(i, j int) { p.general[i], p.general[j] = p.general[j], p.general[i] })
	}
	next := p.general[0]
	p.general = p.general[1:]
	return strings.ReplaceAll(next, "{}", p.subject)
}

func (p *prose) pick(from []string) string {
	return strings.ReplaceAll(from[p.random.IntN(len(from))], "{}", p.subject)
}

func openings() []string {
	return []string{
		"The short answer about {} is that it depends on what you need from it, so it helps to begin there.",
		"There are two sides to {}: what it gives you, and what it costs.",
		"It is easiest to see {} by asking what it is for, because most of the details follow from that.",
		"Let me take {} in order, from the part that matters most to the part that can wait.",
		"People often make {} sound harder than it is.",
	}
}

func closings() []string {
	return []string{
		"If you tell me more about your own case, I can be more exact about {}.",
		"That is the outline of {}; the rest is a matter of measuring and of patience.",
		"So begin small with {}, look at what happens, and change one thing at a time.",
		"None of this is final, but it is a sound place to start with {}.",
	}
}

func remarks() []string {
	return []string{
		"A useful test is to ask what would be missed if {} were left out.",
		"Write down what you expect before you look, so that a surprise is visible.",
		"Two things are often confused here: how {} does on average, and how it does on its worst day.",
		"The usual mistake is to adjust {} before anyone has said what good looks like.",
		"Most of the effort goes into the cases that happen rarely, and most of the trust is won there.",
		"What works for one person at a desk may not work for a hundred at once, so try both.",
		"It pays to know who depends on {}, and to ask them before they have to tell you.",
		"Simple forms of {} age well, because whoever comes next can still read them.",
		"When {} goes wrong it seldom does so all at once; the first sign is usually a small delay somewhere.",
		"A picture drawn over a week says more about {} than a number taken now.",
		"Cost is part of the answer: count time and attention, not only money.",
		"Keep the part that changes often away from the part that must not break.",
		"An example helps more than a definition, so take one that you know well and follow it through.",
		"Others have met {} before you, and their failures are better reading than their successes.",
		"There is no need to settle everything today, as long as it stays possible to change your mind.",
		"If two explanations of {} fit equally well, take the one that you can check this afternoon.",
	}
}

// subjectOf is what a question is about: the first of its sentences that is
// left with anything once the words that only ask are gone, at most eight
// words of it.
func subjectOf(question string) string {
	for _, sentence := range strings.FieldsFunc(question, func(r rune) bool { return strings.ContainsRune("?!\n.;:", r) }) {
		words := strings.FieldsFunc(sentence, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"*`<>()", r) })
		article := ""
		for len(words) > 0 && asking(words[0]) {
			article = ""
			if strings.EqualFold(words[0], "the") {
				article = "the "
			}
			words = words[1:]
		}
		words = words[:min(len(words), 8)]
		for len(words) > 0 && filler(words[len(words)-1]) {
			words = words[:len(words)-1]
		}
		if len(words) > 0 {
			return article + strings.Trim(strings.Join(words, " "), ",' ")
		}
	}
	return ""
}

// asking tells whether a word at a question's beginning is no part of its
// subject.
func asking(word string) bool {
	return filler(word) || strings.Contains(" please can could would you i we tell me us explain describe define what what's whats "+
		"how why when where who which is are was were do does did should will write give show summarise summarize compare list "+
		"name briefly hello hi mean means happens there help many much short sentence steps ways make write best be ", " "+strings.ToLower(strings.Trim(word, ",'"))+" ")
}

// filler tells whether a word only joins others.
func filler(word string) bool {
	return strings.Contains(" the a an of to in on for about with and or from by at as it my our your one some any that this works work happens matters ",
		" "+strings.ToLower(strings.Trim(word, ",'"))+" ")
}

// keywords are a text's words that say something, in lower case.
func keywords(text string) []string {
	var list []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9')
	}) {
		if len(w) > 1 && !asking(w) && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}
