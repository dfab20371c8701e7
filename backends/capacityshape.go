package backends

import (
	"encoding/json"
	"errors"
	"fmt"
)

// windows says which layers of a family keep a window only, where the file has no
// list of layer types.
type windows int

const (
	windowAll    windows = iota // all, if there is a window
	windowUsed                  // none unless use_sliding_window; then from max_window_layers on
	windowEvery2                // every second one keeps everything
	windowEvery6                // every sixth one does
)

// family is what a model_type says that is not written in the file.
type family struct {
	ungated bool // two matrices in a dense layer
	bias    bool // on queries, keys and values
	tied    bool // where the file doesn't say
	windows windows
}

// familyOf knows the architectures whose shape was checked.
func familyOf(modelType string) (family, bool) {
	switch modelType {
	case "llama", "mistral", "mixtral", "phi3", "deepseek_v2", "deepseek_v3", "olmo2", "granite", "internlm2", "internlm3", "glm4":
		return family{}, true
	case "qwen3", "qwen3_moe":
		return family{windows: windowUsed}, true
	case "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text":
		return family{windows: windowUsed, bias: true}, true
	case "gemma", "cohere":
		return family{tied: true}, true
	case "gemma2":
		return family{tied: true, windows: windowEvery2}, true
	case "gemma3_text":
		return family{tied: true, windows: windowEvery6}, true
	case "starcoder2", "phi", "gpt_neox", "nemotron":
		return family{ungated: true}, true
	}
	return family{}, false
}

// Bounds that no model comes near, and below which no sum here overflows.
const (
	maxLayers  = 1 << 10
	maxHeads   = 1 << 12
	maxHeadDim = 1 << 14
	maxRank    = 1 << 16
	maxHidden  = 1 << 17
	maxInterm  = 1 << 20
	maxVocab   = 1 << 24
	maxExperts = 1 << 12
	maxContext = 1 << 30
	maxParams  = 20e12
)

// checker takes settings out of a file, and gathers what is wrong with them.
type checker struct{ errs []error }

// need is a setting that has to be there, from 1 to most.
func (c *checker) need(name string, p *int, most int) int {
	if p == nil {
		c.errs = append(c.errs, fmt.Errorf("%s: got nothing, want 1 to %d", name, most))
		return 1
	}
	return c.may(name, p, 1, 1, most)
}

// may is a setting that may be left out.
func (c *checker) may(name string, p *int, otherwise, least, most int) int {
	if p == nil {
		return otherwise
	}
	if *p < least || *p > most {
		c.errs = append(c.errs, fmt.Errorf("%s: got %d, want %d to %d", name, *p, least, most))
		return otherwise
	}
	return *p
}

func (c *checker) bad(format string, a ...any) { c.errs = append(c.errs, fmt.Errorf(format, a...)) }

// model makes a shape of the file.
func (f *modelFile) model() (Model, error) {
	fam, known := familyOf(f.Type)
	if !known {
		return Model{}, fmt.Errorf("model_type: got %q, which is not known here, so what its layers keep can't be told; if they are like Llama's, write \"llama\" there in a copy of the file", f.Type)
	}
	var c checker
	m := Model{Type: f.Type, Ungated: fam.ungated, QKVBias: fam.bias, Tied: fam.tied,
		Layers: c.need("num_hidden_layers", f.Layers, maxLayers),
		Hidden: c.need("hidden_size", f.Hidden, maxHidden),
		Heads:  c.need("num_attention_heads", f.Heads, maxHeads),
		Vocab:  c.need("vocab_size", f.Vocab, maxVocab),
	}
	m.KVHeads = c.may("num_key_value_heads", f.KVHeads, m.Heads, 1, m.Heads)
	if f.KVHeads != nil && m.Heads%m.KVHeads != 0 {
		c.bad("num_key_value_heads: got %d, want a number that divides num_attention_heads, %d", m.KVHeads, m.Heads)
	}
	if f.Tie != nil {
		m.Tied = *f.Tie
	}
	f.heads(&c, &m)
	f.experts(&c, &m)
	f.window(&c, &m, fam.windows)
	m.MaxContext = c.may("max_position_embeddings", f.Position, 0, 1, maxContext)
	if scales(f.Scaling) {
		m.MaxContext = 0
	}
	var err error
	if m.Weights, m.Group, err = f.format(); err != nil {
		c.errs = append(c.errs, err)
	}
	if len(c.errs) == 0 && float64(m.Params()) > maxParams {
		c.bad("it has %d parameters, more than any model: want its config.json as it was published", m.Params())
	}
	return m, errors.Join(c.errs...)
}

// heads reads what attention keeps.
func (f *modelFile) heads(c *checker, m *Model) {
	if f.KVRank != nil {
		m.MLA = &MLA{
			QRank:  c.may("q_lora_rank", f.QRank, 0, 1, maxRank),
			KVRank: c.need("kv_lora_rank", f.KVRank, maxRank),
			Rope:   c.need("qk_rope_head_dim", f.Rope, maxHeadDim),
			Nope:   c.need("qk_nope_head_dim", f.Nope, maxHeadDim),
			Value:  c.need("v_head_dim", f.Value, maxHeadDim),
		}
		m.HeadDim = m.MLA.Nope + m.MLA.Rope
		return
	}
	if f.HeadDim == nil && m.Hidden%m.Heads != 0 {
		c.bad("head_dim: got nothing, and hidden_size %d is no multiple of num_attention_heads %d", m.Hidden, m.Heads)
	}
	m.HeadDim = c.may("head_dim", f.HeadDim, max(1, m.Hidden/m.Heads), 1, maxHeadDim)
}

// experts reads which layers have how many.
func (f *modelFile) experts(c *checker, m *Model) {
	name, n := "num_local_experts", f.LocalExperts
	if n == nil {
		name, n = "num_experts", f.NumExperts
	}
	if n == nil {
		name, n = "n_routed_experts", f.RoutedExperts
	}
	experts := c.may(name, n, 0, 0, maxExperts)
	if experts == 0 {
		m.Intermediate = c.need("intermediate_size", f.Interm, maxInterm)
		return
	}
	e := &MoE{Experts: experts}
	if f.ExpertSize != nil {
		e.Size = c.need("moe_intermediate_size", f.ExpertSize, maxInterm)
	} else {
		e.Size = c.need("intermediate_size", f.Interm, maxInterm)
	}
	e.Shared = c.may("n_shared_experts", f.SharedExperts, 0, 0, maxExperts) * e.Size
	e.Shared = c.may("shared_expert_intermediate_size", f.SharedSize, e.Shared, 0, maxInterm)
	first := c.may("first_k_dense_replace", f.FirstDense, 0, 0, m.Layers)
	every := c.may("moe_layer_freq", f.Every, 1, 1, m.Layers)
	step := c.may("decoder_sparse_step", f.SparseStep, 1, 1, maxLayers)
	dense := make(map[int]bool)
	for _, i := range f.DenseLayers {
		dense[i] = true
	}
	for i := range m.Layers {
		if i >= first && i%every == 0 && (i+1)%step == 0 && !dense[i] {
			e.Layers++
		}
	}
	if e.Layers < m.Layers {
		m.Intermediate = c.need("intermediate_size", f.Interm, maxInterm)
	}
	if e.Layers > 0 {
		m.MoE = e
	}
}

// window reads which layers keep a window only.
func (f *modelFile) window(c *checker, m *Model, rule windows) {
	m.Window = c.may("sliding_window", f.Window, 0, 0, maxContext)
	switch {
	case f.LayerTypes != nil:
		if len(f.LayerTypes) != m.Layers {
			c.bad("layer_types: got %d, want one for each of the %d layers", len(f.LayerTypes), m.Layers)
		}
		for i, kind := range f.LayerTypes {
			switch kind {
			case "full_attention":
			case "sliding_attention":
				m.Windowed++
			default:
				c.bad("layer_types: got %q in layer %d, whose memory can't be told here; want full_attention or sliding_attention", kind, i)
				return
			}
		}
	case rule == windowUsed && (f.UseWindow == nil || !*f.UseWindow):
	case rule == windowUsed && f.FromLayer == nil:
		c.bad("max_window_layers: got nothing, and use_sliding_window is true; want the first layer that has a window")
	case rule == windowUsed:
		m.Windowed = max(0, m.Layers-c.may("max_window_layers", f.FromLayer, 0, 0, maxLayers))
	case rule == windowAll && f.Pattern == nil:
		if m.Window > 0 {
			m.Windowed = m.Layers
		}
	default:
		every := 2
		if rule == windowEvery6 {
			every = 6
		}
		m.Windowed = m.Layers - m.Layers/c.may("sliding_window_pattern", f.Pattern, every, 1, maxLayers)
	}
	if m.Windowed > 0 && m.Window == 0 {
		c.bad("sliding_window: got nothing, and %d layers have one; want its tokens", m.Windowed)
	}
	if m.Windowed == 0 {
		m.Window = 0
	}
}

// scales tells whether positions are stretched, so that max_position_embeddings
// is not what the engine's limit follows from.
func scales(raw json.RawMessage) bool {
	if len(raw) == 0 || isNothing(raw) {
		return false
	}
	var rope struct {
		Type string `json:"rope_type"`
	}
	// Llama 3.1's are stretched within what its file says.
	return json.Unmarshal(raw, &rope) != nil || rope.Type != "default" && rope.Type != "llama3"
}
