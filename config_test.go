package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// TestDefaults: nobody is without limits because a file says nothing of them,
// and a 0 that it does say means none.
func TestDefaults(t *testing.T) {
	const backend = "[[backend]]\nname = \"b\"\nmodel = \"m\"\nurls = [\"http://127.0.0.1:1\"]\n"
	want := gateway.DefaultLimits()
	want.Burst = 50
	for text, want := range map[string]gateway.Limits{
		backend:           want,
		string(reference): want,
		"[limits]\nrequests_per_second = 0\n[limits.org]\nrequests_per_day = 0\ntokens_per_day = 0\ntokens_per_month = 0\n" + backend: {},
		"[limits]\nrequests_per_second = 20\n" + backend: {RequestsPerSecond: 20, Burst: 20, Org: want.Org},
	} {
		c, err := parseConfig("config.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.Limits != want {
			t.Errorf("%.60q: limits %+v, want %+v", text, c.Limits, want)
		}
		if c.Server.StateDir == "" || c.Server.Listen != "127.0.0.1:8080" {
			t.Errorf("%.60q: server %+v", text, c.Server)
		}
	}
}

// TestCapacityTable: what a backend runs on may be told, with the model's shape in
// a file beside the configuration; mistakes are found with their line.
func TestCapacityTable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	shape := `{"model_type":"qwen2","num_hidden_layers":28,"hidden_size":3584,"num_attention_heads":28,"num_key_value_heads":4,
		"vocab_size":152064,"intermediate_size":18944,"max_position_embeddings":32768,"tie_word_embeddings":false}`
	if err := os.WriteFile(filepath.Join(dir, "shape.json"), []byte(shape), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(table string) (*config, error) {
		text := "[[backend]]\nname = \"b\"\nmodel = \"m\"\nurls = [\"http://127.0.0.1:1\"]\n[backend.capacity]\n" + table
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return loadConfig(file)
	}
	c, err := load("model = \"shape.json\"\ngpu_memory = \"23034MiB\"\n")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := backends.New(c.Backends)
	if err != nil {
		t.Fatal(err)
	}
	if r := pool.Snapshot().Backends[0].Replicas[0]; r.Capacity < 96_000 || r.Capacity > 98_000 || r.CapacityFrom != backends.Estimated {
		t.Errorf("%d tokens, %q", r.Capacity, r.CapacityFrom)
	}
	for table, want := range map[string]string{
		"model = \"shape.json\"\ngpu = \"Voodoo\"\n": ":7: backend \"b\": capacity.gpu: got \"Voodoo\"; want one of T4",
		"gpu = \"L4\"\n": ":5: backend \"b\": capacity.model: got none, and the shape of \"m\" is not built in",
		"model = \"missing.json\"\ngpu = \"L4\"\n":                   ":6: backend \"b\": capacity.model: got \"" + dir,
		"model = \"shape.json\"\ngpu = \"T4\"\n":                     ":7: backend \"b\": capacity.gpu: got 12.8 GiB",
		"model = \"shape.json\"\ngpu = \"L4\"\nkv_cache = \"fp4\"\n": ":8: backend \"b\": capacity.kv_cache: got \"fp4\"",
		"gpu_memory = \"lots\"\n":                                    ":6: ",
		"gpu = \"L4\"\nvram = 3\n":                                   "a setting that does not exist",
	} {
		if _, err := load(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", table, err, want)
		}
	}
}
