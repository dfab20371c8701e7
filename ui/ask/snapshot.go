package ask

import (
	"time"

	"pilothouse/ui/query"
)

// Snapshot is how a [Sheet] stands. It is not changed any more, and must not be.
type Snapshot struct {
	Version   uint64 // grows with each change
	Sources   []string
	Source    string // "": there is none
	Kind      query.Kind
	Suggested []string      // questions to begin with, about Source
	Schema    *query.Schema // nil: not looked up yet
	Question  string
	SQL       string
	Doing     Doing
	Since     time.Time // that it does that
	Model     string    // that is asked; "": none serves
	Answer    Answer    // the model's last, or what of it has come
	Words     string    // the explanation of SQL, or what of it has come
	Left      []string  // tables that the last prompt had no room for
	Plan      *query.Plan
	Held      bool          // Run stopped before an expensive plan, which Plan tells of; Run(true) goes on
	Result    *query.Result // nil: none yet
	Err       error         // what went wrong last; nil: nothing
	Repaired  bool          // the error has been given to the model already
	History   []Entry       // newest first, at most 200
	Saved     []Saved       // by name
}

// Doing is what is under way.
type Doing uint8

// What may be under way.
const (
	Nothing   Doing = iota
	LookingUp       // the schema
	Asking
	Explaining
	Repairing
	Planning
	Running
)

// String is it in a word, for people: "asking"; "" for Nothing.
func (d Doing) String() string {
	return [...]string{"", "looking up the schema", "asking", "explaining", "repairing", "planning", "running"}[d]
}

// Answer is what the model wrote.
type Answer struct {
	Reasoning          string
	SQL                string
	RequestID          string
	TTFT               time.Duration // to its first token; 0: none has come
	Took               time.Duration // so far, or in all
	Prompt, Completion int64         // tokens; 0: the engine hasn't said
}

// Entry is something that was run.
type Entry struct {
	At       time.Time
	Source   string
	Question string
	SQL      string
	Rows     int
	Took     time.Duration
	Failed   string // why; "": it didn't
}

// Saved is a query kept under a name.
type Saved struct{ Name, Source, Question, SQL string }
