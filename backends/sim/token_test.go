package sim

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"Hello there, world!":   "Hello| there|,| world|!",
		"understanding":         "under|stand|ing",
		"in 2026, 12345 tokens": "in| |202|6|,| |123|45| tokens",
		"a  b\n\nc":             "a| | b|\n\n|c",
		"naïve 日本":              "na|ï|ve| |日|本",
		"```sql\nSELECT *":      "```|sql|\n|SELECT| |*",
		"\xff\xfe":              "\xff|\xfe",
	} {
		if got := strings.Join(tokens(text), "|"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestProseIsAboutFourBytesAToken(t *testing.T) {
	for _, q := range []string{"Explain how a KV cache works", "What should I know about lighthouses?"} {
		text := newProse(q, rand.New(rand.NewPCG(1, 2))).whole()
		if r := float64(len(text)) / float64(len(tokens(text))); r < 3.5 || r > 5 {
			t.Errorf("%.2f bytes a token in %q", r, text)
		}
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("Hello there, 12345 worlds – naïve 日本\n\n  x")
	f.Add("\xff\xc3 \xe6")
	f.Fuzz(func(t *testing.T, text string) {
		list := tokens(text)
		if strings.Join(list, "") != text {
			t.Fatalf("tokens of %q lose something: %q", text, list)
		}
		for _, tok := range list {
			if tok == "" || utf8.ValidString(text) && !utf8.ValidString(tok) {
				t.Fatalf("token %q of %q", tok, text)
			}
		}
	})
}
