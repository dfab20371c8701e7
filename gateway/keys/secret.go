package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// The shape of the keys that [New] makes: "ph_" and 43 letters and digits, 256
// random bits, marked by a double click as one word.
const (
	prefix       = "ph_"
	secretDigits = 43
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// The length that an imported key may have, in bytes.
const (
	minSecret = 16
	maxSecret = 512
)

// The shape of the ids of keys: short enough to type, without the digits and
// letters that are taken for each other.
const (
	idLength = 8
	idDigits = "23456789abcdefghjkmnpqrstuvwxyz"
)

func hashOf(secret []byte) digest { return sha256.Sum256(secret) }

func newSecret() string { return prefix + random(secretDigits, base62) }

// newID returns an id that is not taken.
func newID(taken func(id string) bool) string {
	for {
		if id := random(idLength, idDigits); !taken(id) {
			return id
		}
	}
}

// random returns n digits, each as likely as any other.
func random(n int, digits string) string {
	limit := 256 - 256%len(digits)
	var out strings.Builder
	var buf [64]byte
	for {
		rand.Read(buf[:]) // never fails: the process would end
		for _, b := range buf {
			if int(b) >= limit {
				continue // or the first digits would be likelier
			}
			out.WriteByte(digits[int(b)%len(digits)])
			if out.Len() == n {
				return out.String()
			}
		}
	}
}

// checkSecret returns an error if a key cannot be sent in an Authorization header
// or is too short to be one. The error says nothing of the key itself.
func checkSecret(secret []byte) error {
	if n := len(secret); n < minSecret || n > maxSecret {
		return fmt.Errorf("a key has %d to %d characters, this one has %d", minSecret, maxSecret, n)
	}
	for _, c := range secret {
		if c <= ' ' || c > '~' {
			return errors.New("a key has no spaces, control characters or letters beyond ASCII, this one has")
		}
	}
	return nil
}
