package keys

import (
	"errors"
	"fmt"
	"strings"
)

// The errors of [Import] and [Revoke], found with errors.Is.
var (
	ErrImported = errors.New("key is there already")
	ErrNoKey    = errors.New("no such key")
)

// FileError is what is wrong with the keys file, in words for the person who
// mends it. It never holds a key or a whole hash.
type FileError struct {
	File   string
	Line   int    // from 1; 0: the file as a whole
	Key    string // the setting, as "org.key.sha256"; "" if it is about none
	Got    string
	Want   string // "" if Got says it all
	Remedy string // "" if Want says it all
	Err    error  // the cause; nil: there is none beyond this
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Got)
	if e.Want != "" {
		b.WriteString("; want " + e.Want)
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

func (e *FileError) Unwrap() error { return e.Err }
