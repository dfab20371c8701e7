package play

import (
	"slices"
	"strconv"
	"strings"

	"charm.land/glamour/v2"
	gansi "charm.land/glamour/v2/ansi"
	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"

	"pilothouse/ui/widget"
)

// pens draw Markdown in lines of styles. Glamour lays it out and is given colours that
// stand for the theme's styles, whatever these look like; chroma tells what a piece of
// code is made of. Both are made when something is drawn for the first time.
//
// A text is made harmless before glamour reads it, and what glamour writes is read by
// penLine, which takes nothing but text and those colours from it.
type pens struct {
	ascii    bool
	budget   int // bytes that may still be drawn
	width    int // of renderer
	renderer *glamour.TermRenderer
	lexers   map[string]chroma.Lexer // by language; nil: there is none

	grownKey, grownText string // of the piece of code that grows
	grown               []line
}

// What goldmark would take for a tag or an entity, and glamour would leave out or
// decode, goes through them as characters of private use. None come from the text:
// they aren't printable, and cleaned away.
var (
	hide = strings.NewReplacer("<", "\ue001", "&", "\ue002")
	show = strings.NewReplacer("\ue001", "<", "\ue002", "&", "\ue003", "[")
)

// prose draws Markdown that has no blocks of code of its own.
func (p *pens) prose(text string, w int) []line {
	const least = 8 // cells that glamour's own frames need
	w = max(w, least)
	if p.renderer == nil || p.width != w {
		r, err := glamour.NewTermRenderer(glamour.WithStyles(penStyles(p.ascii)), glamour.WithWordWrap(w),
			glamour.WithPreservedNewLines(), glamour.WithInlineTableLinks(true))
		if err != nil {
			return fold(text, w, p.ascii)
		}
		p.renderer, p.width = r, w
	}
	var safe strings.Builder
	for l := range strings.Lines(text) {
		l = hide.Replace(clean(strings.TrimRight(l, "\r\n"), p.ascii))
		if strings.Contains(l, "]:") { // an address for elsewhere, which would not be drawn
			l = strings.Replace(l, "[", "\ue003", 1)
		}
		safe.WriteString(l)
		safe.WriteByte('\n')
	}
	drawn, ok := render(p.renderer, safe.String())
	if !ok {
		p.renderer = nil // its state isn't known
		return fold(text, w, p.ascii)
	}
	var lines []line
	for l := range strings.SplitSeq(drawn, "\n") {
		lines = append(lines, penLine(l))
	}
	return penTrimmed(lines)
}

// render is glamour's drawing; false: there is none. It was written for texts of
// people, and these aren't: what it can't take is drawn as it is.
func render(r *glamour.TermRenderer, text string) (drawn string, ok bool) {
	defer func() {
		if recover() != nil {
			drawn, ok = "", false
		}
	}()
	drawn, err := r.Render(text)
	return drawn, err == nil
}

// growing draws lines of code that more may come behind. A lexer takes milliseconds for
// a kilobyte, so those that can't change are kept; what is highlighted wrongly where
// two of the parts meet is so until the piece is whole.
func (p *pens) growing(text, language string, w int) (lines []line) {
	const part = 1 << 10
	key := language + "\n" + strconv.Itoa(w)
	if p.grownKey != key || !strings.HasPrefix(text, p.grownText) {
		p.grownKey, p.grownText, p.grown = key, "", nil
	}
	for rest := text[len(p.grownText):]; len(rest) > part; rest = text[len(p.grownText):] {
		n := strings.LastIndexByte(rest[:part], '\n') + 1
		if n == 0 {
			break
		}
		p.grown = append(p.grown, p.code(rest[:n], language, w)...)
		p.grownText = text[:len(p.grownText)+n]
	}
	return append(slices.Clip(p.grown), p.code(text[len(p.grownText):], language, w)...)
}

// code draws lines of code.
func (p *pens) code(text, language string, w int) (lines []line) {
	rule := run{widget.Muted, "│ "}
	if p.ascii {
		rule.text = "| "
	}
	w = max(1, w-2)
	tokens := p.tokens(strings.TrimSuffix(text, "\n"), language)
	now, used := line{rule}, 0
	end := func() {
		lines = append(lines, now)
		now, used = line{rule}, 0
	}
	for _, t := range tokens {
		style := styleOf(t.Type)
		for i, part := range strings.Split(t.Value, "\n") {
			if i > 0 {
				end()
			}
			for s := clean(strings.TrimRight(part, "\r"), p.ascii); s != ""; {
				n := fitting(s, w-used)
				if used > 0 && cells(s[:n]) > w-used {
					end()
					continue
				}
				now, used = append(now, run{style, s[:n]}), used+cells(s[:n])
				if s = s[n:]; s != "" {
					end()
				}
			}
		}
	}
	end()
	return lines
}

// tokens are what code is made of; all of it is one where the language isn't known.
func (p *pens) tokens(text, language string) (tokens []chroma.Token) {
	whole := []chroma.Token{{Type: chroma.Text, Value: text}}
	const longest = 32 // of a language's name
	if language == "" || len(language) > longest {
		return whole
	}
	l, known := p.lexers[language]
	if !known {
		if l = lexers.Get(language); l != nil {
			l = chroma.Coalesce(l)
		}
		if p.lexers == nil || len(p.lexers) > 20 {
			p.lexers = map[string]chroma.Lexer{}
		}
		p.lexers[language] = l
	}
	if l == nil {
		return whole
	}
	defer func() {
		if recover() != nil {
			tokens = whole
		}
	}()
	// Lexers want a line feed at the end, and some add one.
	it, err := l.Tokenise(&chroma.TokeniseOptions{State: "root"}, text+"\n")
	if err != nil {
		return whole
	}
	size := 0
	for t := it(); t != chroma.EOF; t = it() {
		tokens = append(tokens, t)
		size += len(t.Value)
	}
	last := len(tokens) - 1
	if size != len(text)+1 || !strings.HasSuffix(tokens[last].Value, "\n") { // nothing of it may be lost
		return whole
	}
	tokens[last].Value = strings.TrimSuffix(tokens[last].Value, "\n")
	return tokens
}

// styleOf is how a part of code looks.
func styleOf(t chroma.TokenType) widget.Style {
	switch {
	case t.InCategory(chroma.Keyword):
		return widget.Focused
	case t.InCategory(chroma.Comment):
		return widget.Muted
	case t.InSubCategory(chroma.LiteralString):
		return widget.Good
	case t.InSubCategory(chroma.LiteralNumber):
		return widget.Unknown
	case t == chroma.NameFunction, t == chroma.NameClass:
		return widget.Bold
	}
	return widget.Plain
}

// The colours of the 256 that stand for styles in what glamour writes.
const firstColour = 200

func penColour(s widget.Style) *string {
	c := strconv.Itoa(firstColour + int(s))
	return &c
}

// penStyles make glamour draw in the theme's styles, with no margins.
func penStyles(ascii bool) gansi.StyleConfig {
	yes, zero, quote := true, uint(0), uint(1)
	bar, bullet, row, column, centre := "│ ", "• ", "─", "│", "┼"
	if ascii {
		bar, bullet, row, column, centre = "| ", "- ", "-", "|", "+"
	}
	block := func() gansi.StyleBlock { return gansi.StyleBlock{Margin: &zero} }
	title := block()
	title.Bold = &yes
	mark := func(s string) gansi.StyleBlock {
		b := block()
		b.Prefix, b.Bold = s, &yes
		return b
	}
	quoted := gansi.StyleBlock{Indent: &quote, IndentToken: &bar}
	quoted.Color = penColour(widget.Muted)
	span := block()
	span.Color = penColour(widget.Focused)
	return gansi.StyleConfig{
		Document: block(), Paragraph: block(), BlockQuote: quoted, Heading: title,
		H1: mark("# "), H2: mark("## "), H3: mark("### "), H4: mark("#### "), H5: mark("##### "), H6: mark("###### "),
		List:           gansi.StyleList{StyleBlock: block(), LevelIndent: 2},
		Strong:         gansi.StylePrimitive{Bold: &yes},
		Emph:           gansi.StylePrimitive{BlockPrefix: "*", BlockSuffix: "*"},
		Strikethrough:  gansi.StylePrimitive{BlockPrefix: "~~", BlockSuffix: "~~"},
		HorizontalRule: gansi.StylePrimitive{Format: "\n" + strings.Repeat(row, 8) + "\n", Color: penColour(widget.Muted)},
		Item:           gansi.StylePrimitive{BlockPrefix: bullet},
		Enumeration:    gansi.StylePrimitive{BlockPrefix: ". "},
		Task:           gansi.StyleTask{Ticked: "[x] ", Unticked: "[ ] "},
		Link:           gansi.StylePrimitive{Color: penColour(widget.Muted)},
		Image:          gansi.StylePrimitive{Color: penColour(widget.Muted)},
		ImageText:      gansi.StylePrimitive{Format: "image: {{.text}}"},
		Code:           span,
		CodeBlock:      gansi.StyleCodeBlock{StyleBlock: gansi.StyleBlock{Indent: &quote, IndentToken: &bar}},
		Table:          gansi.StyleTable{RowSeparator: &row, ColumnSeparator: &column, CenterSeparator: &centre},
	}
}

// penLine reads a line that glamour wrote: its text, and the colours that stand for
// styles. All other sequences are left out.
func penLine(s string) (l line) {
	style := widget.Plain
	add := func(text string) {
		if text == "" {
			return
		}
		text = show.Replace(text)
		if n := len(l); n > 0 && l[n-1].style == style {
			l[n-1].text += text
			return
		}
		l = append(l, run{style, text})
	}
	for {
		at := strings.IndexByte(s, 0x1b)
		if at < 0 {
			add(s)
			return l
		}
		add(s[:at])
		s = s[at+1:]
		switch {
		case strings.HasPrefix(s, "["):
			end := strings.IndexFunc(s[1:], func(r rune) bool { return r >= 0x40 && r <= 0x7e })
			if end < 0 {
				return l
			}
			if s[1+end] == 'm' {
				style = penStyle(style, s[1:1+end])
			}
			s = s[end+2:]
		case strings.HasPrefix(s, "]"): // a link's address, which stands in the text, too
			end := strings.IndexAny(s, "\x07\x1b")
			if end < 0 {
				return l
			}
			s = strings.TrimPrefix(s[end+1:], "\\")
		}
	}
}

// penStyle is the style that a sequence changes st to.
func penStyle(st widget.Style, params string) widget.Style {
	fields := strings.Split(params, ";")
	for i := 0; i < len(fields); i++ {
		switch fields[i] {
		case "", "0":
			st = widget.Plain
		case "1":
			st |= widget.Bold
		case "22":
			st &^= widget.Bold
		case "39":
			st &= widget.Bold
		case "38", "48":
			if i+2 < len(fields) && fields[i+1] == "5" {
				if n, err := strconv.Atoi(fields[i+2]); err == nil && fields[i] == "38" && n >= firstColour && n < firstColour+16 {
					st = st&widget.Bold | widget.Style(n-firstColour)
				}
				i += 2
			}
		}
	}
	return st
}

// penTrimmed is lines without the blank ones around them, and without blanks at their
// ends.
func penTrimmed(lines []line) []line {
	for i, l := range lines {
		for len(l) > 0 {
			last := &l[len(l)-1]
			if last.text = strings.TrimRight(last.text, " "); last.text != "" {
				break
			}
			l = l[:len(l)-1]
		}
		lines[i] = l
	}
	for len(lines) > 0 && len(lines[0]) == 0 {
		lines = lines[1:]
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}
