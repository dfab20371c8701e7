// Package sim imitates vLLM: servers on real sockets with the timing of a real
// GPU, for the demo and for tests, that misbehave on request. Nothing is
// inferred: the chat model puts prepared sentences together on the question's
// subject, the text2sql model knows the queries for DemoQuestions, and every
// answer says in its system_fingerprint, as /version does, that it comes from
// a simulator.
//
//	server, err := sim.New(sim.Config{Model: "Qwen/Qwen2.5-7B-Instruct"})
//	…
//	err = server.Serve(ctx, listener) // until ctx ends
//
// # What is real
//
// The wire: OpenAI's endpoints with vLLM's errors, streams, usage and metrics
// (its release 0.32), the bearer key asked for on /v1/* and nowhere else, idle
// connections closed after five seconds, the head of a stream sent before its
// first token. A client that closes its connection aborts its request, also
// one that is no stream. It is built on net/http, so that a gateway on another
// stack is tested against more than itself.
//
// The engine: one goroutine makes steps of continuous batching over a queue, a
// running set and a KV cache of blocks, with chunked prefill, prefix caching
// and preemption. Every figure in /metrics comes from it. How long a step
// takes is computed from the weights and the bandwidth of the GPU (see Timing)
// and divided by Config.Speed.
//
// The tokens: a simple tokenizer counts prompts and cuts answers, so that
// usage is exact with respect to what is sent: one event of a stream is one
// token, the end token (which has no text) included.
//
// # What is not
//
// Sampling parameters are checked and change nothing, but for seed, stop,
// min_tokens, max_tokens, n and ignore_eos. With tool_choice naming a tool or
// saying "required", and where the question shares a word with one, the answer
// is a call with arguments that fit the tool's schema. Log-probabilities are
// never given. Prompts given as token numbers are counted and not understood.
//
// # Misbehaviour
//
// Faults are set by Config, by SetFaults, or with Config.Control at the path
// /sim/faults, which asks for no key: serve that on loopback only.
//
//	curl -d '{"faults":[{"kind":"reset","after":5,"probability":0.1},{"kind":"error_503","next":3}]}' localhost:8000/sim/faults
//	curl localhost:8000/sim/faults
//	curl -d '{"faults":[]}' localhost:8000/sim/faults
//
// Where Config.Card is set, those whose names begin with gpu_ go to the simulated GPU.
//
// The three misdeeds that a gateway has to tell apart: "freeze" is an engine
// that hangs, "dead" one that is gone, and busy is one that gets much work.
//
// Traffic is the other side: a mixture of clients for a gateway in front of
// such servers.
//
// A server prints what vLLM would to Config.Console.
//
// Nothing here logs, counts or shows a key, a prompt or an answer.
package sim
