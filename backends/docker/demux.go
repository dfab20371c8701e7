package docker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Stream is where a container has written a line to.
type Stream int

const (
	Stdout Stream = 1 // and all of a container that has a terminal
	Stderr Stream = 2
)

func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Line is one line of a container's log.
type Line struct {
	At     time.Time // when the engine has read its first bytes
	Stream Stream
	Text   string // as the container wrote it, without the end of the line
	Cut    int64  // bytes that are missing at its end, which Text says as well
}

const (
	maxLine   = 1 << 20   // bytes of a line that are kept: no line of 1 MB is cut
	pieceSize = 16 << 10  // in which engines keep lines that are longer (moby, daemon/logger/copier.go)
	maxStamp  = 48        // bytes of the time before a piece
	copySize  = 32 << 10  // read at once
	keepSpace = 256 << 10 // of a line's buffer for the next
)

// lines makes lines out of pieces.
type lines struct {
	each func(Line)
	take func(Stream, time.Time) bool // whether a piece of that time is wanted; asked once for each
	tty  bool
	open [Stderr + 1]partial
	at   Stream // whose piece is being written
	skip bool
}

type partial struct {
	at    time.Time
	begun bool
	text  []byte
	cut   int64
}

// begin is the beginning of a piece. It belongs to the line that is open in its
// stream if their times are equal: pieces have the time of the first.
func (l *lines) begin(s Stream, at time.Time) {
	l.at, l.skip = s, !l.take(s, at)
	p := &l.open[s]
	if p.begun && !p.at.Equal(at) {
		l.finish(s)
	}
	if !l.skip && !p.begun {
		p.begun, p.at = true, at
	}
}

// write is more of the piece that was begun last.
func (l *lines) write(b []byte) {
	if l.skip {
		return
	}
	p := &l.open[l.at]
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		if !p.begun { // a second line in one piece
			p.begun = true
		}
		room := min(len(part), maxLine-len(p.text))
		p.text = append(p.text, part[:room]...)
		p.cut += int64(len(part) - room)
		if end < 0 {
			return
		}
		at := p.at
		l.finish(l.at)
		p.at = at
		b = b[end+1:]
	}
}

// finish tells the line that is open in a stream.
func (l *lines) finish(s Stream) {
	p := &l.open[s]
	if !p.begun {
		return
	}
	text := p.text
	if l.tty && p.cut == 0 {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	line := Line{At: p.at, Stream: s, Cut: p.cut}
	if p.cut > 0 {
		for range utf8.UTFMax - 1 { // no part of a character
			if r, n := utf8.DecodeLastRune(text); r == utf8.RuneError && n == 1 {
				text, line.Cut = text[:len(text)-1], line.Cut+1
			}
		}
		line.Text = fmt.Sprintf("%s… [%d more bytes]", text, line.Cut)
	} else {
		line.Text = string(text)
	}
	p.begun, p.cut, p.text = false, 0, p.text[:0]
	if cap(p.text) > keepSpace {
		p.text = nil
	}
	l.each(line)
}

// flush tells what has no end yet.
func (l *lines) flush() {
	l.finish(Stdout)
	l.finish(Stderr)
}

// demux reads a log as the engine sends it, with times, until it ends: in frames
// for each stream, or of a terminal as it is. It keeps no more than a line of
// each stream.
func demux(in io.Reader, tty bool, to *lines) error {
	d := &demuxer{in: bufio.NewReaderSize(in, copySize), to: to}
	for {
		next := d.frame
		if tty {
			next = d.piece
		}
		if err := next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

type demuxer struct {
	in *bufio.Reader
	to *lines
}

func nonsense(detail string) error { return &EngineError{Kind: Nonsense, Detail: detail} }

// early is an end where none may be.
func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nonsense("a log that ends in the middle")
	}
	return err
}

// frame reads a frame: its stream, three zeros, its length, and as much of the log.
func (d *demuxer) frame() error {
	var head [8]byte
	if _, err := io.ReadFull(d.in, head[:]); err == io.EOF {
		return err
	} else if err != nil {
		return early(err)
	}
	left := int64(binary.BigEndian.Uint32(head[4:]))
	if head[0] < 1 || head[0] > 3 || head[1]|head[2]|head[3] != 0 {
		return nonsense("a log without Docker's frames")
	}
	if head[0] == 3 { // the engine's own word, as the log can't be read on
		text, err := io.ReadAll(io.LimitReader(d.in, min(left, mostRefusal)))
		if err != nil {
			return err
		}
		return &Refusal{Status: 500, Message: string(text)}
	}
	s := Stream(head[0])
	if left == 0 {
		return nil
	}
	stamp, at, stamped, err := d.readStamp(s, left)
	if err != nil {
		return early(err)
	}
	left -= int64(len(stamp))
	d.to.begin(s, at)
	if !stamped {
		d.to.write(stamp)
	}
	for left > 0 {
		b, err := d.some(left)
		if err != nil {
			return early(err)
		}
		d.to.write(b)
		left -= int64(len(b))
		d.in.Discard(len(b))
	}
	return nil
}

// some is what there is of the input, at least a byte, to be discarded.
func (d *demuxer) some(most int64) ([]byte, error) {
	if _, err := d.in.Peek(1); err != nil {
		return nil, err
	}
	return d.in.Peek(int(min(int64(d.in.Buffered()), most)))
}

// readStamp reads the time before a piece, and the space behind it. A piece that
// has none goes on with the line that is open, and what was read is its text.
func (d *demuxer) readStamp(s Stream, most int64) (stamp []byte, at time.Time, stamped bool, err error) {
	for most = min(most, maxStamp); int64(len(stamp)) < most; {
		b, err := d.in.ReadByte()
		if err != nil {
			return nil, at, false, err
		}
		if stamp = append(stamp, b); b == ' ' {
			break
		}
	}
	if text, ok := bytes.CutSuffix(stamp, []byte(" ")); ok {
		if at, err = time.Parse(time.RFC3339Nano, string(text)); err == nil {
			return stamp, at, true, nil
		}
	}
	if p := &d.to.open[s]; p.begun {
		return stamp, p.at, false, nil
	}
	return nil, at, false, nonsense("a line of a log without its time")
}

// piece reads a line of a terminal's log, piece by piece.
func (d *demuxer) piece() error {
	if _, err := d.in.Peek(1); err != nil {
		return err
	}
	d.to.flush() // whose end did not come
	stamp, at, _, err := d.readStamp(Stdout, maxStamp)
	if err != nil {
		return early(err)
	}
	for {
		d.to.begin(Stdout, at)
		if ended, err := d.text(pieceSize); err != nil || ended {
			return err
		}
		if ended, err := d.skip(stamp); err != nil || ended {
			return err
		}
	}
}

// skip reads over the time of a line that goes on, which is none of its text.
// What is no time is.
func (d *demuxer) skip(stamp []byte) (ended bool, err error) {
	for i := range stamp {
		b, err := d.in.ReadByte()
		if err != nil {
			d.to.write(stamp[:i])
			return false, err
		}
		if b != stamp[i] {
			d.to.write(append(bytes.Clone(stamp[:i]), b))
			return b == '\n', nil
		}
	}
	return false, nil
}

// text passes on up to most bytes, and no more than a line.
func (d *demuxer) text(most int64) (ended bool, err error) {
	for most > 0 {
		b, err := d.some(most)
		if err != nil {
			return false, err
		}
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b, ended = b[:i+1], true
		}
		d.to.write(b)
		most -= int64(len(b))
		d.in.Discard(len(b))
		if ended {
			return true, nil
		}
	}
	return false, nil
}
