package pane

import (
	"fmt"
	"math"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/past"
)

// backendNight is when the fixtures of the backends are.
var backendNight = time.Date(2026, 11, 22, 3, 12, 44, 0, time.UTC)

func nightAgo(d time.Duration) time.Time { return backendNight.Add(-d) }

// fixedTrends gives curves that are made up, but always the same.
type fixedTrends struct{ hung bool }

func (f fixedTrends) Series(m past.Metric, of string, end time.Time, step time.Duration, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		at := end.Add(-time.Duration(n-1-i) * step)
		x := float64(at.Unix()%100000) / 97
		still := f.hung && of == "chat" && backendNight.Sub(at) < 41*time.Second
		switch m {
		case past.Running:
			s[i] = 4 + 2*math.Sin(x)
		case past.InFlight:
			s[i] = 5 + 2*math.Sin(x)
		case past.Waiting:
			s[i] = math.Max(0, 2*math.Sin(x/3)-1)
			if still {
				s[i] = 4
			}
		case past.KV:
			s[i] = 0.5 + 0.3*math.Sin(x/2)
		case past.Tokens:
			s[i] = 180 + 120*math.Sin(x)
			if still {
				s[i] = 0
			}
		case past.FirstP95:
			s[i] = 0.3 + 0.1*math.Sin(x*2)
			if still {
				s[i] = math.NaN()
			}
		case past.Errors, past.Preempts:
			s[i] = 0
		default:
			s[i] = math.NaN()
		}
		if of == "llama" && (m == past.Running || m == past.KV || m == past.Preempts) {
			s[i] = math.NaN()
		}
	}
	return s
}

func engineOf(running, waiting int, kv float64, size int64) *backends.EngineStatus {
	return &backends.EngineStatus{At: nightAgo(time.Second), Started: nightAgo(217 * time.Hour), Running: running, Waiting: waiting, Deferred: 0, KVUsage: kv, KVTokens: size,
		Prompt: 12_345_678, Generation: 4_567_890, Preemptions: 12, Iterations: 48_120, PrefixQueries: 11_204_310, PrefixHits: 6_890_112}
}

func containerOf(name string) *backends.ContainerStatus {
	return &backends.ContainerStatus{Name: name, ID: "8f2c0d3b5a7e" + fmt.Sprintf("%052d", 1), Host: "local", State: "running", Words: "running, healthy", Image: "vllm/vllm-openai:v0.32.0",
		Ours: true, Started: nightAgo(217 * time.Hour), At: nightAgo(2 * time.Second)}
}

// calmBackends is the reference deployment on a good night.
func calmBackends() Data {
	d := Data{Now: backendNight, Trends: fixedTrends{}}
	d.Pool = &backends.Snapshot{At: backendNight, Hosts: []backends.HostStatus{{Name: "local"}}, Backends: []backends.BackendStatus{
		{Name: "text2sql", Model: "Snowflake/Arctic-Text2SQL-R1-7B", Routes: []string{"/text2sql"}, MaxContext: 8192, Replicas: []backends.ReplicaStatus{
			{URL: "http://text2sql:8000", State: backends.Healthy, Reason: "its health check succeeds", Since: nightAgo(76 * time.Hour), LastOK: nightAgo(time.Second), Share: 1, InFlight: 5, Booked: 30_100, Capacity: 96_768,
				Idle: 3, Requests: 12_021, Engine: engineOf(5, 0, 0.39, 96_768), Container: containerOf("vllm-text2sql"), CapacityFrom: backends.FromEngine, Live: 22_410, Reading: 1_204, Sequences: 5, Bound: 64}}},
		{Name: "chat", Model: "Qwen/Qwen2.5-7B-Instruct", Aliases: []string{"gpt-4o-mini"}, MaxContext: 8192, Replicas: []backends.ReplicaStatus{
			{URL: "http://chat:8000", State: backends.Healthy, Reason: "its health check succeeds", Since: nightAgo(217 * time.Hour), LastOK: nightAgo(time.Second), Share: 1, InFlight: 6, Booked: 70_200, Capacity: 96_768,
				Idle: 4, Requests: 22_264, Failures: 3, Engine: engineOf(6, 0, 0.71, 96_768), Container: containerOf("vllm-chat"), CapacityFrom: backends.FromEngine, Live: 61_003, Reading: 0, Sequences: 6, Bound: 32}}},
	}}
	d.Gateway = &gateway.Snapshot{At: backendNight, InFlight: 11, Backends: map[string]gateway.Rates{
		"text2sql": {InFlight: 5, Requests: 12.4, Tokens: 155, FirstP50: 180 * time.Millisecond, FirstP95: 280 * time.Millisecond, PerTokP50: 32 * time.Millisecond},
		"chat":     {InFlight: 6, Requests: 25.8, Tokens: 197, FirstP50: 190 * time.Millisecond, FirstP95: 310 * time.Millisecond, PerTokP50: 28 * time.Millisecond},
	}, Queues: map[string]queue.Status{}}
	for i := range 11 {
		r := gateway.Record{ID: fmt.Sprintf("r%d", i), Start: nightAgo(time.Duration(i) * time.Second), Org: [...]string{"acme", "globex", "acme"}[i%3], Backend: "chat", Replica: "http://chat:8000",
			Phase: gateway.PhaseDecode, Prompt: 2000 + 100*i, Output: 300}
		if i >= 6 {
			r.Backend, r.Replica = "text2sql", "http://text2sql:8000"
		}
		d.Gateway.Live = append(d.Gateway.Live, r)
	}
	d.GPUs = &gpu.Snapshot{At: backendNight, Source: "nvml"}
	for i, serves := range []string{"text2sql", "chat"} {
		f := float64(i)
		g := gpu.GPU{Index: i, Name: "NVIDIA L4", UUID: fmt.Sprintf("GPU-%d", i), Serves: serves, At: backendNight, State: gpu.OK, Sample: gpu.Sample{Throttle: gpu.NotThrottled,
			Util: gpu.Read(74+17*f, backendNight), MemUsed: gpu.Read((15.2+5*f)*(1<<30), backendNight), MemTotal: gpu.Read(22.5*(1<<30), backendNight),
			Temp: gpu.Read(61+3*f, backendNight), Power: gpu.Read(68, backendNight), PowerCap: gpu.Read(72, backendNight)}}
		for range 20 {
			g.History = append(g.History, gpu.Point{Util: 74})
		}
		d.GPUs.GPUs = append(d.GPUs.GPUs, g)
	}
	d.Past = &past.Snapshot{At: backendNight, Events: []past.Event{
		{At: nightAgo(130 * time.Minute), Kind: past.KindJob, Object: "text2sql", Text: "restarted with drain by bo: 3 in flight finished, loading 74 s, 0 lost", Grade: past.Good},
	}}
	return d
}

// hungBackends is the night of the mock-ups: chat makes no progress.
func hungBackends() Data {
	d := calmBackends()
	d.Trends = fixedTrends{hung: true}
	r := &d.Pool.Backends[1].Replicas[0]
	r.State, r.Since, r.LastOK = backends.Hung, nightAgo(41*time.Second), nightAgo(41*time.Second)
	r.Reason = "its engine made no step for 41 s with 6 running and 0 waiting, and no byte came from it: hung, not busy"
	chat := d.Gateway.Backends["chat"]
	chat.Requests, chat.Tokens, chat.FirstP50, chat.FirstP95, chat.PerTokP50 = 0, 0, 0, 0, 0
	d.Gateway.Backends["chat"] = chat
	d.Gateway.Queues["chat"] = queue.Status{Waiting: 4, Oldest: 30 * time.Second, Orgs: []queue.OrgStatus{{Org: "acme", Waiting: 3}, {Org: "globex", Waiting: 1}}}
	g := &d.GPUs.GPUs[1]
	g.Util, g.Power, g.Temp = gpu.Read(2, backendNight), gpu.Read(31, backendNight), gpu.Read(48, backendNight)
	for i := range g.History {
		g.History[i].Util = 2
	}
	d.Past.Events = append([]past.Event{
		{At: nightAgo(41 * time.Second), Kind: past.KindBackend, Object: "chat", Text: "no bytes since; /health still says 200; iterations stand at 48,120", Grade: past.Bad},
		{At: nightAgo(10 * time.Minute), Kind: past.KindBackend, Object: "chat", Text: "preempted 12 requests in a minute", Grade: past.Warn},
	}, d.Past.Events...)
	return d
}

// fleetNames are the replicas of the rolling restart.
var fleetNames = [...]string{"vllm-chat-0", "vllm-chat-1", "vllm-chat-2"}

// rollingBackends restarts three replicas, of which it is at the second.
func rollingBackends() Data {
	d := calmBackends()
	b := &d.Pool.Backends[1]
	first := b.Replicas[0]
	b.Replicas = nil
	for i, name := range fleetNames {
		r := first
		r.URL, r.Container, r.InFlight = fmt.Sprintf("http://chat-%d:8000", i), containerOf(name), 3
		r.Engine = engineOf(3, 0, 0.4+0.1*float64(i), 96_768)
		b.Replicas = append(b.Replicas, r)
	}
	b.Replicas[0].Container.Started, b.Replicas[0].Since = nightAgo(3*time.Minute), nightAgo(80*time.Second)
	r := &b.Replicas[1]
	r.State, r.Reason, r.Since, r.InFlight, r.Engine = backends.Loading, "its container was started: it is loading", nightAgo(29*time.Second), 0, nil
	r.Drained = &backends.Drained{At: nightAgo(40 * time.Second), By: "ana", Reason: "restart: new driver", Job: 7}
	r.Container.Started = nightAgo(29 * time.Second)
	d.Pool.Jobs = []backends.Job{rollingJob()}
	d.GPUs.GPUs = append(d.GPUs.GPUs, d.GPUs.GPUs[1], d.GPUs.GPUs[1])
	for i, name := range fleetNames {
		g := &d.GPUs.GPUs[i+1]
		g.Index, g.Processes = i+1, []gpu.Owner{{Container: name, Backend: "chat"}}
	}
	for i := range d.Gateway.Live[:6] {
		d.Gateway.Live[i].Replica = b.Replicas[i%3].URL
	}
	return d
}

var restartSteps = []backends.StepName{backends.StepDrain, backends.StepStop, backends.StepStart, backends.StepLoad, backends.StepWarm, backends.StepAdmit}

func rollingJob() backends.Job {
	return backends.Job{ID: 7, Action: backends.ActRestart, Names: []string{"chat"}, Author: "ana", Reason: "new driver", Began: nightAgo(3 * time.Minute), State: backends.Running, Parts: []backends.Part{
		{Backend: "chat", Replica: "http://chat-0:8000", Container: fleetNames[0], Steps: restartSteps, State: backends.Done, Ended: nightAgo(45 * time.Second), Past: pastSteps(180*time.Second, 12, 4, 1, 71, 1, 30)},
		{Backend: "chat", Replica: "http://chat-1:8000", Container: fleetNames[1], Steps: restartSteps, State: backends.Running, Past: loadingSteps()},
		{Backend: "chat", Replica: "http://chat-2:8000", Container: fleetNames[2], Steps: restartSteps},
	}}
}

// pastSteps are steps that took so many seconds, the first of which began a while
// ago.
func pastSteps(ago time.Duration, seconds ...int) (all []backends.Step) {
	at := nightAgo(ago)
	for i, n := range seconds {
		end := at.Add(time.Duration(n) * time.Second)
		note := ""
		switch restartSteps[i] {
		case backends.StepDrain:
			note = "nothing is in flight"
		case backends.StepStop:
			note = "its stop time-out is 10s"
		case backends.StepWarm:
			note = "one token in 412ms"
		case backends.StepAdmit:
			note = "it has its whole share of the work"
		}
		all = append(all, backends.Step{Name: restartSteps[i], Began: at, Ended: end, Note: note})
		at = end
	}
	return all
}

// loadingSteps are those of a part that has loaded for 29 s.
func loadingSteps() []backends.Step {
	return append(pastSteps(34*time.Second, 0, 4, 1), backends.Step{Name: backends.StepLoad, Began: nightAgo(29 * time.Second),
		Note: `nothing listens at its address; its log's last line: "Loading safetensors checkpoint shards:  50% Completed | 2/4"`})
}

// restartJob is a restart of the only replica of chat, in the middle.
func restartJob() backends.Job {
	return backends.Job{ID: 9, Action: backends.ActRestart, Names: []string{"chat"}, Author: "ana", Reason: "hung after 9 d", Began: nightAgo(34 * time.Second), State: backends.Running,
		Parts: []backends.Part{{Backend: "chat", Replica: "http://chat:8000", Container: "vllm-chat", Steps: restartSteps, State: backends.Running, Past: loadingSteps()}}}
}

// lastJob is a restart of the same replica some days ago.
func lastJob() backends.Job {
	return backends.Job{ID: 3, Action: backends.ActRestart, Names: []string{"chat"}, Author: "bo", Began: nightAgo(217 * time.Hour), Ended: nightAgo(217*time.Hour - 110*time.Second), State: backends.Done,
		Parts: []backends.Part{{Backend: "chat", Replica: "http://chat:8000", Container: "vllm-chat", Steps: restartSteps, State: backends.Done, Ended: nightAgo(217*time.Hour - 110*time.Second),
			Past: pastSteps(217*time.Hour, 2, 4, 5, 70, 2, 27)}}}
}

// loadingBackends is the restart of chat in the middle.
func loadingBackends() Data {
	d := calmBackends()
	r := &d.Pool.Backends[1].Replicas[0]
	r.State, r.Reason, r.Since, r.InFlight, r.Engine, r.Booked, r.Live, r.Sequences = backends.Loading, "its container was started: it is loading", nightAgo(29*time.Second), 0, nil, 0, 0, 0
	r.Drained = &backends.Drained{At: nightAgo(34 * time.Second), By: "ana", Reason: "restart: hung after 9 d", Job: 9}
	r.Container.Started = nightAgo(29 * time.Second)
	d.Gateway.Live = d.Gateway.Live[6:]
	delete(d.Gateway.Backends, "chat")
	d.Gateway.Queues["chat"] = queue.Status{Waiting: 9, Oldest: 12 * time.Second}
	d.Pool.Jobs = []backends.Job{restartJob(), lastJob()}
	return d
}

// mixedBackends has one backend of every kind of trouble that isn't hanging.
func mixedBackends() Data {
	d := calmBackends()
	all := d.Pool.Backends
	text := &all[0].Replicas[0]
	text.State, text.Reason, text.Since, text.Engine = backends.Down, "its container exited with code 137: out of memory", nightAgo(4*time.Minute), nil
	text.Container.State, text.Container.Words, text.Container.Restarts = "exited", "exited with code 137: out of memory", 2
	text.InFlight = 0
	chat := &all[1].Replicas[0]
	chat.State, chat.Reason, chat.Since = backends.Draining, "drained by ana: new kernel", nightAgo(10*time.Minute)
	chat.Drained = &backends.Drained{At: nightAgo(10 * time.Minute), By: "ana", Reason: "new kernel"}
	away := all[1]
	away.Name, away.Model = "embed", "BAAI/bge-m3"
	away.Replicas = []backends.ReplicaStatus{{URL: "http://embed:8000", State: backends.Healthy, Since: nightAgo(26 * time.Hour), LastOK: nightAgo(time.Second), Share: 0.3, InFlight: 1, Capacity: 40_000, CapacityFrom: backends.Configured, Live: 4_000,
		Requests: 912, Engine: &backends.EngineStatus{Err: "its GET /metrics answers 404"}, Container: containerOf("vllm-embed")}}
	away.Replicas[0].Container.Err, away.Replicas[0].Container.At = "docker host local: it does not answer", nightAgo(14*time.Second)
	llama := backends.BackendStatus{Name: "llama", Model: "llama-3.2-3b-instruct", Replicas: []backends.ReplicaStatus{{URL: "http://10.0.0.7:8080", State: backends.Degraded, Reason: "it did not answer in time", Since: nightAgo(70 * time.Second),
		LastOK: nightAgo(3 * time.Second), Share: 1, InFlight: 2, Requests: 4_011, Failures: 7,
		Engine: &backends.EngineStatus{At: nightAgo(time.Second), Running: -1, Waiting: -1, Deferred: -1, KVUsage: -1, Prompt: -1, Generation: -1, Preemptions: -1, Iterations: -1, PrefixQueries: -1, PrefixHits: -1}}}}
	fresh := backends.BackendStatus{Name: "new", Model: "new/model", Replicas: []backends.ReplicaStatus{{URL: "http://new:8000"}}}
	d.Pool.Backends = append(all, away, llama, fresh)
	d.Pool.Hosts[0].Err, d.Pool.Hosts[0].Since = "it does not answer", nightAgo(14*time.Second)
	llamaRates := d.Gateway.Backends["chat"]
	llamaRates.Tokens, llamaRates.Errors = 44, 0.2
	d.Gateway.Backends["llama"] = llamaRates
	return d
}

// manyBackends are thirty, some of them with replicas, one of them in trouble.
func manyBackends() Data {
	d := calmBackends()
	one := d.Pool.Backends[0]
	d.Pool.Backends = nil
	for i := range 30 {
		b := one
		b.Name, b.Replicas = fmt.Sprintf("model-%02d", i), nil
		for k := range 1 + i%3 {
			r := one.Replicas[0]
			r.URL, r.Container, r.InFlight = fmt.Sprintf("http://10.0.%d.%d:8000", i, k), containerOf(fmt.Sprintf("vllm-%02d-%d", i, k)), i%7
			r.Engine = engineOf(i%7, 0, float64(i)/30, 96_768)
			if i == 17 && k == 1 {
				r.State, r.Reason = backends.Down, "nothing listens at its address"
			}
			b.Replicas = append(b.Replicas, r)
		}
		d.Pool.Backends = append(d.Pool.Backends, b)
		d.Gateway.Backends[b.Name] = gateway.Rates{Requests: float64(i), Tokens: float64(40 * i), FirstP50: 180 * time.Millisecond, FirstP95: 280 * time.Millisecond}
	}
	return d
}
