package ui

import (
	"fmt"
	"strings"
	"testing"
)

// A heading stands above what it is of, and a column begins with something.
func TestHelpColumns(t *testing.T) {
	line := func(s string) helpLine { return helpLine{key: s} }
	all := []helpLine{{desc: "A", head: true}, line("a"), line("b"), {}, {desc: "B", head: true}, line("c"), {}, {desc: "C", head: true}, line("d")}
	for rows, want := range map[int]string{
		9: "A a b - B c - C d",
		5: "A a b - - B c - C d", // B would be the last of the first column
		4: "A a b - B c - - C d", // C of the second
		3: "A a b B c - C d",     // no blank above B, which begins the second
		1: "A a b B c C d",
		0: "A a b B c C d",
	} {
		var got []string
		for _, l := range headed(all, rows) {
			s := l.key + l.desc
			if s == "" {
				s = "-"
			}
			got = append(got, s)
		}
		if s := fmt.Sprint(strings.Join(got, " ")); s != want {
			t.Errorf("%d rows: %s, want %s", rows, s, want)
		}
	}
}
