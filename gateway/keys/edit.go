package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Entry says what a new key is to be.
type Entry struct {
	Org     string // made if there is none of that name
	Name    string
	Scopes  []Scope   // none: everything is allowed
	Expires time.Time // zero: never; kept to the second
}

// New makes a key and adds it to the file at path, which is made if need be. The
// secret is the key itself: it is nowhere else and cannot be had again.
func New(path string, e Entry) (secret string, key *Key, err error) {
	secret = newSecret()
	key, err = add(path, e, []byte(secret))
	if err != nil {
		return "", nil, err
	}
	return secret, key, nil
}

// Import adds a key that clients already have to the file at path, which is made if need
// be. The key has 16 to 512 characters of printable ASCII without spaces. One that
// the file has already is [ErrImported].
func Import(path string, e Entry, secret []byte) (*Key, error) {
	if err := checkSecret(secret); err != nil {
		return nil, fmt.Errorf("import key: %w", err)
	}
	return add(path, e, secret)
}

// Revoke removes the key with that id from the file at path and returns what it was. If
// there is none, the error is [ErrNoKey]. The organisation stays, also without keys.
func Revoke(path, id string) (*Key, error) {
	var gone *Key
	err := edit(path, false, func(f *file) ([]byte, error) {
		for i, o := range f.orgs {
			for j, k := range o.Keys {
				if k.ID == id {
					gone = k
					return f.cut(f.blocks[i].keys[j]), nil
				}
			}
		}
		return nil, fmt.Errorf("%w: %q is not in %s", ErrNoKey, id, path)
	}, func(want map[string]string) { delete(want, id) })
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// List returns the organisations in the file at path with their keys.
func List(path string) ([]*Org, error) {
	f, err := read(path)
	return f.orgs, err
}

// add adds a key to the file.
func add(path string, e Entry, secret []byte) (*Key, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	k := e.key(secret)
	err := edit(path, true, func(f *file) ([]byte, error) {
		for old := range all(f.orgs) {
			if old.hash == k.hash {
				return nil, fmt.Errorf("%w: id %q, organisation %q", ErrImported, old.ID, old.Org.Name)
			}
		}
		ids := prints(f.orgs)
		k.ID = newID(func(id string) bool { _, taken := ids[id]; return taken })
		return f.insert(k), nil
	}, func(want map[string]string) { want[k.ID] = k.print() })
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Check returns what the file could not hold of the entry: an error in a name or
// a scope, in words for the person who wrote it.
func (e *Entry) Check() error {
	if got := checkName(e.Org); got != "" {
		return fmt.Errorf("name of the organisation: %s; want %s", got, wantName)
	}
	if got := checkName(e.Name); got != "" {
		return fmt.Errorf("name of the key: %s; want %s", got, wantName)
	}
	for _, s := range e.Scopes {
		if !s.valid() {
			return fmt.Errorf("scope: %s; want %s", quote(string(s)), wantScope)
		}
	}
	return nil
}

// key makes the key, without an id.
func (e *Entry) key(secret []byte) *Key {
	k := &Key{
		Name:    e.Name,
		Org:     &Org{Name: e.Org, Weight: 1},
		Expires: e.Expires.UTC().Truncate(time.Second),
		hash:    hashOf(secret),
	}
	k.grant(e.Scopes)
	k.Org.Keys = []*Key{k}
	return k
}

// edit changes the text of the file under its lock. change returns the new text;
// expect turns the prints of the keys before into those that must be there after.
// If anything else has changed, the file stays as it was.
func edit(path string, create bool, change func(*file) ([]byte, error), expect func(map[string]string)) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one: what it leads to is replaced
	}
	if !create {
		if _, err := os.Stat(path); err != nil {
			return unreadable(path, err) // and no lock file is left behind
		}
	}
	release, err := lock(path)
	if err != nil {
		return fmt.Errorf("edit keys file: %w", err)
	}
	defer release()

	f, err := read(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		f.document, f.orgs, err = parse(path, []byte(preamble))
	}
	if err != nil {
		return err
	}
	text, err := change(&f)
	if err != nil {
		return err
	}
	want := prints(f.orgs)
	expect(want)
	if err := verify(path, text, f.orgs, want); err != nil {
		return fmt.Errorf("edit keys file: nothing was changed: %w", err)
	}
	if err := replace(path, text); err != nil {
		return fmt.Errorf("edit keys file: %w", err)
	}
	return nil
}

// verify reads a new text as the gateway will and checks that it holds the keys
// that it should and that the organisations that were there are unchanged.
func verify(path string, text []byte, before []*Org, want map[string]string) error {
	_, orgs, err := parse(path, text)
	if err != nil {
		return err
	}
	if !maps.Equal(prints(orgs), want) {
		return errors.New("the new text does not hold the keys that it should")
	}
	for i, o := range before {
		if i >= len(orgs) || orgs[i].print() != o.print() {
			return fmt.Errorf("the new text changes organisation %q", o.Name)
		}
	}
	return nil
}

// preamble begins a new file.
const preamble = `# The organisations that may use this gateway, and the SHA-256 of their API keys.
# "pilothouse key" edits this file and leaves everything else in it as it is; a
# running gateway notices every change.
`

// insert returns the text with the key at the end of its organisation, or with
// both at the end if it has none. An empty line is on either side of it.
func (f *file) insert(k *Key) []byte {
	at := len(f.text)
	var head string
	if i := slices.IndexFunc(f.orgs, func(o *Org) bool { return o.Name == k.Org.Name }); i >= 0 {
		at = f.remarked(f.blocks[i].end)
	} else {
		head = "[[org]]\nname = " + strconv.Quote(k.Org.Name) + "\n\n"
	}
	entry := head + k.text()
	before, after := f.text[:at], f.text[at:]
	if len(before) > 0 {
		entry = "\n" + entry
		if before[len(before)-1] != '\n' {
			entry = "\n" + entry
		}
	}
	if len(after) > 0 && !blank(firstLine(after)) {
		entry += "\n"
	}
	if bytes.Contains(f.text, []byte("\r\n")) {
		entry = strings.ReplaceAll(entry, "\n", "\r\n")
	}
	return slices.Concat(before, []byte(entry), after)
}

// remarked returns the offset after the comments that follow a table without an
// empty line and so belong to it, unless a header follows them as closely: then
// they belong to that.
func (f *file) remarked(end int) int {
	at := end
	for at < len(f.text) {
		line := firstLine(f.text[at:])
		if blank(line) {
			return at
		}
		if bytes.TrimLeft(line, " \t")[0] != '#' {
			return end
		}
		at += len(line)
	}
	return at
}

// cut returns the text without a key's table. Of the empty lines before and after
// it one goes, if there are both.
func (f *file) cut(b *block) []byte {
	before, after := f.text[:b.start], f.text[b.end:]
	if len(before) > 0 {
		last := bytes.LastIndexByte(before[:len(before)-1], '\n') + 1
		if blank(before[last:]) && blank(firstLine(after)) {
			before = before[:last]
		}
	}
	return slices.Concat(before, after)
}

// firstLine returns the first line of a text with its end, nothing at the end of
// the text.
func firstLine(text []byte) []byte {
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		return text[:n+1]
	}
	return text
}

func blank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// text writes the key as a table. Names hold nothing that TOML and Go would
// quote differently: they are printable.
func (k *Key) text() string {
	var b strings.Builder
	b.WriteString("[[org.key]]\n")
	fmt.Fprintf(&b, "id = %q\nname = %q\nsha256 = %q\n", k.ID, k.Name, hex.EncodeToString(k.hash[:]))
	if len(k.Scopes) > 0 {
		quoted := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			quoted[i] = strconv.Quote(string(s))
		}
		fmt.Fprintf(&b, "scopes = [%s]\n", strings.Join(quoted, ", "))
	}
	if !k.Expires.IsZero() {
		fmt.Fprintf(&b, "expires = %s\n", k.Expires.Format(time.RFC3339))
	}
	return b.String()
}
