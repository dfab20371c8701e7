package past

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"pilothouse/gpu"
)

// Frames are kept as bytes: what of a value differs from the one before it. Most
// of a platform stays as it is from one second to the next, so that a day of it is
// small; and bytes cost the garbage collector nothing.
//
// A value is written as a row of cells, one for each of its parts in a fixed
// order, which are 0 where that part is as before. Cells are variable-length
// integers, and a run of zeros is a zero and how many there are.

var (
	timeType    = reflect.TypeFor[time.Time]()
	readingType = reflect.TypeFor[gpu.Reading]()
)

// shape is which fields of types are written: those that are exported, but for
// some that are kept elsewhere. It is immutable.
type shape map[reflect.Type]*outline

// outline is how a type is written.
type outline struct {
	fields []int         // of a struct
	key    int           // of a struct: its field ID, by which elements of slices are found again; -1: it has none
	zero   reflect.Value // addressable, not to be changed
}

// newShape looks at a type and all that it is made of. A type that can't be
// written is a mistake of the program's: it panics.
func newShape(t reflect.Type, skip map[reflect.Type][]string) shape {
	s := shape{}
	s.look(t, skip)
	return s
}

func (s shape) look(t reflect.Type, skip map[reflect.Type][]string) {
	if s[t] != nil {
		return
	}
	o := &outline{key: -1, zero: reflect.New(t).Elem()}
	s[t] = o
	if t == timeType || t == readingType {
		return
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Pointer, reflect.Slice, reflect.Array:
		s.look(t.Elem(), skip)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("keep a frame: keys of %v are not strings", t))
		}
		s.look(t.Elem(), skip)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || slices.Contains(skip[t], f.Name) {
				continue
			}
			if f.Name == "ID" && f.Type.Kind() == reflect.String {
				o.key = i
			}
			o.fields = append(o.fields, i)
			s.look(f.Type, skip)
		}
	default:
		panic(fmt.Sprintf("keep a frame: there is no way to write a %v", t))
	}
}

// How cells tell of lengths, and of what may be nil.
const (
	alike   = 0 // as long as before, or as nil; what is in it follows
	gone    = 1 // nil
	measure = 2 // and more: of that length less this; what is in it follows
)

// fresh is an element that was not there before; else a cell tells how much further
// it has moved than the one in front of it.
const fresh = 1

func moved(by int) uint64 {
	if by == 0 {
		return 0
	}
	return fresh + zigzag(int64(by))
}

func unmoved(c uint64) int {
	if c == 0 {
		return 0
	}
	return int(unzigzag(c - fresh))
}

// How cells tell of strings, and of times.
const (
	word    = 1 // a string that was not there before: its length and bytes follow
	known   = 2 // and more: one that was, by its number
	never   = 1 // no time
	distant = 2 // one far from the one before: seconds and nanoseconds follow
	near    = 3 // and more: nanoseconds from the one before, or the frame's
)

// far is more than a difference between times is written as.
const far = int64(1) << 60

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// nanos is a time in nanoseconds; false: they are too many to count.
func nanos(t time.Time) (int64, bool) {
	if y := t.Year(); y < 1700 || y > 2200 {
		return 0, false
	}
	return t.UnixNano(), true
}
