package backends

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// chatOn is a backend on an L4 whose capacity is to be worked out, as changed.
func chatOn(change func(*Config)) Config {
	c := Config{Name: "chat", Model: "Qwen/Qwen2.5-7B-Instruct", URLs: []string{"http://chat:8000"}, Capacity: Capacity{GPU: "NVIDIA L4"}}
	change(&c)
	return c
}

// The engine's word goes before the configured number, and that before what the
// hardware lets expect.
func TestCapacityFrom(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		engine int64
		tokens int64
		from   Source
	}{
		{"estimated", func(*Config) {}, 0, 96_800, Estimated},
		{"by the memory of its GPU", func(c *Config) { c.Capacity = Capacity{Memory: 23034 << 20} }, 0, 96_800, Estimated},
		{"another model's shape", func(c *Config) { c.Model, c.Capacity.Model = "mine", "Qwen2.5-7B-Instruct" }, 0, 96_800, Estimated},
		{"a cache in fp8", func(c *Config) { c.Capacity.Cache = FP8 }, 0, 193_616, Estimated},
		{"configured", func(c *Config) { c.KVTokens = 5000 }, 0, 5000, Configured},
		{"engine", func(c *Config) { c.KVTokens = 5000 }, 7000, 7000, FromEngine},
		{"nobody", func(c *Config) { c.Capacity = Capacity{} }, 0, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newPool(t, chatOn(test.change)).All()[0]
			if test.engine > 0 {
				b.replicas[0].engine.Store(&EngineStatus{KVTokens: test.engine})
			}
			s := b.replicas[0].status()
			if diff := s.Capacity - test.tokens; diff < -200 || diff > 200 || s.CapacityFrom != test.from {
				t.Errorf("%d, %q; want about %d, %q", s.Capacity, s.CapacityFrom, test.tokens, test.from)
			}
			if b.Room() != s.Capacity || b.replicas[0].Capacity() != s.Capacity {
				t.Errorf("room %d, capacity %d", b.Room(), b.replicas[0].Capacity())
			}
		})
	}
}

// A reload changes what is expected.
func TestCapacityReload(t *testing.T) {
	p := newPool(t, chatOn(func(*Config) {}))
	if err := p.Apply([]Config{chatOn(func(c *Config) { c.Capacity.GPU = "H100" })}); err != nil {
		t.Fatal(err)
	}
	if n := p.All()[0].Room(); n < 800_000 {
		t.Errorf("%d on an H100", n)
	}
}

// More and smaller have more room: each setting does what it says.
func TestCapacitySettings(t *testing.T) {
	tokens := func(change func(*Config)) int64 {
		c := chatOn(change)
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		return c.Capacity.tokens(c.Model)
	}
	base := tokens(func(*Config) {})
	for name, change := range map[string]func(*Config){
		"gpus":                   func(c *Config) { c.Capacity.GPUs = 2 },
		"gpu_memory_utilization": func(c *Config) { c.Capacity.Utilization = 0.95 },
		"weights":                func(c *Config) { c.Capacity.Weights = Q4 },
		"kv_cache":               func(c *Config) { c.Capacity.Cache = FP8 },
	} {
		if n := tokens(change); n < base+base/10 {
			t.Errorf("%s: %d tokens, and %d without", name, n, base)
		}
	}
}

// A mistake says where it is, and what to write.
func TestCapacityMistakes(t *testing.T) {
	for _, test := range []struct {
		change    func(*Capacity)
		key, want string
	}{
		{func(c *Capacity) { c.GPU, c.Weights = "", FP8 }, "capacity.gpu", "gpu_memory"},
		{func(c *Capacity) { c.GPU = "Voodoo" }, "capacity.gpu", "L4"},
		{func(c *Capacity) { c.GPU = "T4" }, "capacity.gpu", "larger"},
		{func(c *Capacity) { c.Memory = 1 << 30 }, "capacity.gpu_memory", "one of the two"},
		{func(c *Capacity) { c.GPU, c.Memory = "", 1<<60 }, "capacity.gpu_memory", "nvidia-smi"},
		{func(c *Capacity) { c.GPUs = -1 }, "capacity.gpus", "1 to"},
		{func(c *Capacity) { c.GPUs = 3 }, "capacity.gpus", "split"},
		{func(c *Capacity) { c.Utilization = 1.2 }, "capacity.gpu_memory_utilization", "above 0"},
		{func(c *Capacity) { c.Weights = "q2" }, "capacity.weights", "4bit"},
		{func(c *Capacity) { c.Cache = Q4 }, "capacity.kv_cache", "fp8"},
		{func(c *Capacity) { c.Model = "nobody's" }, "capacity.model", "config.json"},
	} {
		c := chatOn(func(c *Config) { test.change(&c.Capacity) })
		var e *SettingError
		if err := c.Validate(); !errors.As(err, &e) || e.Key != test.key || !strings.Contains(e.Want, test.want) {
			t.Errorf("%+v: %v", c.Capacity, err)
		}
		if n := strings.Count(c.Validate().Error(), "\n"); n != 0 {
			t.Errorf("%+v: %d errors more: %v", c.Capacity, n, c.Validate())
		}
	}
}

// A model that is not built in is read from its file.
func TestCapacityModelFile(t *testing.T) {
	const file = "/models/qwen3/config.json"
	shape := `{"model_type":"qwen3","num_hidden_layers":36,"hidden_size":4096,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
		"vocab_size":151936,"intermediate_size":12288,"max_position_embeddings":40960,"tie_word_embeddings":false,"torch_dtype":"bfloat16"}`
	read := func(text string) func(string) ([]byte, error) {
		return func(name string) ([]byte, error) {
			if name != file || text == "" {
				return nil, &fs.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
			}
			return []byte(text), nil
		}
	}
	c := chatOn(func(c *Config) { c.Model, c.Capacity.Model = "mine", file })
	if err := c.Validate(); err != nil {
		t.Errorf("before it was read: %v", err)
	}
	if n := c.Capacity.tokens(c.Model); n != 0 {
		t.Errorf("%d tokens of a model that was not read", n)
	}
	if err := c.ReadModel(read(shape)); err != nil {
		t.Fatal(err)
	}
	if n := c.Capacity.tokens(c.Model); n < 15_000 || n > 40_000 { // 8.2e9 parameters, 144 KiB a token
		t.Errorf("%d tokens", n)
	}
	for _, text := range []string{"", "{", `{"model_type":"mamba"}`, strings.Replace(shape, `"num_hidden_layers":36`, `"num_hidden_layers":90`, 1)} {
		c := chatOn(func(c *Config) { c.Model, c.Capacity.Model = "mine", file })
		var e *SettingError
		if err := c.ReadModel(read(text)); !errors.As(err, &e) || !strings.HasPrefix(e.Key, "capacity.") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
