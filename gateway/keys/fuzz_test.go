package keys

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// FuzzEdit reads any text as a keys file. What is refused is refused with a
// position in the text; what is taken can have a key put in and taken out, with
// every other key, comment and setting where it was.
func FuzzEdit(f *testing.F) {
	f.Add(oneKey, "acme")
	f.Add(oneKey+"# under it\n\n# end", "beta")
	f.Add(strings.ReplaceAll(oneKey, "\n", "\r\n"), "acme")
	f.Add("[[ org ]]\nname='''a'''\n[[\"org\".'key']]#c\nname=\"x\"\nid='1'\nscopes=[\n'chat',#d\n]\nexpires=2027-01-31 00:00:00Z\nsha256=\""+
		digits("test-key-number-3")+"\"", "a")
	f.Add("[[org.key]]\n[org]\norg=[]\nx.y=1", "")
	f.Add("[[org]]\nname=\"\\u001b\"", "b")
	f.Fuzz(func(t *testing.T, text, org string) {
		doc, orgs, err := parse("keys.toml", []byte(text))
		if err != nil {
			var at *FileError
			if !errors.As(err, &at) || at.Line < 0 || at.Line > 1+strings.Count(text, "\n") {
				t.Fatalf("%v is not a *FileError in the text", err)
			}
			return
		}
		e := Entry{Org: org, Name: "n"}
		k := e.key([]byte("test-key-number-9"))
		before := prints(orgs)
		_, taken := before["new"]
		if k.ID = "new"; taken || e.Check() != nil || slices.ContainsFunc(slices.Collect(all(orgs)), func(o *Key) bool { return o.hash == k.hash }) {
			return
		}
		with := string((&file{document: doc, orgs: orgs}).insert(k))
		want := maps.Clone(before)
		want["new"] = k.print()
		if err := verify("keys.toml", []byte(with), orgs, want); err != nil {
			t.Fatalf("insert: %v\n%s", err, with)
		}
		without := cutNew(t, with)
		if err := verify("keys.toml", []byte(without), orgs, before); err != nil {
			t.Fatalf("cut: %v\n%s", err, without)
		}
		left := lines(without)
		for _, line := range lines(text) {
			i := slices.Index(left, line)
			if i < 0 {
				t.Fatalf("line %q is lost or has moved in\n%s", line, without)
			}
			left = left[i+1:]
		}
	})
}

// lines returns the lines that say something.
func lines(text string) []string {
	var say []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			say = append(say, line)
		}
	}
	return say
}
