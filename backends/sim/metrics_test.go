package sim_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends/sim"
)

// scrape is /metrics by sample, name and labels together; every line must be
// one that Prometheus takes, and every sample's family be declared before it.
func scrape(t *testing.T, s *server) map[string]float64 {
	t.Helper()
	sample := regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)((?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$`)
	_, text := do(t, "GET", s.url+"/metrics", "", "")
	got := make(map[string]float64)
	family := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if declared, ok := strings.CutPrefix(line, "# TYPE "); ok {
			family, _, _ = strings.Cut(declared, " ")
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("no number: %q", line)
		}
		if !strings.HasPrefix(m[1], family) {
			t.Errorf("sample %q stands under %q", line, family)
		}
		if _, twice := got[m[1]+m[2]]; twice {
			t.Errorf("sample %q comes twice", line)
		}
		got[m[1]+m[2]] = v
	}
	return got
}

const labels = `{engine="0",model_name="Qwen/Qwen2.5-7B-Instruct"}`

func label(more string) string { return strings.TrimSuffix(labels, "}") + "," + more + "}" }

func TestMetricsSayWhatHappened(t *testing.T) {
	s := start(t, sim.Config{})
	for range 3 {
		do(t, "POST", s.url+"/v1/chat/completions", "", body(true, 20))
	}
	got := scrape(t, s)
	for name, want := range map[string]float64{
		"vllm:num_requests_running" + labels:                               0,
		"vllm:num_requests_waiting" + labels:                               0,
		"vllm:num_requests_waiting_by_reason" + label(`reason="capacity"`): 0,
		"vllm:kv_cache_usage_perc" + labels:                                0,
		"vllm:engine_sleep_state" + label(`sleep_state="awake"`):           1,
		"vllm:prompt_tokens_total" + labels:                                30,
		"vllm:generation_tokens_total" + labels:                            60,
		"vllm:num_preemptions_total" + labels:                              0,
		"vllm:prefix_cache_queries_total" + labels:                         30,
		"vllm:prefix_cache_hits_total" + labels:                            0,
		"vllm:request_success_total" + label(`finished_reason="length"`):   3,
		"vllm:request_success_total" + label(`finished_reason="abort"`):    0,
		"vllm:time_to_first_token_seconds_count" + labels:                  3,
		"vllm:inter_token_latency_seconds_count" + labels:                  57,
		"vllm:request_time_per_output_token_seconds_count" + labels:        3,
		"vllm:request_queue_time_seconds_count" + labels:                   3,
		"vllm:request_prefill_time_seconds_count" + labels:                 3,
		"vllm:request_decode_time_seconds_count" + labels:                  3,
		"vllm:e2e_request_latency_seconds_count" + labels:                  3,
		"vllm:e2e_request_latency_seconds_bucket" + label(`le="+Inf"`):     3,
		"vllm:iteration_tokens_total_count" + labels:                       60,
		"vllm:iteration_tokens_total_sum" + labels:                         30 + 57,
		`vllm:cache_config_info{block_size="16",cache_dtype="auto",enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.9",num_gpu_blocks="6048"}`: 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
	if began := time.Unix(int64(got["process_start_time_seconds"]), 0); time.Since(began) > time.Minute {
		t.Errorf("started at %v", began)
	}
	if sum := got["vllm:request_decode_time_seconds_sum"+labels]; sum < 0.03 || sum > 15 {
		t.Errorf("57 steps at speed 50 took %v s", sum)
	}
}

func TestMetricsShowTheQueueAndPreemption(t *testing.T) {
	s := start(t, sim.Config{MaxModelLen: 512, KVTokens: 512, Speed: 200})
	for range 3 {
		raw(t, s, body(false, 480))
	}
	eventually(t, "somebody was preempted and waits", func() bool {
		l := s.Load()
		return l.Preemptions > 0 && l.Waiting > 0 && l.KVUsed > 256
	})
	if got := scrape(t, s); got["vllm:num_preemptions_total"+labels] < 1 {
		t.Errorf("preemptions: %v", got["vllm:num_preemptions_total"+labels])
	}
	eventually(t, "all are done", func() bool { l := s.Load(); return l.Running+l.Waiting == 0 && l.GeneratedTokens == 3*480 })
	if got := scrape(t, s)["vllm:kv_cache_usage_perc"+labels]; got != 0 {
		t.Errorf("the cache is %v full with nothing running", got)
	}
}

func TestMetricsEscapeTheModel(t *testing.T) {
	s := start(t, sim.Config{Model: "a\"b\\c\nd"})
	if _, ok := scrape(t, s)[`vllm:num_requests_running{engine="0",model_name="a\"b\\c\nd"}`]; !ok {
		t.Error("the model's name is not escaped")
	}
}
