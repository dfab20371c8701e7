package keys

import (
	"slices"
	"strings"
)

// Scope is one thing that a key may do; the package documentation has the rule.
type Scope string

// The scopes of endpoints.
const (
	Chat        Scope = "chat"        // POST /v1/chat/completions
	Completions Scope = "completions" // POST /v1/completions
	Embeddings  Scope = "embeddings"  // POST /v1/embeddings
	Text2SQL    Scope = "text2sql"    // POST /text2sql
)

// Model returns the scope of one model.
func Model(name string) Scope { return Scope(modelPrefix + name) }

const modelPrefix = "model:"

// wantScope says what a scope may be, for errors.
const wantScope = `"chat", "completions", "embeddings", "text2sql" or "model:NAME"`

// endpoints is a set of endpoints.
type endpoints uint8

func endpointOf(s Scope) endpoints {
	switch s {
	case Chat:
		return 1 << 0
	case Completions:
		return 1 << 1
	case Embeddings:
		return 1 << 2
	case Text2SQL:
		return 1 << 3
	}
	return 0
}

// valid tells whether it is a scope.
func (s Scope) valid() bool {
	model, ok := strings.CutPrefix(string(s), modelPrefix)
	return ok && checkName(model) == "" || endpointOf(s) != 0
}

// grant sets what the key's scopes allow.
func (k *Key) grant(scopes []Scope) {
	k.Scopes = slices.Clone(scopes)
	for _, s := range scopes {
		if model, ok := strings.CutPrefix(string(s), modelPrefix); ok {
			k.models = append(k.models, model)
		}
		k.endpoints |= endpointOf(s)
	}
}
