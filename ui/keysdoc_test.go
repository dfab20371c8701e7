package ui

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"charm.land/bubbles/v2/key"
)

// TestKeysAreDocumented holds the table of keys in docs/dashboard.md against the
// key map: each key that works everywhere or acts, what it does, and its name in
// the configuration; and no other.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/dashboard.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Keys\n")
	if !ok {
		t.Fatal("docs/dashboard.md has no section of keys")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	k := newKeyMap(true, false)
	var want, got []string
	for _, b := range slices.Concat(k.global(), k.acting()) {
		name := ""
		for n, of := range k.named() {
			if slices.Equal(of.Keys(), b.Keys()) {
				name = "`" + n + "`"
			}
		}
		want = append(want, row(b, name))
	}
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| `") {
			got = append(got, line)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("docs/dashboard.md lacks\n%s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("docs/dashboard.md has a key that there isn't:\n%s", g)
		}
	}
}

// row is a key's line in the table.
func row(b key.Binding, name string) string {
	return "| " + strings.Join([]string{"`" + b.Help().Key + "`", b.Help().Desc, cmp.Or(name, "–")}, " | ") + " |"
}
