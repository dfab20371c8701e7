package sim

import (
	"hash/fnv"
	"math/rand/v2"
)

// answer is a text that comes token by token.
type answer struct {
	tokens []string
	at     int
	more   func() string // what to go on with for who doesn't let it end; never empty
}

// next is the next token; end stands for the token that ends an answer, which
// counts but has no text. An answer that may not end goes on.
func (a *answer) next(mayEnd bool) (token string, end bool) {
	if a.at == len(a.tokens) {
		if mayEnd {
			return "", true
		}
		a.tokens = append(a.tokens, tokens(a.more())...)
	}
	token = a.tokens[a.at]
	a.at++
	return token, false
}

// answer is what the model says to a question. The same question, seed and
// choice get the same answer.
func (c *call) answer(question string, choice int) *answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(question)) // never fails
	seed := c.server.config.Seed
	if c.body.Seed != nil {
		seed = uint64(*c.body.Seed)
	}
	random := rand.New(rand.NewPCG(seed, h.Sum64()+uint64(choice)))
	blank := func() string { return " " }
	if c.tool != nil {
		return &answer{tokens: tokens(c.tool.arguments(question)), more: blank}
	}
	p := newProse(question, random)
	if f := c.body.ResponseFormat; f != nil && c.chat && (f.Type == "json_object" || f.Type == "json_schema") {
		var v any = map[string]string{"answer": p.brief()}
		if f.JSONSchema.Schema != nil {
			v = f.JSONSchema.Schema.value("answer", question, 0)
		}
		return &answer{tokens: tokens(string(encode(v))), more: blank}
	}
	text := ""
	switch {
	case c.server.config.Kind == Text2SQL:
		text = writeSQL(question, c.body.text())
	case c.chat:
		text = p.whole()
	default:
		text = " " + p.brief()
	}
	return &answer{tokens: tokens(text), more: p.more}
}

// text is everything said in the conversation, or the prompt as it came.
func (b *body) text() string {
	all := string(b.Prompt)
	for _, m := range b.Messages {
		all += string(m.Content) + "\n"
	}
	return all
}
