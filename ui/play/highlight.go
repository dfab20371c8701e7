package play

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"

	"pilothouse/ui/query"
	"pilothouse/ui/widget"
)

// sqlToken is a part of a statement. Tokens stand one behind the other without a gap.
type sqlToken struct {
	kind     tokenKind
	from, to int // bytes
}

type tokenKind uint8

const (
	tokenBlank   tokenKind = iota
	tokenWord              // a keyword or a name
	tokenName              // a name in quotes
	tokenString            // text in quotes
	tokenNumber            // as a database writes it
	tokenComment           // to the line's end, or in /* */
	tokenSign              // one character of punctuation
)

// sqlTokens takes a text apart. It goes over it once, whatever is in it: what is
// opened and not closed goes on to the end.
func sqlTokens(s string, kind query.Kind) []sqlToken {
	tokens := make([]sqlToken, 0, len(s)/4+1)
	for at := 0; at < len(s); {
		k, n := sqlNext(s[at:], kind)
		tokens = append(tokens, sqlToken{k, at, at + n})
		at += n
	}
	return tokens
}

// sqlNext is the first token of s, which is not empty, and its bytes.
func sqlNext(s string, kind query.Kind) (tokenKind, int) {
	postgres := kind == query.Postgres
	c := s[0]
	switch {
	case blankByte(c):
		return tokenBlank, 1 + spanOf(s[1:], func(r rune) bool { return r < 0x80 && blankByte(byte(r)) })
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return tokenComment, n
		}
		return tokenComment, len(s)
	case strings.HasPrefix(s, "/*"):
		return tokenComment, commentLen(s, postgres)
	case c == '\'':
		return tokenString, quotedLen(s, c, false)
	case postgres && len(s) > 1 && s[1] == '\'' && (c == 'e' || c == 'E'):
		return tokenString, 1 + quotedLen(s[1:], '\'', true)
	case c == '"', c == '`' && !postgres:
		return tokenName, quotedLen(s, c, false)
	case c == '[' && !postgres:
		if n := strings.IndexByte(s, ']'); n >= 0 {
			return tokenName, n + 1
		}
		return tokenName, len(s)
	case c == '$' && postgres:
		if n := dollarLen(s); n > 0 {
			return tokenString, n
		}
	case digit(c), c == '.' && len(s) > 1 && digit(s[1]):
		return tokenNumber, numberLen(s)
	}
	r, n := utf8.DecodeRuneInString(s)
	if wordRune(r) {
		return tokenWord, n + spanOf(s[n:], func(r rune) bool { return wordRune(r) || r == '$' })
	}
	return tokenSign, n
}

func blankByte(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// wordRune tells whether a name may have r in it; whatever isn't ASCII, both kinds
// of database take into names.
func wordRune(r rune) bool {
	if r >= utf8.RuneSelf {
		return r != utf8.RuneError
	}
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// spanOf is how many bytes at the beginning of s are of a kind.
func spanOf(s string, of func(rune) bool) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !of(r) }); n >= 0 {
		return n
	}
	return len(s)
}

// quotedLen is the length of what stands in quotes; a quote in it is doubled, or
// has a backslash before it where there are any.
func quotedLen(s string, quote byte, backslash bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] != quote:
		case i+1 < len(s) && s[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// commentLen is the length of a comment between /* and */; PostgreSQL has comments
// within comments.
func commentLen(s string, nested bool) int {
	depth := 1
	for i := 2; i+1 < len(s); i++ {
		switch {
		case s[i] == '*' && s[i+1] == '/':
			if depth--; depth == 0 {
				return i + 2
			}
			i++
		case nested && s[i] == '/' && s[i+1] == '*':
			depth++
			i++
		}
	}
	return len(s)
}

// dollarLen is the length of text between $tag$ and $tag$; 0: there is none.
func dollarLen(s string) int {
	n := 1 + spanOf(s[1:], wordRune)
	if n >= len(s) || s[n] != '$' || n > 1 && digit(s[1]) {
		return 0
	}
	n++
	if end := strings.Index(s[n:], s[:n]); end >= 0 {
		return end + 2*n
	}
	return len(s)
}

// numberLen is the length of a number, with what may belong to it.
func numberLen(s string) int {
	i := 0
	for i < len(s) {
		switch c := s[i]; {
		case digit(c), c == '.', c == '_', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			i++
		case (c == '+' || c == '-') && (s[i-1] == 'e' || s[i-1] == 'E') && i+1 < len(s) && digit(s[i+1]) && !strings.HasPrefix(s, "0x"):
			i++
		default:
			return i
		}
	}
	return i
}

// highlighter colours SQL. What is a word of the language its lexer tells, which is
// given a word at a time, so that no text makes it slow; what is text, a comment or
// a name sqlTokens tells. What isn't seen of a text is taken apart, and not coloured. This is the one place where a style tells what kind of
// word something is, and not how things are.
type highlighter struct {
	kind   query.Kind
	lexer  chroma.Lexer
	words  map[string]widget.Style // by the word
	text   string                  // that was given last
	tokens []sqlToken
	starts []int // bytes at which its lines begin
}

// Bounds of what is asked of the lexer.
const (
	longestWord = 40   // bytes; no word of the language is longer
	maxWords    = 4096 // that are remembered
)

// set takes a text in.
func (h *highlighter) set(text string, kind query.Kind) {
	if h.lexer == nil || h.kind != kind {
		h.kind, h.words = kind, make(map[string]widget.Style)
		name := "SQL"
		if kind == query.Postgres {
			name = "PostgreSQL SQL dialect"
		}
		h.lexer = lexers.Get(name)
	}
	h.text, h.tokens = text, sqlTokens(text, kind)
	h.starts = append(h.starts[:0], 0)
	for i := range len(text) {
		if text[i] == '\n' {
			h.starts = append(h.starts, i+1)
		}
	}
}

// line are the spans of a line, one behind the other without a gap.
func (h *highlighter) line(i int) []span {
	if i >= len(h.starts) {
		return nil
	}
	from, to := h.starts[i], len(h.text)
	if i+1 < len(h.starts) {
		to = h.starts[i+1] - 1
	}
	at := sort.Search(len(h.tokens), func(k int) bool { return h.tokens[k].to > from })
	var spans []span
	for ; at < len(h.tokens) && h.tokens[at].from < to; at++ {
		t := h.tokens[at]
		style := h.style(h.text[t.from:t.to], t.kind, h.field(at))
		spans = append(spans, span{max(t.from, from) - from, min(t.to, to) - from, style})
	}
	return spans
}

// field tells whether a token stands behind a dot.
func (h *highlighter) field(at int) bool {
	for i := at - 1; i >= max(0, at-2); i-- {
		if k := h.tokens[i].kind; k != tokenBlank && k != tokenComment {
			return h.text[h.tokens[i].from:h.tokens[i].to] == "."
		}
	}
	return false
}

func (h *highlighter) style(s string, kind tokenKind, field bool) widget.Style {
	switch kind {
	case tokenComment:
		return widget.Muted
	case tokenString, tokenNumber:
		return widget.Unknown
	case tokenWord:
		if !field {
			return h.word(s)
		}
	}
	return widget.Plain
}

// word is the style of a word by itself.
func (h *highlighter) word(s string) widget.Style {
	if len(s) > longestWord {
		return widget.Plain
	}
	if st, ok := h.words[s]; ok {
		return st
	}
	if len(h.words) >= maxWords {
		clear(h.words)
	}
	st := widget.Plain
	if next, err := h.lexer.Tokenise(nil, s); err == nil {
		if t := next(); t.Value == s && (t.Type.InCategory(chroma.Keyword) || t.Type == chroma.NameBuiltin) {
			st = widget.Focused
		}
	}
	h.words[s] = st
	return st
}
