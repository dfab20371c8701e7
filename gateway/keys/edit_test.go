package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func contents(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNewSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	shape := regexp.MustCompile(`^ph_[0-9A-Za-z]{43}$`)
	secrets, ids := make(map[string]bool), make(map[string]bool)
	for range 20 {
		secret, k, err := New(path, Entry{Org: "acme", Name: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		if !shape.MatchString(secret) || secrets[secret] || ids[k.ID] || len(k.ID) != idLength {
			t.Errorf("key %q has id %q", secret, k.ID)
		}
		secrets[secret], ids[k.ID] = true, true
		text := contents(t, path)
		if h := hashOf([]byte(secret)); !strings.Contains(text, hex.EncodeToString(h[:])) {
			t.Error("the hash is not in the file")
		}
		if strings.Contains(text, secret) || strings.Contains(text, secret[len(prefix):]) {
			t.Error("the key itself is in the file")
		}
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for secret := range secrets {
		if _, err := s.Lookup([]byte(secret)); err != nil {
			t.Errorf("a new key: %v", err)
		}
	}
}

// Every digit comes, and none much more often than the others.
func TestRandomIsEven(t *testing.T) {
	const each = 1000
	count := make(map[rune]int)
	for _, r := range random(each*len(base62), base62) {
		count[r]++
	}
	for _, r := range base62 {
		if n := count[r]; n < each*8/10 || n > each*12/10 {
			t.Errorf("digit %c came %d times, want about %d", r, n, each)
		}
	}
}

func TestNewEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	want := Entry{
		Org:     `say "hi" \ Söhne`,
		Name:    `back\slash`,
		Scopes:  []Scope{Chat, Model(`a"b\c`)},
		Expires: time.Date(2027, 1, 31, 18, 0, 0, 5, time.FixedZone("", 3600)),
	}
	_, k, err := New(path, want)
	if err != nil {
		t.Fatal(err)
	}
	orgs, err := List(path)
	if err != nil || len(orgs) != 1 || len(orgs[0].Keys) != 1 {
		t.Fatalf("List = %v, %v", orgs, err)
	}
	got := orgs[0].Keys[0]
	if got.ID != k.ID || got.Name != want.Name || got.Org.Name != want.Org || !slices.Equal(got.Scopes, want.Scopes) ||
		got.Expires != time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC) {
		t.Errorf("got %+v of %q, want %+v", got, got.Org.Name, want)
	}
}

func TestEntryCheck(t *testing.T) {
	for _, tc := range []struct {
		entry Entry
		says  string
	}{
		{Entry{Name: "ci"}, "organisation: nothing"},
		{Entry{Org: "acme"}, "key: nothing"},
		{Entry{Org: "acme\n", Name: "ci"}, `organisation: "acme\n"`},
		{Entry{Org: "acme", Name: "\x1b[2J"}, `key: "\x1b[2J"`},
		{Entry{Org: "\xff", Name: "ci"}, `organisation: "\xff"`},
		{Entry{Org: "acme", Name: "ci", Scopes: []Scope{"chats"}}, `scope: "chats"; want "chat"`},
		{Entry{Org: "acme", Name: "ci", Scopes: []Scope{""}}, `scope: ""`},
	} {
		path := filepath.Join(t.TempDir(), "keys.toml")
		if _, _, err := New(path, tc.entry); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v, want an error that says %q", tc.entry, err, tc.says)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: the file was made", tc.entry)
		}
	}
}

func TestImport(t *testing.T) {
	s, path := open(t, oneKey)
	for _, tc := range []struct{ name, secret, says string }{
		{"too short", "test-key-15-abc", "16 to 512 characters, this one has 15"},
		{"too long", strings.Repeat("x", 513), "this one has 513"},
		{"a space", "test key number 3", "no spaces"},
		{"a line end", "test-key-number-3\n", "no spaces"},
		{"beyond ASCII", "tést-key-number-3", "no spaces"},
		{"delete", "test-key-number-\x7f", "no spaces"},
		{"there already", "test-key-number-1", "key is there already: id \"k1\", organisation \"acme\""},
	} {
		_, err := Import(path, Entry{Org: "beta", Name: "old"}, []byte(tc.secret))
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error that says %q", tc.name, err, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), strings.TrimSpace(tc.secret)) {
			t.Errorf("%s: the error repeats the key", tc.name)
		}
		if errors.Is(err, ErrImported) != (tc.name == "there already") {
			t.Errorf("%s: errors.Is(%v, ErrImported) is wrong", tc.name, err)
		}
		if got := contents(t, path); got != oneKey {
			t.Fatalf("%s: the file is now\n%s", tc.name, got)
		}
	}
	for _, secret := range []string{"test-key-16-abcd", strings.Repeat("~", 512), "sk-!\"#$%&'()*+,/:;<=>?@[\\]^_`{|}"} {
		k, err := Import(path, Entry{Org: "beta", Name: "old"}, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Lookup([]byte(secret)); err != nil || got.ID != k.ID {
			t.Errorf("%.20q: %v, %v", secret, got, err)
		}
	}
}

// What insert does to a file that a person has written, and that cut takes it
// back.
func TestEditText(t *testing.T) {
	const secret = "test-key-number-9"
	entry := "[[org.key]]\nid = \"new\"\nname = \"n\"\nsha256 = \"" + digits(secret) + "\"\n"
	const acme, beta = "[[org]]\nname = \"acme\"\n", "[[org]] # the others\nname = \"beta\" # b\n"
	k1 := table("k1", "test-key-number-1", "")
	k2 := table("k2", "test-key-number-2", "scopes = [ # why\n  'chat', # because\n] # done")
	spaced := strings.ReplaceAll("  [[ org ]]\n\tname=\"acme\"\n\n"+k1, "[[org.key]]", " [[ \"org\" . 'key' ]]")
	for _, tc := range []struct {
		name, before, org, after string
		left                     string // by the cut; "": before
	}{
		{"nothing", "", "acme", acme + "\n" + entry, acme},
		{"a comment", "# mine", "acme", "# mine\n\n" + acme + "\n" + entry, "# mine\n\n" + acme},
		{"another organisation", acme + "\n" + k1, "beta", acme + "\n" + k1 + "\n[[org]]\nname = \"beta\"\n\n" + entry,
			acme + "\n" + k1 + "\n[[org]]\nname = \"beta\"\n"},
		{"after the last key", acme + "\n" + k1, "acme", acme + "\n" + k1 + "\n" + entry, ""},
		{"after an organisation without keys", acme, "acme", acme + "\n" + entry, ""},
		{"a remark at the end", acme + "# end\n", "acme", acme + "# end\n\n" + entry, ""},
		{"a remark of its own and one of the next", acme + "# of acme\n\n# of beta\n" + beta, "acme",
			acme + "# of acme\n\n" + entry + "\n# of beta\n" + beta, ""},
		{"between organisations", acme + "\n" + k1 + "\n# of beta\n" + beta, "acme",
			acme + "\n" + k1 + "\n" + entry + "\n# of beta\n" + beta, ""},
		{"no empty lines", acme + k1 + "# of beta\n" + beta, "acme",
			acme + k1 + "\n" + entry + "\n# of beta\n" + beta, acme + k1 + "\n# of beta\n" + beta},
		{"into the second", acme + "\n" + beta + "\n\n" + k2 + "\n# end", "beta",
			acme + "\n" + beta + "\n\n" + k2 + "\n" + entry + "\n# end", ""},
		{"no line end", strings.TrimSuffix(acme+k1, "\n"), "acme", acme + k1 + "\n" + entry, acme + k1},
		{"spaces", spaced, "acme", spaced + "\n" + entry, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, eol := range []string{"\n", "\r\n"} {
				text := func(s string) string { return strings.ReplaceAll(s, "\n", eol) }
				if eol != "\n" && !strings.Contains(tc.before, "\n") {
					continue // nothing tells which line ends it has
				}
				e := Entry{Org: tc.org, Name: "n"}
				k := e.key([]byte(secret))
				k.ID = "new"
				after := string(fileOf(t, text(tc.before)).insert(k))
				if after != text(tc.after) {
					t.Errorf("insert made\n%q\nwant\n%q", after, text(tc.after))
				}
				left := text(tc.left)
				if left == "" {
					left = text(tc.before)
				}
				if got := cutNew(t, after); got != left {
					t.Errorf("cut left\n%q\nwant\n%q", got, left)
				}
			}
		})
	}
}

// cutNew cuts the key with the id "new".
func cutNew(t testing.TB, text string) string {
	t.Helper()
	f := fileOf(t, text)
	for i, o := range f.orgs {
		for j, k := range o.Keys {
			if k.ID == "new" {
				return string(f.cut(f.blocks[i].keys[j]))
			}
		}
	}
	t.Fatalf("no new key in\n%s", text)
	return ""
}

func fileOf(t testing.TB, text string) *file {
	t.Helper()
	doc, orgs, err := parse("keys.toml", []byte(text))
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	return &file{document: doc, orgs: orgs}
}

func TestRevoke(t *testing.T) {
	k1 := table("k1", "test-key-number-1", "") + "\n"
	k2 := table("k2", "test-key-number-2", "scopes = [\n\"chat\" # c\n]") + "\n"
	k3 := table("k3", "test-key-number-3", "")
	const acme, beta = "# top\n[[org]]\nname = \"acme\"\n\n", "# about beta\n[[org]]\nname = \"beta\"\n\n"
	all := acme + k1 + "# about k2\n" + k2 + beta + k3
	for _, tc := range []struct{ id, want string }{
		{"k1", acme + "# about k2\n" + k2 + beta + k3},
		{"k2", acme + k1 + "# about k2\n" + "\n" + beta + k3},
		{"k3", acme + k1 + "# about k2\n" + k2 + strings.TrimSuffix(beta, "\n")},
	} {
		path := filepath.Join(t.TempDir(), "keys.toml")
		write(t, path, all)
		k, err := Revoke(path, tc.id)
		if err != nil || k.ID != tc.id || k.Org.Name == "" {
			t.Fatalf("Revoke %s = %+v, %v", tc.id, k, err)
		}
		if got := contents(t, path); got != tc.want {
			t.Errorf("without %s the file is\n%s\nwant\n%s", tc.id, got, tc.want)
		}
		before := contents(t, path)
		if _, err := Revoke(path, tc.id); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), tc.id) {
			t.Errorf("once more: %v, want ErrNoKey", err)
		}
		if contents(t, path) != before {
			t.Error("revoking nothing changed the file")
		}
	}
}

func TestRevokeWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	if _, err := Revoke(path, "k1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no file", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEditRefusesABadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	write(t, path, oneKey+"scope = 1\n")
	var bad *FileError
	if _, _, err := New(path, Entry{Org: "acme", Name: "x"}); !errors.As(err, &bad) || bad.Line != 9 {
		t.Errorf("New: %v, want a *FileError in line 9", err)
	}
	if _, err := Revoke(path, "k1"); !errors.As(err, &bad) {
		t.Errorf("Revoke: %v, want a *FileError", err)
	}
	if got := contents(t, path); got != oneKey+"scope = 1\n" {
		t.Errorf("the file is now\n%s", got)
	}
}

// An edit whose result is not what it should be replaces nothing.
func TestEditVerifies(t *testing.T) {
	other := strings.Replace(oneKey, `name = "ci"`, `name = "cd"`, 1)
	for name, text := range map[string]string{
		"no TOML":              "x",
		"another key changed":  other,
		"a key lost":           "[[org]]\nname = \"acme\"\n",
		"an organisation lost": "",
		"a weight changed":     strings.Replace(oneKey, `name = "acme"`, "name = \"acme\"\nweight = 3", 1),
		"a limit changed":      strings.Replace(oneKey, `name = "acme"`, "name = \"acme\"\ntokens_per_day = 0", 1),
	} {
		path := filepath.Join(t.TempDir(), "keys.toml")
		write(t, path, oneKey)
		err := edit(path, true, func(*file) ([]byte, error) { return []byte(text), nil }, func(map[string]string) {})
		if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %v, want an error that says that nothing was changed", name, err)
		}
		if got := contents(t, path); got != oneKey {
			t.Errorf("%s: the file is now\n%s", name, got)
		}
	}
}

func TestEditAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			org := fmt.Sprint("org ", i%3)
			_, k, err := New(path, Entry{Org: org, Name: "stays"})
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				return
			}
			if _, err := Revoke(path, k.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	orgs, err := List(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(prints(orgs)); got != n/2 || len(orgs) != 3 {
		t.Errorf("%d keys of %d organisations are left, want %d of 3", got, len(orgs), n/2)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if f.Name() != "keys.toml" && f.Name() != "keys.toml.lock" {
			t.Errorf("left behind: %s", f.Name())
		}
	}
}

func TestEditKeepsModeAndOwner(t *testing.T) {
	stat := func(path string) (fs.FileMode, uint32, uint32) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sys := info.Sys().(*syscall.Stat_t)
		return info.Mode().Perm(), sys.Uid, sys.Gid
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.toml")
	root := os.Geteuid() == 0
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	if root { // the gateway has a user of its own, and root edits its file
		uid, gid = 12345, 12346
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := New(path, Entry{Org: "acme", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if mode, u, g := stat(path); mode != 0o600 || u != uid || g != gid {
		t.Errorf("a new file: mode %o of %d:%d, want 600 of %d:%d", mode, u, g, uid, gid)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if root {
		gid = 12347
		if err := os.Chown(path, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := New(path, Entry{Org: "acme", Name: "b"}); err != nil {
		t.Fatal(err)
	}
	if mode, u, g := stat(path); mode != 0o640 || u != uid || g != gid {
		t.Errorf("an edited file: mode %o of %d:%d, want 640 of %d:%d", mode, u, g, uid, gid)
	}
}

func TestEditFollowsALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	link, real := filepath.Join(dir, "keys.toml"), filepath.Join(dir, "real", "keys.toml")
	write(t, real, oneKey)
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(link, Entry{Org: "acme", Name: "b"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info.Mode(), err)
	}
	if orgs, err := List(real); err != nil || len(prints(orgs)) != 2 {
		t.Errorf("behind the link: %v, %v", orgs, err)
	}
}

func TestEditWithoutDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "keys.toml")
	if _, _, err := New(path, Entry{Org: "acme", Name: "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no such directory", err)
	}
}
