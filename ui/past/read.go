package past

import (
	"encoding/binary"
	"math"
	"math/bits"
	"reflect"
	"time"

	"pilothouse/gpu"
)

// reader reads what a writer has written, value by value, from the first on.
type reader struct {
	shape  shape
	data   []byte // not yet read
	zeros  uint64
	words  []string
	moment int64
}

// read reads the next value into out, which is zero. It shares what is as before
// with the base.
func (r *reader) read(out, base reflect.Value, at time.Time) {
	r.moment, _ = nanos(at)
	r.value(out, base)
}

func (r *reader) cell() uint64 {
	if r.zeros > 0 {
		r.zeros--
		return 0
	}
	v := r.raw()
	if v == 0 {
		r.zeros = max(r.raw(), 1) - 1
	}
	return v
}

func (r *reader) raw() uint64 {
	v, n := binary.Uvarint(r.data)
	r.data = r.data[max(n, 0):]
	return v
}

func (r *reader) value(out, base reflect.Value) {
	switch out.Kind() {
	case reflect.Bool:
		out.SetBool(base.Bool() != (r.cell() == 1))
	case reflect.String:
		out.SetString(r.text(base.String()))
	case reflect.Float32, reflect.Float64:
		out.SetFloat(r.float(base.Float()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		out.SetInt(base.Int() + unzigzag(r.cell()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out.SetUint(base.Uint() + uint64(unzigzag(r.cell())))
	case reflect.Pointer:
		r.pointer(out, base)
	case reflect.Slice:
		r.slice(out, base)
	case reflect.Array:
		for i := range out.Len() {
			r.value(out.Index(i), base.Index(i))
		}
	case reflect.Map:
		r.table(out, base)
	case reflect.Struct:
		r.structure(out, base)
	}
}

func (r *reader) structure(out, base reflect.Value) {
	switch out.Type() {
	case timeType:
		*out.Addr().Interface().(*time.Time) = r.time(*base.Addr().Interface().(*time.Time))
	case readingType:
		*out.Addr().Interface().(*gpu.Reading) = r.reading(base.Addr().Interface().(*gpu.Reading))
	default:
		for _, i := range r.shape[out.Type()].fields {
			r.value(out.Field(i), base.Field(i))
		}
	}
}

func (r *reader) pointer(out, base reflect.Value) {
	c := r.cell()
	if c == gone || c == alike && base.IsNil() {
		return
	}
	elem := out.Type().Elem()
	out.Set(reflect.New(elem))
	if c == alike {
		r.value(out.Elem(), base.Elem())
	} else {
		r.value(out.Elem(), r.shape[elem].zero)
	}
}

func (r *reader) slice(out, base reflect.Value) {
	c := r.cell()
	n := base.Len()
	switch {
	case c == gone || c == alike && base.IsNil():
		return
	case c >= measure:
		n = int(c - measure)
	}
	out.Set(reflect.MakeSlice(out.Type(), n, n))
	o := r.shape[out.Type().Elem()]
	shift := 0
	for i := range n {
		from := o.zero
		if i < base.Len() {
			from = base.Index(i)
		}
		if o.key >= 0 {
			if c := r.cell(); c != fresh {
				shift += unmoved(c)
				from = base.Index(i + shift)
			}
		}
		r.value(out.Index(i), from)
	}
}

func (r *reader) table(out, base reflect.Value) {
	c := r.cell()
	if c == gone || c == alike && base.IsNil() {
		return
	}
	var keys []string
	if c == alike {
		keys = sortedKeys(base)
	} else {
		for range c - measure {
			keys = append(keys, r.text(""))
		}
	}
	t := out.Type()
	out.Set(reflect.MakeMapWithSize(t, len(keys)))
	for _, k := range keys {
		from := entry(base, k)
		if !from.IsValid() {
			from = r.shape[t.Elem()].zero
		}
		v := reflect.New(t.Elem()).Elem()
		r.value(v, from)
		out.SetMapIndex(reflect.ValueOf(k).Convert(t.Key()), v)
	}
}

func (r *reader) text(base string) string {
	switch c := r.cell(); c {
	case 0:
		return base
	case word:
		n := r.raw()
		s := string(r.data[:n])
		r.data = r.data[n:]
		r.words = append(r.words, s)
		return s
	default:
		return r.words[c-known]
	}
}

func (r *reader) float(base float64) float64 {
	return math.Float64frombits(bits.ReverseBytes64(r.cell()) ^ math.Float64bits(base))
}

func (r *reader) time(base time.Time) time.Time {
	switch c := r.cell(); c {
	case 0:
		return base.UTC()
	case never:
		return time.Time{}
	case distant:
		sec := unzigzag(r.cell())
		return time.Unix(sec, int64(r.cell())).UTC()
	default:
		from, ok := nanos(base)
		if !ok {
			from = r.moment
		}
		return time.Unix(0, from+unzigzag(c-near)).UTC()
	}
}

func (r *reader) reading(base *gpu.Reading) gpu.Reading {
	v, known := base.Value()
	switch r.cell() {
	case same:
		if !known {
			return *base
		}
	case missing:
		return gpu.Reading{}
	case unsupported:
		return gpu.NotSupported()
	case measured:
		v = r.float(base.Or(0))
	}
	from := r.moment
	if known {
		from = base.At().UnixNano()
	}
	at := r.moment
	if c := r.cell(); c > 0 {
		at = from + unzigzag(c-1)
	}
	r.moment = at
	return gpu.Read(v, time.Unix(0, at).UTC())
}
