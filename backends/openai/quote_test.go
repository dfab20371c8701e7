package openai

import (
	"encoding/json"
	"testing"
)

// A string that is written reads back as encoding/json reads its own, and a
// string that is read is read as encoding/json reads it.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é漢😀\u2028\ufffd", "\xff\xc0\xaf\xed\xa0\x80", `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d`, `\ud83dx`, `\ud83d\n`, `\ud83d\u0041`, `\"\\\/\b\f\n\r\t\u00e9`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := appendString([]byte("x"), s)[1:]
		var got, want string
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if err := json.Unmarshal([]byte(refJSON(s)), &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("wrote %q for %q", written, s)
		}
		quoted := []byte(`"` + s + `"`)
		end, escaped, fault := scanString(quoted, 1)
		if fault != fine || end != len(quoted) {
			return
		}
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatalf("%s passes: %v", quoted, err)
		}
		if got := string(plain(quoted[1:end-1], escaped)); got != want {
			t.Fatalf("read %q as %q, want %q", quoted, got, want)
		}
	})
}
