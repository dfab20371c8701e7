package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metrics answers a scrape under vLLM 0.32's names and labels.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(s.exposition())) // a scraper that has gone needs no answer
}

// exposition is Prometheus' text format. A counter's sample carries _total,
// and its family doesn't, as Python's client writes it.
type exposition struct {
	strings.Builder
	labels string // of every sample
}

func (x *exposition) family(name, kind, help string) {
	fmt.Fprintf(x, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (x *exposition) sample(name, more string, v float64) {
	fmt.Fprintf(x, "%s{%s%s} %s\n", name, x.labels, more, number(v))
}

func (x *exposition) gauge(name, help string, v float64) {
	x.family(name, "gauge", help)
	x.sample(name, "", v)
}

func (x *exposition) counter(name, help string, v uint64) {
	x.family(name+"_total", "counter", help)
	x.sample(name+"_total", "", float64(v))
}

func (x *exposition) histogram(name, help string, h *histogram) {
	x.family(name, "histogram", help)
	var below uint64
	for i, bound := range h.bounds {
		below += h.counts[i]
		x.sample(name+"_bucket", `,le="`+number(bound)+`"`, float64(below))
	}
	below += h.counts[len(h.bounds)]
	x.sample(name+"_bucket", `,le="+Inf"`, float64(below))
	x.sample(name+"_count", "", float64(below))
	x.sample(name+"_sum", "", h.sum)
}

// number is a float as Python writes it: 1.0, not 1.
func number(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

func (s *Server) exposition() string {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	c, m := e.config, e.meter
	x := &exposition{labels: fmt.Sprintf(`engine="0",model_name="%s"`, escapeLabel(c.Model))}

	x.gauge("vllm:num_requests_running", "Number of requests in model execution batches.", float64(len(e.running)))
	x.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", float64(len(e.waiting)))
	x.family("vllm:num_requests_waiting_by_reason", "gauge", "Number of waiting requests by reason.")
	x.sample("vllm:num_requests_waiting_by_reason", `,reason="capacity"`, float64(len(e.waiting)))
	x.sample("vllm:num_requests_waiting_by_reason", `,reason="deferred"`, 0)
	x.family("vllm:engine_sleep_state", "gauge", "Engine sleep state; awake = 1 means that it is awake.")
	x.sample("vllm:engine_sleep_state", `,sleep_state="awake"`, 1)
	x.sample("vllm:engine_sleep_state", `,sleep_state="weights_offloaded"`, 0)
	x.sample("vllm:engine_sleep_state", `,sleep_state="discard_all"`, 0)
	x.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", float64(e.pool.used())/float64(e.pool.total))
	x.family("vllm:cache_config_info", "gauge", "Information of the LLMEngine CacheConfig")
	fmt.Fprintf(x, "vllm:cache_config_info{block_size=\"%d\",cache_dtype=\"auto\",enable_prefix_caching=\"True\",engine=\"0\","+
		"gpu_memory_utilization=\"0.9\",num_gpu_blocks=\"%d\"} 1.0\n", c.BlockSize, e.pool.total)

	x.counter("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", m.queries)
	x.counter("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", m.hits)
	x.counter("vllm:num_preemptions", "Cumulative number of preemption from the engine.", m.preemptions)
	x.counter("vllm:prompt_tokens", "Number of prefill tokens processed.", m.prompts)
	x.counter("vllm:generation_tokens", "Number of generation tokens processed.", m.generated)
	x.family("vllm:request_success_total", "counter", "Count of successfully processed requests.")
	for _, reason := range [...]string{finishStop, finishLength, finishAbort, "error", "repetition"} {
		x.sample("vllm:request_success_total", `,finished_reason="`+reason+`"`, float64(m.finished[reason]))
	}

	x.histogram("vllm:iteration_tokens_total", "Histogram of number of tokens per engine_step.", &m.iterationTokens)
	x.histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", &m.firstToken)
	x.histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", &m.interToken)
	x.histogram("vllm:request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.", &m.perToken)
	x.histogram("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", &m.e2e)
	x.histogram("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", &m.queueTime)
	x.histogram("vllm:request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", &m.prefillTime)
	x.histogram("vllm:request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", &m.decodeTime)

	x.family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
	fmt.Fprintf(x, "process_start_time_seconds %s\n", strconv.FormatFloat(float64(s.created.UnixMilli())/1000, 'f', -1, 64))
	return x.String()
}

// escapeLabel is a label's value as the text format wants it.
func escapeLabel(v string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v)
}
