package cli

import "pilothouse/backends"

// capacityListing is what "capacity --json" prints. Names are stable and carry
// the unit; memory is in bytes. What is not known is null.
type capacityListing struct {
	Model       capacityModel  `json:"model"`
	GPU         *capacityGPU   `json:"gpu"` // null: only the size of the cache is known
	GPUs        int            `json:"gpus"`
	BlockTokens int            `json:"block_tokens"`
	MaxModelLen *int           `json:"max_model_len_tokens"`
	Measured    bool           `json:"kv_measured"` // with --kv
	Rows        []capacityRow  `json:"rows"`
	Reach       *capacityReach `json:"reach,omitempty"`
	Notes       []string       `json:"notes"` // for people; they change
}

type capacityModel struct {
	Name       string `json:"name"`
	Type       string `json:"model_type"`
	Parameters int64  `json:"parameters"`
	Layers     int    `json:"layers"`
	Heads      int    `json:"attention_heads"`
	KVHeads    int    `json:"kv_heads"`
	HeadDim    int    `json:"head_dim"`
	Windowed   int    `json:"windowed_layers"`
	Window     int    `json:"window_tokens"`
	TextOnly   bool   `json:"other_parts_not_counted"`
}

type capacityGPU struct {
	Name         string         `json:"name"` // "": described by its memory
	Memory       backends.Bytes `json:"memory_bytes"`
	Utilization  float64        `json:"gpu_memory_utilization"`
	Overhead     backends.Bytes `json:"overhead_bytes"`
	OverheadLow  backends.Bytes `json:"overhead_low_bytes"`
	OverheadHigh backends.Bytes `json:"overhead_high_bytes"`
}

// capacityRow is one format of weights and cache.
type capacityRow struct {
	Weights    backends.Format `json:"weights"`
	Cache      backends.Format `json:"kv_cache"`
	Now        bool            `json:"now"`
	Fits       bool            `json:"fits"`
	Weight     backends.Bytes  `json:"weight_bytes_per_gpu"`
	Token      backends.Bytes  `json:"kv_bytes_per_token"`
	TokenOnGPU backends.Bytes  `json:"kv_bytes_per_token_per_gpu"`
	KV         backends.Bytes  `json:"kv_bytes_per_gpu"`
	Tokens     int64           `json:"kv_tokens"`
	Requests   []capacityFit   `json:"requests"`
}

type capacityFit struct {
	Context  int      `json:"context_tokens"`
	Requests *float64 `json:"requests"` // null: longer than the model takes
}

type capacityReach struct {
	Requests int              `json:"requests"`
	Context  int              `json:"context_tokens"`
	Now      float64          `json:"requests_now"`
	Options  []capacityOption `json:"options"`
}

type capacityOption struct {
	Change   string          `json:"change"`
	Weights  backends.Format `json:"weights"`
	Cache    backends.Format `json:"kv_cache"`
	GPU      string          `json:"gpu"`
	GPUs     int             `json:"gpus"`
	Context  int             `json:"context_tokens"`
	Requests float64         `json:"requests"`
	Enough   bool            `json:"enough"`
	Cheapest bool            `json:"cheapest"`
}

func (c *capacity) listing() capacityListing {
	m, h := &c.model, &c.host
	out := capacityListing{GPUs: c.now.GPUs, BlockTokens: backends.BlockTokens, Measured: c.known, Notes: append([]string{}, c.notes()...),
		Model: capacityModel{Name: m.Name, Type: m.Type, Parameters: m.Params(), Layers: m.Layers, Heads: m.Heads,
			KVHeads: m.KVHeads, HeadDim: m.HeadDim, Windowed: m.Windowed, Window: m.Window, TextOnly: m.TextOnly}}
	if c.maxLen > 0 {
		out.MaxModelLen = &c.maxLen
	}
	if h.GPU.Memory > 0 {
		n := h.Overhead(c.now.GPUs)
		out.GPU = &capacityGPU{Name: h.GPU.Name, Memory: h.GPU.Memory, Utilization: h.Utilization, Overhead: n, OverheadLow: n, OverheadHigh: n}
		if !c.known {
			out.GPU.OverheadLow, out.GPU.OverheadHigh = max(0, n-backends.OverheadLess), n+backends.OverheadMore
		}
	}
	for i := range c.rows {
		out.Rows = append(out.Rows, c.row(&c.rows[i]))
	}
	if c.reach > 0 {
		out.Reach = c.reached()
	}
	return out
}

func (c *capacity) row(d *backends.Deployment) capacityRow {
	row := capacityRow{Weights: d.Weights, Cache: d.Cache, Now: c.isNow(d), Fits: d.CacheBytes() > 0,
		Weight: d.WeightBytes(), Token: d.Model.TokenBytes(d.Cache), TokenOnGPU: d.TokenBytes(),
		KV: d.CacheBytes(), Tokens: d.Tokens()}
	for _, context := range c.contexts {
		f := capacityFit{Context: context}
		if n := c.requests(d, context); n >= 0 {
			f.Requests = new(hundredths(n))
		}
		row.Requests = append(row.Requests, f)
	}
	return row
}

func (c *capacity) reached() *capacityReach {
	r := &capacityReach{Requests: c.reach, Context: c.asked, Now: hundredths(c.now.Requests(c.asked)), Options: []capacityOption{}}
	for i := range c.options {
		o := &c.options[i]
		r.Options = append(r.Options, capacityOption{Change: o.Change, Weights: o.Weights, Cache: o.Cache, GPU: o.GPU.Name,
			GPUs: o.GPUs, Context: o.Context, Requests: hundredths(o.Requests), Enough: o.Enough, Cheapest: o.Cheapest})
	}
	return r
}
