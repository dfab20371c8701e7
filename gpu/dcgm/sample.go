package dcgm

import (
	"cmp"
	"slices"
	"time"

	"pilothouse/gpu"
)

// scaled is a reading in gpu's unit; no data where there is no sense in it.
func scaled(r gpu.Reading, unit, most float64) gpu.Reading {
	v, ok := r.Value()
	if !ok {
		return r
	}
	if v *= unit; most > 0 && v > most {
		return gpu.Reading{}
	}
	return gpu.Read(v, r.At())
}

// sample is what is due of what was shown.
func (g *shown) sample(at time.Time, due gpu.Group) gpu.Sample {
	var s gpu.Sample
	for _, f := range fields {
		if f.due&due == 0 {
			continue
		}
		r := scaled(g.values[f.name], f.unit, f.most)
		for _, o := range f.also {
			if other := scaled(g.values[o.name], o.unit, f.most); !r.Known() && other.Known() {
				r = other
			}
		}
		*f.at(&s) = r
	}
	if due&gpu.Fast != 0 {
		s.MemTotal = memory(g.values)
		for _, name := range []string{nameThrottle, nameReasons} {
			if v, ok := g.values[name].Value(); ok {
				s.Throttle = throttle(uint64(v))
			}
		}
	}
	if due&gpu.Slow != 0 {
		s.MIG = g.mig(at)
	}
	return s
}

// memory is how much there is. The exporter's default counters have it in
// pieces only.
func memory(values map[string]gpu.Reading) gpu.Reading {
	total, used, free := values[nameTotal], values[nameUsed], values[nameFree]
	if !total.Known() && used.Known() && free.Known() {
		total = gpu.Read(used.Or(0)+free.Or(0)+values[nameReserved].Or(0), used.At())
	}
	return scaled(total, mib, 0)
}

// mig is how the device is divided, where the exporter shows that.
func (g *shown) mig(at time.Time) *gpu.MIG {
	mode := scaled(g.values[nameMIG], same, 1)
	if len(g.parts) == 0 && !mode.Known() {
		return nil
	}
	m := &gpu.MIG{Enabled: mode}
	if len(g.parts) > 0 {
		m.Enabled = gpu.Read(1, at)
	}
	parts := slices.SortedFunc(slices.Values(g.parts), func(a, b part) int {
		return cmp.Or(cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id)) // as numbers
	})
	for _, p := range parts {
		m.Parts = append(m.Parts, gpu.MIGPart{
			UUID: partUUID(g.uuid, p.id), Name: p.profile,
			MemUsed: scaled(p.values[nameUsed], mib, 0), MemTotal: memory(p.values),
		})
	}
	return m
}
