package sim

import (
	"math/rand/v2"
	"time"
)

// visit makes up a request.
func (t *Traffic) visit(random *rand.Rand) visit {
	model := t.config.Models[random.IntN(len(t.config.Models))]
	v := visit{path: "/v1/chat/completions", key: t.key(random)}
	members := map[string]any{"model": model.Name}
	if model.Kind == Text2SQL {
		t.askSQL(random, &v, members)
	} else {
		askChat(random, members)
	}
	stream := random.Float64() < 0.7
	members["stream"] = stream
	if stream && random.IntN(2) == 0 {
		members["stream_options"] = map[string]any{"include_usage": true}
	}
	// Some clients go before they have all of it.
	switch chance := random.Float64(); {
	case stream && chance < 0.07:
		v.leaves = 2 + random.IntN(60)
	case !stream && chance < 0.03:
		v.patience = time.Duration(500+random.IntN(3500)) * time.Millisecond
	}
	// And some are wrong.
	switch chance := random.Float64(); {
	case chance < 0.010:
		members["temperature"] = 7
	case chance < 0.018:
		members["messages"] = []any{}
	case chance < 0.023:
		members["max_tokens"] = 1_000_000
	case chance < 0.028:
		members["model"] = "gpt-4o"
		v.path = "/v1/chat/completions"
	}
	v.body = encode(members)
	return v
}

// key is an organisation's, by weight.
func (t *Traffic) key(random *rand.Rand) string {
	at := random.Float64() * t.weight
	for _, o := range t.config.Orgs {
		if at -= o.Weight; at < 0 {
			return o.Key
		}
	}
	return t.config.Orgs[len(t.config.Orgs)-1].Key
}

func (t *Traffic) askSQL(random *rand.Rand, v *visit, members map[string]any) {
	questions := DemoQuestions()
	members["messages"] = []map[string]string{
		{"role": "system", "content": "Answer with one SQLite query over this schema.\n" + DemoSchema()},
		{"role": "user", "content": questions[random.IntN(len(questions))].Text},
	}
	members["temperature"] = 0
	members["max_tokens"] = 512
	if random.IntN(2) == 0 {
		v.path = "/text2sql"
		delete(members, "model")
	}
}

func askChat(random *rand.Rand, members map[string]any) {
	type turn = map[string]string
	var turns []turn
	if random.IntN(3) > 0 {
		turns = append(turns, turn{"role": "system", "content": "You are a helpful assistant. Answer in plain English and keep to the question."})
	}
	// Some have talked for a while, which makes their prompts long.
	for range random.IntN(4) * random.IntN(3) {
		q := topic(random)
		turns = append(turns, turn{"role": "user", "content": q}, turn{"role": "assistant", "content": newProse(q, random).whole()})
	}
	members["messages"] = append(turns, turn{"role": "user", "content": topic(random)})
	switch random.IntN(4) {
	case 0: // what the backend gives
	case 1:
		members["max_tokens"] = 16 + random.IntN(64)
	default:
		members["max_tokens"] = 200 + random.IntN(600)
	}
	if random.IntN(2) == 0 {
		members["temperature"] = float64(random.IntN(11)) / 10
	}
}

func topic(random *rand.Rand) string {
	topics := []string{
		"Explain how a KV cache works",
		"What is continuous batching and why does it raise throughput?",
		"Why is the first token slow when the queue is short?",
		"How do I read the utilization of a GPU?",
		"What happens when a client leaves in the middle of a stream?",
		"Tell me about fair quotas for several teams",
		"How can a server be healthy and hung at once?",
		"List steps to find a slow query in a database",
		"When should a goroutine wait on a channel?",
		"Write a checklist for the first ten minutes of an incident",
		"How do I make good espresso at home?",
		"Plan a weekend trip to Lisbon",
		"Summarise the history of lighthouses",
		"What should I think about before I move to another city?",
		"Explain compound interest to a ten year old",
		"Why do leaves change colour in autumn?",
		"Give me ideas for a quiet birthday party",
		"How does noise cancelling work, briefly?",
	}
	return topics[random.IntN(len(topics))]
}
