package main

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"os"
	"strconv"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gpu"
	"pilothouse/ui"
	"pilothouse/ui/widget"
)

type g struct{ f func() *gateway.Snapshot }

func (x g) Snapshot() *gateway.Snapshot { return x.f() }

type p struct{ f func() *backends.Snapshot }

func (x p) Snapshot() *backends.Snapshot { return x.f() }

type u struct{ f func() *gpu.Snapshot }

func (x u) Snapshot() *gpu.Snapshot { return x.f() }

func main() {
	bad := os.Getenv("BAD") != ""
	n, _ := strconv.Atoi(os.Getenv("N"))
	if n == 0 {
		n = 400
	}
	ng, _ := strconv.Atoi(os.Getenv("NG"))
	if ng == 0 {
		ng = 2
	}
	start := time.Now().Add(-time.Duration(n) * time.Second)
	var live, recent []gateway.Record
	r := rand.New(rand.NewSource(1))
	id := 0
	mk := func(ago time.Duration, ended bool) gateway.Record {
		id++
		sql := r.Intn(3) == 0
		orgs := []string{"acme", "globex", "initech"}
		keys := []string{"etl-nightly", "web", "ci"}
		rec := gateway.Record{ID: fmt.Sprintf("req-%08x", r.Uint32()), Start: time.Now().Add(-ago), Org: orgs[r.Intn(3)], KeyName: keys[r.Intn(3)], Client: "203.0.113.9", Route: "/v1/chat/completions", Model: "Qwen/Qwen2.5-7B-Instruct", Backend: "chat", Replica: "http://chat:8000", Stream: true, Phase: gateway.PhaseDecode, First: time.Duration(200+r.Intn(300)) * time.Millisecond, Prompt: 20 + r.Intn(2000), Output: r.Intn(600), Duration: ago}
		if sql {
			rec.Model, rec.Backend, rec.Route, rec.Stream, rec.Replica = "Snowflake/Arctic-Text2SQL-R1-7B", "text2sql", "/text2sql", false, "http://text2sql:8000"
		}
		if ended {
			rec.Phase, rec.Status, rec.End = gateway.PhaseEnded, 200, gateway.EndDone
			rec.Duration = time.Duration(1000+r.Intn(9000)) * time.Millisecond
			switch r.Intn(12) {
			case 0:
				rec.Status, rec.End, rec.Code, rec.First, rec.Output = 429, gateway.EndRefused, "rate_limit_exceeded", 0, 0
			case 1:
				rec.End = gateway.EndClientLeft
			case 2:
				rec.Status, rec.End, rec.Code, rec.First, rec.Output = 502, gateway.EndBackendFailed, "backend_error", 0, 0
			case 3:
				rec.Org, rec.KeyName, rec.Status, rec.End, rec.Code, rec.Model, rec.Backend, rec.Replica = "", "", 401, gateway.EndRefused, "invalid_api_key", "", "", ""
				rec.First, rec.Output, rec.Prompt, rec.Duration = 0, 0, 0, 300*time.Microsecond
			}
		} else if r.Intn(4) == 0 {
			rec.Phase, rec.First, rec.Output = gateway.PhasePrefill, 0, 0
		}
		return rec
	}
	for i := range 11 {
		live = append(live, mk(time.Duration(20-i)*time.Second, false))
	}
	for i := range 120 {
		recent = append(recent, mk(time.Duration(i)*2*time.Second, true))
	}
	var hist []gateway.Point
	point := func(i int) gateway.Point {
		v := 20 + 15*math.Sin(float64(i)/50) + r.Float64()*6
		pt := gateway.Point{Requests: int(v), Tokens: int(v*55 + r.Float64()*90), InFlight: 11}
		if bad && i%40 > 36 {
			pt.Errors = 2
		}
		return pt
	}
	for i := range min(n, 900) {
		hist = append(hist, point(i))
	}
	var gs *gateway.Snapshot
	gw := func() *gateway.Snapshot {
		now := time.Now()
		if gs != nil && now.Sub(gs.At) < 900*time.Millisecond {
			return gs
		}
		if gs != nil {
			hist = append(hist[1:len(hist):len(hist)], point(len(recent)))
			for range 3 {
				recent = append([]gateway.Record{mk(0, true)}, recent...)
			}
			if len(recent) > 200 {
				recent = recent[:200]
			}
		}
		last := hist[len(hist)-1]
		gs = &gateway.Snapshot{At: now, Started: start, Listen: "http://127.0.0.1:8080", InFlight: 11,
			Now:      gateway.Rates{Requests: float64(last.Requests), Tokens: float64(last.Tokens), FirstP50: 180 * time.Millisecond, FirstP95: 310 * time.Millisecond},
			Backends: map[string]gateway.Rates{"text2sql": {InFlight: 5, Requests: 12.3, Tokens: 155, FirstP50: 180 * time.Millisecond, FirstP95: 280 * time.Millisecond, PerTokP50: 52 * time.Millisecond}, "chat": {InFlight: 6, Requests: 25.9, Tokens: 1970, FirstP50: 190 * time.Millisecond, FirstP95: 1310 * time.Millisecond, PerTokP50: 58 * time.Millisecond}},
			History:  hist, Totals: gateway.Totals{Requests: 34300, Status2xx: 34201, Status429: 12, Status4xx: 31, Status5xx: 4, ClientLeft: 41, PromptTokens: 12345678, CompletionTokens: 4567890}, Live: live, Recent: recent}
		return gs
	}
	pool := func() *backends.Snapshot {
		now := time.Now()
		s := &backends.Snapshot{At: now, Backends: []backends.BackendStatus{
			{Name: "text2sql", Model: "Snowflake/Arctic-Text2SQL-R1-7B", Routes: []string{"/text2sql"}, Replicas: []backends.ReplicaStatus{{URL: "http://text2sql:8000", State: backends.Healthy, Since: start, InFlight: 5, Idle: 3, Requests: 12021}}},
			{Name: "chat", Model: "Qwen/Qwen2.5-7B-Instruct", Replicas: []backends.ReplicaStatus{{URL: "http://chat:8000", State: backends.Healthy, Since: start, InFlight: 6, Idle: 3, Requests: 22021, Failures: 4}}},
		}}
		if bad {
			s.Backends[1].Replicas = []backends.ReplicaStatus{
				{URL: "http://chat-0:8000", State: backends.Healthy, Since: start, InFlight: 6, Idle: 3, Requests: 22021, Failures: 4},
				{URL: "http://chat-1:8000", State: backends.Down, Reason: "connection refused, 5 times in a row", Since: now.Add(-41 * time.Second), Requests: 9021, Failures: 14},
			}
			s.Backends[0].Replicas[0].State = backends.Down
			s.Backends[0].Replicas[0].Since = now.Add(-12 * time.Second)
			s.Backends[0].Replicas[0].Reason = "/health answers 503"
		}
		return s
	}
	gpus := func() *gpu.Snapshot {
		now := time.Now()
		s := &gpu.Snapshot{At: now, Source: "sim", Simulated: true}
		for i := range ng {
			serves := []string{"text2sql", "chat"}[i%2]
			d := gpu.GPU{Index: i, Name: "NVIDIA L4", Serves: serves, At: now, Throttle: gpu.NotThrottled,
				Util: gpu.Read(74-30*float64(i%2), now), MemUsed: gpu.Read(float64(20-i%3)*(1<<30), now), MemTotal: gpu.Read(22.5*(1<<30), now), Temp: gpu.Read(61, now), Power: gpu.Read(68, now), PowerCap: gpu.Read(72, now), Clock: gpu.Read(2040, now)}
			if bad && i == 1 {
				d.At = now.Add(-14 * time.Second)
				d.Err = "the driver does not answer"
			}
			if bad && i == 0 {
				d.Throttle = gpu.ThrottleHeat | gpu.ThrottlePower
			}
			for k := range min(n, 900) {
				d.History = append(d.History, gpu.Point{Util: float32(50 + 45*math.Sin(float64(k+i*70)/40))})
			}
			s.GPUs = append(s.GPUs, d)
		}
		return s
	}
	o := ui.Options{Gateway: g{gw}, Pool: p{pool}, GPUs: u{gpus}, Demo: os.Getenv("DEMO") != "", DemoKey: "demo-4f1f33ac87e94710", Version: "0.1.0", Operator: "ana", ASCII: os.Getenv("ASCII") != "", Palette: widget.Palette(os.Getenv("THEME"))}
	if os.Getenv("NOGPU") != "" {
		o.GPUs = nil
	}
	if err := ui.Run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
