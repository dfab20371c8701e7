package pane

import (
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/queue"
)

// partsOf are a preview of every replica of a backend.
func partsOf(d Data, name string, steps ...backends.StepName) (parts []backends.Part) {
	for _, b := range d.Pool.Backends {
		if b.Name != name {
			continue
		}
		for _, r := range b.Replicas {
			parts = append(parts, backends.Part{Backend: name, Replica: r.URL, Container: r.Container.Name, Host: "local", Steps: steps})
		}
	}
	return parts
}

func TestImpact(t *testing.T) {
	hung, rolling, calm := hungBackends(), rollingBackends(), calmBackends()
	hung.Pool.Jobs = []backends.Job{lastJob()}
	rolling.Pool.Backends[1].Replicas[1] = rolling.Pool.Backends[1].Replicas[0]
	rolling.Pool.Backends[1].Replicas[1].URL, rolling.Pool.Backends[1].Replicas[1].Container = "http://chat-1:8000", containerOf(fleetNames[1])
	rolling.Pool.Jobs = nil
	queued := rollingBackends()
	queued.Gateway.Queues["chat"] = queue.Status{Waiting: 2}
	half := partsOf(rolling, "chat", backends.StepDrain, backends.StepStop)[:2]
	all := append(partsOf(calm, "text2sql", backends.StepDrain, backends.StepStop, backends.StepRemove), partsOf(calm, "chat", backends.StepDrain, backends.StepStop, backends.StepRemove)...)
	changed := partsOf(calm, "chat", restartSteps...)
	changed[0].Why, changed[0].Changes = "its settings have changed", []backends.Change{{Field: "image", Have: "v1", Want: "v2"}}
	for name, tt := range map[string]struct {
		o     backends.Order
		parts []backends.Part
		d     Data
		last  bool
		want  string
	}{
		"the mock-up": {backends.Order{Action: backends.ActRestart, Names: []string{"chat"}}, partsOf(hung, "chat", restartSteps...), hung, true, `
: vllm-chat on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 6: acme 4, globex 2, all stalled 41 s
queued: 4: acme 3, globex 1, would go to another replica: none
left after: 0 of 1 replica: the model will not be served until it is back
last start: loading 70 s, ready after 77 s`},
		"one after the other": {backends.Order{Action: backends.ActRestart, Names: []string{"chat"}}, partsOf(rolling, "chat", restartSteps...), rolling, false, `
: vllm-chat-0 on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 3 min
: vllm-chat-1 on gpu 2, Qwen/Qwen2.5-7B-Instruct, up 9 d
: vllm-chat-2 on gpu 3, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 9: acme 4, globex 2, others 3
queued: 0
left after: 2 of 3 replicas, one is done after the other
last start: not known: nothing was started since the jobs are kept`},
		"two of three stop": {backends.Order{Action: backends.ActStop, Names: []string{"vllm-chat-0", "vllm-chat-1"}}, half, rolling, false, `
: vllm-chat-0 on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 3 min
: vllm-chat-1 on gpu 2, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 6: acme 2, globex 2, others 2
queued: 0
left after: 1 of 3 replicas`},
		"one by one, of three": {backends.Order{Action: backends.ActRestart, Names: []string{"vllm-chat-0", "vllm-chat-1"}}, partsOf(rolling, "chat", restartSteps...)[:2], rolling, false, `
: vllm-chat-0 on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 3 min
: vllm-chat-1 on gpu 2, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 6: acme 2, globex 2, others 2
queued: 0
left after: 2 of 3 replicas, one is done after the other
last start: not known: nothing was started since the jobs are kept`},
		"another one is out": {backends.Order{Action: backends.ActRestart, Names: []string{"vllm-chat-0"}}, partsOf(queued, "chat", restartSteps...)[:1], queued, false, `
: vllm-chat-0 on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 3 min
in flight: 3: acme 2, others 1
queued: 2, would go to another replica: vllm-chat-2
left after: 1 of 3 replicas
last start: loading 71 s, ready after 73 s`},
		"everything down": {backends.Order{Action: backends.ActDown}, all, calm, true, `
: vllm-text2sql on gpu 0, Snowflake/Arctic-Text2SQL-R1-7B, up 9 d
: vllm-chat on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 11: acme 7, globex 4
queued: text2sql 0
queued: chat 0
left after: text2sql 0 of 1 replica: the model will not be served
left after: chat 0 of 1 replica: the model will not be served`},
		"a drain, without preview": {backends.Order{Names: []string{"http://chat:8000"}}, nil, calm, true, `
: vllm-chat on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 6: acme 4, globex 2
queued: 0
left after: 0 of 1 replica: the model will not be served`},
		"a start takes nothing away": {backends.Order{Action: backends.ActStart, Names: []string{"chat"}}, partsOf(hung, "chat", backends.StepStart, backends.StepLoad), hung, false, `
: vllm-chat on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 0
last start: loading 70 s, ready after 77 s`},
		"changes": {backends.Order{Action: backends.ActUp, Names: []string{"chat"}}, changed, calm, true, `
: vllm-chat on gpu 1, Qwen/Qwen2.5-7B-Instruct, up 9 d
in flight: 6: acme 4, globex 2
queued: 0
left after: 0 of 1 replica: the model will not be served until it is back
last start: not known: nothing was started since the jobs are kept
note: vllm-chat: its settings have changed
changes: vllm-chat image: v1, to be v2`},
		"nothing to do": {backends.Order{Action: backends.ActStart, Names: []string{"chat"}}, partsOf(calm, "chat"), calm, false, `
: nothing is to do
in flight: 0`},
		"nothing known": {backends.Order{Action: backends.ActStop, Names: []string{"chat"}}, half, Data{Now: backendNight}, false, `
: nothing is to do
in flight: 0`},
	} {
		facts, last := Impact(tt.o, tt.parts, tt.d)
		var got strings.Builder
		for _, f := range facts {
			got.WriteString("\n" + f.Label + ": " + f.Text)
		}
		if got.String() != tt.want || last != tt.last {
			t.Errorf("%s: last %v, want %v%s\nwant%s", name, last, tt.last, got.String(), tt.want)
		}
	}
}

// What waits and what has ended is not in flight at a replica.
func TestBackendUses(t *testing.T) {
	live := []gateway.Record{
		{Org: "acme", Backend: "chat", Replica: "a", Phase: gateway.PhaseDecode, Prompt: 100, Output: 50},
		{Org: "acme", Backend: "chat", Replica: "b", Phase: gateway.PhasePrefill, Prompt: 50},
		{Org: "globex", Backend: "chat", Replica: "a", Phase: gateway.PhaseDecode, Prompt: 600, Start: nightAgo(time.Second)},
		{Org: "globex", Backend: "chat", Phase: gateway.PhaseQueued, Prompt: 9000},
		{Org: "initech", Backend: "other", Phase: gateway.PhaseDecode, Prompt: 9000},
		{Org: "initech", Backend: "chat", Phase: gateway.PhaseEnded, Prompt: 9000},
		{Backend: "chat", Phase: gateway.PhaseAdmitted},
	}
	uses := backendUses(live, "chat", "")
	if len(uses) != 2 || uses[0] != (backendUse{"globex", 1, 1, 600, 0.75}) || uses[1] != (backendUse{"acme", 2, 0, 200, 0.25}) {
		t.Errorf("%+v", uses)
	}
	if uses = backendUses(live, "chat", "b"); len(uses) != 1 || uses[0].org != "acme" || uses[0].share != 1 {
		t.Errorf("of replica b: %+v", uses)
	}
}
