package keys

import (
	"bytes"

	"github.com/pelletier/go-toml/v2/unstable"
)

// document is the text of a keys file and where in it everything stands. It
// knows which settings there are and of what kind, not what they say.
type document struct {
	path   string
	text   []byte
	blocks []*orgBlock
}

// block is one table: a header and the settings under it.
type block struct {
	start    int            // offset of the header's line
	end      int            // offset after the line of the last thing in it
	settings map[string]int // offset of each, by name
}

type orgBlock struct {
	block // ends after its last key
	keys  []*block
}

// kinds says what each setting of a table is.
type kinds map[string]unstable.Kind

var (
	orgKinds = kinds{
		"name":               unstable.String,
		"weight":             unstable.Integer,
		"requests_per_day":   unstable.Integer,
		"tokens_per_day":     unstable.Integer,
		"requests_per_month": unstable.Integer,
		"tokens_per_month":   unstable.Integer,
	}
	keyKinds = kinds{
		"id":                 unstable.String,
		"name":               unstable.String,
		"sha256":             unstable.String,
		"scopes":             unstable.Array,
		"expires":            unstable.DateTime,
		"requests_per_day":   unstable.Integer,
		"tokens_per_day":     unstable.Integer,
		"requests_per_month": unstable.Integer,
		"tokens_per_month":   unstable.Integer,
	}
)

// outline finds the tables and settings of a text. It stops without an error
// where the text is no TOML: decoding says that better.
func outline(path string, text []byte) (*document, error) {
	d := &document{path: path, text: text}
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		node := p.Expression()
		var err error
		if node.Kind == unstable.KeyValue {
			err = d.setting(node)
		} else {
			err = d.header(node)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// header begins an organisation or a key.
func (d *document) header(node *unstable.Node) error {
	name, at := dotted(node)
	b := block{start: d.lineStart(at), end: d.lineEnd(at), settings: make(map[string]int)}
	switch {
	case node.Kind == unstable.ArrayTable && name == "org":
		d.blocks = append(d.blocks, &orgBlock{block: b})
	case node.Kind == unstable.ArrayTable && name == "org.key" && len(d.blocks) > 0:
		o := d.blocks[len(d.blocks)-1]
		o.keys = append(o.keys, &b)
		o.end = b.end
	case node.Kind == unstable.ArrayTable && name == "org.key":
		return d.wrong(at, "", "[[org.key]] before any [[org]]", "each key under its organisation", "")
	default:
		return d.wrong(at, "", "table "+quote(name), "only [[org]] and [[org.key]], in double brackets", "")
	}
	return nil
}

// setting adds a setting to the table that the parser is in.
func (d *document) setting(node *unstable.Node) error {
	name, at := dotted(node)
	if len(d.blocks) == 0 {
		return d.wrong(at, quote(name), "a setting before any [[org]]", "settings under [[org]] and [[org.key]] only", "")
	}
	org := d.blocks[len(d.blocks)-1]
	b, known, place := &org.block, orgKinds, "org."
	if n := len(org.keys); n > 0 {
		b, known, place = org.keys[n-1], keyKinds, "org.key."
	}
	kind, ok := known[name]
	switch value := node.Value(); {
	case place == "org." && name == "key":
		return d.wrong(at, "org.key", "keys within one line", "each as a table that begins with [[org.key]]", "")
	case !ok:
		return d.wrong(at, "", "unknown setting "+quote(name), "one of "+known.names(), "")
	case value.Kind != kind:
		return d.wrong(at, place+name, nameOf(value.Kind), wantKind(name, kind), "")
	case kind == unstable.Array:
		for items := value.Children(); items.Next(); {
			if k := items.Node().Kind; k != unstable.String {
				return d.wrong(at, place+name, "a list with "+nameOf(k)+" in it", "a list of texts in quotes", "")
			}
		}
	}
	b.settings[name] = at
	b.end = d.lineEnd(int(node.Raw.Offset + node.Raw.Length))
	org.end = b.end
	return nil
}

// dotted returns the name of a table or setting and its offset.
func dotted(node *unstable.Node) (name string, at int) {
	var parts [][]byte
	for key := node.Key(); key.Next(); {
		if parts == nil {
			at = int(key.Node().Raw.Offset)
		}
		parts = append(parts, key.Node().Data)
	}
	return string(bytes.Join(parts, []byte("."))), at
}

// wrong makes the error for what stands at an offset.
func (d *document) wrong(at int, key, got, want, remedy string) *FileError {
	return &FileError{File: d.path, Line: d.line(at), Key: key, Got: got, Want: want, Remedy: remedy}
}

func (d *document) line(at int) int { return 1 + bytes.Count(d.text[:at], []byte("\n")) }

func (d *document) lineStart(at int) int { return bytes.LastIndexByte(d.text[:at], '\n') + 1 }

func (d *document) lineEnd(at int) int {
	if n := bytes.IndexByte(d.text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(d.text)
}

// at returns the offset of a setting of a table, or that of the table if it has
// no such setting.
func (b *block) at(setting string) int {
	if at, ok := b.settings[setting]; ok {
		return at
	}
	return b.start
}
