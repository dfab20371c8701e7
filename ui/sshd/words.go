package sshd

import (
	"fmt"
	"strings"
)

// maxLine bounds a command line, in bytes.
const maxLine = 64 << 10

const blanks = " \t\n"

// fits returns an error of a line that is too long.
func fits(line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("the command line is too long: %d bytes, of %d at most", len(line), maxLine)
	}
	return nil
}

// quote writes a command line of which words makes the same args again.
func quote(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("'" + strings.ReplaceAll(a, "'", `'\''`) + "'")
	}
	return b.String()
}

// words splits a command line as a POSIX shell does as far as blanks, quotes and
// backslashes go (Shell Command Language 2.2). Nothing is expanded: $, ~ and *
// stand for themselves. What a shell would take for an operator is an error
// unless it is quoted, so that nobody believes in a pipe that is not there.
func words(line string) ([]string, error) {
	if err := fits(line); err != nil {
		return nil, err
	}
	if i := strings.IndexByte(line, 0); i >= 0 {
		return nil, fmt.Errorf("byte %d of the command line is NUL", i+1)
	}
	line = strings.TrimLeft(line, blanks)
	var list []string
	var word []byte
	begun := false // a word that is empty so far, as '' is, is one, too
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t':
			if begun {
				list, word, begun = append(list, string(word)), nil, false
			}
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("the single quote at byte %d has no end", i+1)
			}
			word, begun = append(word, line[i+1:i+1+end]...), true
			i += 1 + end
		case '"':
			text, n, ok := quoted(line[i+1:])
			if !ok {
				return nil, fmt.Errorf("the double quote at byte %d has no end", i+1)
			}
			word, begun = append(word, text...), true
			i += n
		case '\\':
			i++
			switch {
			case i == len(line):
				return nil, fmt.Errorf("the backslash at byte %d has nothing behind it", i)
			case line[i] != '\n': // with which it would be nothing
				word, begun = append(word, line[i]), true
			}
		case '|', '&', ';', '<', '>', '(', ')', '\n':
			if strings.Trim(line[i:], blanks) == "" {
				i = len(line)
				continue
			}
			return nil, fmt.Errorf("%q at byte %d is for a shell, and there is none here; quote it if it is meant", c, i+1)
		default:
			word, begun = append(word, c), true
		}
	}
	if begun {
		list = append(list, string(word))
	}
	return list, nil
}

// quoted reads what stands between double quotes, and how long it was with
// the closing one.
func quoted(s string) (text []byte, n int, ok bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return text, i + 1, true
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\\n", s[i+1]) >= 0:
			if i++; s[i] != '\n' {
				text = append(text, s[i])
			}
		default:
			text = append(text, s[i])
		}
	}
	return nil, 0, false
}
