package backends

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxModelFile bounds a config.json. They have a few kB.
const maxModelFile = 1 << 20

// modelFile is what is read of a config.json of Hugging Face; nil where it has
// nothing or null.
type modelFile struct {
	Type  string `json:"model_type"`
	DType string `json:"torch_dtype"`
	New   string `json:"dtype"` // as newer versions of transformers call it

	Layers   *int            `json:"num_hidden_layers"`
	Hidden   *int            `json:"hidden_size"`
	Heads    *int            `json:"num_attention_heads"`
	KVHeads  *int            `json:"num_key_value_heads"`
	HeadDim  *int            `json:"head_dim"`
	Vocab    *int            `json:"vocab_size"`
	Interm   *int            `json:"intermediate_size"`
	Position *int            `json:"max_position_embeddings"`
	Scaling  json.RawMessage `json:"rope_scaling"`

	LocalExperts  *int  `json:"num_local_experts"`
	NumExperts    *int  `json:"num_experts"`
	RoutedExperts *int  `json:"n_routed_experts"`
	ExpertSize    *int  `json:"moe_intermediate_size"`
	SharedExperts *int  `json:"n_shared_experts"`
	SharedSize    *int  `json:"shared_expert_intermediate_size"`
	FirstDense    *int  `json:"first_k_dense_replace"`
	Every         *int  `json:"moe_layer_freq"`
	SparseStep    *int  `json:"decoder_sparse_step"`
	DenseLayers   []int `json:"mlp_only_layers"`

	Window     *int     `json:"sliding_window"`
	UseWindow  *bool    `json:"use_sliding_window"`
	FromLayer  *int     `json:"max_window_layers"`
	Pattern    *int     `json:"sliding_window_pattern"`
	LayerTypes []string `json:"layer_types"`

	QRank  *int `json:"q_lora_rank"`
	KVRank *int `json:"kv_lora_rank"`
	Rope   *int `json:"qk_rope_head_dim"`
	Nope   *int `json:"qk_nope_head_dim"`
	Value  *int `json:"v_head_dim"`

	Tie   *bool            `json:"tie_word_embeddings"`
	Quant *json.RawMessage `json:"quantization_config"`
}

// ReadModel reads the shape of a model from its config.json. What can't be told
// from that file is an error which names the setting: a wrong figure would be
// worse than none. A model of several parts (text_config) is its text part.
func ReadModel(r io.Reader) (Model, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxModelFile+1))
	switch {
	case err != nil:
		return Model{}, fmt.Errorf("read a model's configuration: %w", err)
	case len(text) > maxModelFile:
		return Model{}, fmt.Errorf("it is larger than %d KiB: want a model's config.json, which has a few; weights are other files", maxModelFile>>10)
	}
	whole, err := object(text)
	if err != nil {
		return Model{}, err
	}
	part, nested := whole, false
	for _, name := range []string{"text_config", "llm_config", "language_config"} {
		if raw, ok := whole[name]; ok && !isNothing(raw) {
			if part, err = object(raw); err != nil {
				return Model{}, fmt.Errorf("%s: %w", name, err)
			}
			text, nested = raw, true
			break
		}
	}
	var f modelFile
	if err := decodeModel(text, &f); err != nil {
		return Model{}, err
	}
	if nested {
		if err := f.inherit(whole); err != nil {
			return Model{}, err
		}
	}
	if err := keepsState(part); err != nil {
		return Model{}, err
	}
	m, err := f.model()
	if err != nil {
		return Model{}, err
	}
	m.TextOnly = nested
	for name, raw := range whole {
		m.TextOnly = m.TextOnly || (name == "vision_config" || name == "audio_config") && !isNothing(raw)
	}
	return m, nil
}

// inherit takes from the whole file what its text part leaves to it.
func (f *modelFile) inherit(whole map[string]json.RawMessage) error {
	var outer struct {
		DType string           `json:"torch_dtype"`
		New   string           `json:"dtype"`
		Tie   *bool            `json:"tie_word_embeddings"`
		Quant *json.RawMessage `json:"quantization_config"`
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	if err := decodeModel(text, &outer); err != nil {
		return err
	}
	or(&f.DType, outer.DType)
	or(&f.New, outer.New)
	or(&f.Tie, outer.Tie)
	or(&f.Quant, outer.Quant)
	return nil
}

func object(text []byte) (map[string]json.RawMessage, error) {
	var o map[string]json.RawMessage
	if err := decodeModel(text, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("it is null; want a JSON object: a model's config.json")
	}
	return o, nil
}

// decodeModel reads JSON, with errors that name the setting and the remedy.
func decodeModel(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON (%w at byte %d); want a model's config.json", err, syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s: got JSON %s, want %s: this shape can't be told", kind.Field, kind.Value, kindName(kind.Type.Kind().String()))
	case errors.As(err, &kind):
		return fmt.Errorf("it is a JSON %s; want an object: a model's config.json", kind.Value)
	}
	return err
}

func kindName(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	case "slice":
		return "a list"
	}
	return "a " + kind
}

func isNothing(raw json.RawMessage) bool {
	s := strings.TrimSpace(string(raw))
	return s == "null" || s == "false" || s == "[]" || s == "{}" || s == "0"
}

// keepsState returns an error if a model has layers whose memory does not follow
// from keys and values: a recurrent state, keys and values that layers share, or
// an index of them. What a request holds there depends on the engine.
func keepsState(part map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(part)) {
		if isNothing(part[name]) {
			continue
		}
		for _, prefix := range []string{"mamba", "ssm", "rwkv", "linear_", "time_step", "state_size", "lru_width", "conv_L_cache",
			"hybrid_", "layers_block_type", "block_types", "block_configs", "attn_layer", "attn_type_list", "full_attention_interval",
			"full_attn_idxs", "num_kv_shared_layers", "cross_attention_layers", "is_encoder_decoder", "attention_chunk_size", "index_"} {
			if strings.HasPrefix(name, prefix) {
				return fmt.Errorf("%s: its layers don't all keep keys and values as attention does, so what a request holds can't be told here; take it from vLLM's log, \"GPU KV cache size\"", name)
			}
		}
	}
	return nil
}

// format is how the checkpoint's weights are stored.
func (f *modelFile) format() (Format, int, error) {
	or(&f.DType, f.New)
	switch strings.TrimPrefix(f.DType, "torch.") {
	case "", "auto", "bfloat16", "float16", "half", "float32", "float": // vLLM loads all of these in 16 bits
	default:
		return "", 0, fmt.Errorf("torch_dtype: got %q, want bfloat16, float16 or float32", f.DType)
	}
	if f.Quant == nil || isNothing(*f.Quant) {
		return BF16, 0, nil
	}
	var q struct {
		Method string `json:"quant_method"`
		Bits   int    `json:"bits"`
		Group  int    `json:"group_size"`
		Load4  bool   `json:"load_in_4bit"`
		Groups map[string]struct {
			Weights struct {
				Bits  int `json:"num_bits"`
				Group int `json:"group_size"`
			} `json:"weights"`
		} `json:"config_groups"`
	}
	if err := decodeModel(*f.Quant, &q); err != nil {
		return "", 0, fmt.Errorf("quantization_config: %w", err)
	}
	switch q.Method {
	case "fp8":
		return FP8, 0, nil
	case "bitsandbytes":
		q.Bits = 8
		if q.Load4 {
			q.Bits = 4
		}
	case "compressed-tensors":
		for _, g := range q.Groups {
			q.Bits, q.Group = max(q.Bits, g.Weights.Bits), max(q.Group, g.Weights.Group)
		}
	case "awq", "gptq", "gptq_marlin", "awq_marlin":
	default:
		q.Bits = 0
	}
	switch q.Bits {
	case 4:
		return Q4, max(0, q.Group), nil
	case 8:
		return FP8, 0, nil
	}
	return "", 0, fmt.Errorf("quantization_config: got quant_method %q with %d bits, want awq, gptq, fp8, bitsandbytes or compressed-tensors with 4 or 8", q.Method, q.Bits)
}
