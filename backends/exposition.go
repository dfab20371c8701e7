package backends

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"
)

// sample is a line of a wanted name.
type sample struct {
	labels []byte // as they stand there
	value  float64
}

// exposed is what an engine exposes of what is wanted: of each quantity the
// samples under the first of its names that is there.
type exposed struct {
	ranks   [quantities]uint8
	samples [quantities][]sample
}

// lineMost bounds a line that is wanted; cache_config_info's are the longest.
const lineMost = 64 << 10

var lines = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, lineMost) }}

// errFormat quotes nothing: the text is a backend's.
var errFormat = errors.New("read metrics: what is there is not Prometheus' text format")

// expose reads text in Prometheus' format. Lines of names that nobody wants,
// all but thirty of a thousand, may be anything, and cost next to nothing.
func expose(in io.Reader) (*exposed, error) {
	r := lines.Get().(*bufio.Reader)
	r.Reset(in)
	defer func() { r.Reset(nil); lines.Put(r) }()
	x, wanted := &exposed{}, wanted()
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, errors.New(plainly(err))
		}
		line = bytes.Trim(line, " \t\r\n")
		name := line
		if i := bytes.IndexAny(line, "{ \t"); i >= 0 {
			name = line[:i]
		}
		if n, ok := wanted[string(name)]; ok {
			s, good := parseSample(line[len(name):])
			if !good || err == bufio.ErrBufferFull {
				return nil, errFormat
			}
			x.add(n, s)
		}
		for err == bufio.ErrBufferFull { // the rest of a line that nobody wants
			_, err = r.ReadSlice('\n')
		}
		if err == io.EOF {
			return x, nil
		}
	}
}

func (x *exposed) add(n named, s sample) {
	switch list := &x.samples[n.quantity]; {
	case len(*list) == 0 || n.rank < x.ranks[n.quantity]:
		x.ranks[n.quantity] = n.rank
		*list = append((*list)[:0], s)
	case n.rank == x.ranks[n.quantity]:
		*list = append(*list, s)
	}
}

// parseSample reads what stands behind a name: labels, a value, and perhaps a
// time. The labels are copied.
func parseSample(b []byte) (s sample, ok bool) {
	b = bytes.TrimLeft(b, " \t")
	if len(b) > 0 && b[0] == '{' {
		n, ok := labels(b[1:], nil)
		if !ok {
			return s, false
		}
		s.labels = bytes.Clone(b[1 : 1+n])
		b = b[2+n:]
	}
	fields := bytes.Fields(b)
	if len(fields) == 0 || len(fields) > 2 {
		return s, false
	}
	var err error
	if s.value, err = strconv.ParseFloat(string(fields[0]), 64); err != nil {
		return s, false
	}
	if len(fields) == 2 {
		_, err = strconv.ParseInt(string(fields[1]), 10, 64)
	}
	return s, err == nil
}

// labels reads labels up to their closing brace, and gives them to each, where
// that is not nil, with the value as it stands there. n is how long they are.
func labels(b []byte, each func(name, value []byte)) (n int, ok bool) {
	space := func() {
		for n < len(b) && (b[n] == ' ' || b[n] == '\t') {
			n++
		}
	}
	quoted := func() (text []byte, ok bool) {
		for i := n + 1; i < len(b); i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				text, n = b[n+1:i], i+1
				return text, true
			}
		}
		return nil, false
	}
	for {
		space()
		if n < len(b) && b[n] == '}' {
			return n, true
		}
		var name []byte
		if n < len(b) && b[n] == '"' {
			if name, ok = quoted(); !ok {
				return n, false
			}
		} else {
			start := n
			for n < len(b) && (b[n] == '_' || b[n]|0x20 >= 'a' && b[n]|0x20 <= 'z' || b[n] >= '0' && b[n] <= '9') {
				n++
			}
			name = b[start:n]
		}
		space()
		if len(name) == 0 || n >= len(b) || b[n] != '=' {
			return n, false
		}
		n++
		space()
		if n >= len(b) || b[n] != '"' {
			return n, false
		}
		value, ok := quoted()
		if !ok {
			return n, false
		}
		if each != nil {
			each(name, value)
		}
		space()
		if n < len(b) && b[n] == ',' {
			n++
		} else if n >= len(b) || b[n] != '}' {
			return n, false
		}
	}
}

// label is the value of a label, "" where it is not there. Escapes stay: what is
// looked for has none.
func (s *sample) label(name string) (v string) {
	labels(append(s.labels[:len(s.labels):len(s.labels)], '}'), func(n, value []byte) {
		if string(n) == name {
			v = string(value)
		}
	})
	return v
}

// parseStatus reads Prometheus' text.
func parseStatus(in io.Reader) (EngineStatus, error) {
	x, err := expose(in)
	if err != nil {
		return noData(), err
	}
	s := noData()
	var running, waiting, deferred int64 = -1, -1, -1
	for _, c := range [...]struct {
		quantity
		to *int64
	}{{qRunning, &running}, {qWaiting, &waiting}, {qByReason, &deferred}, {qPrompt, &s.Prompt}, {qGeneration, &s.Generation},
		{qPreemptions, &s.Preemptions}, {qIterations, &s.Iterations}, {qPrefixQueries, &s.PrefixQueries}, {qPrefixHits, &s.PrefixHits}} {
		if !x.count(c.quantity, c.to) {
			return noData(), errors.New("read metrics: a count that is negative, or too large to be one")
		}
	}
	s.Running, s.Waiting, s.Deferred = int(running), int(waiting), int(deferred)
	s.KVUsage, s.KVTokens = x.cache()
	for _, m := range x.samples[qSleep] {
		s.Sleeping = s.Sleeping || m.value == 0 && m.label("sleep_state") == "awake"
	}
	for _, m := range x.samples[qStarted] {
		if m.value > 0 && countable(m.value*1000) {
			s.Started = time.UnixMilli(int64(m.value * 1000)).UTC()
		}
	}
	return s, nil
}

// count sums a quantity over engines and models; where it is not there, to stays
// as it is. Of what waits by reason, only what is put off counts. It is false
// where there is no sense in it.
func (x *exposed) count(q quantity, to *int64) bool {
	sum := 0.0
	for _, m := range x.samples[q] {
		if q == qByReason && m.label("reason") != "deferred" {
			continue
		}
		if sum += m.value; !countable(m.value) || !countable(sum) {
			return false
		}
	}
	if len(x.samples[q]) > 0 {
		*to = int64(sum)
	}
	return true
}

// cache is how full the cache is, over the engines by their size where all tell
// it, and how many tokens it holds.
func (x *exposed) cache() (usage float64, tokens int64) {
	blocks := map[string]float64{}
	size := 0.0
	for _, m := range x.samples[qCacheInfo] {
		n, errN := strconv.ParseUint(m.label("num_gpu_blocks"), 10, 32)
		each, errEach := strconv.ParseUint(m.label("block_size"), 10, 20)
		if errN == nil && errEach == nil {
			blocks[m.label("engine")] += float64(n)
			size += float64(n) * float64(each)
		}
	}
	for _, m := range x.samples[qKVTokens] {
		size += m.value
	}
	if countable(size) {
		tokens = int64(size)
	}
	weighted := true
	for _, m := range x.samples[qKVUsage] {
		weighted = weighted && blocks[m.label("engine")] > 0
	}
	sum, weights := 0.0, 0.0
	for _, m := range x.samples[qKVUsage] {
		if !countable(m.value) {
			return -1, tokens
		}
		weight := 1.0
		if weighted {
			weight = blocks[m.label("engine")]
		}
		sum, weights = sum+weight*min(m.value, 1), weights+weight
	}
	if weights == 0 {
		return -1, tokens
	}
	return sum / weights, tokens
}

// countable tells whether a float can be a count: beyond 2⁵³ it would miss some.
func countable(v float64) bool { return v >= 0 && v <= 1<<53 }
