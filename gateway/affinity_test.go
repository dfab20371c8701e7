package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// BenchmarkAffinity has conversations of several turns go to three simulated
// replicas: by the gateway with and without affinity, and round robin. Of each it
// reports how much of the prompts the engines had in their caches, and the time
// to the first token as the simulated engines' clients see it.
func BenchmarkAffinity(b *testing.B) {
	for _, way := range []string{"affinity", "least work", "round robin"} {
		b.Run(way, func(b *testing.B) {
			for b.Loop() {
				runConversations(b, way)
			}
		})
	}
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func runConversations(b *testing.B, way string) {
	const speed, replicas, talkers, turns, span = 8.0, 3, 36, 6, 25 * time.Second
	var engines []*simulator
	var urls []string
	for range replicas {
		e := simulate(b, sim.Config{Speed: speed})
		engines = append(engines, e)
		urls = append(urls, e.URL)
	}
	header := http.Header{"Authorization": {"Bearer " + backendKey}, "Content-Type": {"application/json"}}
	if way != "round robin" {
		s := serve(b, func(s *setup) {
			c := testBackend("chat", chatModel, urls...)
			c.MaxContext, c.Affinity = 8192, new(way == "affinity")
			s.Backends = append(s.Backends, c)
			s.Config.Limits.RequestsPerSecond = 0
			s.Config.Limits.Org.TokensPerDay, s.Config.Limits.Org.TokensPerMonth, s.Config.Limits.Org.RequestsPerDay = 1<<40, 1<<40, 1<<40
		})
		urls = []string{s.URL()}
		header.Set("Authorization", "Bearer "+s.Key("acme"))
	}
	var turn atomic.Int64
	var mu sync.Mutex
	var first []time.Duration
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	defer client.CloseIdleConnections()
	end := time.Now().Add(span)
	var all sync.WaitGroup
	for i := range talkers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 5))
			for n := 0; time.Now().Before(end); n++ {
				talk := []message{{"system", strings.Repeat("You answer with care. ", 60)}}
				for range turns {
					words := make([]string, 250)
					for j := range words {
						words[j] = fmt.Sprint("w", random.IntN(1000))
					}
					talk = append(talk, message{"user", strings.Join(words, " ")})
					body, err := json.Marshal(map[string]any{"model": chatModel, "messages": talk, "max_tokens": 80, "stream": true})
					if err != nil {
						b.Error(err)
						return
					}
					took, answer := converse(b, client, urls[int(turn.Add(1))%len(urls)], header, string(body))
					talk = append(talk, message{"assistant", answer})
					mu.Lock()
					first = append(first, took)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	var asked, hit float64
	for _, e := range engines {
		_, text := e.Do(b, "GET", "/metrics", "")
		asked += sample(text, "vllm:prefix_cache_queries_total")
		hit += sample(text, "vllm:prefix_cache_hits_total")
	}
	slices.Sort(first)
	at := func(p int) float64 { return first[len(first)*p/100].Seconds() * speed }
	b.ReportMetric(100*hit/asked, "%-cached")
	b.ReportMetric(at(50), "p50-first-s")
	b.ReportMetric(at(95), "p95-first-s")
	b.ReportMetric(float64(len(first))/(span.Seconds()*speed), "turns/s")
}

// converse asks for one answer, and tells when its first token came.
func converse(b *testing.B, client *http.Client, url string, header http.Header, body string) (first time.Duration, answer string) {
	began := time.Now()
	req, err := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return 0, ""
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		b.Errorf("%d %s", resp.StatusCode, text)
		return 0, ""
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var event struct{ Choices []struct{ Delta message } }
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &event) == nil && len(event.Choices) > 0 {
			if answer += event.Choices[0].Delta.Content; answer != "" && first == 0 {
				first = time.Since(began)
			}
		}
	}
	return first, answer
}

// sample is a counter's value in Prometheus' text.
func sample(text, name string) (v float64) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") {
			fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):], &v)
		}
	}
	return v
}
