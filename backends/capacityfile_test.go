package backends

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edited is a file of testdata with parts of it replaced.
func edited(t testing.TB, name string, oldNew ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "capacity", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("%s has no %q", name, oldNew[i])
		}
		text = strings.Replace(text, oldNew[i], oldNew[i+1], 1)
	}
	return text
}

// What can't be told is an error that names the setting and says what is wanted.
func TestReadModelErrors(t *testing.T) {
	const base = "qwen2.5-7b"
	for _, tc := range []struct{ text, want string }{
		{"", "no JSON"},
		{"weights", "no JSON"},
		{"null", "null; want a JSON object"},
		{"[1]", "JSON array; want an object"},
		{"7", "JSON number; want an object"},
		{"{}", "model_type: got \"\""},
		{edited(t, base) + "{}", "no JSON"},
		{edited(t, base, "28,", "Infinity,"), "no JSON"},
		{edited(t, base, "28,", `"28",`), "max_window_layers: got JSON string, want a whole number"},
		{edited(t, base, "3584", "3584.5"), "hidden_size: got JSON number 3584.5, want a whole number"},
		{edited(t, base, "3584", "1e99"), "hidden_size"},
		{edited(t, base, "3584", "[3584, 1]"), "hidden_size: got JSON array, want a whole number"},
		{edited(t, base, "false", `"no"`), "tie_word_embeddings: got JSON string, want true or false"},
		{edited(t, base, `"num_hidden_layers": 28,`, ""), "num_hidden_layers: got nothing, want 1 to 1024"},
		{edited(t, base, `"vocab_size": 152064`, `"vocab_size": null`), "vocab_size: got nothing"},
		{edited(t, base, `"intermediate_size": 18944,`, ""), "intermediate_size: got nothing"},
		{edited(t, base, `"hidden_size": 3584,`, `"hidden_size": -3584,`), "hidden_size: got -3584, want 1 to"},
		{edited(t, base, `"hidden_size": 3584,`, `"hidden_size": 3585,`), "head_dim: got nothing, and hidden_size 3585"},
		{edited(t, base, `"num_hidden_layers": 28`, `"num_hidden_layers": 1000000`), "num_hidden_layers: got 1000000, want 1 to 1024"},
		{edited(t, base, `"num_key_value_heads": 4`, `"num_key_value_heads": 0`), "num_key_value_heads: got 0, want 1 to 28"},
		{edited(t, base, `"num_key_value_heads": 4`, `"num_key_value_heads": 29`), "num_key_value_heads: got 29"},
		{edited(t, base, `"num_key_value_heads": 4`, `"num_key_value_heads": 5`), "a number that divides num_attention_heads, 28"},
		{edited(t, base, `"hidden_size": 3584`, `"head_dim": 0, "hidden_size": 3584`), "head_dim: got 0"},
		{edited(t, base, "qwen2", "qwen9"), `model_type: got "qwen9", which is not known here`},
		{edited(t, base, "bfloat16", "int4"), `torch_dtype: got "int4"`},
		{edited(t, base, `"vocab_size"`, `"mamba_d_state": 16, "vocab_size"`), "mamba_d_state: its layers don't all keep keys and values"},
		{edited(t, base, `"vocab_size"`, `"full_attention_interval": 4, "vocab_size"`), "full_attention_interval"},
		{edited(t, base, `"vocab_size"`, `"layer_types": ["full_attention"], "vocab_size"`), "layer_types: got 1, want one for each of the 28 layers"},
		{edited(t, base, `"vocab_size"`, `"layer_types": ["linear_attention"], "vocab_size"`), `layer_types: got "linear_attention" in layer 0`},
		{edited(t, base, `"use_sliding_window": false`, `"use_sliding_window": true`, `"max_window_layers": 28,`, ""), "max_window_layers: got nothing"},
		{edited(t, base, `"use_sliding_window": false`, `"use_sliding_window": true`, `"max_window_layers": 28`, `"max_window_layers": 1`, `"sliding_window": 131072,`, ""), "sliding_window: got nothing, and 27 layers have one"},
		{edited(t, "qwen2.5-7b-awq", `"awq"`, `"mxfp4"`), `got quant_method "mxfp4" with 0 bits`},
		{edited(t, "qwen2.5-7b-awq", `"bits": 4`, `"bits": 3`), `got quant_method "awq" with 3 bits`},
		{edited(t, "qwen2.5-7b-awq", `"bits": 4`, `"bits": "four"`), "quantization_config: bits: got JSON string"},
		{edited(t, "mixtral-8x7b", `"num_local_experts": 8`, `"num_local_experts": -8`), "num_local_experts: got -8"},
		{edited(t, "deepseek-v2-lite", `"qk_rope_head_dim": 64,`, ""), "qk_rope_head_dim: got nothing"},
		{edited(t, "deepseek-v2-lite", `"kv_lora_rank": 512`, `"kv_lora_rank": 0`), "kv_lora_rank: got 0"},
		{edited(t, "gemma-2-9b", `"sliding_window": 4096,`, ""), "sliding_window: got nothing, and 21 layers have one"},
		{edited(t, "gemma-3-27b", `"num_attention_heads": 32,`, ""), "num_attention_heads: got nothing"},
		{`{"text_config": 7}`, "text_config: it is a JSON number"},
		{edited(t, "mixtral-8x7b", `"num_local_experts": 8`, `"num_local_experts": 4096`, "14336", "1048576", `"num_hidden_layers": 32`, `"num_hidden_layers": 1024`), "more than any model"},
	} {
		m, err := ReadModel(strings.NewReader(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.200s\nis %+v, %v, want %q", tc.text, m, err, tc.want)
		}
	}
	// All that is missing is said at once.
	_, err := ReadModel(strings.NewReader(`{"model_type": "llama"}`))
	for _, want := range []string{"num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "intermediate_size"} {
		if err == nil || !strings.Contains(err.Error(), want+": got nothing") {
			t.Errorf("an empty shape: %v, want %s in it", err, want)
		}
	}
}

// endless is a file without an end, that counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

// Weights given for a configuration are not read to their end.
func TestReadModelLarge(t *testing.T) {
	var e endless
	if _, err := ReadModel(io.LimitReader(&e, 100<<20)); err == nil || !strings.Contains(err.Error(), "larger than 1024 KiB") {
		t.Errorf("100 MiB: %v", err)
	}
	if e.read > 4*maxModelFile {
		t.Errorf("read %d bytes of it", e.read)
	}
}

// Where the file says more than the usual, it is heard.
func TestReadModelVariants(t *testing.T) {
	read := func(text string) Model {
		t.Helper()
		m, err := ReadModel(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%.200s: %v", text, err)
		}
		return m
	}
	if m := read(edited(t, "llama-3-8b", `"num_key_value_heads": 8,`, "")); m.KVHeads != 32 || m.TokenBytes(BF16) != 524_288 {
		t.Errorf("without num_key_value_heads: %d, %d a token, want as many as heads", m.KVHeads, m.TokenBytes(BF16))
	}
	if m := read(edited(t, "qwen2.5-7b", `"use_sliding_window": false`, `"use_sliding_window": true`, `"max_window_layers": 28`, `"max_window_layers": 21`)); m.Windowed != 7 || m.Window != 131_072 {
		t.Errorf("windows from layer 21 on: %d of %d", m.Windowed, m.Window)
	}
	if m := read(edited(t, "gemma-3-27b", `"head_dim"`, `"sliding_window_pattern": 2, "head_dim"`)); m.Windowed != 31 {
		t.Errorf("every second layer: %d windows", m.Windowed)
	}
	types := strings.TrimSuffix(strings.Repeat(`"full_attention","sliding_attention",`, 21), ",")
	if m := read(edited(t, "gemma-2-9b", `"head_dim"`, `"layer_types": [`+types+`], "head_dim"`)); m.Windowed != 21 {
		t.Errorf("a list of layer types: %d windows", m.Windowed)
	}
	if m := read(edited(t, "qwen3-30b-a3b", `"mlp_only_layers": []`, `"mlp_only_layers": [1, 3]`, `"decoder_sparse_step": 1`, `"decoder_sparse_step": 2`)); m.MoE.Layers != 22 {
		t.Errorf("experts in layers 5, 7 and so on: in %d of 48, want 22", m.MoE.Layers)
	}
	if m := read(edited(t, "llama-3-8b", `"rope_scaling": null`, `"rope_scaling": {"type": "linear", "factor": 2}`)); m.MaxContext != 0 {
		t.Errorf("stretched positions: %d tokens, want not known", m.MaxContext)
	}
	for quant, want := range map[string]Format{
		`{"quant_method": "fp8", "weight_block_size": [128, 128]}`:                                                               FP8,
		`{"quant_method": "gptq", "bits": 8, "group_size": -1}`:                                                                  FP8,
		`{"quant_method": "bitsandbytes", "load_in_4bit": true}`:                                                                 Q4,
		`{"quant_method": "bitsandbytes", "load_in_8bit": true}`:                                                                 FP8,
		`{"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 64}}}}`:   Q4,
		`{"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8, "group_size": null}}}}`: FP8,
		`null`: BF16,
		`{}`:   BF16,
	} {
		m := read(edited(t, "llama-3-8b", `"vocab_size"`, `"quantization_config": `+quant+`, "vocab_size"`))
		if m.Weights != want || strings.Contains(quant, "64") != (m.Group == 64) {
			t.Errorf("%s: %s, groups of %d, want %s", quant, m.Weights, m.Group, want)
		}
	}
	// The whole file speaks for its text part where that is silent.
	if m := read(edited(t, "gemma-3-27b", `"torch_dtype"`, `"tie_word_embeddings": false, "quantization_config": {"quant_method": "fp8"}, "torch_dtype"`)); m.Weights != FP8 || m.Tied {
		t.Errorf("quantised as a whole: %s, tied %v", m.Weights, m.Tied)
	}
}

// FuzzReadModel: whatever a file has, it is an error, or a shape whose figures
// are in order.
func FuzzReadModel(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "capacity", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"model_type":"llama","num_hidden_layers":1024,"hidden_size":131072,"num_attention_heads":4096,"vocab_size":16777216,"intermediate_size":1048576,"num_local_experts":4096,"head_dim":16384}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ReadModel(bytes.NewReader(text))
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if n := m.Params(); n < 1 || float64(n) > maxParams {
			t.Fatalf("%d parameters", n)
		}
		if m.Windowed < 0 || m.Windowed > m.Layers || (m.Windowed > 0) != (m.Window > 0) || m.MaxContext < 0 {
			t.Fatalf("%d of %d layers keep %d", m.Windowed, m.Layers, m.Window)
		}
		if m.TokenBytes(FP8) < 1 || m.TokenBytes(BF16) != 2*m.TokenBytes(FP8) || m.WeightBytes(Q4) > m.WeightBytes(FP8) && m.Group == 0 {
			t.Fatalf("%d bytes a token, in fp8 %d", m.TokenBytes(BF16), m.TokenBytes(FP8))
		}
		h := Host{GPU: GPU{Memory: 80 * GiB}, Utilization: DefaultUtilization}
		d, err := h.Deploy(&m, 1)
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Tokens(); n < 0 || d.Requests(4096) < d.Requests(8192) {
			t.Fatalf("%d tokens, %v requests of 4096, %v of 8192", n, d.Requests(4096), d.Requests(8192))
		}
		Reach(d, h, 20, 16_384)
	})
}
