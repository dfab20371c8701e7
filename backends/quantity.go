package backends

import "sync"

// quantity is something that engines tell, each under names of its own.
type quantity uint8

const (
	qRunning quantity = iota
	qWaiting
	qByReason
	qKVUsage
	qKVTokens
	qCacheInfo
	qPrompt
	qGeneration
	qPreemptions
	qIterations
	qPrefixQueries
	qPrefixHits
	qSleep
	qStarted
	quantities // how many there are
)

// names are those of each quantity, whole, since some begin like others; the
// first of them that is there counts. vLLM's change over its releases, a counter's
// with and without _total (vllm/v1/metrics/loggers.py, and vllm/engine/metrics.py
// to 0.10); llama.cpp's are in tools/server/README.md, SGLang's in
// python/sglang/srt/metrics/collector.py, TGI's in
// docs/source/reference/metrics.md. SGLang counts tokens once a request has
// ended, and no steps. TGI's steps stand there once for prefill and once for
// next_token.
var names = [quantities][]string{
	qRunning:       {"vllm:num_requests_running", "llamacpp:requests_processing", "sglang:num_running_reqs", "tgi_batch_current_size"},
	qWaiting:       {"vllm:num_requests_waiting", "llamacpp:requests_deferred", "sglang:num_queue_reqs", "tgi_queue_size"},
	qByReason:      {"vllm:num_requests_waiting_by_reason"},
	qKVUsage:       {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "llamacpp:kv_cache_usage_ratio", "sglang:token_usage"},
	qKVTokens:      {"sglang:max_total_num_tokens"},
	qCacheInfo:     {"vllm:cache_config_info"},
	qPrompt:        {"vllm:prompt_tokens_total", "vllm:prompt_tokens", "llamacpp:prompt_tokens_total", "sglang:prompt_tokens_total"},
	qGeneration:    {"vllm:generation_tokens_total", "vllm:generation_tokens", "llamacpp:tokens_predicted_total", "sglang:generation_tokens_total"},
	qPreemptions:   {"vllm:num_preemptions_total", "vllm:num_preemptions"},
	qIterations:    {"vllm:iteration_tokens_total_count", "llamacpp:n_decode_total", "tgi_batch_inference_count"},
	qPrefixQueries: {"vllm:prefix_cache_queries_total", "vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries"},
	qPrefixHits:    {"vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits"},
	qSleep:         {"vllm:engine_sleep_state"},
	qStarted:       {"process_start_time_seconds"},
}

// wanted tells of each name what it tells, and how many others come before it.
var wanted = sync.OnceValue(func() map[string]named {
	all := map[string]named{}
	for q, list := range names {
		for rank, name := range list {
			all[name] = named{quantity(q), uint8(rank)}
		}
	}
	return all
})

type named struct {
	quantity
	rank uint8
}
