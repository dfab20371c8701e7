package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
)

// night is when all fixtures are.
var night = time.Date(2026, 11, 22, 3, 12, 44, 0, time.UTC)

// The sources hand out what a test put there.
type fixedGateway struct{ s *gateway.Snapshot }

func (f *fixedGateway) Snapshot() *gateway.Snapshot { return f.s }

type fixedPool struct{ s *backends.Snapshot }

func (f *fixedPool) Snapshot() *backends.Snapshot { return f.s }

type fixedGPUs struct{ s *gpu.Snapshot }

func (f *fixedGPUs) Snapshot() *gpu.Snapshot { return f.s }

// seat is an operator's at a desk with nothing to act on.
func seat(o desk.Operator) *desk.Seat {
	return desk.New(desk.Platform{}, desk.Options{Now: func() time.Time { return night }}).Seat(o)
}

// with makes options that show the given data.
func with(d pane.Data) Options {
	o := Options{Gateway: &fixedGateway{d.Gateway}, Pool: &fixedPool{d.Pool}, Seat: seat(desk.Operator{Name: "ana", Role: desk.Hand}), Version: "0.1.0",
		Now: func() time.Time { return d.Now }}
	if d.GPUs != nil {
		o.GPUs = &fixedGPUs{d.GPUs}
	}
	if d.Past != nil {
		o.Past = fixedPast{d.Trends, d.Past}
	}
	return o
}

// fixedPast knows what happened, and no moment but now.
type fixedPast struct {
	past.Trends
	s *past.Snapshot
}

func (f fixedPast) Snapshot() *past.Snapshot         { return f.s }
func (f fixedPast) At(time.Time) (past.Moment, bool) { return past.Moment{}, false }

// calm is the reference deployment on a good night.
func calm() pane.Data {
	g := &gateway.Snapshot{
		At: night, Started: night.Add(-217 * time.Hour), Listen: "http://127.0.0.1:8080", InFlight: 5,
		Now: gateway.Rates{InFlight: 5, Requests: 38.2, Tokens: 2125, FirstP50: 190 * time.Millisecond, FirstP95: 310 * time.Millisecond, PerTokP50: 52 * time.Millisecond},
		Backends: map[string]gateway.Rates{
			"text2sql": {InFlight: 2, Requests: 12.4, Tokens: 155, FirstP50: 180 * time.Millisecond, FirstP95: 280 * time.Millisecond, PerTokP50: 51 * time.Millisecond},
			"chat":     {InFlight: 3, Requests: 25.8, Tokens: 1970, FirstP50: 190 * time.Millisecond, FirstP95: 1310 * time.Millisecond, PerTokP50: 58 * time.Millisecond},
		},
		Totals: gateway.Totals{Requests: 34285, PromptTokens: 12_345_678, CompletionTokens: 4_567_890, Status2xx: 34201, Status4xx: 31, Status429: 12, ClientLeft: 41},
	}
	for i := range 900 {
		v := 26 + 14*math.Sin(float64(i)/60) + float64(i*7%5)
		g.History = append(g.History, gateway.Point{Requests: int(v), Tokens: int(55 * v), InFlight: 5})
	}
	orgs := [...][2]string{{"acme", "etl-nightly"}, {"globex", "web"}, {"initech", "ci"}}
	for i := range 45 {
		who := orgs[i%len(orgs)]
		r := gateway.Record{ID: fmt.Sprintf("7f3a%04x", i*2531), Org: who[0], KeyName: who[1], Client: "203.0.113.9", Route: "/v1/chat/completions",
			Model: "Qwen/Qwen2.5-7B-Instruct", Backend: "chat", Replica: "http://chat:8000", Stream: true, First: time.Duration(180+i*7) * time.Millisecond, Prompt: 60 + i*41, Output: 30 + i*11}
		if i%4 == 1 {
			r.Model, r.Backend, r.Replica, r.Route, r.Stream = "Snowflake/Arctic-Text2SQL-R1-7B", "text2sql", "http://text2sql:8000", "/text2sql", false
		}
		if i < 5 {
			r.Start, r.Phase, r.Duration = night.Add(time.Duration(i-12)*time.Second), gateway.PhaseDecode, time.Duration(12-i)*time.Second
			if i == 3 {
				r.Phase, r.First, r.Output = gateway.PhasePrefill, 0, 0
			}
			g.Live = append(g.Live, r)
			continue
		}
		r.Start, r.Phase, r.Status, r.End, r.Duration = night.Add(time.Duration(-i)*time.Second), gateway.PhaseEnded, 200, gateway.EndDone, time.Duration(1200+i*90)*time.Millisecond
		switch i {
		case 8:
			r.Status, r.End, r.Code, r.First, r.Output, r.Duration = 429, gateway.EndRefused, "rate_limit_exceeded", 0, 0, 200*time.Microsecond
		case 11:
			r.End = gateway.EndClientLeft
		case 14:
			r.Org, r.KeyName, r.Model, r.Backend, r.Replica = "", "", "", "", ""
			r.Status, r.End, r.Code, r.First, r.Prompt, r.Output, r.Duration = 401, gateway.EndRefused, "invalid_api_key", 0, 0, 0, 150*time.Microsecond
		}
		g.Recent = append(g.Recent, r)
	}
	p := &backends.Snapshot{At: night, Backends: []backends.BackendStatus{
		{Name: "text2sql", Model: "Snowflake/Arctic-Text2SQL-R1-7B", Routes: []string{"/text2sql"}, MaxContext: 8192, Replicas: []backends.ReplicaStatus{
			{URL: "http://text2sql:8000", State: backends.Healthy, Since: night.Add(-76 * time.Hour), InFlight: 2, Idle: 3, Requests: 12021}}},
		{Name: "chat", Model: "Qwen/Qwen2.5-7B-Instruct", MaxContext: 8192, Replicas: []backends.ReplicaStatus{
			{URL: "http://chat:8000", State: backends.Healthy, Since: night.Add(-217 * time.Hour), InFlight: 3, Idle: 4, Requests: 22264}}},
	}}
	u := &gpu.Snapshot{At: night, Source: "nvml"}
	for i, serves := range []string{"text2sql", "chat"} {
		f := float64(i)
		d := gpu.GPU{Index: i, Name: "NVIDIA L4", Serves: serves, At: night, State: gpu.OK, Sample: gpu.Sample{Throttle: gpu.NotThrottled,
			Util: gpu.Read(74-50*f, night), MemUsed: gpu.Read((15.2+5*f)*(1<<30), night), MemTotal: gpu.Read(22.5*(1<<30), night),
			Temp: gpu.Read(61-13*f, night), Power: gpu.Read(68-37*f, night), PowerCap: gpu.Read(72, night), Clock: gpu.Read(2040, night)}}
		for k := range 900 {
			// A card that is busy draws more, and gets warmer a little later.
			busy, warm := math.Sin(float64(k+i*90)/70), math.Sin(float64(k+i*90-40)/70)
			d.History = append(d.History, gpu.Point{Util: float32(50 + 45*busy), Mem: float32(100 * (15.2 + 5*f) / 22.5), Power: float32(45 + 25*busy), Temp: float32(54 + 7*warm)})
		}
		u.GPUs = append(u.GPUs, d)
	}
	return pane.Data{Gateway: g, Pool: p, GPUs: u, Past: history(), Trends: flow{}, Now: night}
}

// flow are series that know a quarter of an hour, and what was used of a day.
type flow struct{}

func (flow) Series(m past.Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		age := time.Duration(n-1-i) * step
		v := 0.5 + 0.4*math.Sin(float64(end.Add(-age).Unix())/90+float64(len(of)))
		switch {
		case m == past.Spent && age <= 24*time.Hour:
			v = spent(of, age)
		case age > 15*time.Minute, m == past.Preempts, m == past.Errors:
			v = math.NaN()
		case m == past.FirstP95:
			v *= 0.6
		case m != past.KV:
			v *= 12
		}
		s[i] = v
	}
	return s
}

// spent is how much of a window was used some time ago: of a day of acme's most of
// it in a run at its beginning, else as much in each hour since the window began.
func spent(of string, age time.Duration) float64 {
	if of == past.WindowName("acme", "", quota.TokensPerDay) {
		const lately, late = 0.058, 2.2 // an hour, and hours since the run
		began := night.Sub(night.Truncate(24 * time.Hour)).Hours()
		if h := age.Hours(); h > late {
			return (0.914 - lately*late) * (began - h) / (began - late)
		}
		return 0.914 - lately*age.Hours()
	}
	for _, o := range history().Quotas {
		for i := range o.Windows {
			w := &o.Windows[i]
			if past.WindowName(o.Org, w.Key, w.Name) != of {
				continue
			}
			began := w.ResetsAt.AddDate(0, 0, -1)
			if w.Name == quota.TokensPerMonth {
				began = w.ResetsAt.AddDate(0, -1, 0)
			}
			return float64(w.Used) / float64(w.Limit) * (1 - age.Hours()/night.Sub(began).Hours())
		}
	}
	return math.NaN()
}

// history is what happened that night, and what was used of quotas.
func history() *past.Snapshot {
	midnight := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	window := func(name string, used, limit int64) quota.Window {
		w := quota.Window{Name: name, Used: used, Limit: limit, ResetsAt: midnight}
		if strings.HasSuffix(name, "month") {
			w.ResetsAt = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		}
		return w
	}
	org := func(name string, tokens, requests, month int64) gateway.OrgQuotas {
		return gateway.OrgQuotas{Org: name, Windows: []quota.Window{window(quota.RequestsPerDay, requests, 100_000), window(quota.TokensPerDay, tokens, 10_000_000), window(quota.TokensPerMonth, month, 300_000_000)}}
	}
	at := func(ago time.Duration, k past.Kind, object, text string, g past.Grade) past.Event {
		return past.Event{At: night.Add(-ago), Kind: k, Object: object, Text: text, Grade: g}
	}
	return &past.Snapshot{At: night, QuotasAt: night, Oldest: night.Add(-24 * time.Hour),
		Quotas: []gateway.OrgQuotas{org("acme", 9_140_000, 33_120, 131_000_000), org("globex", 2_800_000, 20_400, 61_000_000), org("initech", 310_000, 5_100, 4_100_000)},
		Events: []past.Event{
			at(41*time.Second, past.KindBackend, "chat", "no bytes since; /health still says 200; iterations stand at 48,120", past.Bad),
			at(46*time.Second, past.KindGPU, "gpu 1", "power 71 to 31 W, utilisation 98 to 2 %, memory unchanged", past.Warn),
			at(14*time.Minute, past.KindQuota, "acme", "tokens per day passed 90 %, forecast to end 04:40Z", past.Warn),
			at(41*time.Minute, past.KindOperator, "ana", "attached from 203.0.113.9 (operator)", past.Plain),
			at(130*time.Minute, past.KindJob, "text2sql", "restarted with drain by bo: 3 in flight finished, loading 74 s", past.Good),
		}}
}

// trouble is a bad night: one backend gone, a replica of the other too, answers
// failing, a GPU hot and another hung.
func trouble() pane.Data {
	d := calm()
	d.Gateway.InFlight = 11
	for i := range d.Gateway.History {
		if i > 860 && i%4 == 0 {
			d.Gateway.History[i].Errors = 9
		}
	}
	d.Gateway.Now.Errors = 2.4
	chat := d.Gateway.Backends["chat"]
	chat.Errors = 2.4
	d.Gateway.Backends["chat"] = chat
	d.Gateway.Totals.Status5xx = 83
	d.Gateway.Recent[0].Status, d.Gateway.Recent[0].End, d.Gateway.Recent[0].Code = 502, gateway.EndBackendFailed, "backend_error"
	d.Pool.Backends[0].Replicas[0] = backends.ReplicaStatus{URL: "http://text2sql:8000", State: backends.Down, Reason: "/health answers 503", Since: night.Add(-41 * time.Second), LastOK: night.Add(-41 * time.Second), Requests: 12021, Failures: 6}
	d.Pool.Backends[1].Replicas = []backends.ReplicaStatus{
		{URL: "http://chat-0:8000", State: backends.Healthy, Since: night.Add(-217 * time.Hour), InFlight: 11, Requests: 15264},
		{URL: "http://chat-1:8000", State: backends.Down, Reason: "connection refused", Since: night.Add(-9 * time.Minute), Requests: 7000, Failures: 41},
	}
	d.GPUs.GPUs[0].Throttle = gpu.ThrottleHeat | gpu.ThrottlePower
	d.GPUs.GPUs[1].State, d.GPUs.GPUs[1].At, d.GPUs.GPUs[1].Err = gpu.Hung, night.Add(-14*time.Second), "the driver does not answer"
	return d
}
