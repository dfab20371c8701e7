package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// fileText and what is in it are what the settings say.
type fileText struct {
	Org []orgText `toml:"org"`
}

type orgText struct {
	Name   string `toml:"name"`
	Weight *int64 `toml:"weight"`
	limitsText
	Key []keyText `toml:"key"`
}

type limitsText struct {
	RequestsPerDay   *int64 `toml:"requests_per_day"`
	TokensPerDay     *int64 `toml:"tokens_per_day"`
	RequestsPerMonth *int64 `toml:"requests_per_month"`
	TokensPerMonth   *int64 `toml:"tokens_per_month"`
}

type keyText struct {
	ID      string    `toml:"id"`
	Name    string    `toml:"name"`
	SHA256  string    `toml:"sha256"`
	Scopes  []Scope   `toml:"scopes"`
	Expires time.Time `toml:"expires"`
	limitsText
}

// reader makes organisations and keys out of a document, and knows which were
// there before.
type reader struct {
	*document
	names  map[string]int // offset of each organisation, by name
	ids    map[string]int // of each key
	hashes map[digest]int
}

// parse reads the text of a keys file. The error is a *FileError.
func parse(path string, text []byte) (*document, []*Org, error) {
	doc, err := outline(path, text)
	if err != nil {
		return nil, nil, err
	}
	var file fileText
	if err := toml.Unmarshal(text, &file); err != nil {
		return nil, nil, syntaxError(path, err)
	}
	r := reader{document: doc, names: map[string]int{}, ids: map[string]int{}, hashes: map[digest]int{}}
	orgs := make([]*Org, len(file.Org))
	for i := range file.Org {
		if orgs[i], err = r.org(&file.Org[i], doc.blocks[i]); err != nil {
			return nil, nil, err
		}
	}
	return doc, orgs, nil
}

func syntaxError(path string, err error) error {
	fail := &FileError{File: path, Got: strings.TrimPrefix(err.Error(), "toml: "), Want: "valid TOML"}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		fail.Line, _ = at.Position()
	}
	return fail
}

func (r *reader) org(t *orgText, b *orgBlock) (*Org, error) {
	if got := checkName(t.Name); got != "" {
		return nil, r.wrong(b.at("name"), "org.name", got, wantName, "")
	}
	if first, ok := r.names[t.Name]; ok {
		return nil, r.wrong(b.at("name"), "org.name", quote(t.Name)+" once more",
			"each organisation once", fmt.Sprintf("put its keys under the one in line %d", r.line(first)))
	}
	r.names[t.Name] = b.at("name")

	o := &Org{Name: t.Name, Weight: 1, Keys: make([]*Key, len(t.Key))}
	if t.Weight != nil {
		if *t.Weight < 1 || *t.Weight > MaxWeight {
			return nil, r.wrong(b.at("weight"), "org.weight", fmt.Sprint(*t.Weight), fmt.Sprintf("1 to %d", MaxWeight), "")
		}
		o.Weight = int(*t.Weight)
	}
	if err := r.limits(&o.Limits, &t.limitsText, "org.", &b.block); err != nil {
		return nil, err
	}
	for i := range t.Key {
		k, err := r.key(&t.Key[i], b.keys[i])
		if err != nil {
			return nil, err
		}
		k.Org, o.Keys[i] = o, k
	}
	return o, nil
}

func (r *reader) limits(l *Limits, t *limitsText, table string, b *block) error {
	for _, l := range []struct {
		setting string
		from    *int64
		to      *Limit
	}{
		{"requests_per_day", t.RequestsPerDay, &l.RequestsPerDay},
		{"tokens_per_day", t.TokensPerDay, &l.TokensPerDay},
		{"requests_per_month", t.RequestsPerMonth, &l.RequestsPerMonth},
		{"tokens_per_month", t.TokensPerMonth, &l.TokensPerMonth},
	} {
		if l.from == nil {
			continue
		}
		if *l.from < 0 {
			return r.wrong(b.at(l.setting), table+l.setting, fmt.Sprint(*l.from), "0 or more", "0 is no limit")
		}
		*l.to = Limit{N: *l.from, Set: true}
	}
	return nil
}

func (r *reader) key(t *keyText, b *block) (*Key, error) {
	if got := checkID(t.ID); got != "" {
		return nil, r.wrong(b.at("id"), "org.key.id", got, "1 to 64 letters, digits, dots, dashes and underscores", "")
	}
	if first, ok := r.ids[t.ID]; ok {
		return nil, r.wrong(b.at("id"), "org.key.id", quote(t.ID)+" once more",
			"each id once", fmt.Sprintf("the first is in line %d", r.line(first)))
	}
	r.ids[t.ID] = b.at("id")
	if got := checkName(t.Name); got != "" {
		return nil, r.wrong(b.at("name"), "org.key.name", got, wantName, "")
	}
	k := &Key{ID: t.ID, Name: t.Name, Expires: t.Expires.UTC()}
	if err := r.hash(k, t.SHA256, b); err != nil {
		return nil, err
	}
	if err := r.limits(&k.Limits, &t.limitsText, "org.key.", b); err != nil {
		return nil, err
	}
	if _, ok := b.settings["scopes"]; ok && len(t.Scopes) == 0 {
		return nil, r.wrong(b.at("scopes"), "org.key.scopes", "an empty list", wantScope, "leave scopes out to allow everything")
	}
	for _, s := range t.Scopes {
		if !s.valid() {
			return nil, r.wrong(b.at("scopes"), "org.key.scopes", quote(string(s)), wantScope, "")
		}
	}
	k.grant(t.Scopes)
	if _, ok := b.settings["expires"]; ok && k.Expires.IsZero() {
		return nil, r.wrong(b.at("expires"), "org.key.expires", "the year 1", "a time to come", "leave expires out for a key that never does")
	}
	return k, nil
}

// hash sets the key's hash. What stands in its place may be a key, put there by
// mistake, so no error repeats it.
func (r *reader) hash(k *Key, digits string, b *block) error {
	const want = "the SHA-256 of the key in 64 hexadecimal digits"
	const remedy = `"pilothouse key import" makes the entry for a key that you have`
	at := b.at("sha256")
	h, err := hex.DecodeString(digits)
	switch {
	case len(digits) != 2*len(k.hash):
		return r.wrong(at, "org.key.sha256", fmt.Sprintf("%d characters", len(digits)), want, remedy)
	case err != nil:
		return r.wrong(at, "org.key.sha256", "something other than hexadecimal digits", want, remedy)
	case bytes.Equal(h, make([]byte, len(h))):
		return r.wrong(at, "org.key.sha256", "nothing but zeros", want, remedy)
	}
	k.hash = digest(h)
	if first, ok := r.hashes[k.hash]; ok {
		return r.wrong(at, "org.key.sha256", "the same key once more", "each key once",
			fmt.Sprintf("remove this entry or the one in line %d", r.line(first)))
	}
	r.hashes[k.hash] = at
	return nil
}
