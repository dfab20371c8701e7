package ledger

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func FuzzRow(f *testing.F) {
	f.Add(uint64(1), "id", "org", "a replica", int64(1), int64(812), int64(-3), 200, byte(3), byte(15), []byte{10, 0, 0, 1})
	f.Add(uint64(1)<<63, "", strings.Repeat("x", 2000), "\xff\x00", int64(-1), int64(1)<<62, int64(0), -1, byte(5), byte(0), make([]byte, 16))
	f.Fuzz(func(t *testing.T, id uint64, rid, org, replica string, at, prompt, completion int64, status int, end, set byte, client []byte) {
		row := Row{
			ID: rid, Org: org, Key: replica, Model: rid, Backend: org, Replica: replica, Route: rid, Code: org,
			Status: status, Prompt: prompt, Completion: completion, Cached: at, BytesIn: -prompt, BytesOut: at ^ prompt,
			Estimated: set&1 != 0, Suspect: set&2 != 0, Counted: set&4 != 0, Stream: set&8 != 0, End: End(end % 6),
		}
		for _, p := range []*time.Time{&row.Arrived, &row.First, &row.Ended} {
			if at++; at != 0 {
				*p = time.Unix(0, at).UTC()
			}
		}
		row.Client, _ = netip.AddrFromSlice(client)
		frame := appendRow([]byte("before"), endKind, id, &row)[len("before"):]
		k, body, rest, err := splitFrame(frame)
		if err != nil || k != endKind || len(rest) != 0 || frameSize(frame) != len(frame) {
			t.Fatalf("a row's frame of %d bytes: kind %d, %d bytes too many, error %v", len(frame), k, len(rest), err)
		}
		want := row
		for _, s := range []*string{&want.ID, &want.Org, &want.Key, &want.Model, &want.Backend, &want.Replica, &want.Route, &want.Code} {
			*s = (*s)[:min(len(*s), maxString)]
		}
		var got Row
		if gotID, ok := new(decoder).row(body, &got); !ok || gotID != id || got != want {
			t.Fatalf("decoded %d %v\n%+v, want %d\n%+v", gotID, ok, got, id, want)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add(uint64(3), int64(5), int64(1), int64(-2), int64(3), true)
	f.Fuzz(func(t *testing.T, id uint64, at, a, b, c int64, estimated bool) {
		want := progress{a, b, c, estimated}
		_, body, _, err := splitFrame(appendCheckpoint(nil, id, time.Unix(0, at), want))
		if err != nil {
			t.Fatal(err)
		}
		gotID, gotAt, got, ok := new(decoder).checkpoint(body)
		if !ok || gotID != id || got != want || (at != 0 && gotAt.UnixNano() != at) {
			t.Fatalf("got %d %v %+v %v, want %d %d %+v", gotID, gotAt, got, ok, id, at, want)
		}
	})
}

// FuzzReader reads arbitrary bytes as a segment: what comes out is framed
// whole, byte for byte, and what decodes encodes to something that decodes the
// same.
func FuzzReader(f *testing.F) {
	row := sample(1)
	seed := appendSeal(nil, position{7, 99})
	seed = appendRow(seed, beginKind, 1, &row)
	seed = appendCheckpoint(seed, 1, row.Ended, progress{1, 2, 3, true})
	seed = appendRow(seed, endKind, 1, &row)
	f.Add(seed, 0)
	f.Add(seed, 9)
	f.Add(append(seed, make([]byte, 100)...), 0)
	f.Add(seed[:len(seed)-1], 0)
	var r reader
	f.Fuzz(func(t *testing.T, segment []byte, from int) {
		if from < 0 || from > len(segment) {
			return
		}
		r.from(bytes.NewReader(segment), int64(from), int64(len(segment)))
		var d decoder
		open := make(map[uint64]*opened)
		for {
			start := r.offset
			k, body, err := r.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errShort) && !errors.Is(err, errFrame) {
					t.Fatal(err)
				}
				return
			}
			whole := closeFrame(append(openFrame(nil, k), body...), 0)
			if !bytes.Equal(segment[start:r.offset], whole) {
				t.Fatalf("frame at %d: %q, which is not what is there: %q", start, whole, segment[start:r.offset])
			}
			note(open, &d, k, body)
			var first, again Row
			if id, ok := d.row(body, &first); ok {
				_, body, _, _ := splitFrame(appendRow(nil, k, id, &first))
				if _, ok := d.row(body, &again); !ok || first != again {
					t.Fatalf("decoded %+v, then %+v", first, again)
				}
			}
		}
	})
}

// TestReaderAcrossReads has frames of all sizes lie across what is read at
// once.
func TestReaderAcrossReads(t *testing.T) {
	dir := t.TempDir()
	var segment []byte
	var ids []string
	for i := 0; len(segment) < 3*readAhead; i++ {
		row := sample(i)
		row.ID = strings.Repeat("i", i%maxString)
		ids = append(ids, row.ID)
		segment = appendRow(segment, endKind, uint64(i), &row)
	}
	end := int64(len(segment))
	segment = appendRow(segment, endKind, 1, new(Row)) // after the end: not read
	if err := os.WriteFile(segmentPath(dir, 1), segment, 0o600); err != nil {
		t.Fatal(err)
	}
	var r reader
	if err := r.open(dir, position{Segment: 1}, end); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for i, want := range ids {
		var row Row
		_, body, err := r.next()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if id, ok := new(decoder).row(body, &row); !ok || id != uint64(i) || row.ID != want {
			t.Fatalf("frame %d is %d with id %q, want %q", i, id, row.ID, want)
		}
	}
	if _, _, err := r.next(); !errors.Is(err, io.EOF) || r.offset != end {
		t.Fatalf("at the end, at %d of %d: %v", r.offset, end, err)
	}
}
