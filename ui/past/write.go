package past

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"time"

	"pilothouse/gpu"
)

// writer writes values, each as what differs from a base.
type writer struct {
	shape  shape
	buf    []byte
	zeros  int
	words  map[string]uint64 // strings that were written before
	moment int64             // when the last reading was taken
}

// write appends a value to buf. Both are addressable and of one type.
func (w *writer) write(v, base reflect.Value, at time.Time) {
	w.moment, _ = nanos(at)
	w.value(v, base)
	w.flush()
}

func (w *writer) cell(c uint64) {
	if c == 0 {
		w.zeros++
		return
	}
	w.flush()
	w.buf = binary.AppendUvarint(w.buf, c)
}

func (w *writer) flush() {
	if w.zeros > 0 {
		w.buf = binary.AppendUvarint(append(w.buf, 0), uint64(w.zeros))
		w.zeros = 0
	}
}

func (w *writer) value(v, base reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() != base.Bool() {
			w.cell(1)
		} else {
			w.cell(0)
		}
	case reflect.String:
		w.text(v.String(), base.String())
	case reflect.Float32, reflect.Float64:
		w.float(v.Float(), base.Float())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.cell(zigzag(v.Int() - base.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.cell(zigzag(int64(v.Uint() - base.Uint())))
	case reflect.Pointer:
		w.pointer(v, base)
	case reflect.Slice:
		w.slice(v, base)
	case reflect.Array:
		for i := range v.Len() {
			w.value(v.Index(i), base.Index(i))
		}
	case reflect.Map:
		w.table(v, base)
	case reflect.Struct:
		w.structure(v, base)
	}
}

func (w *writer) structure(v, base reflect.Value) {
	switch v.Type() {
	case timeType:
		w.time(*v.Addr().Interface().(*time.Time), *base.Addr().Interface().(*time.Time))
	case readingType:
		w.reading(v.Addr().Interface().(*gpu.Reading), base.Addr().Interface().(*gpu.Reading))
	default:
		for _, i := range w.shape[v.Type()].fields {
			w.value(v.Field(i), base.Field(i))
		}
	}
}

func (w *writer) pointer(v, base reflect.Value) {
	switch {
	case v.IsNil() && base.IsNil():
		w.cell(alike)
	case v.IsNil():
		w.cell(gone)
	case base.IsNil():
		w.cell(measure)
		w.value(v.Elem(), w.shape[v.Type().Elem()].zero)
	default:
		w.cell(alike)
		w.value(v.Elem(), base.Elem())
	}
}

// slice writes elements as what differs from those in the same place before, or,
// where they have an ID, from the one that has the same.
func (w *writer) slice(v, base reflect.Value) {
	switch {
	case v.IsNil() && !base.IsNil():
		w.cell(gone)
		return
	case v.Len() != base.Len() || v.IsNil() != base.IsNil():
		w.cell(measure + uint64(v.Len()))
	default:
		w.cell(alike)
	}
	o := w.shape[v.Type().Elem()]
	shift := 0 // of the element before: they move together
	for i := range v.Len() {
		from := o.zero
		if i < base.Len() {
			from = base.Index(i)
		}
		if o.key >= 0 {
			k := find(base, o.key, v.Index(i).Field(o.key).String(), i+shift)
			switch {
			case k < 0:
				w.cell(fresh)
			default:
				w.cell(moved(k - i - shift))
				shift = k - i
				from = base.Index(k)
			}
		}
		w.value(v.Index(i), from)
	}
}

// find finds an element by its ID, where it may well be first. -1: there is none.
func find(in reflect.Value, key int, id string, likely int) int {
	n := in.Len()
	if likely >= 0 && likely < n && in.Index(likely).Field(key).String() == id {
		return likely
	}
	for i := range n {
		if in.Index(i).Field(key).String() == id {
			return i
		}
	}
	return -1
}

func (w *writer) table(v, base reflect.Value) {
	if v.IsNil() && !base.IsNil() {
		w.cell(gone)
		return
	}
	keys, were := sortedKeys(v), sortedKeys(base)
	if slices.Equal(keys, were) && v.IsNil() == base.IsNil() {
		w.cell(alike)
	} else {
		w.cell(measure + uint64(len(keys)))
		for _, k := range keys {
			w.text(k, "")
		}
	}
	for _, k := range keys {
		w.value(entry(v, k), w.entry(base, k))
	}
}

// entry is a map's, or zero, as something addressable.
func (w *writer) entry(m reflect.Value, key string) reflect.Value {
	if e := entry(m, key); e.IsValid() {
		return e
	}
	return w.shape[m.Type().Elem()].zero
}

func entry(m reflect.Value, key string) reflect.Value {
	e := m.MapIndex(reflect.ValueOf(key).Convert(m.Type().Key()))
	if !e.IsValid() {
		return e
	}
	v := reflect.New(m.Type().Elem()).Elem()
	v.Set(e)
	return v
}

func sortedKeys(m reflect.Value) []string {
	keys := make(map[string]bool, m.Len())
	for _, k := range m.MapKeys() {
		keys[k.String()] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

func (w *writer) text(s, base string) {
	if s == base {
		w.cell(0)
		return
	}
	if n, ok := w.words[s]; ok {
		w.cell(known + n)
		return
	}
	w.words[s] = uint64(len(w.words))
	w.cell(word)
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(s))), s...)
}

// float writes figures of few digits short.
func (w *writer) float(v, base float64) {
	w.cell(bits.ReverseBytes64(math.Float64bits(v) ^ math.Float64bits(base)))
}

func (w *writer) time(t, base time.Time) {
	if t.Equal(base) {
		w.cell(0)
		return
	}
	if t.IsZero() {
		w.cell(never)
		return
	}
	from, ok := nanos(base)
	if !ok {
		from = w.moment
	}
	to, ok := nanos(t)
	if d := to - from; ok && d < far && d > -far {
		w.cell(near + zigzag(d))
		return
	}
	w.cell(distant)
	w.cell(zigzag(t.Unix()))
	w.cell(uint64(t.Nanosecond()))
}

// How cells tell of readings.
const (
	same        = 0 // the same value, at another time maybe
	missing     = 1
	unsupported = 2
	measured    = 3 // what differs of the value follows
)

// reading writes the time as 0 where it is that of the reading before, of another
// sort but mostly taken with it.
func (w *writer) reading(r, base *gpu.Reading) {
	v, ok := r.Value()
	old, had := base.Value()
	switch {
	case ok && had && v == old:
		w.cell(same)
	case ok:
		w.cell(measured)
		w.float(v, base.Or(0))
	case had == ok && r.Supported() == base.Supported():
		w.cell(same)
	case !r.Supported():
		w.cell(unsupported)
	default:
		w.cell(missing)
	}
	if !ok {
		return
	}
	at := r.At().UnixNano()
	from := w.moment
	if had {
		from = base.At().UnixNano()
	}
	if at == w.moment {
		w.cell(0)
	} else {
		w.cell(1 + zigzag(at-from))
	}
	w.moment = at
}
