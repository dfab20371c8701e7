package past

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gpu"
)

// filler fills values with what is random, and changes some of it.
type filler struct {
	*rand.Rand
	keep float64 // how much stays
}

func (f *filler) fill(v reflect.Value, depth int) {
	if v.Type() != timeType && v.Kind() != reflect.Struct && f.Float64() < f.keep {
		return
	}
	switch v.Type() {
	case timeType:
		if f.Float64() < f.keep {
			return
		}
		all := []time.Time{{}, night.Add(time.Duration(f.Int64N(1e15))), time.Date(9999, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 7, time.UTC)}
		v.Set(reflect.ValueOf(all[f.IntN(len(all))]))
		return
	case readingType:
		if f.Float64() < f.keep {
			return
		}
		all := []gpu.Reading{{}, gpu.NotSupported(), gpu.Read(f.NormFloat64(), night), gpu.Read(math.Round(100*f.Float64()), night.Add(time.Duration(f.Int64N(1e12))))}
		v.Set(reflect.ValueOf(all[f.IntN(len(all))]))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.String:
		v.SetString([]string{"", "a", "b\x00\xff", "a longer one that comes again", time.Duration(f.Int64()).String()}[f.IntN(5)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, 1, f.NormFloat64(), math.Inf(1), -38.2}[f.IntN(5)])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(f.Int64() >> f.IntN(64))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64() >> f.IntN(64))
	case reflect.Pointer:
		if f.IntN(3) == 0 || depth > 6 {
			v.SetZero()
			return
		}
		next := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			next.Elem().Set(v.Elem())
		}
		f.fill(next.Elem(), depth+1)
		v.Set(next)
	case reflect.Slice:
		if f.IntN(4) == 0 {
			v.SetZero()
			return
		}
		next := reflect.MakeSlice(v.Type(), f.IntN(4), 4)
		reflect.Copy(next, v)
		for i := range next.Len() {
			f.fill(next.Index(i), depth+1)
		}
		if next.Len() > 1 && f.IntN(2) == 0 { // they move
			reflect.Swapper(next.Interface())(0, next.Len()-1)
		}
		v.Set(next)
	case reflect.Map:
		if f.IntN(4) == 0 {
			v.SetZero()
			return
		}
		next := reflect.MakeMap(v.Type())
		for _, k := range []string{"chat", "sql", "embed"}[:f.IntN(4)] {
			e := reflect.New(v.Type().Elem()).Elem()
			f.fill(e, depth+1)
			next.SetMapIndex(reflect.ValueOf(k), e)
		}
		v.Set(next)
	case reflect.Struct:
		for i := range v.NumField() {
			skipped := false
			for _, n := range elsewhere[v.Type()] {
				skipped = skipped || n == v.Type().Field(i).Name
			}
			if v.Type().Field(i).IsExported() && !skipped {
				f.fill(v.Field(i), depth+1)
			}
		}
	default:
		panic(v.Kind())
	}
}

// Whatever snapshots hold comes back as it was, field for field, and those that
// are added to their types some day too; what is published is not changed by it.
func TestFramesComeBack(t *testing.T) {
	f := &filler{Rand: rand.New(rand.NewPCG(1, 2))}
	tr := newTrack[frame](time.Second, time.Hour, elsewhere)
	var put []*frame
	for i := range 300 {
		f.keep = []float64{0, .5, .95, 1}[i%4]
		next := &frame{}
		if i > 0 {
			*next = *put[i-1]
		}
		f.fill(reflect.ValueOf(next).Elem(), 0)
		put = append(put, next)
		tr.add(night.Add(time.Duration(i)*time.Second), next)
	}
	for _, i := range f.Perm(len(put)) {
		got, when, ok := tr.at(night.Add(time.Duration(i)*time.Second + time.Second/2))
		if !ok || !when.Equal(night.Add(time.Duration(i)*time.Second)) {
			t.Fatalf("frame %d: found %v, %v", i, when, ok)
		}
		if !reflect.DeepEqual(got, put[i]) {
			t.Fatalf("frame %d is not what it was:\n%s", i, different(reflect.ValueOf(put[i]), reflect.ValueOf(got), "frame"))
		}
	}
}

// different names the first field that differs.
func different(a, b reflect.Value, path string) string {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return ""
	}
	switch {
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return different(a.Elem(), b.Elem(), path)
	case a.Kind() == reflect.Slice && a.Len() == b.Len() && a.Len() > 0:
		for i := range a.Len() {
			if d := different(a.Index(i), b.Index(i), path+"[]"); d != "" {
				return d
			}
		}
	case a.Kind() == reflect.Struct && a.Type() != timeType && a.Type() != readingType:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() {
				if d := different(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); d != "" {
					return d
				}
			}
		}
	}
	return path
}

// A value that there is no way to write is found out when the track is made.
func TestShapeRefuses(t *testing.T) {
	type odd struct{ F func() }
	defer func() {
		if recover() == nil {
			t.Error("a function was taken for a value")
		}
	}()
	newTrack[odd](time.Second, time.Hour, nil)
}

// What stays as it is costs next to nothing.
func TestFramesThatStay(t *testing.T) {
	f := newPlant(8, 20, 0).run(1)
	tr := newTrack[frame](time.Second, time.Hour, elsewhere)
	frame := look{f.g.s, f.p.s, f.u.s, nil}.frame(fineRecords)
	tr.add(night, frame)
	first := len(tr.blocks[0].data)
	for i := range 10 {
		again := *frame
		p := *frame.Pool
		p.Backends = append([]backends.BackendStatus(nil), p.Backends...)
		again.Pool = &p
		tr.add(night.Add(time.Duration(i+1)*time.Second), &again)
	}
	if each := (len(tr.blocks[0].data) - first) / 10; each > 200 {
		t.Errorf("a frame that is like the last takes %d bytes, want 200 at most", each)
	}
	t.Logf("the first takes %d bytes", first)
}
