package backends

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readShape(t testing.TB, name string) *Model {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "capacity", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := ReadModel(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	m.Name = name
	return &m
}

func onL4(t testing.TB, m *Model) (Deployment, Host) {
	t.Helper()
	gpu, ok := FindGPU("L4")
	if !ok {
		t.Fatal("there is no L4")
	}
	h := Host{GPU: gpu, Utilization: DefaultUtilization}
	d, err := h.Deploy(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	return d, h
}

// The reference deployment: 57,344 bytes a token, 5.17 GiB of KV cache beside
// 15 GB of weights on an L4, so 96,800 tokens and 5.9 requests of 16,384.
func TestReferenceDeployment(t *testing.T) {
	models := BuiltIn()
	read := readShape(t, "qwen2.5-7b")
	for i := range models {
		m := &models[i]
		same := *read
		same.Name = m.Name
		if *m != same {
			t.Errorf("%s built in: %+v, want what its file says, %+v", m.Name, *m, same)
		}
		if m.Params() != 7_615_616_512 || m.WeightBytes(BF16) != 15_231_233_024 || m.TokenBytes(BF16) != 57_344 {
			t.Errorf("%s: %d parameters, %d bytes of weights, %d a token", m.Name, m.Params(), m.WeightBytes(BF16), m.TokenBytes(BF16))
		}
		estimated, h := onL4(t, m)
		kv := gibibytes(5.17)
		measured, _, err := h.Measured(estimated, kv)
		if err != nil || measured.CacheBytes() != kv {
			t.Fatalf("measured: %d bytes, %v, want %d", measured.CacheBytes(), err, kv)
		}
		for name, d := range map[string]Deployment{"measured": measured, "estimated": estimated} {
			if got := math.Round(d.CacheBytes().GiB()*100) / 100; got != 5.17 {
				t.Errorf("%s: %v GiB of KV cache, want 5.17", name, got)
			}
			// 6050 blocks of 16: 5.17 × 2^30 / 57,344 is 96,806.
			if d.Tokens() != 96_800 {
				t.Errorf("%s: %d tokens, want 96,800", name, d.Tokens())
			}
			if got := math.Floor(d.Requests(16_384)*10) / 10; got != 5.9 {
				t.Errorf("%s: %v requests of 16,384, want 5.9", name, got)
			}
		}
	}
}

// Published figures. Parameters are those of the safetensors index on Hugging
// Face; where norms of queries and keys, or second norms, are not counted here,
// that is less than one in ten thousand. Bytes a token: layers × 2 × KV heads ×
// head size × 2 bytes, by hand.
func TestKnownModels(t *testing.T) {
	for _, tc := range []struct {
		name     string
		params   int64
		token    Bytes
		windowed int
		context  int
		weights  Format
	}{
		{"qwen2.5-7b", 7_615_616_512, 57_344, 0, 32768, BF16},     // 28 × 2 × 4 × 128 × 2
		{"qwen2.5-7b-awq", 7_615_616_512, 57_344, 0, 32768, Q4},   // the same shape
		{"qwen2.5-0.5b", 494_032_768, 12_288, 0, 32768, BF16},     // 24 × 2 × 2 × 64 × 2; tied
		{"qwen2.5-72b", 72_706_203_648, 327_680, 0, 32768, BF16},  // 80 × 2 × 8 × 128 × 2
		{"llama-3-8b", 8_030_261_248, 131_072, 0, 8192, BF16},     // 32 × 2 × 8 × 128 × 2
		{"llama-3.2-3b", 3_212_749_824, 114_688, 0, 131072, BF16}, // 28 × 2 × 8 × 128 × 2; tied
		{"mistral-7b-v0.1", 7_241_732_096, 131_072, 32, 32768, BF16},
		{"mixtral-8x7b", 46_702_792_704, 131_072, 0, 32768, BF16}, // experts keep nothing
		{"qwen3-30b-a3b", 30_532_122_624, 98_304, 0, 40960, BF16}, // 48 × 2 × 4 × 128 × 2
		{"qwen3-4b", 4_022_468_096, 147_456, 0, 40960, BF16},      // 36 × 2 × 8 × 128 × 2; 2560/32 is not its head size
		{"deepseek-v2-lite", 15_706_484_224, 31_104, 0, 0, BF16},  // 27 × (512 + 64) × 2: one vector for all heads
		{"gemma-2-9b", 9_241_705_984, 344_064, 21, 8192, BF16},    // 42 × 2 × 8 × 256 × 2; every second a window; float32 in the file
		{"gemma-3-27b", 27_009_346_304, 507_904, 52, 0, BF16},     // 62 × 2 × 16 × 128 × 2; 27.4e9 with the 0.4e9 for images
	} {
		m := readShape(t, tc.name)
		if off := math.Abs(float64(m.Params()-tc.params)) / float64(tc.params); off > 1e-4 {
			t.Errorf("%s: %d parameters, want %d", tc.name, m.Params(), tc.params)
		}
		if m.TokenBytes(BF16) != tc.token || 2*m.TokenBytes(FP8) != tc.token {
			t.Errorf("%s: %d bytes a token, in fp8 %d, want %d and half", tc.name, m.TokenBytes(BF16), m.TokenBytes(FP8), tc.token)
		}
		if m.Windowed != tc.windowed || m.MaxContext != tc.context || m.Weights != tc.weights || m.TextOnly != (tc.name == "gemma-3-27b") {
			t.Errorf("%s: %+v", tc.name, m)
		}
	}
}

// What quantised checkpoints take. vLLM loads Qwen2.5-7B-Instruct-AWQ into
// 5.2032 GiB (vllm-project/vllm#13882).
func TestWeightBytes(t *testing.T) {
	m := readShape(t, "qwen2.5-7b-awq")
	if got := m.WeightBytes(Q4).GiB(); math.Abs(got-5.2032) > 0.03 {
		t.Errorf("AWQ: %.4f GiB, want about 5.2032", got)
	}
	// By hand: 6,525,288,448 weights in layers of 28, 1,090,328,064 others.
	linear, rest := m.params()
	if linear != 28*(2*3584*3584+2*3584*512+3*3584*18944) || linear+rest != 7_615_616_512 {
		t.Errorf("%d weights to quantise, %d others", linear, rest)
	}
	if got, want := m.WeightBytes(FP8), Bytes(float64(linear)*(1+4.0/16384))+Bytes(2*rest); got != want {
		t.Errorf("fp8: %d, want %d", got, want)
	}
	fine := *m
	fine.Group = 32 // 4 + 20/32 bits
	if got, want := fine.WeightBytes(Q4)-m.WeightBytes(Q4), Bytes(float64(linear)*(20.0/32-20.0/128)/8); max(got-want, want-got) > 1 {
		t.Errorf("groups of 32 take %d more, want %d", got, want)
	}
}

// Startup logs that people published: what vLLM made of the memory that it had
// for its cache. Their figure in GiB is rounded to 0.01.
func TestTokensInLogs(t *testing.T) {
	for _, tc := range []struct {
		model  string
		gpus   int
		gib    float64
		tokens int64
		source string
	}{
		{"qwen3-30b-a3b", 2, 26.13, 570_848, "infiniflow/ragflow#9856, vLLM 0.10.1"},
		{"llama-3-8b", 1, 3.81, 1952 * 16, "vllm-project/vllm#10517, Llama 3.1, RTX 3090"},
		{"llama-3-8b", 1, 2.89, 1478 * 16, "the same with another max-model-len"},
		{"llama-3.2-3b", 1, 6.22, 3637 * 16, "T4, vLLM 0.8"},
		{"qwen3-4b", 1, 3.06, 1394 * 16, "RTX 2060, vLLM 0.8"},
	} {
		d := Deployment{Model: readShape(t, tc.model), Weights: BF16, Cache: BF16, GPUs: tc.gpus}
		token := d.TokenBytes()
		rounding := int64(0.005*float64(GiB)/float64(token)) + BlockTokens
		d.Room = d.WeightBytes() + gibibytes(tc.gib)
		if off := d.Tokens() - tc.tokens; off > rounding || off < -rounding {
			t.Errorf("%s, %d GPUs, %.2f GiB: %d tokens, vLLM has %d (%s)", tc.model, tc.gpus, tc.gib, d.Tokens(), tc.tokens, tc.source)
		}
	}
	// "Maximum concurrency for 2048 tokens per request" with 1381 blocks and with
	// 127,626 (vllm-project/vllm#12569 and #13596); for 20,000 with 1952 (#10517).
	m := readShape(t, "llama-3-8b")
	for _, tc := range []struct {
		blocks  Bytes
		context int
		want    float64
	}{{1381, 2048, 10.79}, {127_626, 2048, 997.08}, {1952, 20_000, 1.56}} {
		d := Deployment{Model: m, Weights: BF16, Cache: BF16, GPUs: 1}
		d.Room = d.WeightBytes() + tc.blocks*BlockTokens*131_072
		if got := math.Round(d.Requests(tc.context)*100) / 100; got != tc.want {
			t.Errorf("%d blocks: %v requests of %d, vLLM has %v", tc.blocks, got, tc.context, tc.want)
		}
	}
}

// The overhead that published logs show: the GPU's share, less the weights and
// the KV cache that they tell. It is what the estimate may be off by, which the
// command says.
func TestOverheadInLogs(t *testing.T) {
	for _, tc := range []struct {
		gpu         string
		memory      Bytes
		utilization float64
		gpus        int
		weights, kv float64 // GiB, of the log
		source      string
	}{
		{"L4", 23034 * MiB, 0.9, 1, 14.185, 5.17, "the reference deployment, which it is calibrated on"},
		{"H100", 81559 * MiB, 0.9, 1, 14.96, 53.29, "vllm-project/vllm#10511, Llama 3 8B"},
		{"L40S", 46068 * MiB, 0.9, 2, 30.71, 7.71, "vllm-project/vllm#15815, Qwen2.5 32B"},
		{"T4", 15360 * MiB, 0.89, 1, 6.02, 6.22, "Llama 3.2 3B, vLLM 0.8"},
		{"RTX 2060", 12288 * MiB, 0.95, 1, 7.56, 3.06, "Qwen3 4B, vLLM 0.8"},
		{"RTX 4090", 24564 * MiB, 0.8, 1, 8.8, 9232221491 / float64(GiB), "Qwen3 8B FP8, vLLM 0.10"},
		{"A100-80GB", 81920 * MiB, 0.65, 1, 13.72, 36.56, "gpt-oss-20b, vLLM 0.19"},
	} {
		h := Host{GPU: GPU{Memory: tc.memory}, Utilization: tc.utilization}
		shown := h.Budget().GiB() - tc.weights - tc.kv
		off := shown - h.Overhead(tc.gpus).GiB()
		if off > OverheadMore.GiB() || off < -OverheadLess.GiB() {
			t.Errorf("%s: the log has %.2f GiB of overhead, %.2f more than estimated (%s)", tc.gpu, shown, off, tc.source)
		}
		if tc.gpu == "L4" && math.Abs(off) > 0.005 {
			t.Errorf("the reference deployment is off by %.3f GiB", off)
		}
	}
}

// Layers with a window, by hand. vLLM's blocks have one size for all groups of
// layers.
func TestWindows(t *testing.T) {
	for _, tc := range []struct {
		model   string
		kv      Bytes
		tokens  int64
		context int
		blocks  float64 // there are
		each    float64 // of a request
	}{
		// 21 and 21 layers are two groups of 21: 16 × 21 × 8,192 bytes a block.
		// A request has 8192/16, and for the window ceil((4096-1+2048)/16) + 1.
		{"gemma-2-9b", 20 * GiB, 7801 / 2 * 16, 8192, 7801, 512 + 385},
		// 10 and 52 layers are one group of 10, and six: 16 × 10 × 8,192 bytes.
		{"gemma-3-27b", 10 * GiB, 8192 / 7 * 16, 8192, 8192, 512 + 6*193},
		// All 32 layers in one group of 2 MiB a block.
		{"mistral-7b-v0.1", 8 * GiB, 65_536, 32_768, 4096, 385},
		{"mistral-7b-v0.1", 8 * GiB, 65_536, 4096, 4096, 257},
	} {
		d := Deployment{Model: readShape(t, tc.model), Weights: BF16, Cache: BF16, GPUs: 1}
		d.Room = d.WeightBytes() + tc.kv
		if d.Tokens() != tc.tokens || d.Requests(tc.context) != tc.blocks/tc.each {
			t.Errorf("%s: %d tokens, %v requests of %d, want %d and %v", tc.model, d.Tokens(), d.Requests(tc.context), tc.context, tc.tokens, tc.blocks/tc.each)
		}
	}
	// Groups as vLLM's own comments have them (kv_cache_utils.py): 10 layers and 20
	// are three groups of 10; 13 and 12 are two of 13, one of them padded.
	for _, tc := range []struct{ full, windowed, size, groups int }{{10, 20, 10, 3}, {13, 12, 13, 2}, {12, 13, 13, 2}, {20, 30, 20, 3}, {7, 0, 7, 1}, {0, 7, 7, 1}} {
		m := Model{Layers: tc.full + tc.windowed, Windowed: tc.windowed}
		if size, full, windowed := m.groups(); size != tc.size || full+windowed != tc.groups {
			t.Errorf("%d layers and %d with a window: %d and %d groups of %d, want %d of %d", tc.full, tc.windowed, full, windowed, size, tc.groups, tc.size)
		}
	}
	// A bigger step adds more to a window: H100s have 8192, A100s don't.
	for name, want := range map[string]int{"L4": 2048, "A100-80GB": 2048, "H100": 8192, "h200": 8192} {
		gpu, _ := FindGPU(name)
		h := Host{GPU: gpu, Utilization: DefaultUtilization}
		if h.Batch() != want {
			t.Errorf("%s: steps of %d tokens, want %d", name, h.Batch(), want)
		}
	}
}

// Heads are shared out over GPUs, or copied where they are fewer.
func TestSplit(t *testing.T) {
	big, mla := readShape(t, "qwen2.5-72b"), readShape(t, "deepseek-v2-lite")
	for _, tc := range []struct {
		m    *Model
		gpus int
		want Bytes // a token, on each GPU
	}{
		{big, 1, 327_680}, {big, 2, 163_840}, {big, 4, 81_920}, {big, 8, 40_960},
		{big, 16, 40_960}, {big, 64, 40_960}, // 8 heads, one on each, copied
		{mla, 1, 31_104}, {mla, 4, 31_104}, // whole on each
	} {
		d := Deployment{Model: tc.m, Weights: BF16, Cache: BF16, GPUs: tc.gpus}
		if err := tc.m.Split(tc.gpus); err != nil || d.TokenBytes() != tc.want {
			t.Errorf("%s on %d GPUs: %d bytes a token, %v, want %d", tc.m.Name, tc.gpus, d.TokenBytes(), err, tc.want)
		}
		if got, want := d.WeightBytes()*Bytes(tc.gpus), tc.m.WeightBytes(BF16); got < want || got-want >= Bytes(tc.gpus) {
			t.Errorf("%s on %d GPUs: %d bytes of weights in all, want %d", tc.m.Name, tc.gpus, got, want)
		}
	}
	for gpus, want := range map[int]string{0: "1 or more", -1: "1 or more", 3: "64 attention heads", 128: "64 attention heads"} {
		if err := big.Split(gpus); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("64 heads on %d GPUs: %v, want %q", gpus, err, want)
		}
	}
	odd := *big
	odd.Heads, odd.KVHeads = 24, 6
	if err := odd.Split(4); err == nil || !strings.Contains(err.Error(), "6 key-value heads") {
		t.Errorf("6 heads of keys on 4 GPUs: %v", err)
	}
}

func gibibytes(n float64) Bytes { return Bytes(n * float64(GiB)) }
