package openai

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

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
