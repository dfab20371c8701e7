package backends

import (
	"math"
	"math/rand/v2"
	"testing"
)

// More context is never more requests; more memory never fewer; a cache in fp8
// holds twice the tokens.
func TestCapacityRules(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"qwen2.5-7b", "gemma-2-9b", "gemma-3-27b", "mistral-7b-v0.1", "deepseek-v2-lite", "mixtral-8x7b"} {
		m := readShape(t, name)
		for range 300 {
			d := Deployment{Model: m, Weights: BF16, Cache: BF16, GPUs: 1, Room: Bytes(random.Int64N(int64(200 * GiB)))}
			context := 1 + random.IntN(200_000)
			longer := context + random.IntN(50_000)
			if d.Requests(longer) > d.Requests(context) {
				t.Fatalf("%s, room %d: %v requests of %d, but %v of %d", name, d.Room, d.Requests(context), context, d.Requests(longer), longer)
			}
			half := d
			half.Cache = FP8
			_, full, windowed := m.groups()
			if more := half.blocks() - 2*d.blocks(); more != 0 && more != 1 {
				t.Fatalf("%s, room %d: %d blocks, in fp8 %d", name, d.Room, d.blocks(), half.blocks())
			}
			if more := half.Tokens() - 2*d.Tokens(); full+windowed == 1 && more != 0 && more != BlockTokens {
				t.Fatalf("%s, room %d: %d tokens, in fp8 %d", name, d.Room, d.Tokens(), half.Tokens())
			}
			larger := d
			larger.Room += Bytes(random.Int64N(int64(10 * GiB)))
			if larger.Tokens() < d.Tokens() || larger.Requests(context) < d.Requests(context) || larger.CacheBytes() < d.CacheBytes() {
				t.Fatalf("%s: room %d holds less than %d", name, larger.Room, d.Room)
			}
			if d.CacheBytes() < 0 || d.Tokens() < 0 || d.Tokens()%BlockTokens != 0 || d.Requests(context) < 0 {
				t.Fatalf("%s, room %d: %d bytes, %d tokens, %v requests", name, d.Room, d.CacheBytes(), d.Tokens(), d.Requests(context))
			}
		}
		// With whole blocks in both, exactly twice.
		size, _, _ := m.groups()
		d := Deployment{Model: m, Weights: BF16, Cache: BF16, GPUs: 1}
		d.Room = d.WeightBytes() + 5040*BlockTokens*Bytes(size)*m.layerBytes(BF16, 1)
		half := d
		half.Cache = FP8
		if half.Tokens() != 2*d.Tokens() || half.Requests(1000) != 2*d.Requests(1000) || d.Tokens() == 0 {
			t.Errorf("%s: %d tokens, in fp8 %d", name, d.Tokens(), half.Tokens())
		}
		weights := math.Inf(1)
		for _, f := range Formats() {
			n := float64(m.WeightBytes(f))
			if n >= weights {
				t.Errorf("%s: %s takes %v, no less than what is before it", name, f, n)
			}
			weights = n
		}
	}
	if n := (&Deployment{Model: readShape(t, "qwen2.5-7b"), Weights: BF16, Cache: BF16, GPUs: 1}).Requests(0); !math.IsInf(n, 1) {
		t.Errorf("%v requests of no tokens", n)
	}
}

// Larger GPUs have more room, so the first that is enough is the smallest.
func TestGPUs(t *testing.T) {
	all := GPUs()
	for i, g := range all {
		if i > 0 && g.Memory < all[i-1].Memory {
			t.Errorf("%s is smaller than %s, but comes after", g.Name, all[i-1].Name)
		}
		if found, ok := FindGPU(g.Name); !ok || found != g {
			t.Errorf("FindGPU(%q) = %v, %v", g.Name, found, ok)
		}
	}
	for _, name := range []string{"rtx 4090", "a100 80gb", "h100", "RTX-5090"} {
		if _, ok := FindGPU(name); !ok {
			t.Errorf("FindGPU(%q) finds none", name)
		}
	}
	for _, name := range []string{"", "A100", "H1000", "L"} {
		if g, ok := FindGPU(name); ok {
			t.Errorf("FindGPU(%q) = %v", name, g)
		}
	}
}

func TestMeasured(t *testing.T) {
	m := readShape(t, "qwen2.5-7b")
	d, h := onL4(t, m)
	got, host, err := h.Measured(d, 4*GiB)
	if err != nil || got.CacheBytes() != 4*GiB || host.Room(1) != got.Room || host.Overhead(1)-h.Overhead(1) != host.Extra || host.Extra <= GiB {
		t.Errorf("4 GiB: %d bytes, %v; overhead %d, extra %d", got.CacheBytes(), err, host.Overhead(1), host.Extra)
	}
	// What was measured goes with the host to other formats.
	got.Weights = FP8
	if want := 4*GiB + m.WeightBytes(BF16) - m.WeightBytes(FP8); got.CacheBytes() != want {
		t.Errorf("with fp8 weights: %d, want %d", got.CacheBytes(), want)
	}
	if _, _, err := h.Measured(d, 7*GiB); err == nil {
		t.Error("7 GiB beside 14.19 fit into 20.24")
	}
	alone, none, err := (Host{}).Measured(d, 7*GiB)
	if err != nil || alone.CacheBytes() != 7*GiB || none != (Host{}) {
		t.Errorf("without a GPU: %d, %v, %+v", alone.CacheBytes(), err, none)
	}
}

func TestReach(t *testing.T) {
	m := readShape(t, "qwen2.5-7b")
	d, h := onL4(t, m)
	options := Reach(d, h, 20, 16_384)
	byName := map[string]Option{}
	cheapest := ""
	for _, o := range options {
		byName[o.Change] = o
		if o.Enough != (math.Floor(o.Requests) >= 20 && o.Context == 16_384) {
			t.Errorf("%+v: enough?", o)
		}
		if o.Cheapest {
			cheapest += o.Change
		}
	}
	if cheapest != "weights_fp8_kv_fp8" {
		t.Errorf("cheapest is %q, want the first that is enough", cheapest)
	}
	if len(options) != 9 {
		t.Errorf("%d options: %v", len(options), options)
	}
	// 6050 blocks over 20 requests are 302 each.
	if o := byName["max_model_len"]; o.Context != 302*16 || o.Requests < 20 || o.Enough {
		t.Errorf("shorter requests: %+v", o)
	}
	// A replica holds 5 whole ones, so 4 are needed.
	if o := byName["replicas"]; o.GPUs != 4 || o.Requests != 20 || !o.Enough {
		t.Errorf("replicas: %+v", o)
	}
	if o := byName["tensor_parallel"]; o.GPUs != 2 || o.Requests <= 2*5.9 {
		t.Errorf("split: %+v; want more than two replicas hold", o)
	}
	// 20 × 17.5 GiB/20 of cache and 14.19 of weights need an A100 of 40 GB.
	if o := byName["gpu"]; o.GPU.Name != "A100-40GB" || !o.Enough {
		t.Errorf("another GPU: %+v", o)
	}

	// 2 GPUs are not enough for 100, and 28 heads can't be split over 8.
	for _, o := range Reach(d, h, 100, 16_384) {
		if o.Change == "tensor_parallel" && (o.GPUs != 4 || o.Enough) {
			t.Errorf("for 100 requests: %+v, want 4 GPUs", o)
		}
	}

	// With everything quantised there is less to change; nothing is enough.
	d.Weights, d.Cache = Q4, FP8
	for _, o := range Reach(d, h, 500, 16_384) {
		if o.Change == "kv_fp8" || o.Change == "weights_4bit" || o.Cheapest != (o.Change == "replicas") {
			t.Errorf("beside 4-bit weights and a cache in fp8: %+v", o)
		}
		if o.Change == "gpu" && (o.GPU.Name != "H200" || o.Enough) {
			t.Errorf("for 500 requests: %+v, want the largest", o)
		}
	}
	// Weights that don't fit leave no replicas; without a GPU there is no other.
	for _, o := range Reach(Deployment{Model: m, Weights: BF16, Cache: BF16, GPUs: 1, Room: GiB}, Host{}, 2, 4096) {
		if o.Change == "replicas" || o.Change == "gpu" || o.Change == "max_model_len" {
			t.Errorf("in 1 GiB: %+v", o)
		}
	}
}

// The room of a measured host is not lost when Reach looks at other GPUs.
func TestReachMeasured(t *testing.T) {
	m := readShape(t, "qwen2.5-7b")
	d, h := onL4(t, m)
	less, host, err := h.Measured(d, 4*GiB)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range Reach(less, host, 20, 16_384) {
		for _, estimated := range Reach(d, h, 20, 16_384) {
			if o.Change == estimated.Change && o.GPUs == estimated.GPUs && o.GPU == estimated.GPU && o.Context == estimated.Context && o.Requests >= estimated.Requests {
				t.Errorf("with 1.17 GiB less: %+v, no fewer than %+v", o, estimated)
			}
		}
	}
}
