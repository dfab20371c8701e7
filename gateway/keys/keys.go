// Package keys knows the organisations that may use the gateway and the API
// keys that they do it with.
//
// # The keys file
//
// Both stand in one file, keys.toml:
//
//	[[org]]
//	name = "acme"
//	weight = 2                  # share of a busy backend; 1 if left out
//	requests_per_day = 50_000   # left out: the configuration's; 0: no limit
//	tokens_per_day = 5_000_000
//	requests_per_month = 0
//	tokens_per_month = 0
//
//	[[org.key]]
//	id = "7hq2m9xa"
//	name = "ci"
//	sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//	scopes = ["chat", "model:Qwen/Qwen2.5-7B-Instruct"]   # left out: all
//	expires = 2027-01-31T00:00:00Z                        # left out: never
//	tokens_per_day = 100_000    # of this key alone, within the organisation's; left out: none
//
// The file holds no key, only the SHA-256 of each. That is enough for keys that
// [New] makes, which have 256 random bits; an imported key ([Import]) is as hard to
// guess from its hash as it was made.
//
// The file is read strictly: a setting that is unknown, mistyped, given twice or
// out of range is a [*FileError] with file, line, what was found, what is wanted
// and the remedy. Organisations and keys are written as [[org]] and [[org.key]]
// tables, in no other of TOML's ways, so that the file can be edited by line. Two
// organisations of one name, two keys of one id, and one key twice are errors.
// Whoever may write the file can let himself in: one that everybody may write is
// refused.
//
// # Scopes
//
// A key without scopes may do everything. The scopes "chat", "completions",
// "embeddings" and "text2sql" name endpoints; "model:NAME" names a model as it is
// served, after aliases are resolved. The two kinds restrict separately: a key
// with scopes for endpoints may use those and no others, a key with scopes for
// models may use those and no others, and a key with only one kind is not
// restricted in the other. The list of models and the usage of its own organisation
// are open to every key, but the list shows only what the key may use.
//
// # Looking up
//
// [Store.Lookup] hashes what the client presented, finds the hash in an index by
// its first 8 bytes and compares all of it in constant time. What can be learned
// from its timing is at most something about the hash of a key, and leads to no key.
//
// # Reloading
//
// [Store.Run] notices a changed file within about a second. All of it is taken or
// none: a file with an error leaves the keys in force that were, revoked ones
// included, and says so in the log until it is mended. [Key] and [Org] values are
// immutable. A reload makes new ones, so a request under way keeps those it began
// with; what must outlive a reload goes by the organisation's name or the key's id.
//
// # Editing
//
// [New], [Import] and [Revoke] change the text of the file and leave everything
// else in it as it is, comments and layout included. They read the result back before
// it replaces the file, which it does whole or not at all. A lock file beside it
// (keys.toml.lock) keeps editors apart, so that of two at once neither loses what the
// other wrote. A person's editor does not know that lock. The file is replaced by
// renaming, so a container is given the directory that it lies in, not the file alone.
package keys

import (
	"crypto/sha256"
	"errors"
	"time"
)

// The errors of [Store.Lookup].
var (
	ErrUnknown = errors.New("unknown key")
	ErrExpired = errors.New("expired key")
)

// digest is the SHA-256 of a key.
type digest [sha256.Size]byte

// Key is one API key, immutable.
type Key struct {
	ID      string // unique in the file
	Name    string // not unique, not empty; printable
	Org     *Org
	Scopes  []Scope   // as written; nil: everything is allowed
	Expires time.Time // UTC; zero: never
	Limits            // of its own, within its organisation's; not set: none

	hash      digest
	endpoints endpoints
	models    []string
}

// Expired tells whether the key is no longer valid at that time.
func (k *Key) Expired(at time.Time) bool {
	return !k.Expires.IsZero() && !at.Before(k.Expires)
}

// Allows tells whether the key may use an endpoint: one of [Chat],
// [Completions], [Embeddings] and [Text2SQL]. It is false for any other scope.
func (k *Key) Allows(endpoint Scope) bool {
	e := endpointOf(endpoint)
	return e != 0 && (k.endpoints == 0 || k.endpoints&e != 0)
}

// AllowsModel tells whether the key may use a model, by the name under which it
// is served.
func (k *Key) AllowsModel(name string) bool {
	if len(k.models) == 0 {
		return true
	}
	for _, m := range k.models {
		if m == name {
			return true
		}
	}
	return false
}

// Org is one organisation, immutable.
type Org struct {
	Name   string // unique in the file, and what stays through reloads; printable
	Weight int    // from 1 to [MaxWeight]
	Keys   []*Key // in the order of the file
	Limits
}

// Limits are those of an organisation or of a key.
type Limits struct {
	RequestsPerDay   Limit
	TokensPerDay     Limit
	RequestsPerMonth Limit
	TokensPerMonth   Limit
}

// MaxWeight is the largest weight of an organisation.
const MaxWeight = 1000

// Limit is a limit of an organisation's or a key's own. The zero value is not
// set: for an organisation the configuration's applies, for a key none.
type Limit struct {
	N   int64 // 0: no limit
	Set bool
}

// Or returns the limit, or the given one where it is not set.
func (l Limit) Or(n int64) int64 {
	if l.Set {
		return l.N
	}
	return n
}
