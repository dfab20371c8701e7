package openai

import "math/bits"

// MaxDepth is how deep a body may be nested, its outermost object included.
const MaxDepth = 512

// fault is why bytes are not the JSON that this package accepts.
type fault uint8

const (
	fine      fault = iota
	truncated       // the bytes end before the value does
	misplaced       // no rule of JSON allows this byte here
	control         // a control character in a string
	notEscape       // a backslash before something else than an escape
	notUTF8         // a string that is not UTF-8
	notNumber       // what begins like a number and is none
	tooDeep         // more than MaxDepth
)

var faultText = [...]string{
	fine:      "",
	truncated: "it ends too early",
	misplaced: "unexpected character",
	control:   "control character in a string",
	notEscape: "invalid escape in a string",
	notUTF8:   "a string is not valid UTF-8",
	notNumber: "invalid number",
	tooDeep:   "nested too deep",
}

func (f fault) String() string { return faultText[f] }

// scanSpace gives the offset of the first byte from i on that is not white
// space, or len(b). The test in front keeps it small enough to be inlined:
// most of the time there is none.
func scanSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return scanSpaces(b, i)
}

//go:noinline
func scanSpaces(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanNumber checks the number that begins at b[i] and gives the offset behind
// it, or of the fault.
func scanNumber(b []byte, i int) (int, fault) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if j := scanDigits(b, i); j > i {
		i = j
	} else {
		return i, notNumber
	}
	if i < len(b) && b[i] == '.' {
		j := scanDigits(b, i+1)
		if j == i+1 {
			return j, notNumber
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := scanDigits(b, i)
		if j == i {
			return j, notNumber
		}
		i = j
	}
	return i, fine
}

func scanDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// scanValue checks the value that begins at b[i], with no white space before
// it, inside depth open containers. It gives the offset behind the value, or
// of the fault.
func scanValue(b []byte, i, depth int) (int, fault) {
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return scanContainer(b, i, depth)
	}
	return scanScalar(b, i)
}

// scanContainer is scanValue for an object or an array. Nearly all that it
// meets are plain strings and names, so it goes through those itself: the call
// would cost as much as the work.
func scanContainer(b []byte, i, depth int) (int, fault) {
	var (
		objects [MaxDepth / 64]uint64 // bit d: the container around depth d is an object
		object  bool                  // … around this value
		outside = depth
		f       fault
	)
value:
	if i >= len(b) {
		return i, truncated
	}
	switch c := b[i]; c {
	case '"':
		i++
		for i+8 <= len(b) {
			if m := special(b[i:]); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i < len(b) && b[i] == '"' {
			i++
		} else if i, _, f = scanRest(b, i); f != fine {
			return i, f
		}
	case '{', '[':
		if depth == MaxDepth {
			return i, tooDeep
		}
		if bit := uint64(1) << (depth & 63); object {
			objects[depth>>6] |= bit
		} else {
			objects[depth>>6] &^= bit
		}
		depth++
		object = c == '{'
		i = scanSpace(b, i+1)
		if i < len(b) && b[i] == c+2 { // } or ]
			break
		}
		if object {
			goto name
		}
		goto value
	default:
		if i, f = scanScalar(b, i); f != fine {
			return i, f
		}
	}
	for { // behind a value, or at the bracket that closes an empty container
		if i = scanSpace(b, i); i >= len(b) {
			return i, truncated
		}
		switch c := b[i]; {
		case c == ',':
			i = scanSpace(b, i+1)
			if object {
				goto name
			}
			goto value
		case c == '}' && object, c == ']' && !object:
			depth--
			i++
			if depth == outside {
				return i, fine
			}
			object = objects[depth>>6]>>(depth&63)&1 != 0
		default:
			return i, misplaced
		}
	}
name:
	if i >= len(b) {
		return i, truncated
	}
	if b[i] != '"' {
		return i, misplaced
	}
	i++
	for i+8 <= len(b) {
		if m := special(b[i:]); m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			break
		}
		i += 8
	}
	if i < len(b) && b[i] == '"' {
		i++
	} else if i, _, f = scanRest(b, i); f != fine {
		return i, f
	}
	if i = scanSpace(b, i); i >= len(b) {
		return i, truncated
	}
	if b[i] != ':' {
		return i, misplaced
	}
	i = scanSpace(b, i+1)
	goto value
}

// scanScalar is scanValue for what is neither object nor array.
func scanScalar(b []byte, i int) (int, fault) {
	if i >= len(b) {
		return i, truncated
	}
	switch c := b[i]; c {
	case '"':
		i, _, f := scanString(b, i+1)
		return i, f
	case 'n':
		if len(b)-i >= 4 && string(b[i:i+4]) == "null" {
			return i + 4, fine
		}
	case 't':
		if len(b)-i >= 4 && string(b[i:i+4]) == "true" {
			return i + 4, fine
		}
	case 'f':
		if len(b)-i >= 5 && string(b[i:i+5]) == "false" {
			return i + 5, fine
		}
	default:
		if c == '-' || c-'0' <= 9 {
			return scanNumber(b, i)
		}
	}
	return i, misplaced
}

// scanName checks a member's name, which is to begin at b[i], and the colon
// behind it. b[i+1:quote] is the name as it is written, value the offset of
// the member's value, or of the fault.
func scanName(b []byte, i int) (quote, value int, escaped bool, f fault) {
	if i >= len(b) {
		return 0, i, false, truncated
	}
	if b[i] != '"' {
		return 0, i, false, misplaced
	}
	i, escaped, f = scanString(b, i+1)
	if f != fine {
		return 0, i, escaped, f
	}
	quote = i - 1
	if i = scanSpace(b, i); i >= len(b) {
		return 0, i, escaped, truncated
	}
	if b[i] != ':' {
		return 0, i, escaped, misplaced
	}
	return quote, scanSpace(b, i+1), escaped, fine
}

// scanNext goes on behind a member's value at b[i]. It gives the offset of the
// next member's name, or with last the offset behind the object.
func scanNext(b []byte, i int) (next int, last bool, f fault) {
	if i = scanSpace(b, i); i >= len(b) {
		return i, false, truncated
	}
	switch b[i] {
	case ',':
		return scanSpace(b, i+1), false, fine
	case '}':
		return i + 1, true, fine
	}
	return i, false, misplaced
}
