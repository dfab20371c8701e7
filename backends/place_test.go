package backends

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// holding is a pool's backend with so many replicas, each of which holds so many
// tokens (0: nobody knows).
func holding(t *testing.T, tokens int64, replicas int) *Backend {
	t.Helper()
	c := three
	c.URLs = c.URLs[:replicas]
	c.KVTokens = tokens
	return well(newPool(t, c).Model([]byte("m")))
}

func place(t *testing.T, b *Backend, n Need) Place {
	t.Helper()
	p, v := b.Take(n)
	if v != Placed {
		t.Fatalf("no place for %+v: %d", n, v)
	}
	return p
}

// A replica takes what fits, leaves the reserve to those under their share, and
// takes anything while it has nothing else.
func TestTakeFits(t *testing.T) {
	b := holding(t, 1000, 1)
	large := place(t, b, Need{Prompt: 400, Output: 700}) // what can never fit is refused elsewhere
	if _, v := b.Take(Need{Prompt: 1}); v != NoRoom {
		t.Errorf("beside one that takes it all: %d", v)
	}
	large.Done()
	a := place(t, b, Need{Prompt: 500, Output: 300, Over: true})
	a.Began()
	if _, v := b.Take(Need{Prompt: 100, Output: 50, Over: true}); v != NoRoom {
		t.Errorf("one over its share got some of the reserve: %d", v)
	}
	c := place(t, b, Need{Prompt: 100, Output: 100})
	if _, v := b.Take(Need{Prompt: 1}); v != NoRoom {
		t.Errorf("more than there is: %d", v)
	}
	forced := place(t, b, Need{Prompt: 500, Force: true})
	for _, p := range []*Place{&a, &c, &forced, &forced} {
		p.Done()
	}
	if k := &b.replicas[0].books; k.booked.Load() != 0 || k.live.Load() != 0 || k.reading.Load() != 0 || b.replicas[0].inflight.Load() != 0 {
		t.Errorf("left in the books: %d booked, %d live, %d being read", k.booked.Load(), k.live.Load(), k.reading.Load())
	}
	if b = holding(t, 0, 1); b.Largest() != 0 || b.Room() != 0 {
		t.Errorf("of what nobody knows: %d, %d", b.Largest(), b.Room())
	}
	for range 1000 {
		place(t, b, Need{Prompt: 1 << 20})
	}
	b.replicas[0].circuit.fail(ConnectFailed)
	b.replicas[0].circuit.fail(ConnectFailed)
	b.replicas[0].circuit.fail(ConnectFailed)
	if _, v := b.Take(Need{}); v != NoneWell {
		t.Errorf("of one that is down: %d", v)
	}
}

// Prompts of those over their share wait while the engine has enough to read.
func TestTakeReadingAhead(t *testing.T) {
	b := holding(t, 1<<20, 1)
	first := place(t, b, Need{Prompt: readingAhead, Over: true})
	if _, v := b.Take(Need{Prompt: 1, Over: true}); v != NoRoom {
		t.Error("there is enough to read, and more came")
	}
	place(t, b, Need{Prompt: 1})
	first.Began()
	first.Began()
	place(t, b, Need{Prompt: 1, Over: true})
}

// Whatever requests turn out to be, the books hold what they are known to need,
// and nothing once they are over.
func TestBooks(t *testing.T) {
	b := holding(t, 1<<40, 3)
	random := rand.New(rand.NewPCG(1, 1))
	type request struct {
		Place
		prompt, output, expected int64
		began                    bool
	}
	var all []*request
	check := func() {
		t.Helper()
		booked, live, reading := map[*Replica]int64{}, map[*Replica]int64{}, map[*Replica]int64{}
		for _, r := range all {
			booked[r.Replica] += max(r.prompt+r.expected, r.prompt+r.output)
			live[r.Replica] += r.now
			if !r.began {
				reading[r.Replica] += r.prompt
			}
		}
		for _, r := range b.replicas {
			k := &r.books
			if k.booked.Load() != booked[r] || k.live.Load() != live[r] || k.reading.Load() != reading[r] {
				t.Fatalf("%s: %d booked, %d live, %d being read, want %d, %d, %d", r.URL, k.booked.Load(), k.live.Load(), k.reading.Load(), booked[r], live[r], reading[r])
			}
		}
	}
	for range 5000 {
		switch n := random.IntN(4); {
		case n == 0 || len(all) == 0:
			r := &request{prompt: random.Int64N(1000), expected: random.Int64N(300)}
			r.Place = place(t, b, Need{Prompt: r.prompt, Output: r.expected, Prefix: random.Uint64N(3)})
			all = append(all, r)
		case n == 1:
			i := random.IntN(len(all))
			all[i].Done()
			all[i].Done()
			all = append(all[:i], all[i+1:]...)
		default:
			r := all[random.IntN(len(all))]
			r.Began()
			r.began = true
			exact := int64(0)
			if random.IntN(2) == 0 { // the engine says how long the prompt is, the same each time
				exact = max(1, r.prompt+random.Int64N(3)-1)
				r.prompt = exact
			}
			r.output = max(r.output, random.Int64N(600))
			r.Progress(exact, r.output)
			r.expected = max(r.expected, r.output)
		}
		check()
	}
}

// The engine's own word moves the books: what others have there is not given
// out, what is shared is, and preemptions make it cautious for a while.
func TestCorrected(t *testing.T) {
	b := holding(t, 0, 1)
	r := b.replicas[0]
	started := time.Now()
	reading := func(usage float64, waiting int, preempted int64) *EngineStatus {
		return &EngineStatus{Started: started, KVTokens: 10_000, KVUsage: usage, Running: 1, Waiting: waiting, Preemptions: preempted}
	}
	var last *EngineStatus
	read := func(e *EngineStatus) {
		r.engine.Store(e)
		r.corrected(last, e)
		last = e
	}
	read(reading(0, 0, 0))
	if b.Largest() != 10_000 || b.Room() != 10_000 {
		t.Fatalf("capacity %d, %d", b.Largest(), b.Room())
	}
	size := func() int64 { n, _ := r.room(1); return n }
	p := place(t, b, Need{Prompt: 4000, Output: 0})
	for range 10 {
		read(reading(0.41, 0, 0)) // within what readings are off by
	}
	if size() != 10_000 {
		t.Errorf("size %d with nothing amiss", size())
	}
	for range 20 {
		read(reading(0.70, 0, 0))
	}
	if n := size(); n < 6900 || n > 7100 {
		t.Errorf("size %d with 3,000 of others", n)
	}
	for range 20 {
		read(reading(0.25, 0, 0))
	}
	if n := size(); n < 11_400 || n > 11_600 {
		t.Errorf("size %d where 1,500 are shared", n)
	}
	for range 20 {
		read(reading(0, 0, 0))
	}
	if n := size(); n < 11_900 || n > 12_000 {
		t.Errorf("size %d: half of what is shared at most", n)
	}
	for range 20 {
		read(reading(0.4, 0, 0))
	}
	read(reading(0.4, 0, 7))
	if n := size(); n != 9000 {
		t.Errorf("size %d after preemptions", n)
	}
	for range 9 {
		read(reading(0.4, 5, 7))
	}
	if n := size(); n != 9900 {
		t.Errorf("size %d: requests wait in the engine for other reasons than its cache", n)
	}
	read(reading(0.99, 5, 7))
	read(reading(0.99, 5, 7))
	if k := r.books.trust.Load(); k != -50 {
		t.Errorf("trust %d: requests wait twice while the cache is full", k)
	}
	started = started.Add(time.Hour) // another engine counts from 0, and says nothing of the last one
	read(reading(0.4, 0, 9))
	if k := r.books.trust.Load(); k != -40 {
		t.Errorf("trust %d after a restart", k)
	}
	for range 100 {
		read(reading(0.99, 1, 100+int64(time.Now().Nanosecond())))
	}
	if k := r.books.trust.Load(); k < leastTrust {
		t.Errorf("trust %d", k)
	}
	p.Done()
}

// What has no data changes nothing.
func TestCorrectedNoData(t *testing.T) {
	b := holding(t, 10_000, 1)
	r := b.replicas[0]
	place(t, b, Need{Prompt: 4000})
	e := &EngineStatus{Running: -1, Waiting: -1, KVUsage: -1, Preemptions: -1}
	for range 5 {
		r.engine.Store(e)
		r.corrected(e, e)
	}
	if n, _ := r.room(1); n != 10_000 {
		t.Errorf("size %d", n)
	}
}

// Requests go where the least of the cache is taken, by its size.
func TestTakeLeastWork(t *testing.T) {
	b := holding(t, 0, 3)
	for i, r := range b.replicas {
		r.engine.Store(&EngineStatus{KVTokens: int64(i+1) * 10_000, KVUsage: -1, Running: -1, Waiting: -1, Preemptions: -1})
	}
	got := map[*Replica]int{}
	for range 60 {
		p := place(t, b, Need{Prompt: 80, Output: 20})
		got[p.Replica]++
	}
	for i, r := range b.replicas {
		if n := got[r]; math.Abs(float64(n-10*(i+1))) > 2 {
			t.Errorf("one of %d0,000 tokens got %d of 60", i+1, n)
		}
	}
}

// Requests that begin alike go to one replica while it is not much fuller than
// others, the same one whoever else is there; and different ones spread.
func TestTakeAffinity(t *testing.T) {
	b := holding(t, 100_000, 3)
	home := map[uint64]*Replica{}
	got := map[*Replica]int{}
	for prefix := uint64(1); prefix <= 300; prefix++ {
		for range 3 {
			p := place(t, b, Need{Prompt: 500, Prefix: prefix})
			if home[prefix] == nil {
				home[prefix] = p.Replica
				got[p.Replica]++
			} else if home[prefix] != p.Replica {
				t.Fatalf("prefix %d went to %s, and before to %s", prefix, p.Replica.URL, home[prefix].URL)
			}
			p.Done()
		}
	}
	for r, n := range got {
		if n < 60 || n > 140 {
			t.Errorf("%s is home to %d of 300", r.URL, n)
		}
	}
	var held []Place
	away := 0
	for range 120 {
		p := place(t, b, Need{Prompt: 500, Prefix: 1})
		if held = append(held, p); p.Replica != home[1] {
			away++
		}
	}
	if away == 0 || away > 80 { // two thirds: as though they had nothing in common
		t.Errorf("of 120 requests that begin alike, 60 %% of what there is, %d went elsewhere", away)
	}
	for i := range held {
		held[i].Done()
	}
}
