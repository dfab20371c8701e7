package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"time"
)

// A frame is a length and a checksum, four bytes each, little end first, and
// as many bytes as the length says: the kind and what that kind holds. A length
// of 0 is the end of what was written, since a segment's room is made of zeros.
const (
	headerSize = 8
	maxFrame   = 16 << 10 // more than the largest row, with its strings cut
	maxString  = 1 << 10  // bytes of a row's string; what is longer is cut
)

type kind byte

const (
	sealKind       kind = 1 + iota // the first of a segment: number and end of the one before it
	beginKind                      // a request's id in the journal, its row
	checkpointKind                 // id, time, tokens
	endKind                        // id, row
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openFrame begins a frame at the end of b; closeFrame, given the length that
// b had before, ends it.
func openFrame(b []byte, k kind) []byte {
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, byte(k))
}

func closeFrame(b []byte, start int) []byte {
	body := b[start+headerSize:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

// frameSize is the size of the frame that b begins with. b was framed here.
func frameSize(b []byte) int {
	return headerSize + int(binary.LittleEndian.Uint32(b))
}

var (
	errShort = errors.New("ends within a frame")
	errFrame = errors.New("is not a frame")
)

// splitFrame takes the first frame off b. It fails with errShort where b may be
// the beginning of a frame, and with errFrame where it can't be one.
func splitFrame(b []byte) (k kind, body, rest []byte, err error) {
	if len(b) < headerSize {
		return 0, nil, b, errShort
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > maxFrame {
		return 0, nil, b, errFrame
	}
	if uint32(len(b)-headerSize) < size {
		return 0, nil, b, errShort
	}
	body = b[headerSize : headerSize+size]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, b, errFrame
	}
	return kind(body[0]), body[1:], b[headerSize+size:], nil
}

func appendSeal(b []byte, before position) []byte {
	start := len(b)
	b = openFrame(b, sealKind)
	b = binary.AppendUvarint(b, before.Segment)
	b = binary.AppendVarint(b, before.Offset)
	return closeFrame(b, start)
}

// appendRow appends the frame of a request's beginning or end.
func appendRow(b []byte, k kind, id uint64, row *Row) []byte {
	start := len(b)
	b = openFrame(b, k)
	b = binary.AppendUvarint(b, id)
	for _, t := range [...]time.Time{row.Arrived, row.Sent, row.First, row.Ended} {
		b = appendTime(b, t)
	}
	for _, s := range [...]string{row.ID, row.Org, row.Key, row.Model, row.Backend, row.Replica, row.Route, row.Code} {
		b = appendString(b, s)
	}
	for _, n := range [...]int64{int64(row.Status), row.Prompt, row.Completion, row.Cached, row.BytesIn, row.BytesOut} {
		b = binary.AppendVarint(b, n)
	}
	b = append(b, flags(row.Estimated, row.Suspect, row.Counted, row.Stream), byte(row.End))
	b = appendAddr(b, row.Client)
	return closeFrame(b, start)
}

// progress is what is known of a live request.
type progress struct {
	prompt, completion, cached int64
	estimated                  bool
}

func appendCheckpoint(b []byte, id uint64, at time.Time, p progress) []byte {
	start := len(b)
	b = openFrame(b, checkpointKind)
	b = binary.AppendUvarint(b, id)
	b = appendTime(b, at)
	b = binary.AppendVarint(b, p.prompt)
	b = binary.AppendVarint(b, p.completion)
	b = binary.AppendVarint(b, p.cached)
	b = append(b, flags(p.estimated))
	return closeFrame(b, start)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return binary.LittleEndian.AppendUint64(b, uint64(t.UnixNano()))
}

func appendString(b []byte, s string) []byte {
	s = s[:min(len(s), maxString)]
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	a = a.WithZone("") // a zone says something on this host only
	switch {
	case a.Is4():
		four := a.As4()
		return append(append(b, 4), four[:]...)
	case a.IsValid():
		sixteen := a.As16()
		return append(append(b, 16), sixteen[:]...)
	}
	return append(b, 0)
}

func flags(set ...bool) byte {
	var f byte
	for i, on := range set {
		if on {
			f |= 1 << i
		}
	}
	return f
}

// decoder reads what a frame holds. After the first thing that isn't there bad
// is set, and everything read is zero.
type decoder struct {
	b     []byte
	bad   bool
	names map[string]string // strings that come again and again, kept once; bounded
}

// maxNames bounds decoder.names: beyond it the map is begun anew.
const maxNames = 4096

func (d *decoder) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
	}
	if d.bad {
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) time() time.Time {
	b := d.bytes(8)
	if len(b) == 0 {
		return time.Time{}
	}
	if n := int64(binary.LittleEndian.Uint64(b)); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

func (d *decoder) string() string { return string(d.bytes(d.uvarint())) }

// name is a string that is likely to have been seen before.
func (d *decoder) name() string {
	b := d.bytes(d.uvarint())
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if d.names == nil || len(d.names) >= maxNames {
		d.names = make(map[string]string)
	}
	s := string(b)
	d.names[s] = s
	return s
}

func (d *decoder) addr() netip.Addr {
	n := d.byte()
	a, ok := netip.AddrFromSlice(d.bytes(uint64(n)))
	d.bad = d.bad || (!ok && n != 0)
	return a
}

// row reads what appendRow wrote.
func (d *decoder) row(body []byte, row *Row) (id uint64, ok bool) {
	d.b, d.bad = body, false
	id = d.uvarint()
	for _, t := range [...]*time.Time{&row.Arrived, &row.Sent, &row.First, &row.Ended} {
		*t = d.time()
	}
	row.ID = d.string()
	for _, s := range [...]*string{&row.Org, &row.Key, &row.Model, &row.Backend, &row.Replica, &row.Route, &row.Code} {
		*s = d.name()
	}
	row.Status = int(d.varint())
	for _, n := range [...]*int64{&row.Prompt, &row.Completion, &row.Cached, &row.BytesIn, &row.BytesOut} {
		*n = d.varint()
	}
	f := d.byte()
	row.Estimated, row.Suspect, row.Counted, row.Stream = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0
	row.End = End(d.byte())
	row.Client = d.addr()
	return id, !d.bad && len(d.b) == 0 && row.End <= Interrupted
}

// id reads only whose row it is.
func (d *decoder) id(body []byte) (id uint64, ok bool) {
	d.b, d.bad = body, false
	return d.uvarint(), !d.bad
}

// checkpoint reads what appendCheckpoint wrote.
func (d *decoder) checkpoint(body []byte) (id uint64, at time.Time, p progress, ok bool) {
	d.b, d.bad = body, false
	id, at = d.uvarint(), d.time()
	p = progress{prompt: d.varint(), completion: d.varint(), cached: d.varint(), estimated: d.byte()&1 != 0}
	return id, at, p, !d.bad && len(d.b) == 0
}

// seal reads what appendSeal wrote.
func (d *decoder) seal(body []byte) (before position, ok bool) {
	d.b, d.bad = body, false
	before = position{Segment: d.uvarint(), Offset: d.varint()}
	return before, !d.bad && len(d.b) == 0
}
