package backends

import (
	"bytes"
	"io"
)

// body finds an answer's body in the bytes of the connection: it is their
// framing and nothing else, and keeps no bytes.
type body struct {
	left       int64 // bytes to come of the body, or of the chunk
	chunked    bool
	untilClose bool
	state      chunkState
	done       bool
}

type chunkState uint8

const (
	chunkSize    chunkState = iota // a size line is due
	chunkData                      // left bytes of data are due
	chunkEnd                       // the line end behind the data is due
	chunkTrailer                   // trailers up to an empty line are due
)

func newBody(h *Head) body {
	switch {
	case h.chunked:
		return body{chunked: true}
	case h.length >= 0:
		return body{left: h.length}
	}
	return body{untilClose: true}
}

// next takes n bytes of b; p is what of them is data, possibly nothing. Where
// n and p are nothing, more bytes are needed. io.EOF: the body has ended.
func (d *body) next(b []byte) (n int, p []byte, err error) {
	if d.done {
		return 0, nil, io.EOF
	}
	if !d.chunked {
		if d.untilClose {
			return len(b), b, nil
		}
		p = b[:min(int64(len(b)), d.left)]
		if d.left -= int64(len(p)); d.left == 0 {
			d.done = true
			if len(p) == 0 {
				err = io.EOF
			}
		}
		return len(p), p, err
	}
	for {
		switch d.state {
		case chunkData:
			p = b[n:min(int64(len(b)), int64(n)+d.left)]
			n += len(p)
			if d.left -= int64(len(p)); d.left == 0 {
				d.state = chunkEnd
			}
			return n, p, nil
		case chunkEnd:
			rest := b[n:min(len(b), n+2)]
			if string(rest) != "\r\n"[:len(rest)] {
				return n, nil, protocolError("chunk longer than its size")
			}
			if len(rest) < 2 {
				return n, nil, nil
			}
			n += 2
			d.state = chunkSize
		default:
			i := bytes.IndexByte(b[n:], '\n')
			if i < 0 {
				return n, nil, nil
			}
			line := trimCR(b[n : n+i])
			if len(line) == i || bytes.IndexByte(line, '\r') >= 0 { // other readers may see other chunks
				return n, nil, protocolError("chunk line with odd line ends")
			}
			n += i + 1
			if d.state == chunkTrailer {
				if len(line) == 0 {
					d.done = true
					return n, nil, io.EOF
				}
				continue
			}
			if d.left, err = parseChunkSize(line); err != nil {
				return n, nil, err
			}
			d.state = chunkData
			if d.left == 0 {
				d.state = chunkTrailer
			}
		}
	}
}

// atEOF is what the end of the connection means now.
func (d *body) atEOF() error {
	if d.done || d.untilClose {
		d.done = true
		return io.EOF
	}
	return ErrTruncated
}

// parseChunkSize takes 1*HEXDIG of at most 15 digits; an extension is passed over.
func parseChunkSize(line []byte) (n int64, err error) {
	size, _, _ := bytes.Cut(line, []byte(";"))
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 15 {
		return 0, protocolError("bad chunk size")
	}
	for _, c := range size {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, protocolError("bad chunk size")
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}
