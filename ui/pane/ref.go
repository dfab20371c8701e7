package pane

import "time"

// Ref names a thing that a pane shows, for the actions that can be done to it.
// The zero Ref is none. Two Refs are of the same thing when they are equal.
type Ref struct {
	Kind  RefKind
	Name  string    // a backend's, organisation's, device's
	ID    string    // a replica's URL, a request's, key's, grant's or device's id, a container's name
	Start time.Time // a request's, as clients may choose the same id twice
}

// RefKind is what kind of thing a Ref names.
type RefKind string

// The kinds, and which fields name one.
const (
	RefBackend RefKind = "backend" // Name
	RefReplica RefKind = "replica" // Name of its backend, ID: its URL
	RefGPU     RefKind = "gpu"     // ID: its UUID, Name: what it serves
	RefRequest RefKind = "request" // ID, Start, Name of its organisation
	RefOrg     RefKind = "org"     // Name
	RefKey     RefKind = "key"     // Name of its organisation, ID
	RefGrant   RefKind = "grant"   // ID, Name of its organisation
	RefJob     RefKind = "job"     // ID: its number
	RefLog     RefKind = "log"     // ID: the container's name
	RefEvent   RefKind = "event"   // ID: its place in time
)

// Fact is one line of what is known of a thing.
type Fact struct {
	Label string // "" goes on with the one before
	Text  string // may come from anywhere
	Grave bool   // nobody would be left to serve
}
