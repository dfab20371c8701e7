package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/backends/sim"
	"pilothouse/gateway/keys"
)

// overload is an experiment: what a simulated L4 gets done, and how long
// clients wait for the first token, with organisations that ask for more than
// it can do. All times are those of the simulated engine.
type overload struct {
	speed   float64       // of the simulator
	span    time.Duration // of an experiment, of which the first quarter is not counted
	prompt  int           // mean words of a prompt
	output  int           // mean tokens that an answer is made to have at least
	mean    float64       // tokens that answers so come to
	cache   int           // tokens of the engine's KV cache; 0: that of an L4
	beyond  int           // tokens that an answer may have beyond that least; 0: up to 2048
	engine  *simulator
	url     string
	headers func(org string) http.Header
	limit   chan struct{} // at most so many at once; nil: no limit
}

// load is one organisation's: requests come at random, so many a second.
type load struct {
	org  string
	rate float64
}

// outcome is what came of one organisation's requests.
type outcome struct {
	first   []time.Duration // to the first token
	tokens  int             // of answers that came whole
	refused int
	failed  int
}

func (o *outcome) quantile(percent int) time.Duration {
	if len(o.first) == 0 {
		return 0
	}
	slices.Sort(o.first)
	return o.first[len(o.first)*percent/100].Round(10 * time.Millisecond)
}

// run sends loads for the span, and waits for nobody at its end.
func (x *overload) run(t testing.TB, loads ...load) map[string]*outcome {
	all := map[string]*outcome{}
	for _, l := range loads {
		all[l.org] = &outcome{}
	}
	var mu sync.Mutex
	begin := time.Now()
	counts := func() bool { return time.Since(begin) > x.wall(x.span/4) }
	ctx, stop := context.WithTimeout(context.Background(), x.wall(x.span))
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var clients sync.WaitGroup
	for _, l := range loads {
		clients.Go(func() {
			seed := fnv.New64a() // an organisation's requests are the same, whoever else is there
			seed.Write([]byte(l.org))
			random := rand.New(rand.NewPCG(seed.Sum64(), 7))
			for n := 0; ; n++ {
				wait := x.wall(time.Duration(random.ExpFloat64() / l.rate * float64(time.Second)))
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
				}
				body := x.body(random)
				clients.Go(func() {
					first, tokens, status := x.ask(ctx, client, l.org, body, counts)
					mu.Lock()
					defer mu.Unlock()
					switch o := all[l.org]; {
					case !counts() || status == 0:
					case status == 503:
						o.refused++
					case status != 200:
						o.failed++
					default:
						if first > 0 {
							o.first = append(o.first, x.simulated(first))
						}
						o.tokens += tokens
					}
				})
			}
		})
	}
	clients.Wait()
	return all
}

func (x *overload) wall(d time.Duration) time.Duration { return time.Duration(float64(d) / x.speed) }
func (x *overload) simulated(d time.Duration) time.Duration {
	return time.Duration(float64(d) * x.speed)
}

// body is a request of some length, for an answer of some length.
func (x *overload) body(random *rand.Rand) string {
	words := make([]string, int(float64(x.prompt)*math.Exp(random.NormFloat64()*0.5)*0.88)+1)
	for i := range words {
		words[i] = fmt.Sprint("w", random.IntN(1000))
	}
	n := 1 + min(int(random.ExpFloat64()*float64(x.output)), 1500)
	most := 2048
	if x.beyond > 0 {
		most = n + x.beyond
	}
	b, _ := json.Marshal(map[string]any{"model": chatModel, "stream": true, "max_tokens": most, "min_tokens": n,
		"messages": []map[string]string{{"role": "user", "content": strings.Join(words, " ")}}})
	return string(b)
}

func (x *overload) ask(ctx context.Context, client *http.Client, org, body string, counts func() bool) (first time.Duration, tokens, status int) {
	if x.limit != nil {
		select {
		case x.limit <- struct{}{}:
			defer func() { <-x.limit }()
		case <-ctx.Done():
			return 0, 0, 0
		}
	}
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, "POST", x.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, 0, 0
	}
	req.Header = x.headers(org)
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, 0
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return 0, 0, resp.StatusCode
	}
	lines := bufio.NewScanner(resp.Body)
	events, counted := 0, 0
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "data: ") {
			continue
		}
		if lines.Text() == "data: [DONE]" {
			break
		}
		if counts() {
			counted++
		}
		if events++; events == 2 { // the first has the role only
			first = time.Since(began)
		}
	}
	return first, counted, 200
}

// best is the most tokens a second that the engine can do, of so many streams
// at once.
func (x *overload) best(t testing.TB) (tokens float64, streams int) {
	for _, n := range []int{64, 96} { // with more it preempts
		x.limit = make(chan struct{}, n)
		got := x.run(t, load{"greedy", 50})["greedy"]
		x.limit = nil
		if rate := float64(got.tokens) / (x.span * 3 / 4).Seconds(); rate > tokens {
			tokens, streams = rate, n
		}
		t.Logf("%d streams at once: %.0f tokens/s", n, float64(got.tokens)/(x.span*3/4).Seconds())
	}
	return tokens, streams
}

// whole is the experiment at full size.
var whole = overload{speed: 4, span: 320 * time.Second, prompt: 500, output: 300, mean: 400}

// start makes an experiment of that size, with an engine of its own, through a
// gateway or not.
func start(t testing.TB, size overload, through bool) *overload {
	x := &size
	x.engine = simulate(t, sim.Config{Speed: x.speed, KVTokens: x.cache})
	if !through {
		x.url = x.engine.URL
		x.headers = func(string) http.Header {
			return http.Header{"Authorization": {"Bearer " + backendKey}, "Content-Type": {"application/json"}}
		}
		return x
	}
	s := serve(t, func(s *setup) {
		b := testBackend("chat", chatModel, x.engine.URL)
		b.MaxContext = 8192
		b.Queue.Wait = backends.Duration(x.wall(60 * time.Second))
		s.Backends = []backends.Config{b}
		s.Keys = nil
		for _, org := range []string{"greedy", "m0", "m1", "m2", "m3"} {
			s.Keys = append(s.Keys, keys.Entry{Org: org, Name: org})
		}
		s.Config.Limits.RequestsPerSecond = 0
		s.Config.Limits.Org.TokensPerDay, s.Config.Limits.Org.RequestsPerDay = 0, 0
	})
	x.url = s.URL()
	x.headers = func(org string) http.Header {
		return http.Header{"Authorization": {"Bearer " + s.Key(org)}, "Content-Type": {"application/json"}}
	}
	return x
}

// BenchmarkAdmission measures the engine's best, then one greedy and four modest
// organisations that ask for twice that together: the modest ones alone, with
// admission by the KV cache, with none, and with six requests at once.
func BenchmarkAdmission(b *testing.B) {
	for b.Loop() {
		best, streams := start(b, whole, false).best(b)
		b.Logf("the engine's best: %.0f tokens/s, of %d streams at once", best, streams)
		x := start(b, whole, false)
		capacity := best / x.mean // answers a second
		var modest []load
		for i := range 4 {
			modest = append(modest, load{fmt.Sprint("m", i), capacity * 0.05})
		}
		both := append([]load{{"greedy", capacity * 1.8}}, modest...)
		report(b, "modest ones alone", start(b, whole, true), modest, best)
		report(b, "admission", start(b, whole, true), both, best)
		report(b, "no admission", start(b, whole, false), both, best)
		six := start(b, whole, false)
		six.limit = make(chan struct{}, 6)
		report(b, "six at once", six, both, best)
	}
}

// report runs loads, and tells what came of them.
func report(b *testing.B, name string, x *overload, loads []load, best float64) {
	f := &figures{}
	f.greedy, f.modest, f.tokens = sums(x.run(b, loads...))
	f.preemptions = x.engine.Load().Preemptions
	b.Logf("%-18s %3.0f %% of the best; %v", name, 100*float64(f.tokens)/(x.span*3/4).Seconds()/best, f)
}

// sums puts the modest organisations together, and counts all tokens.
func sums(all map[string]*outcome) (greedy, modest *outcome, tokens int) {
	greedy, modest = &outcome{}, &outcome{}
	for org, o := range all {
		tokens += o.tokens
		if org == "greedy" {
			greedy = o
			continue
		}
		modest.first = append(modest.first, o.first...)
		modest.refused += o.refused
		modest.failed += o.failed
	}
	return greedy, modest, tokens
}
