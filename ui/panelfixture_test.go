package ui

import (
	"fmt"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
	"pilothouse/gpu"
	"pilothouse/ui/pane"
)

// restartSteps are those of a restart.
var restartSteps = []backends.StepName{backends.StepDrain, backends.StepStop, backends.StepStart, backends.StepLoad, backends.StepWarm, backends.StepAdmit}

// stepsOf are steps that took so many seconds, the first of which began a while
// ago.
func stepsOf(ago time.Duration, seconds ...int) (all []backends.Step) {
	at := night.Add(-ago)
	for i, n := range seconds {
		end := at.Add(time.Duration(n) * time.Second)
		all = append(all, backends.Step{Name: restartSteps[i], Began: at, Ended: end})
		at = end
	}
	return all
}

// under is the step of a restart that is under way since a while.
func under(i int, since time.Duration, note string) backends.Step {
	return backends.Step{Name: restartSteps[i], Began: night.Add(-since), Note: note}
}

func chatPart(past ...backends.Step) backends.Part {
	return backends.Part{Backend: "chat", Replica: "http://chat:8000", Container: "vllm-chat", Host: "local", Steps: restartSteps, State: backends.Running, Past: past}
}

// chatJob is a restart of the only replica of chat that has come so far.
func chatJob(past ...backends.Step) backends.Job {
	j := backends.Job{ID: 9, Action: backends.ActRestart, Names: []string{"chat"}, Author: "ana from 203.0.113.9", Reason: "hung after 9 d", Began: night, State: backends.Running, Parts: []backends.Part{chatPart(past...)}}
	if len(past) > 0 {
		j.Began = past[0].Began
	}
	return j
}

// lastJob is how chat was started nine days ago, and firstJobs all there is to
// learn from.
func lastJob() backends.Job {
	j := chatJob(stepsOf(217*time.Hour, 2, 4, 5, 74, 2, 27)...)
	j.ID, j.Author, j.State, j.Ended = 3, "bo", backends.Done, night.Add(-217*time.Hour+114*time.Second)
	j.Parts[0].State, j.Parts[0].Ended = backends.Done, j.Ended
	return j
}

func drainingJob() backends.Job {
	return chatJob(under(0, 8*time.Second, "6 in flight, 22 s left"))
}

func loadingJob() backends.Job {
	return chatJob(append(stepsOf(34*time.Second, 0, 4, 1),
		under(3, 29*time.Second, `nothing listens at its address; its log's last line: "INFO 11-22 03:12:40 [loader.py:447] Loading safetensors checkpoint shards:  50% Completed | 2/4 [00:11<00:12,  6.04s/it]"`))...)
}

// cameTo is a job that came to its end.
func cameTo(j backends.Job, s backends.JobState, why string) backends.Job {
	j.State, j.Err, j.Ended = s, why, night
	p := &j.Parts[len(j.Parts)-1]
	p.State, p.Err, p.Ended = s, why, night
	return j
}

// rollingJob restarts three replicas, of which it is at the second.
func rollingJob() backends.Job {
	j := loadingJob()
	j.ID, j.Reason, j.Began = 10, "new driver", night.Add(-3*time.Minute)
	var parts []backends.Part
	for i := range 3 {
		p := chatPart()
		p.Replica, p.Container, p.State = fmt.Sprintf("http://chat-%d:8000", i), fmt.Sprintf("vllm-chat-%d", i), ""
		parts = append(parts, p)
	}
	parts[0].State, parts[0].Past, parts[0].Ended = backends.Done, stepsOf(3*time.Minute, 12, 4, 1, 71, 1, 30), night.Add(-45*time.Second)
	parts[1].State, parts[1].Past = backends.Running, j.Parts[0].Past
	j.Parts = parts
	return j
}

// hung is the night on which chat makes no progress, its replicas being of so many.
func hung(replicas int) pane.Data {
	d := calm()
	container := func(name string) *backends.ContainerStatus {
		return &backends.ContainerStatus{Name: name, ID: "8f2c0d3b5a7e", Host: "local", State: "running", Words: "running", Ours: true, Started: night.Add(-217 * time.Hour), At: night}
	}
	b := &d.Pool.Backends[1]
	d.Pool.Backends[0].Replicas[0].Container = container("vllm-text2sql")
	r := &b.Replicas[0]
	r.State, r.Since, r.InFlight, r.Container = backends.Hung, night.Add(-41*time.Second), 6, container("vllm-chat")
	r.Reason = "its engine made no step for 41 s with 6 running and 0 waiting, and no byte came from it: hung, not busy"
	first := *r
	for i := 1; i < replicas; i++ {
		more := first
		more.URL, more.Container, more.State, more.Reason = fmt.Sprintf("http://chat-%d:8000", i), container(fmt.Sprintf("vllm-chat-%d", i)), backends.Healthy, ""
		more.Since, more.InFlight = night.Add(-217*time.Hour), 3
		b.Replicas = append(b.Replicas, more)
		g := d.GPUs.GPUs[1]
		g.Index = i + 1
		d.GPUs.GPUs = append(d.GPUs.GPUs, g)
		d.GPUs.GPUs[i+1].Processes = []gpu.Owner{{Container: more.Container.Name, Backend: "chat"}}
	}
	if r = &b.Replicas[0]; replicas > 1 {
		r.URL, r.Container = "http://chat-0:8000", container("vllm-chat-0")
		d.GPUs.GPUs[1].Processes = []gpu.Owner{{Container: "vllm-chat-0", Backend: "chat"}}
	}
	for i := range d.Gateway.Live {
		d.Gateway.Live[i].Backend, d.Gateway.Live[i].Replica = "chat", b.Replicas[i%len(b.Replicas)].URL
	}
	d.Gateway.InFlight = 11
	d.Gateway.Queues = map[string]queue.Status{"chat": {Waiting: 4, Oldest: 30 * time.Second, Orgs: []queue.OrgStatus{{Org: "acme", Waiting: 3}, {Org: "globex", Waiting: 1}}}}
	d.Pool.Jobs = []backends.Job{lastJob()}
	vain, _ := refused{}.Explain("7f3a91c2")
	d.Gateway.Recent[0] = vain.Record
	return d
}

// during is a restart under way, and what is in flight all the same.
func during(j backends.Job, replicas int) pane.Data {
	d := hung(replicas)
	r := &d.Pool.Backends[1].Replicas[min(1, replicas-1)]
	r.State, r.Reason, r.Since = backends.Loading, "its container was started: it is loading", night.Add(-29*time.Second)
	if j.State == backends.Done {
		r.State, r.Reason, r.InFlight = backends.Healthy, "", 0
		d.Pool.Jobs = []backends.Job{j, lastJob()}
		return d
	}
	r.Drained = &backends.Drained{At: j.Began, By: j.Author, Reason: j.Reason, Job: j.ID}
	d.Pool.Jobs = []backends.Job{j, lastJob()}
	return d
}

// asked are the parts of a preview of a restart of all of chat.
func asked(d pane.Data) (parts []backends.Part) {
	for _, r := range d.Pool.Backends[1].Replicas {
		p := chatPart()
		p.Replica, p.Container, p.State = r.URL, r.Container.Name, ""
		parts = append(parts, p)
	}
	return parts
}

// refused is a request that waited in vain.
type refused struct{}

func (refused) Explain(id string) (gateway.Explanation, bool) {
	at := time.Date(2026, 11, 22, 3, 11, 20, 104e6, time.UTC)
	r := gateway.Record{ID: id, Start: at, Org: "acme", KeyName: "etl-nightly", Client: "203.0.113.9", Route: "/v1/chat/completions", Model: "Qwen/Qwen2.5-7B-Instruct", Backend: "chat",
		Stream: true, Phase: gateway.PhaseEnded, Status: 503, Code: "overloaded", End: gateway.EndRefused, Duration: 30 * time.Second}
	return gateway.Explanation{Record: r, Retry: gateway.Retry{After: 12 * time.Second, From: gateway.RetryLine, Tokens: 26_301, PerSecond: 2_200.4}, Steps: []gateway.Step{
		gateway.Accepted{At: at, Key: gateway.KeyValid, Scope: "chat", Used: 41, Burst: 50, Rate: 50},
		gateway.Inspected{At: at, Bytes: 8_100, Prompt: 2_120, Answers: 1, Prompts: 1, MaxTokens: 2_048, Defaulted: true},
		gateway.Reserved{At: at, Tokens: 4_168, OfTokens: gateway.Window{Name: "tokens_per_day", Limit: 10_000_000, Left: 912_440, ResetsAt: at.Add(20 * time.Hour)},
			Requests: gateway.Window{Name: "requests_per_month", OwnKey: true, Limit: 900, Left: 12, ResetsAt: at.Add(20 * time.Hour)}},
		gateway.Queued{At: at, Needs: 2_730, Booked: 94_900, Capacity: 96_768, Ahead: 4, Orgs: 2, Limit: 30 * time.Second, Waited: 30 * time.Second, Outcome: gateway.LineTimeout},
		gateway.Ended{At: at.Add(30 * time.Second), Status: 503, Code: "overloaded", End: gateway.EndRefused, Cause: gateway.CauseWaited, Limit: 30 * time.Second},
		gateway.Settled{At: at.Add(30 * time.Second), Reserved: 4_168},
	}}, true
}
