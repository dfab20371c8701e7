package backends

import "fmt"

// What a model and a GPU hold. Everything in the files named capacity is
// arithmetic on plain values: it opens nothing, and may be called at once.
//
// An engine keeps keys and values of each token of each request in the memory
// that weights and overhead leave. A [Model] tells how much that is per token, a
// [Host] how much memory is left, and a [Deployment] what fits. Shapes are exact,
// and so are the bytes that follow from them; the overhead is an estimate, which
// a measured size replaces (see [Host.Measured]). docs/capacity.md has the
// formulas and their sources.

// BlockTokens is how many tokens vLLM's cache hands out at a time
// (CacheConfig.DEFAULT_BLOCK_SIZE in vllm/config/cache.py).
const BlockTokens = 16

// Bytes is an amount of memory.
type Bytes int64

// Units of memory.
const (
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// Format is how numbers are stored: weights, or keys and values.
type Format string

// The formats. A cache has the first two only.
const (
	BF16 Format = "bf16" // or fp16: 2 bytes
	FP8  Format = "fp8"  // or int8: 1 byte, and a scale of 4 bytes for each 128×128 weights
	Q4   Format = "4bit" // AWQ or GPTQ: 4 bits, and 20 bits of scale and zero for each group
)

// Formats returns those that weights come in, the largest first.
func Formats() []Format { return []Format{BF16, FP8, Q4} }

// Model is the shape of a decoder, as its config.json tells it. See [ReadModel].
type Model struct {
	Name string // for people
	Type string // model_type

	Layers  int
	Hidden  int
	Heads   int // of queries
	KVHeads int // fewer than Heads where queries share keys and values
	HeadDim int
	Vocab   int

	Intermediate int  // of a dense layer
	Ungated      bool // its layers have two matrices there rather than three
	QKVBias      bool
	Tied         bool // one matrix for what goes in and what comes out

	Windowed int // of Layers, those that keep no more than Window tokens
	Window   int

	MLA *MLA // nil: keys and values are kept as they are
	MoE *MoE // nil: every layer is dense

	MaxContext int    // tokens; 0: not known
	Weights    Format // of the checkpoint
	Group      int    // weights that share a scale in 4-bit checkpoints
	TextOnly   bool   // it has parts for images or sound too, which are not counted
}

// MLA is attention that keeps one compressed vector for all heads, as DeepSeek's.
type MLA struct{ QRank, KVRank, Rope, Nope, Value int }

// MoE tells of layers with experts.
type MoE struct {
	Layers  int // of the model's, those that have experts
	Experts int // of each
	Size    int // intermediate, of each expert
	Shared  int // intermediate, of the experts that every token uses, together
}

// Params is the number of parameters.
func (m *Model) Params() int64 {
	linear, rest := m.params()
	return linear + rest
}

// params counts what quantisation makes smaller, and what stays in 16 bits:
// embeddings, the output, norms and biases.
func (m *Model) params() (linear, rest int64) {
	h, layers := int64(m.Hidden), int64(m.Layers)
	linear = layers * m.attention()
	matrices := int64(3)
	if m.Ungated {
		matrices = 2
	}
	dense := layers
	if e := m.MoE; e != nil {
		dense -= int64(e.Layers)
		linear += int64(e.Layers) * matrices * h * (int64(e.Experts)*int64(e.Size) + int64(e.Shared))
		rest += int64(e.Layers) * h * int64(e.Experts) // routers
	}
	linear += dense * matrices * h * int64(m.Intermediate)
	rest += layers*2*h + h
	if m.QKVBias {
		rest += layers * int64(m.HeadDim) * int64(m.Heads+2*m.KVHeads)
	}
	embeddings := int64(m.Vocab) * h
	rest += embeddings
	if !m.Tied {
		rest += embeddings
	}
	return linear, rest
}

// attention counts the weights of one layer's.
func (m *Model) attention() int64 {
	h, heads := int64(m.Hidden), int64(m.Heads)
	a := m.MLA
	if a == nil {
		return h * int64(m.HeadDim) * 2 * int64(m.Heads+m.KVHeads)
	}
	queries := heads * int64(a.Nope+a.Rope)
	n := h * queries
	if a.QRank > 0 {
		n = int64(a.QRank) * (h + queries)
	}
	return n + h*int64(a.KVRank+a.Rope) + int64(a.KVRank)*heads*int64(a.Nope+a.Value) + heads*int64(a.Value)*h
}

// defaultGroup is AWQ's and GPTQ's.
const defaultGroup = 128

// WeightBytes is what all the weights take in a format. Embeddings and the
// output stay in 16 bits, as quantised checkpoints have them.
func (m *Model) WeightBytes(f Format) Bytes {
	linear, rest := m.params()
	bits := 16.0
	switch f {
	case FP8:
		bits = 8 + 32.0/(128*128)
	case Q4:
		group := m.Group
		if group <= 0 {
			group = defaultGroup
		}
		bits = 4 + 20/float64(group)
	}
	return Bytes(float64(linear)*bits/8) + Bytes(2*rest)
}

// TokenBytes is what one token takes in a cache, with all layers and on all
// GPUs, if none holds what another holds too.
func (m *Model) TokenBytes(f Format) Bytes { return Bytes(m.Layers) * m.layerBytes(f, 1) }

// layerBytes is what one token takes in one layer on each of gpus.
func (m *Model) layerBytes(f Format, gpus int) Bytes {
	size := Bytes(2)
	if f == FP8 {
		size = 1
	}
	if m.MLA != nil {
		return Bytes(m.MLA.KVRank+m.MLA.Rope) * size // whole on each GPU
	}
	return 2 * Bytes(max(1, m.KVHeads/gpus)) * Bytes(m.HeadDim) * size
}

// Split returns an error unless the model can be split over that many GPUs: each
// must get as many heads as the others, and heads of keys and values are shared
// out, or copied where they are fewer than the GPUs.
func (m *Model) Split(gpus int) error {
	switch {
	case gpus < 1:
		return fmt.Errorf("split a model over %d GPUs: want 1 or more", gpus)
	case m.Heads%gpus != 0:
		return fmt.Errorf("split %d attention heads over %d GPUs: want a number that divides them", m.Heads, gpus)
	case m.MLA == nil && m.KVHeads%gpus != 0 && gpus%m.KVHeads != 0:
		return fmt.Errorf("split %d key-value heads over %d GPUs: want a number that divides them, or a multiple of them", m.KVHeads, gpus)
	}
	return nil
}
