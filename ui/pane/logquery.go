package pane

import "time"

// LogKind is where lines come from.
type LogKind string

// The kinds.
const (
	LogContainer LogKind = "container" // Source is its name
	LogGateway   LogKind = "gateway"   // this process's own log
	LogPast      LogKind = "past"      // events and audit, which are in Data: nobody is asked
)

// LogQuery is what the logs want to be told. The zero value is nothing.
type LogQuery struct {
	Kind       LogKind
	Source     string
	Since      time.Time // zero: from the beginning
	Head       bool      // the first lines of what there is, and no more
	Lines      int       // at most so many: the first with Head, otherwise the last; 0: all
	Follow     bool      // go on with what is written later
	Generation int       // of the question: the answer carries it
}

// LogLine is one line of a log.
type LogLine struct {
	At     time.Time // zero: not known, or as its text says
	Text   string    // may come from anywhere
	Stderr bool      // it was written to standard error
}

// LogBatch is what there is to tell since the one before, and how the reading
// stands. Those of another question than the last are of no interest.
type LogBatch struct {
	Generation int
	Dropped    int       // lines that were lost before these, as they came faster than they were taken
	Lines      []LogLine // oldest first
	Done       bool      // that was all
	Err        string    // what is wrong now; "": nothing
	Retry      time.Time // when it is tried again; zero: it is being tried, or won't be
}
