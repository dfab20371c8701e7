package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Trouble is what is wrong with an engine itself.
type Trouble int

const (
	Away     Trouble = iota // it can't be reached, or went away during the call
	Slow                    // it did not answer in time
	Nonsense                // it answered, but not as Docker does
)

func (t Trouble) String() string {
	switch t {
	case Away:
		return "can't be reached"
	case Slow:
		return "does not answer"
	}
	return "answers, but not as Docker does"
}

// EngineError is that there is no answer that could be used.
type EngineError struct {
	Host   string // its name
	Doing  string // what for, like `start container "vllm"`
	Kind   Trouble
	Detail string // in words; nothing that the other side wrote stands in it unquoted
}

func (e *EngineError) Error() string {
	return fmt.Sprintf("%s: Docker engine %q %s: %s", e.Doing, e.Host, e.Kind, e.Detail)
}

// Refusal is that the engine has understood, and won't or can't.
type Refusal struct {
	Host    string
	Doing   string
	Status  int    // HTTP's: 409 is a conflict
	Message string // as the engine wrote it
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: Docker engine %q says (%d): %s", r.Doing, r.Host, r.Status, quote(r.Message))
}

// NotFoundError is that there is no such container or image.
type NotFoundError struct {
	Host, What, Name string // What is "container" or "image"
	Remedy           string // "": none but to create it
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("Docker engine %q has no %s %q", e.Host, e.What, e.Name)
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// NotOursError is that a container was to be removed that Pilothouse has not
// created.
type NotOursError struct{ Host, Name string }

func (e *NotOursError) Error() string {
	return fmt.Sprintf("container %q on Docker engine %q was not created by Pilothouse, which never removes such; remove it by hand (docker rm %s)", e.Name, e.Host, e.Name)
}

// SettingError is a setting that can't be used.
type SettingError struct {
	Of   string // "docker host" or "container"
	Name string // of that
	Key  string
	Got  string
	Want string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("%s %q: %s: got %s, want %s", e.Of, e.Name, e.Key, e.Got, e.Want)
}

// mostQuoted is how much of the other side's text gets into an error.
const mostQuoted = 400

// quote makes text of the other side safe to show: one line, no control
// characters, not endless.
func quote(s string) string {
	if len(s) > mostQuoted {
		cut := mostQuoted
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(strings.TrimSpace(s))
}

// plain is text of the other side without anything that a terminal would obey.
func plain(s string) string {
	if !strings.ContainsFunc(s, notPlain) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if notPlain(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func notPlain(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }

// unreadable says what is wrong with an answer. The error's own text may quote
// it, so it is not used.
func unreadable(err error) string {
	if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("JSON with something else in field %s than there should be", quote(bad.Field))
	}
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("no JSON, at byte %d", bad.Offset)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return "a time that is none"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "JSON that ends too early"
	}
	return "an answer that can't be read"
}
