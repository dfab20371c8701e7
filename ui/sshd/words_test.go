package sshd

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{"", nil},
		{"  \t\n ", nil},
		{"status --json", []string{"status", "--json"}},
		{"  a\tb  ", []string{"a", "b"}},
		{"a b\n", []string{"a", "b"}},
		{`a 'b c' "d e"`, []string{"a", "b c", "d e"}},
		{`a''b""c`, []string{"abc"}},
		{`'' ""`, []string{"", ""}},
		{`a\ b \'c\' \\`, []string{"a b", "'c'", `\`}},
		{`a\ `, []string{"a "}},
		{`'a\b' "a\b" "a\"b" "a\\b" "a\$b"`, []string{`a\b`, `a\b`, `a"b`, `a\b`, "a$b"}},
		{"a\\\nb 'c\nd' \"e\\\nf\"", []string{"ab", "c\nd", "ef"}},
		{`--since='2026-11-01 10:00' --grep="(a|b);"`, []string{"--since=2026-11-01 10:00", "--grep=(a|b);"}},
		{`\| 'ü' ü`, []string{"|", "ü", "ü"}},
	} {
		got, err := words(c.line)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("words(%q) = %q, %v, want %q", c.line, got, err, c.want)
		}
		if shell := shellWords(t, c.line); !reflect.DeepEqual(shell, c.want) {
			t.Errorf("a shell makes %q of %q, this test wants %q", shell, c.line, c.want)
		}
	}
	// Where a shell would expand, nothing is.
	if got, err := words(`$HOME ~ * "$(id)" "` + "`id`" + `"`); err == nil {
		if want := []string{"$HOME", "~", "*", "$(id)", "`id`"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	} else {
		t.Error(err)
	}
	for line, want := range map[string]string{
		"a 'b":                             "single quote at byte 3",
		`a "b\"`:                           "double quote at byte 3",
		`ab\`:                              "backslash at byte 3",
		"a | b":                            `'|' at byte 3`,
		"a; b":                             `';' at byte 2`,
		"a && b":                           `'&'`,
		"a > b":                            `'>'`,
		"a\nb":                             `'\n' at byte 2`,
		"$(id)":                            `'('`,
		"a\x00b":                           "byte 2 of the command line is NUL",
		strings.Repeat("x", maxLine) + "y": "too long",
	} {
		if got, err := words(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("words(%.20q) = %q, %v, want an error with %q", line, got, err, want)
		}
	}
}

// shellWords has a real shell split a line.
func shellWords(t *testing.T, line string) (list []string) {
	t.Helper()
	line = strings.TrimRight(strings.TrimLeft(line, blanks), "\n")
	out, err := exec.Command("sh", "-c", "set -f; set -- "+line+"\nfor w do printf '%s\\0' \"$w\"; done").Output()
	if err != nil {
		t.Fatal(err)
	}
	for w := range strings.SplitAfterSeq(string(out), "\x00") {
		if w, ok := strings.CutSuffix(w, "\x00"); ok {
			list = append(list, w)
		}
	}
	return list
}

// FuzzWords: words that were quoted come back, whatever is in them; and no line
// makes more of itself than it is.
func FuzzWords(f *testing.F) {
	f.Add("logs chat", "it's", `a "b" \c`)
	f.Add(`'a' "b\"c" \d`, "", "\n;|")
	f.Add("a\\\nb", "$x", "`")
	f.Fuzz(func(t *testing.T, line, a, b string) {
		got, err := words(line)
		n := 0
		for _, w := range got {
			n += len(w)
		}
		if err == nil && n > len(line) || err != nil && got != nil {
			t.Fatalf("words(%q) = %q, %v", line, got, err)
		}
		if strings.Contains(a+b, "\x00") || len(a)+len(b) > 1000 {
			return
		}
		single := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		double := func(s string) string {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s) + `"`
		}
		got, err = words(" " + single(a) + "\t" + double(b) + double(a) + single(b) + "\n")
		if want := []string{a, b + a + b}; err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("words of the quoted: %q, %v, want %q", got, err, want)
		}
	})
}
