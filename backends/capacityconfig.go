package backends

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Capacity is a [backend.capacity]: what each replica's engine runs on. From it
// follows what its KV cache holds, where neither the engine nor kv_cache_tokens
// says. The settings are named as the flags of "pilothouse capacity". The zero
// value is none.
type Capacity struct {
	Model       string  `toml:"model"`                  // a config.json (its name ends in .json), or a built-in model; "": the backend's
	GPU         string  `toml:"gpu"`                    // of GPUs
	Memory      Size    `toml:"gpu_memory"`             // of another GPU, as nvidia-smi reports it
	GPUs        int     `toml:"gpus"`                   // that the model is split over; 0: 1
	Utilization float64 `toml:"gpu_memory_utilization"` // 0: DefaultUtilization
	Weights     Format  `toml:"weights"`                // "": as the model has them
	Cache       Format  `toml:"kv_cache"`               // "": BF16

	shape Model // of the file, once it was read
}

// Bounds that no host comes near.
const (
	mostGPUs   = 1024
	mostMemory = 16 << 40 // bytes
)

// isFile tells whether the model's shape is in a file.
func (c *Capacity) isFile() bool { return strings.HasSuffix(c.Model, ".json") }

// ReadModel reads the shape of the model that [backend.capacity] names, if that is
// a file.
func (c *Config) ReadModel(readFile func(string) ([]byte, error)) error {
	k := &c.Capacity
	if !k.isFile() {
		return nil
	}
	bad := func(got string) error {
		return &SettingError{c.Index, c.Name, "capacity.model", got, "the config.json that lies beside the model's weights"}
	}
	b, err := readFile(k.Model)
	if err != nil {
		return bad(fmt.Sprintf("%q, which can't be read (%v)", k.Model, err))
	}
	if k.shape, err = ReadModel(bytes.NewReader(b)); err != nil {
		return bad(fmt.Sprintf("%q, which does not tell its shape (%v)", k.Model, err))
	}
	k.shape.Name = k.Model
	return c.Validate()
}

// model finds the shape of what a backend serves; false: it is not known, or not
// yet.
func (c *Capacity) model(backend string) (Model, bool) {
	if c.isFile() {
		return c.shape, c.shape.Layers > 0
	}
	name := c.Model
	or(&name, backend)
	return FindModel(name)
}

// deploy puts the model where the settings say.
func (c *Capacity) deploy(m *Model) (Deployment, error) {
	h := Host{Utilization: c.Utilization}
	or(&h.Utilization, DefaultUtilization)
	if h.GPU.Memory = Bytes(c.Memory); c.GPU != "" {
		h.GPU, _ = FindGPU(c.GPU)
	}
	d, err := h.Deploy(m, max(1, c.GPUs))
	if c.Weights != "" && c.Weights != m.Weights {
		m.Group = 0
		d.Weights = c.Weights
	}
	if c.Cache != "" {
		d.Cache = c.Cache
	}
	return d, err
}

// tokens is what the cache of each replica holds; 0: not known. The settings are
// valid.
func (c *Capacity) tokens(backend string) int64 {
	if *c == (Capacity{}) {
		return 0
	}
	m, ok := c.model(backend)
	if !ok {
		return 0
	}
	d, err := c.deploy(&m)
	if err != nil {
		return 0
	}
	return d.Tokens()
}

// validate reports what is wrong with the settings, and with what they come to
// once the shape is known.
func (c *Capacity) validate(backend string, report func(key, got, want string)) {
	if *c == (Capacity{}) {
		return
	}
	ok := true
	bad := func(key, got, want string) {
		ok = false
		report("capacity."+key, got, want)
	}
	var gpus []string
	for _, g := range GPUs() {
		gpus = append(gpus, g.Name)
	}
	_, known := FindGPU(c.GPU)
	switch {
	case c.GPU == "" && c.Memory == 0:
		bad("gpu", "none", "the GPU's name, or its memory as gpu_memory")
	case c.GPU != "" && c.Memory != 0:
		bad("gpu_memory", "gpu as well", "one of the two")
	case c.GPU != "" && !known:
		bad("gpu", strconv.Quote(c.GPU), "one of "+strings.Join(gpus, ", ")+"; of another, its memory as gpu_memory")
	case c.Memory > mostMemory:
		bad("gpu_memory", c.Memory.String(), "what nvidia-smi reports")
	}
	if c.GPUs < 0 || c.GPUs > mostGPUs {
		bad("gpus", strconv.Itoa(c.GPUs), fmt.Sprintf("1 to %d", mostGPUs))
	}
	if !(c.Utilization >= 0 && c.Utilization <= 1) {
		bad("gpu_memory_utilization", fmt.Sprint(c.Utilization), "above 0, to 1")
	}
	if c.Weights != "" && !slices.Contains(Formats(), c.Weights) {
		bad("weights", strconv.Quote(string(c.Weights)), `"bf16", "fp8" or "4bit"`)
	}
	if c.Cache != "" && c.Cache != BF16 && c.Cache != FP8 {
		bad("kv_cache", strconv.Quote(string(c.Cache)), `"bf16" or "fp8"`)
	}
	m, shaped := c.model(backend)
	if !shaped && !c.isFile() {
		got := strconv.Quote(c.Model)
		if c.Model == "" {
			got = fmt.Sprintf("none, and the shape of %q is not built in", backend)
		}
		bad("model", got, "the name of its config.json")
	}
	if !ok || !shaped {
		return
	}
	if d, err := c.deploy(&m); err != nil {
		bad("gpus", fmt.Sprintf("%d (%v)", max(1, c.GPUs), err), "a number that the model can be split over")
	} else if d.Tokens() < 1 {
		bad("gpu", fmt.Sprintf("%.1f GiB for the model and its cache, where the weights alone take %.1f GiB", d.Room.GiB(), d.WeightBytes().GiB()), "a larger GPU, more of them (gpus), or smaller weights")
	}
}

// Source is who says what a KV cache holds.
type Source string

// The sources; "" is nobody.
const (
	FromEngine Source = "engine"     // its metrics
	Configured Source = "configured" // kv_cache_tokens
	Estimated  Source = "estimated"  // what [backend.capacity] comes to
)

// Capacity is how many tokens the replica's KV cache holds: as its engine says,
// or else as is configured, or else as what it runs on lets expect. 0: nobody
// knows.
func (r *Replica) Capacity() int64 {
	tokens, _ := r.capacity()
	return tokens
}

func (r *Replica) capacity() (tokens int64, from Source) {
	s := r.settings.Load()
	switch e := r.Engine(); {
	case e != nil && e.KVTokens > 0:
		return e.KVTokens, FromEngine
	case s.kvTokens > 0:
		return s.kvTokens, Configured
	case s.estimate > 0:
		return s.estimate, Estimated
	}
	return 0, ""
}
