package backends

import (
	"fmt"
	"math"
	"strings"
)

// GPU is a kind of GPU.
type GPU struct {
	Name   string // "" for one that is described by its memory alone
	Memory Bytes  // as its driver reports it (nvidia-smi)
	FP8    bool   // it computes in fp8: Ada, Hopper and later
}

// GPUs returns those whose memory is known here, the smallest first. The figures
// are what nvidia-smi prints with ECC as the factory sets it; docs/capacity.md
// names the sources.
func GPUs() []GPU {
	return []GPU{
		{"T4", 15360 * MiB, false},
		{"A10", 23028 * MiB, false},
		{"A10G", 23028 * MiB, false},
		{"L4", 23034 * MiB, true},
		{"RTX4090", 24564 * MiB, true},
		{"RTX5090", 32607 * MiB, true},
		{"A100-40GB", 40960 * MiB, false},
		{"A40", 46068 * MiB, false},
		{"L40S", 46068 * MiB, true},
		{"H100", 81559 * MiB, true},
		{"A100-80GB", 81920 * MiB, false},
		{"H200", 143771 * MiB, true},
	}
}

// FindGPU finds a GPU by its name, whatever its case, spaces and hyphens, with
// its maker's or without.
func FindGPU(name string) (GPU, bool) {
	plain := func(s string) string {
		return strings.TrimPrefix(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(s)), "nvidia")
	}
	for _, g := range GPUs() {
		if plain(g.Name) == plain(name) {
			return g, true
		}
	}
	return GPU{}, false
}

// DefaultUtilization is vLLM's --gpu-memory-utilization for most of its life,
// and what the reference deployment runs with. Newer versions have 0.92, but
// count what CUDA graphs take in it, which older ones left outside.
const DefaultUtilization = 0.9

// What vLLM's share of a GPU loses to neither weights nor KV cache: what the
// driver holds back, the CUDA context, the peak of activations and sampling in
// the profiling run, and in newer versions CUDA graphs. It is modelled as a
// constant and a share of the memory, chosen so that the reference deployment
// comes out (Qwen2.5-7B on an L4 has 5.17 GiB of KV cache), and some more with
// tensor parallelism, for the buffers of communication.
//
// Startup logs of other machines that people published, with a T4 up to an H100,
// have between 0.3 GiB less and 1.5 GiB more than this: see TestOverheadInLogs.
const (
	overheadBase  = 450 * MiB
	overheadShare = 0.02
	overheadSplit = 300 * MiB

	OverheadLess = 350 * MiB  // by which it has been less than estimated
	OverheadMore = 1536 * MiB // by which it has been more
)

// Host is where an engine runs: one kind of GPU, and what of it vLLM may use.
type Host struct {
	GPU         GPU
	Utilization float64 // above 0, to 1
	Extra       Bytes   // of overhead beyond the estimate; below 0 where a measurement found less
}

// Overhead is what one GPU loses of its share to neither weights nor KV cache,
// with the model split over gpus.
func (h *Host) Overhead(gpus int) Bytes {
	n := overheadBase + Bytes(overheadShare*float64(h.GPU.Memory)) + h.Extra
	if gpus > 1 {
		n += overheadSplit
	}
	return n
}

// Budget is the share of one GPU that vLLM may use.
func (h *Host) Budget() Bytes { return Bytes(float64(h.GPU.Memory) * h.Utilization) }

// Room is what one GPU has for weights and KV cache together; below 0: nothing.
func (h *Host) Room(gpus int) Bytes { return h.Budget() - h.Overhead(gpus) }

// Batch is how many tokens one step takes in at most: vLLM's default of
// --max-num-batched-tokens for a server (get_batch_defaults in
// vllm/engine/arg_utils.py).
func (h *Host) Batch() int {
	if h.GPU.Memory >= 70*GiB && !strings.HasPrefix(h.GPU.Name, "A100") {
		return 8192
	}
	return defaultBatch
}

const defaultBatch = 2048

// Measured returns a deployment as d whose KV cache has the size that the engine
// told on each GPU, and the host with the overhead that follows. A host without
// memory is returned as it is: what other GPUs would hold can't be told from it.
func (h Host) Measured(d Deployment, kv Bytes) (Deployment, Host, error) {
	weights := d.WeightBytes()
	d.Room = weights + kv
	if h.GPU.Memory == 0 {
		return d, h, nil
	}
	h.Extra = 0
	h.Extra = h.Room(d.GPUs) - d.Room
	if h.Overhead(d.GPUs) < 0 {
		return d, h, fmt.Errorf("put %.2f GiB of KV cache beside %.2f GiB of weights into the %.2f GiB that vLLM may use of this GPU: they don't fit",
			kv.GiB(), weights.GiB(), h.Budget().GiB())
	}
	return d, h, nil
}

// GiB is the amount in gibibytes.
func (b Bytes) GiB() float64 { return float64(b) / float64(GiB) }

// Deployment is a model on GPUs, as one engine runs it.
type Deployment struct {
	Model   *Model
	Weights Format
	Cache   Format // BF16 or FP8
	GPUs    int    // that the model is split over
	Room    Bytes  // of each GPU, for its part of weights and KV cache: see Host.Room
	Batch   int    // tokens in one step at most; 0: 2048
}

// WeightBytes is what the weights take of each GPU.
func (d *Deployment) WeightBytes() Bytes {
	gpus := Bytes(d.GPUs)
	return (d.Model.WeightBytes(d.Weights) + gpus - 1) / gpus
}

// CacheBytes is what each GPU has for keys and values; 0 where the weights leave
// nothing.
func (d *Deployment) CacheBytes() Bytes { return max(0, d.Room-d.WeightBytes()) }

// TokenBytes is what one token takes on each GPU, with all layers.
func (d *Deployment) TokenBytes() Bytes {
	return Bytes(d.Model.Layers) * d.Model.layerBytes(d.Cache, d.GPUs)
}

// groups are the layers in groups of one size, which vLLM makes because all its
// blocks have one size: layers that keep everything, and those with a window,
// each padded to a multiple of it (_get_kv_cache_groups_uniform_page_size in
// vllm/v1/core/kv_cache_utils.py).
func (m *Model) groups() (size, full, windowed int) {
	full, windowed = m.Layers-m.Windowed, m.Windowed
	if full == 0 || windowed == 0 {
		return m.Layers, full / m.Layers, windowed / m.Layers
	}
	size = min(full, windowed)
	if most := max(full, windowed); 2*most < 3*size {
		size = most
	}
	return size, ceil(full, size), ceil(windowed, size)
}

func ceil(n, by int) int { return (n + by - 1) / by }

// blocks is how many blocks of BlockTokens for one group of layers there are.
func (d *Deployment) blocks() int64 {
	size, _, _ := d.Model.groups()
	return int64(d.CacheBytes() / (BlockTokens * Bytes(size) * d.Model.layerBytes(d.Cache, d.GPUs)))
}

// Tokens is how many tokens the cache holds if every layer keeps all of them,
// in whole blocks: the figure in vLLM's log line "GPU KV cache size".
func (d *Deployment) Tokens() int64 {
	_, full, windowed := d.Model.groups()
	return d.blocks() / int64(full+windowed) * BlockTokens
}

// Requests is how many requests of context tokens each (prompt and answer) the
// cache holds at once: the figure in vLLM's log line "Maximum concurrency". Layers
// with a window keep it, and what one step adds to it.
func (d *Deployment) Requests(context int) float64 {
	if context < 1 {
		return math.Inf(1)
	}
	_, full, windowed := d.Model.groups()
	n := full * ceil(context, BlockTokens)
	if windowed > 0 {
		batch := d.Batch
		or(&batch, defaultBatch)
		// A window begins anywhere in a block, so it may need one more.
		n += windowed * (ceil(min(d.Model.Window-1+batch, context), BlockTokens) + 1)
	}
	return float64(d.blocks()) / float64(n)
}
