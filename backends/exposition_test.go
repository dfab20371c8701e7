package backends

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pilothouse/backends/sim"
)

// vllmText is vLLM's of today with two engines (--data-parallel-size 2), cut to
// what is of interest.
const vllmText = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a"} 5.0
vllm:num_requests_running{engine="1",model_name="a"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a",reason="capacity"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a",reason="deferred"} 1.0
vllm:num_requests_waiting_by_reason{engine="1",model_name="a",reason="deferred"} 0.0
vllm:engine_sleep_state{engine="0",model_name="a",sleep_state="awake"} 1.0
vllm:engine_sleep_state{engine="0",model_name="a",sleep_state="weights_offloaded"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.1
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_gpu_blocks="3000"} 1.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="1",num_gpu_blocks="1000"} 1.0
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="a"} 1.5e+06
vllm:prompt_tokens_total{engine="1",model_name="a"} 7.0
# TYPE vllm:prompt_tokens_created gauge
vllm:prompt_tokens_created{engine="0",model_name="a"} 1.7e+09
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="a"} 100.0
vllm:generation_tokens_total{engine="1",model_name="a"} 23.0
vllm:num_preemptions_total{engine="0",model_name="a"} 4.0
vllm:prefix_cache_queries_total{engine="0",model_name="a"} 90.0
vllm:prefix_cache_hits_total{engine="0",model_name="a"} 30.0
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="a"} 5.0
vllm:iteration_tokens_total_bucket{engine="0",le="+Inf",model_name="a"} 5.0
vllm:iteration_tokens_total_count{engine="0",model_name="a"} 5.0
vllm:iteration_tokens_total_count{engine="1",model_name="a"} 6.0
vllm:iteration_tokens_total_sum{engine="0",model_name="a"} 5.0
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79539e+09
`

func TestParseStatus(t *testing.T) {
	started := time.Unix(1_795_390_000, 0).UTC()
	with := func(f func(*EngineStatus)) EngineStatus { s := noData(); f(&s); return s }
	whole := EngineStatus{Started: started, Running: 7, Waiting: 3, Deferred: 1, KVUsage: 0.4, KVTokens: 64_000,
		Prompt: 1_500_007, Generation: 123, Preemptions: 4, Iterations: 11, PrefixQueries: 90, PrefixHits: 30}
	for _, c := range []struct {
		name, text string
		want       EngineStatus
		err        string // part of it
	}{
		{"vLLM with two engines", vllmText, whole, ""},
		{"both names: not twice, the new one", "vllm:gpu_cache_usage_perc 0.9\nvllm:prompt_tokens 3\n" + vllmText + "vllm:gpu_prefix_cache_hits_total 1\nvllm:gpu_cache_usage_perc 0.9\n", whole, ""},
		{"vLLM 0.6", `vllm:cache_config_info{block_size="16",num_gpu_blocks="2048",num_cpu_blocks="100"} 1.0
vllm:num_requests_running{model_name="a"} 2.0
vllm:num_requests_swapped{model_name="a"} 9.0
vllm:num_requests_waiting{model_name="a"} 1.0
vllm:gpu_cache_usage_perc{model_name="a"} 0.25
vllm:cpu_cache_usage_perc{model_name="a"} 0.75
vllm:gpu_prefix_cache_hit_rate{model_name="a"} -1.0
vllm:num_preemptions_total{model_name="a"} 3.0
vllm:prompt_tokens_total{model_name="a"} 10.0
vllm:generation_tokens_total{model_name="a"} 20.0
`, with(func(s *EngineStatus) {
			s.Running, s.Waiting, s.KVUsage, s.KVTokens, s.Preemptions, s.Prompt, s.Generation = 2, 1, 0.25, 32_768, 3, 10, 20
		}), ""},
		{"vLLM 0.8", "vllm:gpu_prefix_cache_queries_total 4\nvllm:gpu_prefix_cache_hits_total 3\n", with(func(s *EngineStatus) { s.PrefixQueries, s.PrefixHits = 4, 3 }), ""},
		{"without _total", "vllm:prompt_tokens 3\nvllm:generation_tokens 4\nvllm:num_preemptions 5\nvllm:prefix_cache_queries 6\nvllm:prefix_cache_hits 7\n",
			with(func(s *EngineStatus) {
				s.Prompt, s.Generation, s.Preemptions, s.PrefixQueries, s.PrefixHits = 3, 4, 5, 6, 7
			}), ""},
		{"asleep", "vllm:engine_sleep_state{sleep_state=\"awake\"} 0\nvllm:engine_sleep_state{sleep_state=\"discard_all\"} 1\n", with(func(s *EngineStatus) { s.Sleeping = true }), ""},
		{"blocks not told", `vllm:cache_config_info{block_size="16",num_gpu_blocks="None"} 1` + "\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.5\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.1\n", with(func(s *EngineStatus) { s.KVUsage = 0.3 }), ""},
		{"llama.cpp", "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 16185\nllamacpp:tokens_predicted_total 394\nllamacpp:n_decode_total 125\nllamacpp:prompt_tokens_seconds 1186.9\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 3\nllamacpp:kv_cache_usage_ratio 0.125\n",
			with(func(s *EngineStatus) {
				s.Prompt, s.Generation, s.Iterations, s.Running, s.Waiting, s.KVUsage = 16185, 394, 125, 1, 3, 0.125
			}), ""},
		{"SGLang", "sglang:num_running_reqs{tp_rank=\"0\"} 4\nsglang:num_queue_reqs{tp_rank=\"0\"} 2\nsglang:token_usage{tp_rank=\"0\"} 0.5\nsglang:max_total_num_tokens{tp_rank=\"0\"} 1000\nsglang:prompt_tokens_total 8\nsglang:generation_tokens_total 9\n",
			with(func(s *EngineStatus) {
				s.Running, s.Waiting, s.KVUsage, s.KVTokens, s.Prompt, s.Generation = 4, 2, 0.5, 1000, 8, 9
			}), ""},
		{"TGI", "tgi_queue_size 2\ntgi_batch_current_size 3\ntgi_batch_inference_count{method=\"prefill\"} 4\ntgi_batch_inference_count{method=\"next_token\"} 40\n",
			with(func(s *EngineStatus) { s.Waiting, s.Running, s.Iterations = 2, 3, 44 }), ""},
		{"zero is a count", "vllm:prompt_tokens_total 0\nvllm:num_requests_running 0\n", with(func(s *EngineStatus) { s.Prompt, s.Running = 0, 0 }), ""},
		{"nothing", "", noData(), ""},
		{"another's", "go_goroutines 5\n<html>\n", noData(), ""},
		{"names that only begin so", "vllm:prompt_tokens_total_x 3\nvllm:num_requests_running_x{a=\"b\"} 3\n", noData(), ""},
		{"and that end so", "xvllm:prompt_tokens_total 3\n", noData(), ""},
		{"in a comment", "# vllm:prompt_tokens_total 3\n#vllm:prompt_tokens_total 3\n", noData(), ""},
		{"labels with everything in them", "vllm:num_requests_waiting_by_reason { x = \"}\\\"{\\\\\" , reason=\"deferred\", } 3 1700000000000\n", with(func(s *EngineStatus) { s.Deferred = 3 }), ""},
		{"no number", "vllm:prompt_tokens_total NaN\n", noData(), "negative, or too large"},
		{"infinite", "vllm:generation_tokens_total +Inf\n", noData(), "negative, or too large"},
		{"negative", "vllm:num_requests_running -1\n", noData(), "negative, or too large"},
		{"a cache that is no share", "vllm:kv_cache_usage_perc NaN\n", noData(), ""},
		{"not the format", "vllm:prompt_tokens_total secret words\n", noData(), "not Prometheus' text format"},
		{"no value", "vllm:prompt_tokens_total\n", noData(), "not Prometheus' text format"},
		{"labels without end", "vllm:prompt_tokens_total{secret=\"words} 3\n", noData(), "not Prometheus' text format"},
		{"cut in a line", vllmText[:strings.Index(vllmText, "process_start")+20], with(func(s *EngineStatus) { *s = whole; s.Started = time.Time{} }), ""},
		{"a long line that nobody wants", strings.Repeat("x", 3*lineMost) + "\nvllm:prompt_tokens_total 3", with(func(s *EngineStatus) { s.Prompt = 3 }), ""},
		{"a long line of a wanted name", "vllm:prompt_tokens_total{a=\"" + strings.Repeat("x", 3*lineMost) + "\"} 3\n", noData(), "not Prometheus' text format"},
	} {
		got, err := parseStatus(strings.NewReader(c.text))
		got.KVUsage = math.Round(got.KVUsage*1e9) / 1e9
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s:\n%+v, %v, want\n%+v, %q", c.name, got, err, c.want, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error %q quotes the engine", c.name, err)
		}
	}
}

// FuzzParseStatus: whatever an engine sends, there is a status that can be, or
// an error that quotes nothing of it; and what Prometheus' own parser reads in
// the lines that are wanted is read here too.
func FuzzParseStatus(f *testing.F) {
	f.Add(vllmText)
	f.Add("vllm:prompt_tokens 3\nvllm:generation_tokens 4\nprocess_start_time_seconds -1\n")
	f.Add("# TYPE vllm:prompt_tokens_total summary\nvllm:prompt_tokens_total{quantile=\"0.5\"} 1\nvllm:prompt_tokens_total_sum NaN\n")
	f.Add("{\"vllm:prompt_tokens_total\",a=\"\\n\"} 1 1\n\x00\xff\nvllm:kv_cache_usage_perc{\"engine\"=\"0\"} 7\n")
	f.Add("  vllm:num_requests_running\t{ a = \"b\" , }\t0x1p3 -5\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		const mark = "marked-by-the-engine"
		s, err := parseStatus(strings.NewReader(text + mark))
		if err != nil {
			if s != noData() {
				t.Errorf("a status %+v with the error %v", s, err)
			}
			if strings.Contains(err.Error(), mark) {
				t.Errorf("the error %q quotes the engine", err)
			}
		}
		for _, n := range []int64{int64(s.Running), int64(s.Waiting), int64(s.Deferred), s.Prompt, s.Generation, s.Preemptions, s.Iterations, s.PrefixQueries, s.PrefixHits, s.KVTokens} {
			if n < -1 || n > 1<<53 {
				t.Errorf("%+v", s)
			}
		}
		if !(s.KVUsage == -1 || s.KVUsage >= 0 && s.KVUsage <= 1) || s.KVTokens < 0 || !s.Started.IsZero() && s.Started.Unix() < 0 {
			t.Errorf("%+v", s)
		}

		var kept bytes.Buffer
		for line := range strings.Lines(text) {
			line = strings.Trim(line, " \t\r\n")
			name := line
			if i := strings.IndexAny(line, "{ \t"); i >= 0 {
				name = line[:i]
			}
			if _, ok := wanted()[name]; ok && len(line) < 1000 {
				kept.WriteString(line + "\n")
			}
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(kept.Bytes()))
		if err != nil {
			return
		}
		x, err := expose(&kept)
		if err != nil {
			t.Fatalf("not the format, says this parser alone: %v", err)
		}
		for q := range quantities {
			var want []float64
			for _, name := range names[q] {
				if m := families[name].GetMetric(); len(m) > 0 {
					for _, m := range m {
						want = append(want, m.GetUntyped().GetValue())
					}
					break
				}
			}
			var got []float64
			for _, s := range x.samples[q] {
				got = append(got, s.value)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.EqualFunc(got, want, func(a, b float64) bool { return a == b || a != a && b != b }) {
				t.Fatalf("quantity %d: %v, want %v", q, got, want)
			}
		}
	})
}

// failing is an answer that breaks off.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("secret words") }

func TestParseStatusOfABrokenAnswer(t *testing.T) {
	if s, err := parseStatus(failing{}); s != noData() || err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%+v, %v", s, err)
	}
}

// exposition is as much as vLLM exposes, 100 kB, of which the simulator's names
// are wanted.
func exposition(b testing.TB) string {
	s, err := sim.New(sim.Config{Model: "m"})
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var text strings.Builder
	for i := 0; text.Len() < 100<<10; i++ {
		text.WriteString(strings.NewReplacer("vllm:", fmt.Sprintf("vllm:%.*s", 3*min(i, 1), fmt.Sprintf("x%d_", i)), "process_", fmt.Sprintf("p%d", i)).Replace(w.Body.String()))
	}
	return text.String()
}

func BenchmarkParseStatus(b *testing.B) {
	text := exposition(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseStatus(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseWhole is what Prometheus' own parser needs for the whole text.
func BenchmarkParseWhole(b *testing.B) {
	text := exposition(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
