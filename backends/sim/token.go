package sim

import "unicode/utf8"

// The tokenizer cuts text the way byte-pair encodings roughly do: a word takes
// the space before it along, long words fall into pieces, digits go in threes,
// punctuation stands alone. It comes to about four bytes a token in English,
// loses nothing (the tokens joined are the text) and needs no vocabulary.
const (
	longestWord  = 7 // letters in one token
	pieceOfWord  = 5 // letters in each token of a longer word
	longestRun   = 8 // equal spaces in one token
	longestMarks = 4 // equal punctuation marks in one token
)

// tokens cuts text.
func tokens(text string) []string {
	list := make([]string, 0, len(text)/4+1)
	for len(text) > 0 {
		n := firstToken(text)
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

// firstToken is the length of the first token of a text that is not empty.
func firstToken(text string) int {
	lead := 0
	if text[0] == ' ' && len(text) > 1 && isLetter(text[1]) {
		lead = 1
	}
	c := text[lead]
	switch {
	case isLetter(c):
		if n := run(text[lead:], longestWord+1, isLetter); n <= longestWord {
			return lead + n
		}
		return lead + pieceOfWord
	case c >= '0' && c <= '9':
		return run(text, 3, func(b byte) bool { return b >= '0' && b <= '9' })
	case c == ' ':
		n := run(text, longestRun, func(b byte) bool { return b == ' ' })
		if n > 1 && n < len(text) && isLetter(text[n]) {
			n-- // the last space belongs to the word
		}
		return n
	case c < utf8.RuneSelf:
		return run(text, longestMarks, func(b byte) bool { return b == c })
	default:
		_, n := utf8.DecodeRuneInString(text)
		return n
	}
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// run counts leading bytes that are of a kind, up to a limit.
func run(text string, limit int, is func(byte) bool) int {
	n := 0
	for n < len(text) && n < limit && is(text[n]) {
		n++
	}
	return n
}
