package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// digits returns the hash of a key made for a test, as the file has it.
func digits(secret string) string {
	h := hashOf([]byte(secret))
	return hex.EncodeToString(h[:])
}

// oneKey is a file that is right, for tests to spoil.
var oneKey = `# head
[[org]]
name = "acme"

[[org.key]]
id = "k1"
name = "ci"
sha256 = "` + digits("test-key-number-1") + `"
`

func mustParse(t *testing.T, text string) []*Org {
	t.Helper()
	_, orgs, err := parse("keys.toml", []byte(text))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return orgs
}

func TestParse(t *testing.T) {
	orgs := mustParse(t, `
[[org]]
name = "Ärzte & Söhne"
weight = 7
requests_per_day = 50_000
requests_per_month = 600_000
tokens_per_month = 0
[[org.key]]
id = "k-1"
tokens_per_day = 7_000
requests_per_month = 0
name = "ci"
sha256 = "`+strings.ToUpper(digits("test-key-number-1"))+`"
scopes = [
  "chat", # a comment
  "model:Qwen/Qwen2.5-7B-Instruct",
]
expires = 2027-01-31T02:00:00+02:00
[[org.key]]
sha256 = "`+digits("test-key-number-2")+`"
name = "ci"
id = "k-2"

[[org]]
name = "empty"
`)
	if len(orgs) != 2 || len(orgs[0].Keys) != 2 || len(orgs[1].Keys) != 0 {
		t.Fatalf("got %d organisations", len(orgs))
	}
	o := orgs[0]
	if o.Name != "Ärzte & Söhne" || o.Weight != 7 || orgs[1].Weight != 1 {
		t.Errorf("names and weights: %+v, %+v", o, orgs[1])
	}
	for _, tc := range []struct {
		limit Limit
		or    int64
	}{{o.RequestsPerDay, 50_000}, {o.TokensPerDay, 99}, {o.TokensPerMonth, 0}, {orgs[1].TokensPerMonth, 99},
		{o.RequestsPerMonth, 600_000}, {o.Keys[0].TokensPerDay, 7_000}, {o.Keys[0].RequestsPerMonth, 0}, {o.Keys[0].RequestsPerDay, 99}, {o.Keys[1].TokensPerDay, 99}} {
		if got := tc.limit.Or(99); got != tc.or {
			t.Errorf("limit %+v or 99 = %d, want %d", tc.limit, got, tc.or)
		}
	}
	k := o.Keys[0]
	if k.ID != "k-1" || k.Name != "ci" || k.Org != o || k.hash != hashOf([]byte("test-key-number-1")) {
		t.Errorf("key: %+v", k)
	}
	if want := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC); k.Expires != want {
		t.Errorf("expires %v, want %v", k.Expires, want)
	}
	if got, want := fmt.Sprint(k.Scopes), "[chat model:Qwen/Qwen2.5-7B-Instruct]"; got != want {
		t.Errorf("scopes %s, want %s", got, want)
	}
	if k = o.Keys[1]; k.Scopes != nil || !k.Expires.IsZero() {
		t.Errorf("key without scopes and expiry: %+v", k)
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# no keys yet", preamble} {
		if orgs := mustParse(t, text); len(orgs) != 0 {
			t.Errorf("%q: %d organisations", text, len(orgs))
		}
	}
}

func TestParseErrors(t *testing.T) {
	h := digits("test-key-number-2")
	with := func(old, new string) string {
		if !strings.Contains(oneKey, old) {
			t.Fatalf("%q is not in the file to spoil", old)
		}
		return strings.Replace(oneKey, old, new, 1)
	}
	for _, tc := range []struct {
		name, text string
		line       int
		key        string
		says       string // part of the error
	}{
		{"no TOML", with(`name = "acme"`, `name = acme"`), 3, "", "want valid TOML"},
		{"not closed", oneKey + "[[org.key", 9, "", "want valid TOML"},
		{"given twice", with(`id = "k1"`, "id = \"k1\"\nid = \"k2\""), 7, "", "want valid TOML"},
		{"number too large", with(`name = "acme"`, "name = \"acme\"\ntokens_per_day = 9223372036854775808"), 4, "", "want valid TOML"},
		{"setting outside", "weight = 1\n" + oneKey, 1, `"weight"`, "before any [[org]]"},
		{"key outside", "\n[[org.key]]\n" + oneKey, 2, "", "before any [[org]]"},
		{"single brackets", with("[[org]]", "[org]"), 2, "", "in double brackets"},
		{"single brackets for a key", with("[[org.key]]", "[org.key]"), 5, "", "in double brackets"},
		{"unknown table", oneKey + "[server]\n", 9, "", `table "server"`},
		{"unknown table in a key", oneKey + "[[org.key.scope]]\n", 9, "", `table "org.key.scope"`},
		{"unknown setting", with(`name = "acme"`, "name = \"acme\"\ncolour = 1"), 4, "", `unknown setting "colour"; want one of name, requests_per_day, requests_per_month, tokens_per_day, tokens_per_month, weight`},
		{"unknown setting of a key", oneKey + "expire = 1\n", 9, "", `unknown setting "expire"; want one of expires, id, name, requests_per_day, requests_per_month, scopes, sha256, tokens_per_day, tokens_per_month`},
		{"long unknown setting", oneKey + strings.Repeat("e", 61) + " = 1\n", 9, "", `"` + strings.Repeat("e", 60) + `…"; want one of`},
		{"another case", with(`name = "acme"`, `Name = "acme"`), 3, "", `unknown setting "Name"`},
		{"dotted setting", with(`name = "acme"`, `name.first = "acme"`), 3, "", `unknown setting "name.first"`},
		{"setting of a key in an organisation", with(`name = "acme"`, "name = \"acme\"\nscopes = []"), 4, "", `unknown setting "scopes"`},
		{"inline organisation", `org = [{name = "acme"}]`, 1, `"org"`, "before any [[org]]"},
		{"inline keys", "[[org]]\nname = \"acme\"\nkey = []\n", 3, "org.key", "begins with [[org.key]]"},
		{"name is a number", with(`name = "acme"`, `name = 5`), 3, "org.name", "a whole number; want a text in quotes"},
		{"weight is a fraction", with(`name = "acme"`, "name = \"acme\"\nweight = 0.5"), 4, "org.weight", "a number with a fraction; want a whole number"},
		{"weight 0", with(`name = "acme"`, "name = \"acme\"\nweight = 0"), 4, "org.weight", "0; want 1 to 1000"},
		{"weight too large", with(`name = "acme"`, "name = \"acme\"\nweight = 1001"), 4, "org.weight", "1001; want 1 to 1000"},
		{"limit below 0", with(`name = "acme"`, "name = \"acme\"\ntokens_per_day = -1"), 4, "org.tokens_per_day", "-1; want 0 or more; 0 is no limit"},
		{"limit of a key below 0", oneKey + "requests_per_month = -3\n", 9, "org.key.requests_per_month", "-3; want 0 or more; 0 is no limit"},
		{"no name", with(`name = "acme"`, ``), 2, "org.name", "nothing; want 1 to 128 bytes"},
		{"empty name", with(`"acme"`, `""`), 3, "org.name", "nothing; want"},
		{"spaces", with(`"acme"`, `"acme "`), 3, "org.name", `"acme "; want`},
		{"escape in a name", with(`"acme"`, `"\u001b[31m"`), 3, "org.name", `"\x1b[31m"; want`},
		{"direction mark in a name", with(`"ci"`, `"a\u202eb"`), 7, "org.key.name", `"a\u202eb"; want`},
		{"line in a name", with(`"ci"`, "'''\na\nb'''"), 7, "org.key.name", `"a\`},
		{"long name", with(`"acme"`, `"`+strings.Repeat("a", 129)+`"`), 3, "org.name", `129 bytes; want`},
		{"organisation twice", oneKey + "[[org]]\nname = \"acme\"\n", 10, "org.name", `"acme" once more; want each organisation once; put its keys under the one in line 3`},
		{"id twice", oneKey + "[[org.key]]\nname = \"b\"\nid = \"k1\"\nsha256 = \"" + h + "\"\n", 11, "org.key.id", "first is in line 6"},
		{"id twice in two organisations", oneKey + "[[org]]\nname = \"b\"\n[[org.key]]\nname = \"b\"\nid = \"k1\"\nsha256 = \"" + h + "\"\n", 13, "org.key.id", "first is in line 6"},
		{"no id", with(`id = "k1"`, ""), 5, "org.key.id", "nothing; want"},
		{"odd id", with(`"k1"`, `"k 1"`), 6, "org.key.id", `"k 1"; want 1 to 64 letters`},
		{"key twice", oneKey + "[[org]]\nname = \"b\"\n[[org.key]]\nname = \"b\"\nid = \"k2\"\nsha256 = \"" + digits("test-key-number-1") + "\"\n", 14, "org.key.sha256", "the same key once more; want each key once; remove this entry or the one in line 8"},
		{"no hash", with("sha256", "#"), 5, "org.key.sha256", "0 characters; want the SHA-256"},
		{"hash too short", with(digits("test-key-number-1"), h[1:]), 8, "org.key.sha256", "63 characters; want the SHA-256"},
		{"hash not hexadecimal", with(digits("test-key-number-1"), "g"+h[1:]), 8, "org.key.sha256", "other than hexadecimal digits"},
		{"hash of zeros", with(digits("test-key-number-1"), strings.Repeat("0", 64)), 8, "org.key.sha256", "zeros"},
		{"scopes as text", oneKey + `scopes = "chat"`, 9, "org.key.scopes", "a text; want a list of texts in quotes"},
		{"scopes as numbers", oneKey + `scopes = ["chat", 5]`, 9, "org.key.scopes", "a list with a whole number in it"},
		{"no scopes", oneKey + `scopes = []`, 9, "org.key.scopes", "an empty list; want"},
		{"unknown scope", oneKey + `scopes = ["chat", "admin"]`, 9, "org.key.scopes", `"admin"; want "chat"`},
		{"scope of no model", oneKey + `scopes = ["model:"]`, 9, "org.key.scopes", `"model:"; want`},
		{"scope of no printable model", oneKey + `scopes = ["model:\u0000"]`, 9, "org.key.scopes", `"model:\x00"; want`},
		{"expiry as text", oneKey + `expires = "2027-01-31"`, 9, "org.key.expires", "a text; want a date and time with its zone"},
		{"expiry without time", oneKey + `expires = 2027-01-31`, 9, "org.key.expires", "a date or time without a zone; want"},
		{"expiry without zone", oneKey + `expires = 2027-01-31T00:00:00`, 9, "org.key.expires", "a date or time without a zone; want"},
		{"expiry that would be never", oneKey + `expires = 0001-01-01T00:00:00Z`, 9, "org.key.expires", "the year 1"},
		{"expiry that is no day", oneKey + `expires = 2027-02-30T00:00:00Z`, 9, "", "want valid TOML"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, text := range []string{tc.text, strings.ReplaceAll(tc.text, "\n", "\r\n")} {
				_, _, err := parse("keys.toml", []byte(text))
				var got *FileError
				if !errors.As(err, &got) {
					t.Fatalf("parse: %v, want a *FileError", err)
				}
				if got.Line != tc.line || got.Key != tc.key || got.File != "keys.toml" {
					t.Errorf("at %s:%d %s, want line %d, %s", got.File, got.Line, got.Key, tc.line, tc.key)
				}
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %q does not say %q", err, tc.says)
				}
				if strings.Contains(err.Error(), h[1:]) {
					t.Errorf("error %q repeats what stands for the hash", err)
				}
			}
		})
	}
}

func TestFileErrorText(t *testing.T) {
	for want, err := range map[string]*FileError{
		"keys.toml:3: org.weight: 0; want 1 to 1000; mend it": {File: "keys.toml", Line: 3, Key: "org.weight", Got: "0", Want: "1 to 1000", Remedy: "mend it"},
		"keys.toml: no such file":                             {File: "keys.toml", Got: "no such file"},
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestScopes(t *testing.T) {
	for _, tc := range []struct {
		scopes         []Scope
		chat, text2sql bool
		qwen, arctic   bool
	}{
		{nil, true, true, true, true},
		{[]Scope{Chat}, true, false, true, true},
		{[]Scope{Chat, Text2SQL}, true, true, true, true},
		{[]Scope{Completions, Embeddings}, false, false, true, true},
		{[]Scope{Model("qwen")}, true, true, true, false},
		{[]Scope{Model("qwen"), Model("arctic")}, true, true, true, true},
		{[]Scope{Model("qwen"), Text2SQL}, false, true, true, false},
		{[]Scope{Model("other")}, true, true, false, false},
		{[]Scope{Model("chat")}, true, true, false, false},
	} {
		var k Key
		k.grant(tc.scopes)
		for _, c := range []struct {
			what      string
			got, want bool
		}{
			{"chat", k.Allows(Chat), tc.chat},
			{"text2sql", k.Allows(Text2SQL), tc.text2sql},
			{"model qwen", k.AllowsModel("qwen"), tc.qwen},
			{"model arctic", k.AllowsModel("arctic"), tc.arctic},
			{"an unknown endpoint", k.Allows("admin"), false},
			{"a model as an endpoint", k.Allows(Model("qwen")), false},
		} {
			if c.got != c.want {
				t.Errorf("scopes %q allow %s: %v, want %v", tc.scopes, c.what, c.got, c.want)
			}
		}
	}
}
