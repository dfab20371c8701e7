package sshd

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui"
)

// Variables of a session's environment that say what it is to be. Any value but ""
// is yes.
const (
	envReadOnly  = "PILOTHOUSE_READ_ONLY"  // its operator is a viewer in it
	envOneOutput = "PILOTHOUSE_ONE_OUTPUT" // standard error comes on standard output, in the order of writing
)

// Bounds of those that are taken to draw by.
const maxEnv, maxValue = 16, 256

var localeForm = regexp.MustCompile(`^LC_[A-Z]{1,32}$`)

// drawn tells whether a variable says how to draw.
func drawn(name, value string) bool {
	return (slices.Contains([]string{"LANG", "COLORTERM", "NO_COLOR", ui.EnvTheme, ui.EnvASCII}, name) || localeForm.MatchString(name)) &&
		len(value) <= maxValue && !strings.ContainsFunc(value, unicode.IsControl)
}

// setenv takes a variable that says how to draw, or what the session is to be, and
// no other.
func (s *session) setenv(payload []byte) bool {
	var msg struct{ Name, Value string }
	if ssh.Unmarshal(payload, &msg) != nil {
		return false
	}
	switch {
	case msg.Name == envReadOnly: // it stays so
		s.look = s.look || msg.Value != ""
	case msg.Name == envOneOutput:
		s.one = msg.Value != ""
	case drawn(msg.Name, msg.Value) && len(s.env) < maxEnv:
		s.env = append(s.env, msg.Name+"="+msg.Value)
	default:
		return false
	}
	return true
}
