package openai

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

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

// scanString checks the string whose first byte behind the quote is b[i]. It
// gives the offset behind the closing quote, or of the fault, and whether the
// string has escapes.
func scanString(b []byte, i int) (end int, escaped bool, f fault) {
	for i+8 <= len(b) {
		if m := special(b[i:]); m != 0 {
			if i += bits.TrailingZeros64(m) >> 3; b[i] == '"' {
				return i + 1, false, fine
			}
			break
		}
		i += 8
	}
	return scanRest(b, i)
}

// special looks at eight bytes at once. It sets the top bit of each that ends
// a run of plain ASCII in a string: in x the byte is not ASCII, in x-0x20 a
// control character, in (x^'"')-1 and (x^'\\')-1 one of these two. A borrow
// goes only from such a byte to the next one, so the first bit is always right.
func special(b []byte) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64(b)
	return (x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) & tops
}

// scanRest is scanString from somewhere in the string on.
func scanRest(b []byte, i int) (end int, escaped bool, f fault) {
	for i < len(b) {
		for i+8 <= len(b) {
			if m := special(b[i:]); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			break
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped, fine
		case c == '\\':
			escaped = true
			if i+1 < len(b) && (b[i+1] == 'n' || b[i+1] == '"') {
				i += 2 // nearly all of them
			} else if i, f = scanEscape(b, i); f != fine {
				return i, escaped, f
			}
		case c < ' ':
			return i, escaped, control
		case c < utf8.RuneSelf: // in the last seven bytes only
			i++
		default:
			j := scanRunes(b, i)
			if j == i {
				return i, escaped, notUTF8
			}
			i = j
		}
	}
	return len(b), escaped, truncated
}

// scanEscape gives the offset behind the escape at b[i], or of the fault.
func scanEscape(b []byte, i int) (int, fault) {
	if i+1 >= len(b) {
		return len(b), truncated
	}
	switch b[i+1] {
	case 'n', '"', '\\', 't', 'r', '/', 'b', 'f':
		return i + 2, fine
	case 'u':
		if i+6 > len(b) {
			return len(b), truncated
		}
		if _, ok := hex4(b[i+2 : i+6]); ok {
			return i + 6, fine
		}
	}
	return i, notEscape
}

// scanRunes gives the offset behind the characters of two to four bytes that
// begin at b[i]: i itself where the first is not valid UTF-8, and where a
// later one is not, the offset of that.
func scanRunes(b []byte, i int) int {
	for i+4 <= len(b) {
		// The lead byte is the lowest. Forms and exclusions are those of
		// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
		x := binary.LittleEndian.Uint32(b[i:])
		switch {
		case x&0x80 == 0:
			return i
		case x&0x00c0c0f0 == 0x008080e0 && x&0x200f != 0 && x&0x200f != 0x200d:
			i += 3
		case x&0xc0e0 == 0x80c0 && x&0x1e != 0:
			i += 2
		case x&0xc0c0c0f8 == 0x808080f0 && x&0x3007 != 0 && (x&4 == 0 || x&0x3003 == 0):
			i += 4
		default:
			return i
		}
	}
	for i < len(b) && b[i] >= utf8.RuneSelf {
		_, n := utf8.DecodeRune(b[i:])
		if n == 1 {
			break
		}
		i += n
	}
	return i
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
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
