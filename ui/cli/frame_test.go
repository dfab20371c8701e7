package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// framed writes frames into a buffer.
func framed(w io.Writer) *frameWriter {
	return &frameWriter{w: w, flush: func() error { return nil }}
}

func TestFrames(t *testing.T) {
	var wire, out, errOut bytes.Buffer
	f := framed(&wire)
	long := strings.Repeat("0123456789\xff\x00", 20_000)
	for _, piece := range []string{"one\n", "", long} {
		if n, err := io.WriteString(f.stdout(), piece); n != len(piece) || err != nil {
			t.Fatalf("Write of %d bytes: %d, %v", len(piece), n, err)
		}
	}
	if _, err := io.WriteString(f.stderr(), "two\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.end(3); err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(wire.Bytes()) {
		if len(line) >= frameLine {
			t.Errorf("a frame of %d bytes; its reader takes less than %d", len(line), frameLine)
		}
	}
	wire.WriteString("not read any more")
	code, err := readFrames(&wire, &out, &errOut)
	if code != 3 || err != nil || out.String() != "one\n"+long || errOut.String() != "two\n" {
		t.Errorf("code %d, %v, %d bytes of output, errors %q", code, err, out.Len(), errOut.String())
	}
}

func TestFramesBroken(t *testing.T) {
	for _, tc := range []struct{ wire, want string }{
		{"", "before the command's exit code"},
		{`{"out":"AAAA"}` + "\n", "before the command's exit code"},
		{`{"out":"AAAA","code":0}`, "2 members"},
		{`{}`, "0 members"},
		{`{"code":0} {}`, "1 members"},
		{`{"code":256}`, "exit code 256"},
		{`{"code":-1}`, "exit code -1"},
		{`{"code":0.5}`, "read a frame"},
		{`{"more":1}`, "unknown field"},
		{`{"out":"%"}`, "read a frame"},
		{"\n", "read a frame"},
		{`{"out":"` + strings.Repeat("A", frameLine) + `"}`, "too long"},
	} {
		if _, err := readFrames(strings.NewReader(tc.wire), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40q: %v, want %q", tc.wire, err, tc.want)
		}
	}
	failing := errors.New("disk full")
	if _, err := readFrames(strings.NewReader(`{"out":"AAAA"}`), broken{failing}, io.Discard); !errors.Is(err, failing) {
		t.Errorf("an output that fails: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// FuzzReadFrames: whatever comes, the reader ends, and gives a code in range
// only if the last line that it read was one.
func FuzzReadFrames(f *testing.F) {
	for _, seed := range []string{"{\"out\":\"AAAA\"}\n{\"err\":\"AA==\"}\n{\"code\":7}\n", `{"code":0}`, `{"code":999}`, "{}\n", "", "\n", `{"out":""}`, `{"Code":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var out bytes.Buffer
		code, err := readFrames(bytes.NewReader(wire), &out, &out)
		if code < 0 || code > maxCode || err != nil && code != 0 {
			t.Fatalf("code %d, %v", code, err)
		}
		if err == nil && !bytes.Contains(wire, []byte(`ode"`)) && !bytes.Contains(bytes.ToLower(wire), []byte(`\u`)) {
			t.Fatalf("a code out of %q", wire)
		}
		if out.Len() > len(wire) {
			t.Fatalf("%d bytes of output out of %d", out.Len(), len(wire))
		}
		var again bytes.Buffer
		w := framed(&again)
		if _, err := w.stdout().Write(wire); err != nil {
			t.Fatal(err)
		}
		if err := w.end(code); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if got, err := readFrames(&again, &out, io.Discard); got != code || err != nil || !bytes.Equal(out.Bytes(), wire) {
			t.Fatalf("written and read again: %d, %v, %q", got, err, out.Bytes())
		}
	})
}
