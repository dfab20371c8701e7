package backends

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"testing"
)

// FuzzParseHead: a head is read to its empty line and no further, whatever lies
// behind; before that it is never an answer; and where net/http takes it as
// well, both mean the same end of the body.
func FuzzParseHead(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 503 Busy\nRetry-After: 7\n\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n c\r\n\r\n",
		"HTTP/1.1 99 \r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 200 OK\r\n: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: a\rb\r\n\r\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		kept := slices.Clone(in)
		var h Head
		n, err := parseHead(in, &h)
		if !bytes.Equal(in, kept) {
			t.Fatal("the input was changed")
		}
		if n < 0 || n > len(in) || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(in), err)
		}
		if err != nil && !errors.Is(err, ErrProtocol) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if n == 0 {
			return
		}
		if !bytes.HasSuffix(in[:n], []byte("\n\n")) && !bytes.HasSuffix(in[:n], []byte("\n\r\n")) {
			t.Fatalf("the head ends with %q", in[:n])
		}
		want := Head{h.Status, slices.Clone(h.ContentType), slices.Clone(h.RetryAfter), h.length, h.chunked, h.close}
		for i := range n {
			var part Head
			if n, err := parseHead(in[:i:i], &part); n != 0 || err != nil {
				t.Fatalf("the first %d bytes: %d, %v", i, n, err)
			}
		}
		behind := append(slices.Clone(in[:n]), "\r\nContent-Length: 99\r\n\r\n"...)
		var same Head
		if m, err := parseHead(behind, &same); m != n || err != nil || same.Status != want.Status || same.length != want.length ||
			same.chunked != want.chunked || same.close != want.close || !bytes.Equal(same.ContentType, want.ContentType) || !bytes.Equal(same.RetryAfter, want.RetryAfter) {
			t.Fatalf("with other bytes behind it: %d %v %+v, want %+v", m, err, same, want)
		}
		if bytes.ContainsAny(h.ContentType, "\r\n\x00\x7f") {
			t.Fatalf("Content-Type %q", h.ContentType)
		}

		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in[:n])), &http.Request{Method: "POST"})
		if err != nil {
			return
		}
		if resp.StatusCode != h.Status {
			t.Errorf("status %d, net/http's %d", h.Status, resp.StatusCode)
		}
		if chunked := slices.Equal(resp.TransferEncoding, []string{"chunked"}); chunked != h.chunked {
			t.Errorf("chunked %v, net/http's %v", h.chunked, resp.TransferEncoding)
		}
		if !h.chunked && h.Status >= 200 && resp.ContentLength != h.length {
			t.Errorf("length %d, net/http's %d", h.length, resp.ContentLength)
		}
	})
}

// decode reads a body from input that comes in pieces of the given size, and
// then ends. rest is what was not taken.
func decode(d body, in []byte, piece int) (out, rest []byte, err error) {
	r, w := 0, 0
	for {
		n, p, err := d.next(in[r:w:w])
		if n < 0 || n > w-r || len(p) > n {
			panic("took more than there is")
		}
		out = append(out, p...)
		r += n
		if err != nil {
			return out, in[r:], err
		}
		if len(p) > 0 {
			continue
		}
		if w == len(in) {
			return out, in[r:], d.atEOF()
		}
		w = min(len(in), w+piece)
	}
}

// FuzzBody: chunks mean what net/http takes them to mean, however they are cut
// into reads, and an end that comes too early is never a clean one.
func FuzzBody(f *testing.F) {
	for _, in := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0;x\r\nA: b\r\n\r\nrest", "5\nhello\n0\n\n", "0\r\n\r\n", "\r\n",
		"00000000000000005\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "5 \r\nhello\r\n0\r\n\r\n", "-1\r\n", "0x5\r\nhello", "4\r\nhello\r\n0\r\n\r\n", "0;0\r\r\n\r\n0",
	} {
		f.Add([]byte(in), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		whole, rest, err := decode(body{chunked: true}, in, len(in)+1)
		cut, cutRest, cutErr := decode(body{chunked: true}, in, int(piece%16)+1)
		if !bytes.Equal(whole, cut) || !errors.Is(cutErr, err) && !errors.Is(err, ErrProtocol) || err == io.EOF && !bytes.Equal(rest, cutRest) {
			t.Fatalf("at once %q, %q, %v; in pieces %q, %q, %v", whole, rest, err, cut, cutRest, cutErr)
		}
		reference, refErr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if err == io.EOF && refErr == nil && !bytes.Equal(whole, reference) {
			t.Fatalf("%q, net/http reads %q", whole, reference)
		}
		if err == io.EOF && refErr != nil {
			t.Fatalf("%q is taken as whole, which net/http refuses: %v", in, refErr)
		}

		// The input as data: it comes back, and no less of it is an end.
		var wire bytes.Buffer
		w := httputil.NewChunkedWriter(&wire)
		for data := in; len(data) > 0; {
			n := min(len(data), int(piece)+1)
			w.Write(data[:n])
			data = data[n:]
		}
		w.Close()
		wire.WriteString("\r\n")
		out, rest, err := decode(body{chunked: true}, append(wire.Bytes(), "more"...), int(piece%7)+1)
		if !bytes.Equal(out, in) || string(rest) != "more" || err != io.EOF {
			t.Fatalf("%q came back as %q with %q left, %v", in, out, rest, err)
		}
		for i := range min(wire.Len(), 256) {
			if out, _, err := decode(body{chunked: true}, wire.Bytes()[:i], int(piece)+1); err != ErrTruncated || !bytes.HasPrefix(in, out) {
				t.Fatalf("the first %d of %d bytes: %q, %v", i, wire.Len(), out, err)
			}
		}
		exact := body{left: int64(len(in))}
		if out, rest, err := decode(exact, append(slices.Clone(in), "more"...), int(piece)+1); !bytes.Equal(out, in) || err != io.EOF || string(rest) != "more" {
			t.Fatalf("by length: %q with %q left, %v", out, rest, err)
		}
		if len(in) > 0 {
			if _, _, err := decode(exact, in[:len(in)-1], int(piece)+1); err != ErrTruncated {
				t.Fatalf("a byte short of its length: %v", err)
			}
		}
	})
}
