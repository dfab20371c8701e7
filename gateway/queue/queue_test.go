package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// room is a backend that holds so many tokens, of which it keeps some from
// those over their share.
type room struct {
	mu                   sync.Mutex
	size, reserve, taken int64
}

// asking is a request that asks for some of a room.
type asking struct {
	Ticket
	room   *room
	tokens int64
	took   atomic.Bool
}

func (a *asking) Take(over bool) bool {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	left := a.room.size - a.room.taken
	if over {
		left -= a.room.reserve
	}
	if a.tokens > left {
		return false
	}
	a.room.taken += a.tokens
	a.took.Store(true)
	return true
}

// over gives back what it took.
func (a *asking) over() {
	a.room.mu.Lock()
	a.room.taken -= a.tokens
	a.room.mu.Unlock()
	a.Done()
}

// enter has a request stand in line, and says whether it has a place.
func (r *room) enter(t testing.TB, q *Queue, org string, weight int, tokens int64) (*asking, bool) {
	t.Helper()
	a := &asking{room: r, tokens: tokens}
	placed, err := q.Enter(&a.Ticket, org, weight, tokens, a)
	if err != nil {
		t.Fatalf("%s: %v", org, err)
	}
	return a, placed
}

// placed lists whose requests have a place, by their order in all.
func placed(all []*asking) (which []int) {
	for i, a := range all {
		if a.took.Load() {
			which = append(which, i)
		}
	}
	return which
}

// While there is room and nobody waits, nobody does; and then those of one
// organisation are served in the order in which they came.
func TestFirstComeFirstServed(t *testing.T) {
	q, r := New(Options{}), &room{size: 100}
	var all []*asking
	for i := range 10 {
		a, ok := r.enter(t, q, "acme", 1, 40)
		if ok != (i < 2) {
			t.Fatalf("request %d: placed %v", i, ok)
		}
		all = append(all, a)
	}
	small, ok := r.enter(t, q, "acme", 1, 20)
	if ok {
		t.Error("one that would fit passed those before it")
	}
	for i := range 8 {
		all[i].over()
		if got := len(placed(all)); got != min(i+3, 10) || !all[min(i+2, 9)].took.Load() {
			t.Fatalf("after %d ends, %v have a place", i+1, placed(all))
		}
	}
	all[8].over()
	if err := small.Wait(); err != nil || !small.took.Load() {
		t.Errorf("the last one: %v", err)
	}
	all[9].over()
	small.over()
	if s := q.Status(); s.Waiting != 0 || s.UnderWay != 0 || s.Tokens != 0 {
		t.Errorf("left: %+v", s)
	}
}

// Of organisations that always have requests in line, each gets tokens by its
// weight, however many and however large its requests are.
func TestFair(t *testing.T) {
	for name, orgs := range map[string][]struct {
		weight int
		tokens int64 // of each request
	}{
		"alike":         {{1, 500}, {1, 500}, {1, 500}},
		"large ones":    {{1, 100}, {1, 8000}, {1, 1500}},
		"weights":       {{1, 500}, {2, 500}, {5, 500}},
		"large weights": {{1000, 700}, {250, 500}, {500, 300}},
		"both":          {{3, 4000}, {1, 50}, {2, 700}},
	} {
		t.Run(name, func(t *testing.T) {
			q, r := New(Options{Length: 1 << 20}), &room{size: 20_000}
			var under []*asking
			got := make([]int64, len(orgs))
			lines := make([][]*asking, len(orgs))
			put := func(i int) {
				a, _ := r.enter(t, q, fmt.Sprint("org", i), orgs[i].weight, orgs[i].tokens)
				lines[i] = append(lines[i], a)
			}
			// move takes those that got their place out of the lines.
			move := func() {
				for i := range lines {
					for len(lines[i]) > 0 && lines[i][0].took.Load() {
						under = append(under, lines[i][0])
						got[i] += orgs[i].tokens
						lines[i] = lines[i][1:]
						put(i)
					}
				}
			}
			for i := range orgs {
				for range 100 {
					put(i)
				}
			}
			move()
			clear(got) // who came first had it all
			random := rand.New(rand.NewPCG(1, 2))
			for range 20_000 {
				i := random.IntN(len(under))
				under[i].over()
				under[i] = under[len(under)-1]
				under = under[:len(under)-1]
				move()
			}
			var sum, weights int64
			for i := range orgs {
				sum, weights = sum+got[i], weights+int64(orgs[i].weight)
			}
			for i, o := range orgs {
				want := float64(sum) * float64(o.weight) / float64(weights)
				if share := float64(got[i]) / want; share < 0.97 || share > 1.03 {
					t.Errorf("org %d got %.3f of its share", i, share)
				}
			}
		})
	}
}

// A request that needs much is waited for, and not starved by small ones.
func TestLargeIsNotStarved(t *testing.T) {
	q, r := New(Options{Quantum: 100}), &room{size: 100}
	var small []*asking
	for range 10 {
		a, _ := r.enter(t, q, "small", 1, 10)
		small = append(small, a)
	}
	large, _ := r.enter(t, q, "large", 1, 90)
	for range 50 { // small ones come and go
		a, _ := r.enter(t, q, "small", 1, 10)
		small = append(small, a)
		for i, s := range small {
			if s.took.Load() {
				s.over()
				small = append(small[:i], small[i+1:]...)
				break
			}
		}
		if large.took.Load() {
			return
		}
	}
	t.Error("the large one waits while small ones pass")
}

// Room that is kept from those over their share is there at once for an
// organisation that comes seldom, and for an organisation that is alone.
func TestReserve(t *testing.T) {
	q, r := New(Options{}), &room{size: 100, reserve: 20}
	for range 10 {
		if _, ok := r.enter(t, q, "greedy", 1, 10); !ok {
			t.Fatal("who is alone can't have it all")
		}
	}
	q, r = New(Options{}), &room{size: 100, reserve: 20}
	var modest, greedy []*asking
	a, _ := r.enter(t, q, "modest", 1, 10)
	modest = append(modest, a)
	for range 20 {
		a, _ := r.enter(t, q, "greedy", 1, 10)
		greedy = append(greedy, a)
	}
	if got := len(placed(greedy)); got != 7 {
		t.Errorf("beside another, the greedy one has %d places, want 7", got)
	}
	for range 2 { // while the greedy one has a long line
		if a, ok := r.enter(t, q, "modest", 1, 10); !ok {
			t.Error("the modest one waits, and there is room that is kept for it")
		} else {
			modest = append(modest, a)
		}
	}
	modest[0].over()
	if got := len(placed(greedy)); got != 7 {
		t.Errorf("the greedy one took what is kept for others: %d", got)
	}
	greedy[0].over()
	greedy[1].over()
	if got := len(placed(greedy)); got != 8 {
		t.Errorf("what a greedy one gave back, the next one can have: %d", got)
	}
}

// A full line refuses, and says for how long; but who has little in it finds a
// place, at the expense of who has most.
func TestFullLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := New(Options{Length: 10}), &room{size: 100}
		for range 5 { // each takes 20 s, ten at a time: 5 tokens a second
			var under []*asking
			for range 10 {
				a, _ := r.enter(t, q, "acme", 1, 10)
				under = append(under, a)
			}
			time.Sleep(20 * time.Second)
			for _, a := range under {
				a.over()
			}
		}
		var line []*asking
		for range 20 {
			a, _ := r.enter(t, q, "acme", 1, 10)
			line = append(line, a)
		}
		var full *Full
		a := &asking{room: r, tokens: 10}
		_, err := q.Enter(&a.Ticket, "acme", 1, 10, a)
		if !errors.As(err, &full) || full.RetryAfter != 22*time.Second { // 110 tokens at 5 a second
			t.Errorf("refused with %v, %+v", err, full)
		}
		other, _ := r.enter(t, q, "other", 1, 10)
		if err := line[19].Wait(); !errors.As(err, &full) || full.RetryAfter < 20*time.Second {
			t.Errorf("the youngest of who has most: %v, %+v", err, full)
		}
		if s := q.Status(); s.Waiting != 10 || s.Tokens != 100 || len(s.Orgs) != 2 {
			t.Errorf("%+v", s)
		}
		line[0].over()
		if !other.took.Load() && !line[10].took.Load() {
			t.Error("nobody got the place that became free")
		}
		if wait := q.Forecast("nobody").RetryAfter; wait < time.Second || wait > mostRetry {
			t.Errorf("a stranger is told to wait %v", wait)
		}
	})
}

// Who leaves the line leaves nothing behind, and does not hold others up.
func TestAbort(t *testing.T) {
	q, r := New(Options{}), &room{size: 100}
	first, _ := r.enter(t, q, "acme", 1, 60)
	large, _ := r.enter(t, q, "acme", 1, 90)
	small, _ := r.enter(t, q, "acme", 1, 30)
	if small.took.Load() {
		t.Fatal("a small one passed")
	}
	large.Abort()
	large.Abort()
	if err := large.Wait(); err != ErrLeft {
		t.Errorf("who left: %v", err)
	}
	large.Done()
	if !small.took.Load() || small.Wait() != nil {
		t.Error("the next one still waits for who left")
	}
	small.Abort() // has its place, and keeps it
	if s := q.Status(); s.UnderWay != 90 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	first.over()
	small.over()
	small.Done()
	new(Ticket).Abort()
	new(Ticket).Done()
	if s := q.Status(); s.UnderWay != 0 || s.Tokens != 0 {
		t.Errorf("left: %+v", s)
	}
}

// Organisations that are gone are forgotten, and count in nobody's share.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := New(Options{}), &room{size: 100, reserve: 20}
		for i := range 1000 {
			a, _ := r.enter(t, q, fmt.Sprint("org", i), 1+i%7, 10)
			a.over()
		}
		for range 8 {
			r.enter(t, q, "acme", 1, 10)
		}
		if _, ok := r.enter(t, q, "acme", 1, 10); ok {
			t.Error("it is over its share while others were active a moment ago")
		}
		time.Sleep(activeFor + 2*time.Second)
		q.Wake(0)
		if s := q.Status(); s.Waiting != 0 || len(q.orgs) != 1 || q.weights != 1 {
			t.Errorf("%+v, %d organisations known with weights of %d", s, len(q.orgs), q.weights)
		}
	})
}

// Whatever happens at once, each request has one outcome, no more is taken than
// there is, and nothing is left at the end.
func TestAtOnce(t *testing.T) {
	q, r := New(Options{Length: 50}), &room{size: 500, reserve: 50}
	var worst, served, left, refused atomic.Int64
	var clients sync.WaitGroup
	for c := range 100 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(c), 3))
			for range 200 {
				a := &asking{room: r, tokens: 1 + random.Int64N(200)}
				ok, err := q.Enter(&a.Ticket, fmt.Sprint("org", c%5), 1+c%3, a.tokens, a)
				if err == nil && !ok {
					if random.IntN(3) == 0 {
						go a.Abort()
					}
					err = a.Wait()
				}
				switch {
				case err == nil && a.took.Load():
					r.mu.Lock()
					worst.Store(max(worst.Load(), r.taken))
					r.mu.Unlock()
					served.Add(1)
					for range random.IntN(100) {
						runtime.Gosched()
					}
					a.over()
				case err == ErrLeft && !a.took.Load():
					left.Add(1)
				case errors.As(err, new(*Full)) && !a.took.Load():
					refused.Add(1)
				default:
					t.Errorf("%v, and it took its place: %v", err, a.took.Load())
				}
			}
		})
	}
	clients.Wait()
	if s := q.Status(); s.Waiting != 0 || s.UnderWay != 0 || s.Tokens != 0 || r.taken != 0 {
		t.Errorf("left: %+v, %d taken", s, r.taken)
	}
	if worst.Load() > 500 || served.Load() == 0 || left.Load() == 0 || refused.Load() == 0 {
		t.Errorf("at most %d taken; %d served, %d left, %d refused", worst.Load(), served.Load(), left.Load(), refused.Load())
	}
}

func BenchmarkEnterDone(b *testing.B) {
	for _, orgs := range []int{1, 1000} {
		b.Run(fmt.Sprintf("room, organisations=%d", orgs), func(b *testing.B) {
			q, r := New(Options{}), &room{size: 1 << 40}
			names := make([]string, orgs)
			for i := range names {
				names[i] = fmt.Sprint("org", i)
			}
			b.ReportAllocs()
			var a asking
			a.room, a.tokens = r, 500
			for i := 0; b.Loop(); i++ {
				q.Enter(&a.Ticket, names[i%orgs], 1, 500, &a)
				a.Done()
			}
		})
		b.Run(fmt.Sprintf("line, organisations=%d", orgs), func(b *testing.B) {
			q, r := New(Options{Length: 1 << 20}), &room{size: 100 * 500}
			under := make(chan *asking, 100+orgs)
			b.ReportAllocs()
			for i := range 100 + 10*orgs {
				a, ok := r.enter(b, q, fmt.Sprint("org", i%orgs), 1, 500)
				if ok {
					under <- a
				} else {
					go func() { a.Wait(); under <- a }()
				}
			}
			for i := 0; b.Loop(); i++ {
				(<-under).over()
				a, _ := r.enter(b, q, fmt.Sprint("org", i%orgs), 1, 500)
				go func() { a.Wait(); under <- a }()
			}
		})
	}
}
