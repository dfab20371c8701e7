package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

var logNow = time.Date(2026, 11, 22, 3, 12, 44, 0, time.UTC)

// startUp is how vLLM starts, in its own words, and how it ends.
const startUp = `o 02:58:01.204 (APIServer pid=1) INFO 11-22 02:58:01 [api_server.py:1977] vLLM API server version 0.32.0
o 02:58:01.209 (APIServer pid=1) INFO 11-22 02:58:01 [utils.py:233] non-default args: {'model': 'Qwen/Qwen2.5-7B-Instruct', 'max_model_len': 8192, 'gpu_memory_utilization': 0.9, 'served_model_name': ['Qwen/Qwen2.5-7B-Instruct']}
o 02:58:09.310 (APIServer pid=1) INFO 11-22 02:58:09 [model.py:547] Resolved architecture: Qwen2ForCausalLM
o 02:58:12.012 (EngineCore_DP0 pid=271) INFO 11-22 02:58:12 [core.py:77] Initializing a V1 LLM engine (v0.32.0) with config: model='Qwen/Qwen2.5-7B-Instruct', speculative_config=None, tokenizer='Qwen/Qwen2.5-7B-Instruct', dtype=torch.bfloat16, max_seq_len=8192, load_format=auto, tensor_parallel_size=1
e 02:58:14.700 (EngineCore_DP0 pid=271) WARNING 11-22 02:58:14 [interface.py:405] Using 'pin_memory=False' as WSL is detected. This may slow down the performance.
e 02:58:15.180 [W1122 02:58:15.180112 ProcessGroupNCCL.cpp:915] Warning: TORCH_NCCL_AVOID_RECORD_STREAMS is the default now
o 02:58:16.020 (EngineCore_DP0 pid=271) INFO 11-22 02:58:16 [gpu_model_runner.py:2602] Starting to load model Qwen/Qwen2.5-7B-Instruct...
e 02:58:17.000 \rLoading safetensors checkpoint shards:   0% Completed | 0/4 [00:00<?, ?it/s]
e 02:58:21.400 \rLoading safetensors checkpoint shards:  25% Completed | 1/4 [00:04<00:13,  4.40s/it]
e 02:58:36.810 \rLoading safetensors checkpoint shards: 100% Completed | 4/4 [00:19<00:00,  4.95s/it]
o 02:58:37.002 (EngineCore_DP0 pid=271) INFO 11-22 02:58:37 [gpu_model_runner.py:2653] Model loading took 14.2487 GiB and 20.412 seconds
o 02:58:44.551 (EngineCore_DP0 pid=271) INFO 11-22 02:58:44 [gpu_worker.py:298] Available KV cache memory: 5.17 GiB
o 02:58:44.893 (EngineCore_DP0 pid=271) INFO 11-22 02:58:44 [kv_cache_utils.py:1087] GPU KV cache size: 96,768 tokens
o 02:58:44.893 (EngineCore_DP0 pid=271) INFO 11-22 02:58:44 [kv_cache_utils.py:1091] Maximum concurrency for 8,192 tokens per request: 11.81x
e 02:58:52.100 \rCapturing CUDA graphs (decode, FULL):   0%|          | 0/35 [00:00<?, ?it/s]\rCapturing CUDA graphs (decode, FULL): 100%|██████████| 35/35 [00:02<00:00, 17.82it/s]
o 02:58:53.480 (EngineCore_DP0 pid=271) INFO 11-22 02:58:53 [core.py:210] init engine (profile, create kv cache, warmup model) took 16.47 seconds
o 02:58:55.204 (APIServer pid=1) INFO 11-22 02:58:55 [api_server.py:1771] Starting vLLM API server 0 on http://0.0.0.0:8000
o 02:58:55.361 (APIServer pid=1) INFO:     Application startup complete.
o 03:10:41.204 (APIServer pid=1) INFO:     10.0.0.7:41234 - "POST /v1/chat/completions HTTP/1.1" 200 OK
o 03:10:48.510 (APIServer pid=1) INFO 11-22 03:10:48 [loggers.py:127] Engine 000: Avg prompt throughput: 812.4 tokens/s, Avg generation throughput: 155.1 tokens/s, Running: 6 reqs, Waiting: 4 reqs, GPU KV cache usage: 71.4%, Prefix cache hit rate: 48.2%
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] EngineCore encountered a fatal error.
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] Traceback (most recent call last):
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710]   File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 701, in run_engine_core
e 03:12:03.118 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710]     engine_core.run_busy_loop()
e 03:12:03.119 (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity of 22.03 GiB of which 812.00 MiB is free.
e 03:12:03.402 Traceback (most recent call last):
e 03:12:03.402 	raise RuntimeError("Engine core proc died unexpectedly")
o 03:12:04.031 (APIServer pid=1) INFO:     10.0.0.7:41240 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error
o 03:12:05.000 (APIServer pid=1) INFO:     Shutting down`

// script makes lines of "e 02:58:01.204 text".
func script(s string) []LogLine {
	var all []LogLine
	for l := range strings.SplitSeq(s, "\n") {
		at, err := time.Parse(time.DateTime, "2026-11-22 "+l[2:14])
		if err != nil {
			panic(err)
		}
		all = append(all, LogLine{At: at, Text: strings.ReplaceAll(l[15:], `\r`, "\r"), Stderr: l[0] == 'e'})
	}
	return all
}

// ownLog is what the gateway writes.
func ownLog() []LogLine {
	var all []LogLine
	for _, s := range []string{
		`{"time":"2026-11-22T03:01:11.104Z","level":"INFO","msg":"listening","addr":"127.0.0.1:8080","admin":"127.0.0.1:9090"}`,
		`{"time":"2026-11-22T03:01:11.412Z","level":"INFO","msg":"replica changed its state","backend":"chat","replica":"http://chat:8000","from":"unknown","to":"healthy"}`,
		`{"time":"2026-11-22T03:11:58.020Z","level":"WARN","msg":"reload refused","file":"/etc/pilothouse/config.toml","line":41,"error":"server.listen can't change live"}`,
		`{"time":"2026-11-22T03:12:03.120Z","level":"ERROR","msg":"replica changed its state","backend":"chat","replica":"http://chat:8000","from":"healthy","to":"hung","since":{"bytes":"41s","probes":3}}`,
		`{"time":"2026-11-22T03:12:04.031Z","level":"DEBUG-4","msg":"retry","attempt":1,"reason":""}`,
		`panic: runtime error: index out of range [3] with length 3`,
		`{"broken":`,
	} {
		all = append(all, LogLine{Text: s})
	}
	return all
}

// logData is a platform of some containers, one of which is in trouble.
func logData(names ...string) Data {
	d := Data{Now: logNow, Pool: &backends.Snapshot{At: logNow}, Past: happened()}
	for i, n := range names {
		state := backends.Healthy
		if i == 0 {
			state = backends.Hung
		}
		d.Pool.Backends = append(d.Pool.Backends, backends.BackendStatus{Name: n, Replicas: []backends.ReplicaStatus{
			{URL: "http://" + n, State: state, Container: &backends.ContainerStatus{Name: n}}}})
	}
	return d
}

func happened() *past.Snapshot {
	at := func(s string) time.Time {
		t, err := time.Parse(time.DateTime, "2026-11-22 "+s)
		if err != nil {
			panic(err)
		}
		return t
	}
	return &past.Snapshot{At: logNow,
		Events: []past.Event{
			{At: at("03:12:03"), Kind: past.KindBackend, Object: "chat", Text: "no bytes since; /health still says 200", Grade: past.Bad},
			{At: at("03:11:58"), Kind: past.KindGPU, Object: "gpu 1", Text: "power 71 → 31 W, utilisation 98 → 2 %", Grade: past.Warn},
			{At: at("02:58:10"), Kind: past.KindQuota, Object: "acme", Text: "day tokens passed 90 %, forecast to end 04:40Z", Grade: past.Warn},
			{At: at("01:02:09"), Kind: past.KindJob, Object: "text2sql", Text: "restarted: loading 74 s, 0 lost", Grade: past.Good},
		},
		Audit: []ledger.Event{
			{At: at("02:31:44"), Author: "ana from 192.0.2.7", Action: "attach", Object: "dashboard", Detail: "role operator"},
			{At: at("01:00:12"), Author: "bo", Action: "restart", Object: "text2sql", Detail: "weekly"},
		}}
}

// newLogs makes a pane that shows the log of the first container.
func newLogs(t *widget.Theme, lines []LogLine, names ...string) *Logs {
	if len(names) == 0 {
		names = []string{"vllm-chat", "vllm-text2sql"}
	}
	p := NewLogs(t, NewScrolling())
	p.Update(logData(names...))
	p.SetFocus(true)
	answer(p, lines...)
	return p
}

// answer tells a pane lines as what it has asked for.
func answer(p *Logs, lines ...LogLine) {
	q, _ := p.Query()
	p.Update(LogBatch{Generation: q.Generation, Lines: lines})
}

// keys presses some, at a size.
func typed(p *Logs, w, h int, keys string) {
	p.View(w, h)
	for k := range strings.FieldsSeq(keys) {
		p.Update(press(k))
	}
}

// numbered are lines "line 1" and so on, a second apart.
func numbered(from, to int) []LogLine {
	var all []LogLine
	for i := from; i < to; i++ {
		all = append(all, LogLine{At: logNow.Add(time.Duration(i-2000) * time.Second), Text: fmt.Sprintf("line %d.", i)})
	}
	return all
}
