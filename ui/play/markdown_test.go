package play

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pilothouse/ui/widget"
)

// markdownSample has a bit of everything.
const markdownSample = "# Title\n\nSome *emph* and **strong** text with `code` and a [link](http://x.y/z) <b>tag</b> &amp; &#27;[31m it goes on and on and on.\nnext line\n\n- one\n- two\n  - sub\n  - sub2\n\n  more of two\n- three\n\n7. seven\n8. eight\n\n> a quote\n> more\n\n```go\nfunc x() int { return 1 } // c\n\n/* over\nlines */\n```\n\n| a | b |\n|---|--:|\n| x | 1 |\n| `y` | 22 |\n\n1. step\n   ```sh\n   ls -l \"x\"\n   ```\n   then\n2. end\n\nUnder\n=====\n---\nfin \x1b[31mred\u202e\u200b 日本語 \x9b1m\tx\n"

// markdownOf is a text as markdown draws it.
func markdownOf(text string, w int, ascii bool) *markdown {
	m := &markdown{pens: &pens{ascii: ascii}, w: w}
	m.all(text)
	return m
}

// all draws all of a text.
func (m *markdown) all(text string) {
	for m.part(text, true); m.late; {
		m.part(text, true)
	}
}

// part draws a text as one picture does.
func (m *markdown) part(text string, ended bool) {
	m.pens.budget = drawBudget
	m.set(text, ended)
}

// rows are its lines, with the styles.
func (m *markdown) rows() (all []string) {
	for i := range m.lines() {
		row := ""
		for _, r := range m.line(i) {
			row += fmt.Sprintf("%x{%s}", r.style, r.text)
		}
		all = append(all, row)
	}
	return all
}

func (m *markdown) text() string {
	var b strings.Builder
	for i := range m.lines() {
		for _, r := range m.line(i) {
			b.WriteString(r.text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	for _, w := range []int{60, 20} {
		chatGolden(t, fmt.Sprintf("markdown-%d.txt", w), strings.Join(markdownOf(markdownSample, w, false).rows(), "\n")+"\n")
	}
	text := markdownOf(markdownSample, 60, true).text()
	chatGolden(t, "markdown-ascii.txt", text)
	for _, r := range text {
		if r > 0x7e || r < ' ' && r != '\n' {
			t.Errorf("%q in ASCII", r)
		}
	}
}

// However a text comes, it looks the same in the end.
func TestMarkdownGrows(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	parts := append(strings.SplitAfter(markdownSample, "\n"), strings.Repeat("word ", 2000)+"\n", strings.Repeat("x", 9000), "\n\n", "```\n", "  ```none\n", "- ", "\n\n\n",
		strings.Repeat("| a | b |\n", 700), "| a | b |\n|---|---|\n", strings.Repeat("code();\n", 700), strings.Repeat("x := f(1) // c\n", 300), "~~~\n", "日本語", "1. ", "\t", "#", " ")
	for round := range 12 {
		var b strings.Builder
		for range random.IntN(20) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		text := b.String()
		want := markdownOf(text, 40, false)
		m := &markdown{pens: &pens{}, w: 40}
		for at := 0; at < len(text); {
			at = min(len(text), at+1+random.IntN(max(200, len(text)/20)))
			m.part(text[:at], false)
		}
		m.all(text)
		if want.plain || m.plain {
			continue // too slow a machine to compare
		}
		if got := m.rows(); !slices.Equal(got, want.rows()) {
			for i := range got {
				if i >= len(want.rows()) || got[i] != want.rows()[i] {
					t.Fatalf("round %d, line %d: %q, whole: %q, of %.300q", round, i, got[i], want.rows()[min(i, len(want.rows())-1)], text)
				}
			}
			t.Fatalf("round %d: %d lines, whole: %d", round, len(got), len(want.rows()))
		}
	}
}

// Nothing of a text is lost on the way, whatever it has in it.
func TestMarkdownKeeps(t *testing.T) {
	for _, text := range []string{"<script>alert(1)</script>", "a < b && c > d", "&lt;&#27;&#x202e;", "<!-- hidden -->", "<http://x.y>", "```\n<b>&amp;\n```", "`<i>`", "    <p>", "[a]: http://b", "[a]: b\nx"} {
		got := markdownOf(text, 70, false).text()
		for _, word := range strings.Fields(strings.Trim(text, "`\n ")) {
			if !strings.Contains(got, word) {
				t.Errorf("%q is drawn as %q", text, got)
				break
			}
		}
	}
}

// hostileMarkdown are texts that are made to break or to slow down what draws them.
func hostileMarkdown(n int) map[string]string {
	return map[string]string{
		"quotes":     strings.Repeat(">", n),
		"lists":      strings.Repeat("- ", n/2) + "x",
		"brackets":   strings.Repeat("[", n),
		"images":     strings.Repeat("![", n/2),
		"stars":      strings.Repeat("*a ", n/3),
		"stars2":     strings.Repeat("**a *b ", n/7),
		"ticks":      strings.Repeat("`a", n/2),
		"links":      strings.Repeat("[a](", n/4),
		"escapes":    strings.Repeat("\x1b[31m\x1b]8;;x\x07", n/12),
		"bidi":       strings.Repeat("\u202e\u200b\u0301", n/7),
		"wide":       strings.Repeat("日本", n/6),
		"blanks":     strings.Repeat("\n", n),
		"tabs":       strings.Repeat("\t", n),
		"pipes":      strings.Repeat("|", n) + "\n" + strings.Repeat("|-", n/2),
		"table":      "|a|b|\n|-|-|\n" + strings.Repeat("|x|y|\n", n/6),
		"indent":     strings.Repeat(" ", n) + "- x",
		"stairs":     markdownStairs(n),
		"code":       "```python\n" + strings.Repeat("\"\"\"'''(((", n/9),
		"json":       "```json\n" + strings.Repeat("{\"a\":[", n/6),
		"html":       "```html\n" + strings.Repeat("<a<!--", n/6),
		"references": strings.Repeat("[a]: b\n", n/7),
		"private":    strings.Repeat("\ue001\ue002", n/6),
		"invalid":    strings.Repeat("\xff\xc0", n/2),
		"setext":     strings.Repeat("a\n=\n", n/4),
		"urls":       strings.Repeat("http://a.b ", n/11),
	}
}

func markdownStairs(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.Repeat("  ", i) + "- x\n")
	}
	return b.String()
}

// Hostile texts are drawn in the box, in printable characters, in no more than a few
// times what an ordinary text of that length costs.
func TestMarkdownHostile(t *testing.T) {
	const n = 9_000
	for name, text := range hostileMarkdown(n) {
		for _, w := range []int{1, 80} {
			began := time.Now()
			m := markdownOf(text, w, false)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s took %v at %d", name, took, w)
			} else if testing.Verbose() {
				t.Logf("%s %d: %v, %d lines", name, w, took, m.lines())
			}
			for i := range m.lines() {
				for _, r := range m.line(i) {
					if clean := widget.Clean(r.text, false); clean != r.text {
						t.Fatalf("%s: %q is not harmless", name, r.text)
					}
				}
			}
		}
	}
}

// markdownAnswer is an answer of so many tokens, about 4 bytes each.
func markdownAnswer(tokens int) string {
	part := "## A heading\n\nSome **text** with `code` and a sentence that goes on for a while, as they do.\n\n- one thing\n- another\n\n```go\nfunc f(x int) int {\n\treturn x + 1 // more\n}\n```\n\n"
	return strings.Repeat(part, 4*tokens/len(part)+1)[:4*tokens]
}

// streamMarkdown draws an answer as it comes, ten times a second at 100 tokens/s.
func streamMarkdown(text string) (lines int) {
	m := &markdown{pens: &pens{}, w: 100}
	for at := 0; at < len(text); {
		at = min(len(text), at+40)
		m.part(text[:at], at == len(text))
	}
	if m.plain {
		panic("it took so long that it was drawn as it is")
	}
	return m.lines()
}

// BenchmarkPicture draws what one picture draws at most.
func BenchmarkPicture(b *testing.B) {
	text := markdownAnswer(drawBudget / 4)
	for b.Loop() {
		m := &markdown{pens: &pens{}, w: 100}
		m.part(text, true)
	}
}

// BenchmarkStream draws answers as they come: the time for a token must not depend on
// how many there are.
func BenchmarkStream(b *testing.B) {
	for name, make := range map[string]func(int) string{
		"mixed": markdownAnswer,
		"code":  func(n int) string { return "```go\n" + strings.Repeat("x := f(1) // c\n", 4*n/15) },
		"line":  func(n int) string { return strings.Repeat("word ", 4*n/5) },
	} {
		for _, tokens := range []int{1_000, 10_000, 40_000} {
			text := make(tokens)
			b.Run(fmt.Sprintf("%s/%d", name, tokens), func(b *testing.B) {
				for b.Loop() {
					streamMarkdown(text)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(tokens), "ns/token")
			})
		}
	}
}
