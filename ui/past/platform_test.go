package past

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/queue"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
)

// night is when tests begin.
var night = time.Date(2026, 11, 22, 3, 12, 40, 0, time.UTC)

// The sources hand out what a test put there.
type (
	fixedGateway struct{ s *gateway.Snapshot }
	fixedPool    struct{ s *backends.Snapshot }
	fixedGPUs    struct{ s *gpu.Snapshot }
)

func (f *fixedGateway) Snapshot() *gateway.Snapshot { return f.s }
func (f *fixedPool) Snapshot() *backends.Snapshot   { return f.s }
func (f *fixedGPUs) Snapshot() *gpu.Snapshot        { return f.s }

// fixedBooks are books that say what a test wants.
type fixedBooks struct {
	mu     sync.Mutex
	quotas []gateway.OrgQuotas
	grants []ledger.Grant
	audit  []ledger.Event
	err    error
	hang   chan struct{} // not nil: nothing is answered until it is closed
}

func (f *fixedBooks) answer(ctx context.Context) error {
	if f.hang != nil {
		<-f.hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fixedBooks) Quotas(ctx context.Context) ([]gateway.OrgQuotas, error) {
	return f.quotas, f.answer(ctx)
}

func (f *fixedBooks) Grants(ctx context.Context, _ bool) ([]ledger.Grant, error) {
	return f.grants, f.answer(ctx)
}

func (f *fixedBooks) Audit(ctx context.Context, most int) ([]ledger.Event, error) {
	return f.audit[:min(most, len(f.audit))], f.answer(ctx)
}

// plant is a platform that works: it makes snapshots, second by second, whose
// figures move as those of real ones do.
type plant struct {
	now     time.Time
	tick    int
	g       fixedGateway
	p       fixedPool
	u       fixedGPUs
	books   fixedBooks
	history []gateway.Point
	engines []*backends.EngineStatus
	boxes   []*backends.ContainerStatus
	cards   []card
	recent  []gateway.Record
	orgs    int
	*Recorder
}

// card is a device's history, in arrays that snapshots share, as a sampler's are.
type card struct{ history, long []gpu.Point }

func newPlant(gpus, replicas, orgs int) *plant {
	f := &plant{now: night, orgs: orgs, cards: make([]card, gpus)}
	for i := range replicas {
		f.engines = append(f.engines, &backends.EngineStatus{})
		f.boxes = append(f.boxes, &backends.ContainerStatus{Name: fmt.Sprintf("vllm-%02d", i), ID: fmt.Sprintf("%064d", i), Host: "local", State: "running",
			Words: "running", Image: "vllm/vllm-openai:v0.32.0", Ours: true, Started: night.Add(-time.Hour)})
	}
	s := Sources{Gateway: &f.g, Pool: &f.p, Books: &f.books}
	if gpus > 0 {
		s.GPUs = &f.u
	}
	f.Recorder = New(s, Options{Now: func() time.Time { return f.now }})
	return f
}

// second lets one pass.
func (f *plant) second() {
	f.now = f.now.Add(time.Second)
	f.tick++
	f.gateway()
	f.pool()
	f.devices()
	if f.tick%2 == 0 && f.orgs > 0 {
		f.quotas()
		f.readBooksOnce(context.Background())
	}
	f.step(f.now)
}

func (f *plant) wave(i int) float64 { return math.Sin(float64(f.tick+37*i) / 70) }

func (f *plant) gateway() {
	g := &gateway.Snapshot{At: f.now, Started: night, Listen: "http://127.0.0.1:8080", Backends: map[string]gateway.Rates{}, Queues: map[string]queue.Status{}}
	for i := range f.engines {
		name := fmt.Sprintf("model-%02d", i)
		r := gateway.Rates{InFlight: 3 + int(2*f.wave(i)), Requests: float64(10+int(5*f.wave(i))) / 5, Tokens: float64(500+int(200*f.wave(i))) / 5,
			FirstP50: time.Duration(190e6 * (1 + f.wave(i)/3)), FirstP95: time.Duration(310e6 * (1 + f.wave(i)/3)), PerTokP50: time.Duration(50e6 * (1 + f.wave(i)/9))}
		g.Backends[name] = r
		g.Queues[name] = queue.Status{Waiting: max(0, int(3*f.wave(i))), UnderWay: int64(9000 + 100*f.wave(i)), PerSecond: 2000 + 100*f.wave(i)}
		g.Now.Requests += r.Requests
		g.Now.Tokens += r.Tokens
		g.InFlight += r.InFlight
	}
	g.Now.InFlight = g.InFlight
	rate := 4
	if f.orgs >= 100 {
		rate = 40
	}
	for i := range rate {
		k := f.tick*rate + i
		r := gateway.Record{ID: fmt.Sprintf("req-%016x", k*2654435761), Start: f.now.Add(-time.Duration(900+k%700) * time.Millisecond), Org: fmt.Sprintf("org-%03d", k%max(1, f.orgs)),
			KeyName: "etl", Client: fmt.Sprintf("203.0.113.%d", k%200), Route: "/v1/chat/completions", Model: fmt.Sprintf("vendor/model-%02d", k%20), Backend: fmt.Sprintf("model-%02d", k%20),
			Replica: fmt.Sprintf("http://10.0.0.%d:8000", k%20), Stream: true, Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndDone,
			First: time.Duration(150+k%90) * time.Millisecond, Duration: time.Duration(900+k%700)*time.Millisecond + 12345, Prompt: 60 + k%400, Output: 30 + k%300}
		f.recent = append(f.recent, r)
		if i < 3*rate/4 {
			r.Phase, r.Status, r.End, r.ID = gateway.PhaseDecode, 0, gateway.EndNone, fmt.Sprintf("req-%016x", (f.tick/9*rate+i)*40503)
			g.Live = append(g.Live, r)
		}
	}
	f.recent = f.recent[max(0, len(f.recent)-200):]
	for i := range f.recent {
		g.Recent = append(g.Recent, f.recent[len(f.recent)-1-i])
	}
	f.history = append(f.history, gateway.Point{Requests: f.tick, Tokens: 55 * f.tick, InFlight: g.InFlight, Refused: f.tick % 3})
	if len(f.history) > 1800 {
		f.history = append([]gateway.Point(nil), f.history[900:]...)
	}
	g.History = f.history[max(0, len(f.history)-900):]
	f.g.s = g
}

func (f *plant) pool() {
	p := &backends.Snapshot{At: f.now, Hosts: []backends.HostStatus{{Name: "local", Since: night}}}
	for i := range f.engines {
		if (f.tick+i)%2 == 0 {
			f.engines[i] = &backends.EngineStatus{At: f.now, Started: night, Running: 3 + int(2*f.wave(i)), KVUsage: .4 + .3*f.wave(i), KVTokens: 60_000,
				Prompt: int64(f.tick * 1000), Generation: int64(f.tick * 200), Iterations: int64(f.tick * 20), Preemptions: int64(f.tick / 60)}
		}
		if (f.tick+i)%10 == 0 {
			c := *f.boxes[i]
			c.At = f.now
			f.boxes[i] = &c
		}
		name := fmt.Sprintf("model-%02d", i)
		p.Backends = append(p.Backends, backends.BackendStatus{Name: name, Model: "vendor/" + name, MaxContext: 8192, Routes: []string{"/" + name}, Replicas: []backends.ReplicaStatus{{
			URL: fmt.Sprintf("http://10.0.0.%d:8000", i), State: backends.Healthy, Since: night, LastOK: f.now.Add(-300 * time.Millisecond), Share: 1, InFlight: 3 + int(2*f.wave(i)),
			Booked: int64(9000 + 1000*f.wave(i)), Capacity: 60_000, Idle: 4, Requests: uint64(f.tick * 2), Engine: f.engines[i], Container: f.boxes[i], Live: int64(7000 + 900*f.wave(i)),
		}}})
	}
	f.p.s = p
}

func (f *plant) devices() {
	u := &gpu.Snapshot{At: f.now, Source: "nvml", Driver: "550.54.15", Hosts: []gpu.HostStatus{{Source: "nvml"}}}
	slow := f.now.Add(-time.Duration(f.tick%5) * time.Second)
	for i := range f.cards {
		c := &f.cards[i]
		w := f.wave(i)
		c.history = push(c.history, gpu.Point{Util: float32(f.tick % 100), Mem: 80, Power: float32(60 + 10*w), Temp: 61}, 2048, keptShort)
		if f.tick%10 == 0 {
			c.long = push(c.long, gpu.Point{Util: float32(f.tick), Mem: 80, Power: float32(60 + 10*w), Temp: 61}, 11264, keptLong/10)
		}
		d := gpu.GPU{Index: i, Name: "NVIDIA L4", UUID: fmt.Sprintf("GPU-%032d", i), PCI: fmt.Sprintf("0000:%02x:00.0", i), Serves: fmt.Sprintf("model-%02d", i), State: gpu.OK, Since: night, At: f.now,
			History: c.history[max(0, len(c.history)-keptShort):], Long: c.long[max(0, len(c.long)-keptLong/10):], LongAt: f.now.Add(-time.Duration(f.tick%10) * time.Second),
			Processes: []gpu.Owner{{Process: gpu.Process{PID: 4000 + i, Kind: gpu.Compute, Name: "VLLM::EngineCore", Mem: gpu.Read(18<<30, f.now)}, Backend: fmt.Sprintf("model-%02d", i)}}}
		d.Sample = gpu.Sample{Throttle: gpu.NotThrottled, Util: gpu.Read(math.Round(60+30*w), f.now), MemUtil: gpu.Read(math.Round(40+20*w), f.now), MemUsed: gpu.Read(math.Round(18e9+1e8*w), f.now),
			MemTotal: gpu.Read(22.5*(1<<30), f.now), Temp: gpu.Read(math.Round(61+5*w), f.now), Power: gpu.Read(math.Round(68000+4000*w)/1000, f.now), Clock: gpu.Read(2040, f.now), MemClock: gpu.Read(6251, f.now), PerfState: gpu.Read(0, f.now),
			PowerCap: gpu.Read(72, slow), Energy: gpu.Read(float64(f.tick*68), slow), TempSlow: gpu.Read(90, slow), TempLimit: gpu.Read(95, slow), Fan: gpu.NotSupported(), ClockMax: gpu.Read(2040, slow),
			PCIe: gpu.PCIe{Gen: gpu.Read(4, slow), Width: gpu.Read(16, slow), Rx: gpu.Read(math.Round(1e6+1e5*w), slow), Tx: gpu.Read(math.Round(2e6+1e5*w), slow), Replays: gpu.Read(0, slow)},
			ECC:  gpu.ECC{Enabled: gpu.Read(1, slow), Corrected: gpu.Read(0, slow), Uncorrected: gpu.Read(0, slow)}}
		u.GPUs = append(u.GPUs, d)
	}
	f.u.s = u
}

// push appends to an array that older snapshots share, as gpu's sampler does.
func push(s []gpu.Point, p gpu.Point, room, keep int) []gpu.Point {
	if len(s) == cap(s) {
		s = append(make([]gpu.Point, 0, room), s[max(0, len(s)-keep+1):]...)
	}
	return append(s, p)
}

func (f *plant) quotas() {
	day, month := night.Truncate(24*time.Hour).Add(24*time.Hour), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	all := make([]gateway.OrgQuotas, f.orgs)
	for i := range all {
		n := int64(f.tick) * int64(1+i%7)
		all[i] = gateway.OrgQuotas{Org: fmt.Sprintf("org-%03d", i), Windows: []quota.Window{
			{Name: quota.RequestsPerDay, Used: n, Limit: 1_000_000, ResetsAt: day}, {Name: quota.TokensPerDay, Used: 57 * n, Reserved: int64(i * f.tick % 4096), Limit: 30_000_000, ResetsAt: day},
			{Name: quota.RequestsPerMonth, Used: n, ResetsAt: month}, {Name: quota.TokensPerMonth, Used: 57 * n, Limit: 300_000_000, ResetsAt: month}}}
	}
	f.books.quotas = all
}

// run lets seconds pass.
func (f *plant) run(n int) *plant {
	for range n {
		f.second()
	}
	return f
}

// texts are the events there are, oldest first, as lines.
func (f *plant) texts() (all []string) {
	events := f.Snapshot().Events
	for i := range events {
		e := events[len(events)-1-i]
		all = append(all, fmt.Sprintf("%s %s %s: %s", e.Kind, e.Grade, e.Object, e.Text))
	}
	return all
}

func same64(a, b float64) bool { return a == b || a != a && b != b || math.Abs(a-b) < 1e-4 }

func wantSeries(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range got {
		if !same64(got[i], want[i]) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}
