package openai

import "hash/maphash"

// name is where the name of a member is written: body[start:end], or
// decoded[start:end] where it has escapes.
type name struct {
	start, end int32
	decoded    bool
}

// names are the names of one object's members so far, to find the second of
// two equal ones. Few are compared one by one; from there on a table keeps the
// work linear, whatever names a client chooses: the hash has a random seed.
type names struct {
	list  []name
	table []uint32 // index in list plus 1, by hash; a power of two long
	seed  maphash.Seed
}

const (
	fewNames  = 16   // compared one by one
	keepNames = 1024 // memory for more is not kept for the next body
)

func (s *names) reset() {
	s.list, s.table = s.list[:0], nil
	if cap(s.list) > keepNames {
		s.list = nil
	}
}

// add reports false where the name is there already.
func (s *names) add(n name, body, decoded []byte) bool {
	text := n.in(body, decoded)
	if len(s.list) < fewNames {
		for _, o := range s.list {
			if string(o.in(body, decoded)) == string(text) {
				return false
			}
		}
		s.list = append(s.list, n)
		return true
	}
	if 2*len(s.list) >= len(s.table) {
		s.grow(body, decoded)
	}
	at := s.slot(text)
	for s.table[at] != 0 {
		if string(s.list[s.table[at]-1].in(body, decoded)) == string(text) {
			return false
		}
		at = (at + 1) & (len(s.table) - 1)
	}
	s.list = append(s.list, n)
	s.table[at] = uint32(len(s.list))
	return true
}

// grow makes the table four times as long as the list.
func (s *names) grow(body, decoded []byte) {
	if s.table == nil {
		s.seed = maphash.MakeSeed()
	}
	size := 8 * fewNames
	for size < 4*len(s.list) {
		size *= 2
	}
	s.table = make([]uint32, size)
	for i, n := range s.list {
		at := s.slot(n.in(body, decoded))
		for s.table[at] != 0 {
			at = (at + 1) & (size - 1)
		}
		s.table[at] = uint32(i + 1)
	}
}

func (s *names) slot(text []byte) int {
	return int(maphash.Bytes(s.seed, text) & uint64(len(s.table)-1))
}

func (n name) in(body, decoded []byte) []byte {
	if n.decoded {
		body = decoded
	}
	return body[n.start:n.end]
}
