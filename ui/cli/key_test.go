package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/gateway/keys"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// bench runs the key commands on a keys file of its own.
type bench struct {
	path string
	now  time.Time
}

func newBench(t *testing.T) *bench {
	return &bench{path: filepath.Join(t.TempDir(), "keys.toml"), now: noon}
}

func (b *bench) run(stdin string, args ...string) (stdout, stderr string, err error) {
	root := &cobra.Command{Use: "pilothouse", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(NewKey(KeyOptions{
		File:  func() (string, error) { return b.path, nil },
		Clock: func() time.Time { return b.now },
	}))
	var out, hints bytes.Buffer
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&hints)
	root.SetArgs(append([]string{"key"}, args...))
	err = root.Execute()
	return out.String(), hints.String(), err
}

// must runs a command that has to succeed and returns its standard output.
func (b *bench) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, _, err := b.run(stdin, args...)
	if err != nil {
		t.Fatalf("key %q: %v", args, err)
	}
	return out
}

func (b *bench) lookup(t *testing.T, secret string) (*keys.Key, error) {
	t.Helper()
	s, err := keys.Open(b.path, keys.Options{Clock: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	return s.Lookup([]byte(secret))
}

func TestKeyNew(t *testing.T) {
	b := newBench(t)
	out, hints, err := b.run("", "new", "--org", "acme", "--name", "ci",
		"--scope", "chat", "--scope", "model:a,b", "--expires", "90d")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^ph_[0-9A-Za-z]{43}\n$`).MatchString(out) {
		t.Errorf("standard output is %q, want the key in one line and nothing else", out)
	}
	k, err := b.lookup(t, strings.TrimSuffix(out, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if k.Name != "ci" || k.Org.Name != "acme" || fmt.Sprint(k.Scopes) != "[chat model:a,b]" || k.Expires != noon.AddDate(0, 0, 90) {
		t.Errorf("the file has %+v of %q", k, k.Org.Name)
	}
	if !strings.Contains(hints, k.ID) || !strings.Contains(hints, b.path) || strings.Contains(hints, strings.TrimSpace(out)) {
		t.Errorf("standard error is %q, want the key's id and the file, not the key", hints)
	}
}

// A key that could not be shown is lost: the error says which one to revoke.
func TestKeyNewUnprinted(t *testing.T) {
	b := newBench(t)
	root := NewKey(KeyOptions{File: func() (string, error) { return b.path, nil }})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs([]string{"new", "--org", "acme", "--name", "ci"})
	gone := errors.New("gone")
	root.SetOut(failing{gone})
	root.SetErr(new(bytes.Buffer))
	err := root.Execute()
	orgs, listErr := keys.List(b.path)
	if listErr != nil {
		t.Fatal(listErr)
	}
	id := orgs[0].Keys[0].ID
	if !errors.Is(err, gone) || !strings.Contains(err.Error(), "pilothouse key revoke "+id) {
		t.Errorf("got %v, want what to do about key %s", err, id)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestKeyImport(t *testing.T) {
	for name, stdin := range map[string]string{
		"line":        "sk-an-old-key-1234\n",
		"no line end": "sk-an-old-key-1234",
		"CR LF":       "sk-an-old-key-1234\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			out, hints, err := b.run(stdin, "import", "--org", "acme", "--name", "web", "--scope", "embeddings")
			if err != nil {
				t.Fatal(err)
			}
			k, err := b.lookup(t, "sk-an-old-key-1234")
			if err != nil || k.Name != "web" || fmt.Sprint(k.Scopes) != "[embeddings]" {
				t.Fatalf("Lookup = %+v, %v", k, err)
			}
			if out != "" || !strings.Contains(hints, k.ID) || strings.Contains(hints, "sk-an") {
				t.Errorf("printed %q and %q", out, hints)
			}
		})
	}
}

func TestKeyRevoke(t *testing.T) {
	b := newBench(t)
	secret := strings.TrimSpace(b.must(t, "", "new", "--org", "acme", "--name", "ci"))
	other := strings.TrimSpace(b.must(t, "", "new", "--org", "acme", "--name", "cd"))
	k, err := b.lookup(t, secret)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := b.must(t, "", "revoke", k.ID), "revoked "+k.ID+": ci of acme\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if _, err := b.lookup(t, secret); err != keys.ErrUnknown {
		t.Errorf("the revoked key: %v, want ErrUnknown", err)
	}
	if _, err := b.lookup(t, other); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if _, _, err := b.run("", "revoke", k.ID); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("once more: %v, want ErrNoKey", err)
	}
}

const listed = `[[org]]
name = "acme"
[[org.key]]
id = "k1"
name = "ci"
sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
[[org.key]]
id = "key-2"
name = "日本"
sha256 = "0000000000000000000000000000000000000000000000000000000000000002"
scopes = ["chat", "model:qwen"]
expires = 2026-11-22T12:00:00Z
[[org.key]]
id = "k3"
name = "trial"
sha256 = "0000000000000000000000000000000000000000000000000000000000000003"
expires = 2026-11-22T12:00:01Z
[[org]]
name = "empty <org>"
weight = 3
`

func TestKeyList(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(b.path, []byte(listed), 0o600); err != nil {
		t.Fatal(err)
	}
	const table = `ORG          ID     NAME   SCOPES           EXPIRES            STATE
acme         k1     ci     all              never              valid
acme         key-2  日本   chat,model:qwen  2026-11-22 12:00Z  expired
acme         k3     trial  all              2026-11-22 12:00Z  valid
empty <org>  -      -      -                -                  no keys
`
	if got := b.must(t, "", "list"); got != table {
		t.Errorf("printed\n%s\nwant\n%s", got, table)
	}
	const want = `{"orgs":[{"org":"acme","weight":1,"keys":[` +
		`{"id":"k1","name":"ci","scopes":null,"expires":null,"state":"valid"},` +
		`{"id":"key-2","name":"日本","scopes":["chat","model:qwen"],"expires":"2026-11-22T12:00:00Z","state":"expired"},` +
		`{"id":"k3","name":"trial","scopes":null,"expires":"2026-11-22T12:00:01Z","state":"valid"}]},` +
		`{"org":"empty <org>","weight":3,"keys":[]}]}` + "\n"
	if got := b.must(t, "", "list", "--json"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

func TestKeyListOfNothing(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(b.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var got map[string][]any
	out := b.must(t, "", "list", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got["orgs"] == nil {
		t.Errorf("printed %q, want an empty list", out)
	}
}

// Text from outside cannot drive the terminal.
func TestTableIsClean(t *testing.T) {
	var out bytes.Buffer
	if err := writeTable(&out, [][]string{{"\x1b[2J", "a\nb\u202e", "z"}, {"x", "y", "z"}}); err != nil {
		t.Fatal(err)
	}
	const want = `\x1b[2J  a\nb\u202e  z` + "\n" + `x        y           z` + "\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestUsageErrors(t *testing.T) {
	full := []string{"--org", "acme", "--name", "ci"}
	with := func(args ...string) []string { return append(args[:len(args):len(args)], full...) }
	for _, tc := range []struct {
		args  []string
		stdin string
		says  string
	}{
		{[]string{"nothing"}, "", "nothing"},
		{[]string{"new", "--name", "ci"}, "", "--org"},
		{[]string{"new", "--org", "acme"}, "", "--name"},
		{[]string{"new", "--org", "acme", "--name", "a\x1bb"}, "", `"a\x1bb"`},
		{with("new", "--expire", "1d"), "", "--expire"},
		{with("new", "more"), "", "more"},
		{with("new", "--scope", "admin"), "", `scope: "admin"; want "chat"`},
		{with("new", "--expires", "tomorrow"), "", `"tomorrow" is no date or duration`},
		{with("new", "--expires", "2026-11-22"), "", "has passed; it was 2026-11-22T00:00:00Z"},
		{with("import"), "", "standard input is empty"},
		{with("import"), "\n", "standard input is empty"},
		{with("import"), "sk-an-old-key-1234\nsk-another-key-5678\n", "more than one line"},
		{with("import", "sk-an-old-key-1234"), "", "want the key on standard input"},
		{[]string{"list", "acme"}, "", "acme"},
		{[]string{"revoke"}, "", "accepts 1 arg"},
		{[]string{"revoke", "k1", "k2"}, "", "accepts 1 arg"},
	} {
		b := newBench(t)
		out, _, err := b.run(tc.stdin, tc.args...)
		var wrong *UsageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("key %q: %v, want a *UsageError that says %q", tc.args, err, tc.says)
		}
		if out != "" {
			t.Errorf("key %q printed %q", tc.args, out)
		}
		if err != nil && strings.Contains(err.Error(), "sk-an") {
			t.Errorf("key %q: %v: the error repeats a key", tc.args, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(b.path)); len(left) > 0 {
			t.Errorf("key %q made %v", tc.args, left)
		}
	}
}

func TestErrorsPassThrough(t *testing.T) {
	b := newBench(t)
	var missing *keys.FileError
	if _, _, err := b.run("", "list"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "pilothouse key new") {
		t.Errorf("list without a file: %v, want a *keys.FileError with the remedy", err)
	}
	if _, _, err := b.run("short\n", "import", "--org", "acme", "--name", "ci"); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("import of no key: %v, want an error that does not repeat it", err)
	}
	noFile := errors.New("no configuration")
	for _, args := range [][]string{{"list"}, {"revoke", "k1"}, {"new", "--org", "a", "--name", "b"}, {"import", "--org", "a", "--name", "b"}} {
		cmd := NewKey(KeyOptions{File: func() (string, error) { return "", noFile }})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader("sk-an-old-key-1234"))
		cmd.SetOut(new(bytes.Buffer))
		if err := cmd.Execute(); err != noFile {
			t.Errorf("key %q: %v, want %v", args, err, noFile)
		}
	}
}

func TestKeyHelp(t *testing.T) {
	b := newBench(t)
	out := b.must(t, "")
	for _, command := range []string{"new", "import", "list", "revoke"} {
		if !strings.Contains(out, "\n  "+command+" ") {
			t.Errorf("the help does not name %q:\n%s", command, out)
		}
	}
}

func TestKeyCompletion(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(b.path, []byte(listed), 0o600); err != nil {
		t.Fatal(err)
	}
	complete := func(args ...string) string {
		root := &cobra.Command{Use: "pilothouse"}
		root.AddCommand(NewKey(KeyOptions{File: func() (string, error) { return b.path, nil }}))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(new(bytes.Buffer))
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd, "key"}, args...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got, want := complete("revoke", ""), "k1\tci of acme\nkey-2\t日本 of acme\nk3\ttrial of acme\n:4\n"; got != want {
		t.Errorf("revoke completes to %q, want %q", got, want)
	}
	if got, want := complete("revoke", "k1", ""), ":4\n"; got != want {
		t.Errorf("revoke of one completes to %q, want %q", got, want)
	}
	if got, want := complete("new", "--scope", ""), "chat\ncompletions\nembeddings\ntext2sql\n:4\n"; got != want {
		t.Errorf("--scope completes to %q, want %q", got, want)
	}
}
