package ui

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
	"pilothouse/ui/desk"
	"pilothouse/ui/past"
)

// published is what a source hands out.
type published[T any] struct{ atomic.Pointer[T] }

func (p *published[T]) Snapshot() *T { return p.Load() }

// shift is a platform at work: four backends of two replicas each, eight GPUs, forty
// organisations. Something goes wrong every few minutes.
type shift struct {
	hands   // that nobody uses: what would do something is cancelled
	tick    int
	gateway published[gateway.Snapshot]
	pool    published[backends.Snapshot]
	gpus    published[gpu.Snapshot]
	quotas  atomic.Pointer[[]gateway.OrgQuotas]
	audit   atomic.Pointer[[]ledger.Event]
	history []gateway.Point
	cards   [8]struct{ short, long []gpu.Point }

	recorder *past.Recorder
	desk     *desk.Desk
	log      past.Log
}

const shiftBackends, shiftOrgs = 4, 40

func newShift() *shift {
	p := &shift{}
	p.parts = []backends.Part{{Backend: "model-0", Replica: "http://10.0.0.0:8000", Container: "vllm-0", Steps: []backends.StepName{backends.StepDrain, backends.StepStop}}}
	p.second()
	p.recorder = past.New(past.Sources{Gateway: &p.gateway, Pool: &p.pool, GPUs: &p.gpus, Books: p}, past.Options{})
	p.desk = desk.New(desk.Platform{Jobs: p, Drains: p, Logs: p, Pool: &p.pool, Gateway: requester{p}}, desk.Options{})
	return p
}

// requester is the gateway as a desk has it.
type requester struct{ *shift }

func (r requester) Snapshot() *gateway.Snapshot { return r.gateway.Load() }

// Quotas, Grants and Audit are the books.
func (p *shift) Quotas(context.Context) ([]gateway.OrgQuotas, error)  { return *p.quotas.Load(), nil }
func (p *shift) Grants(context.Context, bool) ([]ledger.Grant, error) { return nil, nil }
func (p *shift) Audit(_ context.Context, most int) ([]ledger.Event, error) {
	return *p.audit.Load(), nil
}

// Explain tells of a request that is in flight or was just now.
func (p *shift) Explain(id string) (gateway.Explanation, bool) {
	g := p.gateway.Load()
	for _, all := range [][]gateway.Record{g.Live, g.Recent} {
		for i := range all {
			if all[i].ID == id {
				return gateway.Explanation{Record: all[i]}, true
			}
		}
	}
	return gateway.Explanation{}, false
}

// Logs tells lines each second.
func (p *shift) Logs(ctx context.Context, name string, o backends.LogOptions, each func(string, backends.LogLine)) error {
	for {
		for range 3 {
			each(name, backends.LogLine{At: time.Now(), Stream: 1, Text: "INFO: 10.0.0.1 POST /v1/chat/completions error=none at " + time.Now().String()})
		}
		if !o.Follow {
			return nil
		}
		if !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

func (p *shift) wave(i int) float64 { return math.Sin(float64(p.tick+37*i) / 70) }

// second publishes what has changed in one.
func (p *shift) second() {
	p.tick++
	now := time.Now()
	p.publishGateway(now)
	p.publishPool(now)
	p.publishGPUs(now)
	fmt.Fprintf(&p.log, "{\"time\":%q,\"level\":\"INFO\",\"msg\":\"request\",\"n\":%d,\"error\":\"none\"}\n", now.Format(time.RFC3339Nano), p.tick)
	if p.tick%2 == 1 {
		p.publishBooks(now)
	}
}

func (p *shift) publishGateway(now time.Time) {
	g := &gateway.Snapshot{At: now, Started: now.Add(-time.Duration(p.tick) * time.Second), Listen: "http://127.0.0.1:8080", Backends: map[string]gateway.Rates{}}
	for i := range shiftBackends {
		r := gateway.Rates{InFlight: 3 + int(2*p.wave(i)), Requests: 10 + 5*p.wave(i), Tokens: 500 + 200*p.wave(i), FirstP50: time.Duration(190e6 * (1 + p.wave(i)/3)), FirstP95: time.Duration(310e6 * (1 + p.wave(i)/3))}
		g.Backends[fmt.Sprintf("model-%d", i)] = r
		g.Now.Requests, g.Now.Tokens, g.InFlight = g.Now.Requests+r.Requests, g.Now.Tokens+r.Tokens, g.InFlight+r.InFlight
	}
	g.Now.InFlight = g.InFlight
	for i := range 120 {
		k := 4*p.tick - i // requests come and grow old
		if k < 0 {
			break
		}
		r := gateway.Record{ID: fmt.Sprintf("req-%08x", k), Start: now.Add(-time.Duration(250*i) * time.Millisecond), Org: fmt.Sprintf("org-%02d", k%shiftOrgs), KeyName: "etl", Client: "203.0.113.7",
			Route: "/v1/chat/completions", Model: fmt.Sprintf("vendor/model-%d", k%shiftBackends), Backend: fmt.Sprintf("model-%d", k%shiftBackends), Replica: fmt.Sprintf("http://10.0.0.%d:8000", k%(2*shiftBackends)),
			Stream: true, Phase: gateway.PhaseDecode, First: 200 * time.Millisecond, Duration: time.Duration(250*i) * time.Millisecond, Prompt: 60 + k%400, Output: 3 * i}
		if i < 20 {
			g.Live = append(g.Live, r)
			continue
		}
		r.Phase, r.Status, r.End = gateway.PhaseEnded, 200, gateway.EndDone
		g.Recent = append(g.Recent, r)
	}
	p.history = append(p.history, gateway.Point{Requests: int(g.Now.Requests), Tokens: int(g.Now.Tokens), InFlight: g.InFlight})
	if len(p.history) > 1800 {
		p.history = append([]gateway.Point(nil), p.history[900:]...)
	}
	g.History = p.history[max(0, len(p.history)-900):]
	p.gateway.Store(g)
}

func (p *shift) publishPool(now time.Time) {
	s := &backends.Snapshot{At: now, Hosts: []backends.HostStatus{{Name: "local", Since: now.Add(-time.Hour)}}}
	job := backends.Job{ID: 1 + p.tick/300, Action: backends.ActRestart, Names: []string{"model-1"}, Author: "ana", Began: now.Add(-time.Duration(p.tick%300) * time.Second), State: backends.Running}
	if p.tick%300 > 120 {
		job.State, job.Ended = backends.Done, job.Began.Add(2*time.Minute)
	}
	s.Jobs = []backends.Job{job}
	for i := range shiftBackends {
		name := fmt.Sprintf("model-%d", i)
		b := backends.BackendStatus{Name: name, Model: "vendor/" + name, MaxContext: 8192}
		for j := range 2 {
			n := 2*i + j
			r := backends.ReplicaStatus{URL: fmt.Sprintf("http://10.0.0.%d:8000", n), State: backends.Healthy, Since: now.Add(-time.Hour), LastOK: now, Share: 1, InFlight: 3 + int(2*p.wave(n)), Capacity: 60_000, Requests: uint64(p.tick),
				Engine:    &backends.EngineStatus{At: now, Running: 3, KVUsage: .4 + .3*p.wave(n), KVTokens: 60_000, Prompt: int64(p.tick * 1000), Generation: int64(p.tick * 200), Iterations: int64(p.tick * 20)},
				Container: &backends.ContainerStatus{At: now, Name: fmt.Sprintf("vllm-%d", n), ID: fmt.Sprintf("%064d", n), Host: "local", State: "running", Words: "running", Ours: true, Started: now.Add(-time.Hour)}}
			if down := (p.tick + 53*n) % 600; down < 45 {
				r.State, r.Reason, r.Since = backends.Down, "connection refused", now.Add(-time.Duration(down)*time.Second)
			}
			b.Replicas = append(b.Replicas, r)
		}
		s.Backends = append(s.Backends, b)
	}
	p.pool.Store(s)
}

func (p *shift) publishGPUs(now time.Time) {
	s := &gpu.Snapshot{At: now, Source: "nvml"}
	// Snapshots share an array until it is full, as a sampler's do.
	push := func(all []gpu.Point, v gpu.Point, most int) []gpu.Point {
		if len(all) == cap(all) {
			all = append(make([]gpu.Point, 0, 2*most), all[max(0, len(all)-most+1):]...)
		}
		return append(all, v)
	}
	for i := range p.cards {
		c, w := &p.cards[i], p.wave(i)
		v := gpu.Point{Util: float32(60 + 30*w), Mem: 80, Power: float32(60 + 10*w), Temp: 61}
		if c.short = push(c.short, v, 900); p.tick%10 == 0 {
			c.long = push(c.long, v, 8640)
		}
		d := gpu.GPU{Index: i, Name: "NVIDIA L4", UUID: fmt.Sprintf("GPU-%032d", i), Serves: fmt.Sprintf("model-%d", i/2), State: gpu.OK, Since: now.Add(-time.Hour), At: now,
			History: c.short[max(0, len(c.short)-900):], Long: c.long[max(0, len(c.long)-8640):], LongAt: now.Add(-time.Duration(p.tick%10) * time.Second)}
		d.Sample = gpu.Sample{Throttle: gpu.NotThrottled, Util: gpu.Read(60+30*w, now), MemUsed: gpu.Read(18e9+1e8*w, now), MemTotal: gpu.Read(24e9, now), Temp: gpu.Read(61+5*w, now), Power: gpu.Read(60+10*w, now), PowerCap: gpu.Read(72, now), Clock: gpu.Read(2040, now)}
		if (p.tick+71*i)%900 < 30 {
			d.Throttle = gpu.ThrottleHeat
		}
		s.GPUs = append(s.GPUs, d)
	}
	p.gpus.Store(s)
}

func (p *shift) publishBooks(now time.Time) {
	all := make([]gateway.OrgQuotas, shiftOrgs)
	day := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	for i := range all {
		used := int64(57*(1+i%7)) * int64(now.Sub(now.Truncate(24*time.Hour)).Seconds())
		all[i] = gateway.OrgQuotas{Org: fmt.Sprintf("org-%02d", i), Windows: []quota.Window{{Name: quota.RequestsPerDay, Used: used / 57, Limit: 1_000_000, ResetsAt: day}, {Name: quota.TokensPerDay, Used: used, Limit: 30_000_000, ResetsAt: day}}}
	}
	p.quotas.Store(&all)
	events := make([]ledger.Event, 200)
	for i := range events {
		events[i] = ledger.Event{At: now.Add(-time.Duration(i) * time.Minute), Author: "ana", Action: "attach", Object: "dashboard"}
	}
	p.audit.Store(&events)
}
