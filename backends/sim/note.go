package sim

import "slices"

// note is what the chat model knows of one subject.
type note struct {
	keys  []string // words of a question that call it up
	lines []string
}

// notesOn is what is known of the subject that most keywords point at; nil
// when none does.
func notesOn(words []string) []string {
	var best []string
	most := 0
	for _, n := range notes() {
		hits := 0
		for _, w := range words {
			if slices.Contains(n.keys, w) {
				hits++
			}
		}
		if hits > most {
			best, most = n.lines, hits
		}
	}
	return best
}

func notes() []note {
	return []note{
		{[]string{"kv", "cache", "attention", "keys", "values", "memory"}, []string{
			"A KV cache keeps the attention keys and values of every token that the model has read, so that the next token needs only its own.",
			"Without it, each new token would have to read the whole conversation again.",
			"Its size grows with the length of the conversation and with the number of requests at once.",
			"For a 7B model with four KV heads and 28 layers a token takes 56 KiB in 16 bits.",
			"When the cache is full, new requests wait, and if those running keep growing, the youngest is put back and computed anew.",
			"Paging it in small blocks keeps the waste at the end of each request below one block.",
			"Requests that begin with the same text can share those blocks, which is why a fixed system prompt comes first.",
		}},
		{[]string{"batching", "batch", "continuous", "throughput", "scheduler"}, []string{
			"Continuous batching lets requests join and leave the running batch at every step, instead of waiting for the slowest of them.",
			"Decoding is bound by memory: each step reads all weights once, whether it serves one request or thirty.",
			"So throughput rises almost in proportion to the batch, until computing or the cache becomes the limit.",
			"Each request gets a little slower as the batch grows, and all of them together get much faster.",
			"Long prompts are read in chunks, so that those who are already being answered are not held up by a newcomer.",
			"The figures to watch are the requests running, the requests waiting, and the time between two tokens.",
		}},
		{[]string{"latency", "ttft", "token", "tokens", "prefill", "decode", "first"}, []string{
			"The time to the first token is the wait in the queue plus the time to read the prompt.",
			"Reading the prompt is bound by computing, so it grows with the prompt's length.",
			"Writing the answer is bound by memory, so the time between tokens hardly depends on what is written.",
			"Readers notice the first token most, which is why streaming makes the same answer feel faster.",
			"Averages hide the trouble: look at the 95th percentile, and at the requests that were given up.",
			"If only the first token is slow, look at the queue; if every token is slow, look at the batch.",
		}},
		{[]string{"gpu", "gpus", "l4", "nvidia", "cuda", "bandwidth", "utilization", "utilisation", "throttling"}, []string{
			"Utilisation says that a kernel was running, not that it did much: a GPU can show 100 % and wait for memory all the time.",
			"An L4 has 24 GB of memory, reads about 300 GB a second, and is capped at 72 W.",
			"A 7B model in 16 bits takes about 15 GB, and most of the rest goes to the cache.",
			"Power tells more than utilisation: it falls when the work becomes memory-bound or stops.",
			"When a card gets hot it lowers its clocks, and the first thing to notice is a longer time between tokens.",
			"Errors that the driver logs as XID deserve a look, and number 79 means that the card is gone until a restart.",
		}},
		{[]string{"streaming", "stream", "sse", "events", "event"}, []string{
			"With server-sent events the answer is one long response in which every event is a line of data and an empty line.",
			"Each piece of the answer is sent as soon as it exists, and a last event says that it is done.",
			"Anything in between that buffers will turn a smooth answer into one that arrives in lumps.",
			"A stream that breaks off before its last event must not be taken for a whole answer.",
			"When the reader leaves, closing the connection should stop the work, or the GPU goes on for nobody.",
		}},
		{[]string{"quota", "quotas", "limit", "limits", "rate", "429", "tenant", "fairness"}, []string{
			"A rate limit protects the server from a burst, and a quota protects the other customers from a habit.",
			"Count tokens rather than requests, since one request may cost a thousand times another.",
			"Reserve an estimate before the work begins, and settle the difference when it ends.",
			"Without the reservation, ten requests sent at once can each pass the last check.",
			"A refusal should say which limit it was and when to come back, so that clients can wait instead of trying again.",
		}},
		{[]string{"health", "probe", "probes", "hung", "hang", "restart", "failover", "drain"}, []string{
			"A server that answers its health check may still be hung, because the check asks the wrong part of it.",
			"Progress is the better sign: tokens that keep coming while requests are running.",
			"Take a backend out only after several failures, and bring it back slowly, or it will flap.",
			"Draining means that no new work arrives while what is there may end.",
			"Give a drain a deadline, since a single long answer can otherwise hold up a restart for minutes.",
			"Client errors say nothing about a backend's health and must not count against it.",
		}},
		{[]string{"sql", "query", "queries", "index", "join", "database", "table", "postgres", "sqlite"}, []string{
			"Begin with the question in words: which rows, grouped by what, over which time.",
			"An index helps where it cuts the rows down early, and costs something on every write.",
			"Read the plan before guessing; a scan of a small table is no problem, and a nested loop over two large ones is.",
			"Join on the keys that the schema declares, and be careful that a join doesn't count rows twice.",
			"Put the condition on time first, since most tables grow with it.",
			"When a sum looks too large, look at the number of rows before the grouping.",
		}},
		{[]string{"go", "golang", "goroutine", "goroutines", "channel", "channels", "context"}, []string{
			"A goroutine is cheap to start, so the question is never how to start it but who waits for its end.",
			"Pass a context to whatever may block, and return when it ends.",
			"Channels hand over ownership; a mutex protects what stays in one place.",
			"The race detector finds what a review overlooks, as long as a test takes the path.",
			"Errors are values: add what the caller needs to know, once, and return them.",
			"Measure before making anything faster, and keep the simple version as the reference.",
		}},
		{[]string{"incident", "postmortem", "oncall", "outage", "alert", "alerts", "monitoring"}, []string{
			"The first question in an incident is who is hurt, and only then what is broken.",
			"Change one thing at a time, and write down when.",
			"An alert should name something that a person can do; everything else belongs on a graph.",
			"Afterwards, describe what happened without looking for somebody to blame.",
			"The most useful line of a report is the one that says what would have shown it an hour earlier.",
		}},
		{[]string{"coffee", "espresso", "tea", "bread", "recipe", "cook", "cooking", "soup"}, []string{
			"Weigh what goes in, since a spoon is never the same twice.",
			"Fresh ingredients forgive a simple method, and no method forgives old ones.",
			"Heat is the part that most people get wrong: too much of it, too early.",
			"Taste while you go along, and stop when it is good rather than when the clock says so.",
			"Let it rest for a few minutes before you serve it.",
		}},
		{[]string{"travel", "trip", "city", "visit", "lisbon", "kyoto", "weekend", "itinerary"}, []string{
			"Plan one fixed thing a day and leave the rest open.",
			"Mornings are for the places that everybody wants to see, and evenings for walking.",
			"Public transport shows more of a city than a taxi does, and a map on paper never runs out of power.",
			"Book the first night and the last one; what lies between can wait.",
			"Eat where the menu is short and in one language.",
		}},
	}
}
