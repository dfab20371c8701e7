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
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i < len(b) {
		// Eight bytes at once. A byte is to be looked at when its top bit is
		// set in: x (not ASCII), x-0x20 (control), (x^'"')-1 and (x^'\\')-1
		// (equal). A borrow goes only from such a byte to the next one, so the
		// first that is found is right.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			m := (x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) & tops
			if m != 0 {
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
			if i+1 >= len(b) {
				return len(b), escaped, truncated
			}
			switch b[i+1] {
			case 'n', '"', '\\', 't', 'r', '/', 'b', 'f':
				i += 2
			case 'u':
				if i+6 > len(b) {
					return len(b), escaped, truncated
				}
				if _, ok := hex4(b[i+2 : i+6]); !ok {
					return i, escaped, notEscape
				}
				i += 6
			default:
				return i, escaped, notEscape
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
	var (
		objects [MaxDepth / 64]uint64 // bit d: the container at depth d is an object
		outside = depth
		f       fault
	)
value:
	if i >= len(b) {
		return i, truncated
	}
	switch c := b[i]; c {
	case '"':
		if i, _, f = scanString(b, i+1); f != fine {
			return i, f
		}
	case '{':
		if depth == MaxDepth {
			return i, tooDeep
		}
		objects[depth>>6] |= 1 << (depth & 63)
		depth++
		if i = scanSpace(b, i+1); i < len(b) && b[i] == '}' {
			depth--
			i++
			break
		}
		goto name
	case '[':
		if depth == MaxDepth {
			return i, tooDeep
		}
		objects[depth>>6] &^= 1 << (depth & 63)
		depth++
		if i = scanSpace(b, i+1); i < len(b) && b[i] == ']' {
			depth--
			i++
			break
		}
		goto value
	case 't', 'f', 'n':
		word := literal(c)
		if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
			return i, misplaced
		}
		i += len(word)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if i, f = scanNumber(b, i); f != fine {
			return i, f
		}
	default:
		return i, misplaced
	}
	for depth > outside { // behind a value in a container
		if i = scanSpace(b, i); i >= len(b) {
			return i, truncated
		}
		object := objects[(depth-1)>>6]>>((depth-1)&63)&1 != 0
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
		default:
			return i, misplaced
		}
	}
	return i, fine
name:
	if _, i, _, f = scanName(b, i); f != fine {
		return i, f
	}
	goto value
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

// literal is the word that begins with c, which is one of t, f and n.
func literal(c byte) string {
	switch c {
	case 't':
		return "true"
	case 'f':
		return "false"
	}
	return "null"
}
