package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// FuzzVolume: what is taken means what Docker takes it to mean, however it is
// written.
func FuzzVolume(f *testing.F) {
	for _, s := range []string{"/a:/b", "/a:/b:ro", "name:/b:rw", "a:b", ":", "::", "/a::ro", "/a:/b:", "n:/", "n:/../", "/a:/b\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseVolume(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(v.source+v.target, ":\x00") || !strings.HasPrefix(v.target, "/") || v.target == "/" || v.bind != strings.HasPrefix(v.source, "/") || v.source == "" {
			t.Fatalf("%q: %+v", s, v)
		}
		text := v.source + ":" + v.target
		if v.readOnly {
			text += ":ro"
		}
		if again, err := parseVolume(text); err != nil || again != v {
			t.Fatalf("%q is %+v, %q is %+v, %v", s, v, text, again, err)
		}
	})
}

// FuzzPort: what is taken has an address and two ports, and is written back so.
func FuzzPort(f *testing.F) {
	for _, s := range []string{"127.0.0.1:8001:8000", "[::1]:1:2", "0.0.0.0:1:2", "8001:8000", "1", ":1:2", "::1:1:2", "[fe80::1%eth0]:1:2", "1.2.3.4:+1:2", "1.2.3.4:1:+2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := parsePort(s)
		if err != nil {
			return
		}
		if !b.host.IsValid() || b.host.Port() == 0 || b.port == 0 {
			t.Fatalf("%q: %v", s, b)
		}
		if again, err := parsePort(b.String()); err != nil || again != b {
			t.Fatalf("%q is %v, again %v, %v", s, b, again, err)
		}
	})
}

// FuzzSize: what is taken is no negative number, and comes back from its text.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"8GiB", "512MiB", "1.5kB", "0B", "-1B", "NaNB", "InfTB", "1e300B", " 1 B", "0x10B", "1_0B", "9223372036854775807B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var size, again Size
		if size.UnmarshalText([]byte(s)) != nil {
			return
		}
		if size < 0 {
			t.Fatalf("%q is %d", s, size)
		}
		text, _ := size.MarshalText()
		if err := again.UnmarshalText(text); err != nil || size < 1<<53 && again != size {
			t.Fatalf("%q is %d, %q is %d, %v", s, size, text, again, err)
		}
	})
}

// FuzzTarget: nothing that is taken for a host can be an option to ssh, or mean
// something to a shell.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"ssh://a@h:22/x/y", "ssh://-a@-h", "tcp://h:1", "unix:///x", "ssh://h/;id", "ssh://h/-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, want := parseTarget(s)
		if want != "" || to.scheme != "ssh" {
			return
		}
		if at := slices.Index(to.ssh, "--"); at != len(to.ssh)-2 {
			t.Fatalf("%q: %q", s, to.ssh)
		}
		for i, arg := range to.ssh {
			if option := i%2 == 0 && i < len(to.ssh)-1; !option && strings.HasPrefix(arg, "-") && arg != "--" {
				t.Fatalf("%q: %q", s, to.ssh)
			}
		}
		if strings.ContainsAny(strings.Join(to.remote, ""), " \t\n\"'\\$`*?<>|&;(){}[]#~!") {
			t.Fatalf("%q: %q", s, to.remote)
		}
	})
}

// everything takes all pieces.
func everything(Stream, time.Time) bool { return true }

// demuxed are the lines of a log that comes as in does.
func demuxed(in io.Reader, tty bool) (all []Line, err error) {
	to := &lines{each: func(l Line) { all = append(all, l) }, take: everything, tty: tty}
	err = demux(in, tty, to)
	to.flush()
	return all, err
}

// FuzzDemux: anything is read without harm and the same in whatever pieces it
// comes, and what an engine would make of the input as a container's output is
// read back.
func FuzzDemux(f *testing.F) {
	f.Add([]byte("hello\nworld"), false)
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x222026-11-25T14:48:56.082792258Z hi\n"), false)
	f.Add([]byte("2026-11-25T14:48:56.082792258Z hi\r\n"), true)
	f.Add([]byte("\x03\x00\x00\x00\x00\x00\x00\x02no"), false)
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff2026-11-25T14:48:56Z "), false)
	f.Add([]byte("0"), false) // a part of a frame's head
	f.Add(bytes.Repeat([]byte("x"), 3*pieceSize), true)
	f.Fuzz(func(t *testing.T, in []byte, tty bool) {
		whole, err := demuxed(bytes.NewReader(in), tty)
		bytewise, again := demuxed(iotest.OneByteReader(bytes.NewReader(in)), tty)
		if !slices.Equal(whole, bytewise) || (err == nil) != (again == nil) {
			t.Fatalf("at once %v, %v; byte by byte %v, %v", whole, err, bytewise, again)
		}
		if _, trouble := errors.AsType[*EngineError](err); err != nil && !trouble {
			if _, refusal := errors.AsType[*Refusal](err); !refusal {
				t.Fatalf("an error of another kind: %v", err)
			}
		}
		for _, l := range whole {
			if l.Cut == 0 && len(l.Text) > maxLine || l.Cut > 0 && len(l.Text) > maxLine+40 {
				t.Fatalf("a line of %d bytes", len(l.Text))
			}
		}

		var wire []byte
		var want []string
		at := time.Unix(1_800_000_000, 0).UTC()
		for text := range strings.SplitSeq(strings.TrimSuffix(string(in), "\n"), "\n") {
			at = at.Add(time.Duration(1 + len(text)%3))
			wire = append(wire, asEngine(Stdout, at, text, tty)...)
			if tty {
				text = strings.TrimSuffix(text, "\r")
			}
			want = append(want, text)
		}
		got, err := demuxed(bytes.NewReader(wire), tty)
		if err != nil {
			t.Fatal(err)
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i].Cut == 0 && got[i].Text != want[i] {
				t.Fatalf("line %d of %d and %d: %+v, want %q", i, len(got), len(want), got, want)
			}
		}
	})
}

// asEngine is a line as an engine sends it.
func asEngine(s Stream, at time.Time, text string, tty bool) []byte {
	var out []byte
	text += "\n"
	for first := true; first || len(text) > 0; first = false {
		n := min(len(text), pieceSize)
		if len(text) > n && text[n:] == "\n" && n < pieceSize {
			n++
		}
		body := append(at.AppendFormat(nil, "2006-01-02T15:04:05.000000000Z07:00"), " "+text[:n]...)
		if !tty {
			out = append(out, byte(s), 0, 0, 0)
			out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
		}
		out = append(out, body...)
		text = text[n:]
	}
	return out
}

// A line that is never ended takes no more memory than one that is.
func TestEndlessLine(t *testing.T) {
	at := time.Now()
	frame := asEngine(Stderr, at, strings.Repeat("ü", pieceSize/2-1), false)
	frame = frame[:len(frame)-1] // its end of line
	binary.BigEndian.PutUint32(frame[4:], uint32(len(frame)-8))
	var got []Line
	to := &lines{each: func(l Line) { got = append(got, l) }, take: everything}
	for range 64 {
		if err := demux(bytes.NewReader(bytes.Repeat(frame, 64)), false, to); err != nil {
			t.Fatal(err)
		}
		if n := cap(to.open[Stderr].text); n > 2*maxLine {
			t.Fatalf("%d bytes are kept", n)
		}
	}
	to.flush()
	if len(got) != 1 || got[0].Cut != int64(64*64*(pieceSize-2)-maxLine) || !strings.HasSuffix(got[0].Text, "more bytes]") || !utf8.ValidString(got[0].Text) {
		t.Errorf("%d lines, cut %d", len(got), got[0].Cut)
	}
}

// A piece without a time, as some engines send it, goes on with its line.
func TestPieceWithoutTime(t *testing.T) {
	at := time.Unix(1_800_000_000, 5).UTC()
	first := asEngine(Stdout, at, strings.Repeat("a", 100), false)
	first = first[:len(first)-1]
	binary.BigEndian.PutUint32(first[4:], uint32(len(first)-8))
	second := append([]byte{1, 0, 0, 0, 0, 0, 0, 5}, "b bb\n"...)
	got, err := demuxed(bytes.NewReader(slices.Concat(first, second)), false)
	if err != nil || len(got) != 1 || got[0].Text != strings.Repeat("a", 100)+"b bb" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = demuxed(bytes.NewReader(second), false); err == nil {
		t.Error("a line without a time was taken")
	}
	text := strings.Repeat("a", pieceSize)
	terminal := at.Format(time.RFC3339Nano) + " " + text + "2026 bb\r\n"
	if got, err = demuxed(strings.NewReader(terminal), true); err != nil || len(got) != 1 || got[0].Text != text+"2026 bb" {
		t.Errorf("terminal: %d lines, %v", len(got), err)
	}
}
