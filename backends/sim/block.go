package sim

// block is a fixed number of tokens' keys and values. Its contents are known
// by a hash over the whole prefix up to its end, once it is full.
type block struct {
	hash       uint64 // 0: not full, or never filled
	refs       int
	prev, next *block // among the free ones
}

// pool is the KV cache: blocks in use, and free ones in the order in which
// they were given back. A free block keeps its contents until it is taken, so
// that a prompt which begins like an earlier one finds that work done.
type pool struct {
	free   block // the list's anchor: next is the longest free
	count  int   // free ones
	total  int
	cached map[uint64]*block
}

func newPool(total int) *pool {
	p := &pool{total: total, cached: make(map[uint64]*block)}
	p.free.prev, p.free.next = &p.free, &p.free
	for range total {
		p.append(&block{})
	}
	return p
}

func (p *pool) used() int { return p.total - p.count }

func (p *pool) append(b *block) {
	b.prev, b.next = p.free.prev, &p.free
	b.prev.next, b.next.prev = b, b
	p.count++
}

func (p *pool) unlink(b *block) {
	b.prev.next, b.next.prev = b.next, b.prev
	b.prev, b.next = nil, nil
	p.count--
}

// take is a free block with nothing in it; nil when all are in use.
func (p *pool) take() *block {
	if p.count == 0 {
		return nil
	}
	b := p.free.next
	p.unlink(b)
	if b.hash != 0 && p.cached[b.hash] == b {
		delete(p.cached, b.hash)
	}
	b.hash, b.refs = 0, 1
	return b
}

// share is the block with that prefix, for one more user; nil when it is gone.
func (p *pool) share(hash uint64) *block {
	b := p.cached[hash]
	if b == nil {
		return nil
	}
	if b.refs == 0 {
		p.unlink(b)
	}
	b.refs++
	return b
}

// fill notes a full block's prefix. Where another block holds the same one,
// that stays the known one.
func (p *pool) fill(b *block, hash uint64) {
	b.hash = hash
	if p.cached[hash] == nil {
		p.cached[hash] = b
	}
}

// release gives blocks back, the last first: the end of a prefix is worth
// less than its beginning.
func (p *pool) release(blocks []*block) {
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		if b.refs--; b.refs == 0 {
			p.append(b)
		}
	}
}

// prefixHash continues the hash of a prefix over one block's tokens (FNV-1a).
func prefixHash(before uint64, token func(int) string, from, to int) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := before ^ offset
	for i := from; i < to; i++ {
		t := token(i)
		for j := range len(t) {
			h = (h ^ uint64(t[j])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return h | 1 // never 0, which stands for nothing known
}
