package cli

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// write prints everything for people.
func (c *capacity) write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", strings.Join(c.head(), "\n")); err != nil {
		return err
	}
	if err := c.writeRows(w); err != nil {
		return err
	}
	if c.reach > 0 {
		if err := c.writeReach(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(append(c.legend(), c.notes()...), "\n"))
	return err
}

// head says what the figures are of.
func (c *capacity) head() []string {
	m := &c.model
	keeps := fmt.Sprintf("%d KV heads of %d", m.KVHeads, m.HeadDim)
	if m.MLA != nil {
		keeps = fmt.Sprintf("MLA of %d + %d", m.MLA.KVRank, m.MLA.Rope)
	}
	lines := []string{fmt.Sprintf("%s: %.2f B parameters, %d layers, %s",
		widget.Clean(m.Name, false), float64(m.Params())/1e9, m.Layers, keeps)}
	h := &c.host
	if h.GPU.Memory == 0 {
		return append(lines, fmt.Sprintf("KV cache of %s GiB, as measured; GPUs that the model is split over: %d", gib(c.now.CacheBytes()), c.now.GPUs))
	}
	name := h.GPU.Name
	if name == "" {
		name = "GPU"
	}
	if c.now.GPUs > 1 {
		name += fmt.Sprintf(", each of %d", c.now.GPUs)
	}
	overhead := h.Overhead(c.now.GPUs)
	how := fmt.Sprintf("(estimate: %s to %s)", gib(max(0, overhead-backends.OverheadLess)), gib(overhead+backends.OverheadMore))
	if c.known {
		how = "(what --kv leaves)"
	}
	return append(lines,
		fmt.Sprintf("%s: %s GiB x %s = %s GiB for vLLM", name, gib(h.GPU.Memory),
			strconv.FormatFloat(h.Utilization, 'f', -1, 64), gib(h.Budget())),
		fmt.Sprintf("Overhead: %s GiB %s; the rest is for weights and KV cache", gib(overhead), how))
}

// contextName is 16K for 16384.
func contextName(n int) string {
	if n%1024 == 0 {
		return strconv.Itoa(n/1024) + "K"
	}
	return digits(int64(n))
}

// fit writes how many requests fit, rounded down: more would not.
func fit(n float64) string {
	switch {
	case n < 0:
		return none
	case n >= 1000:
		return digits(int64(n))
	}
	return strconv.FormatFloat(math.Floor(n*10)/10, 'f', 1, 64)
}

// isNow tells whether a row is what runs.
func (c *capacity) isNow(d *backends.Deployment) bool {
	return d.Weights == c.now.Weights && d.Cache == c.now.Cache
}

func (c *capacity) writeRows(w io.Writer) error {
	cols := []column{{head: "WEIGHTS"}, {"GiB", true}, {head: "KV CACHE"}, {"B/TOKEN", true}, {"KV GiB", true}, {"TOKENS", true}}
	for _, n := range c.contexts {
		cols = append(cols, column{contextName(n), true})
	}
	var rows [][]string
	for i := range c.rows {
		d := &c.rows[i]
		name := string(d.Weights)
		if c.isNow(d) {
			name += " *"
		}
		row := []string{name, gib(d.WeightBytes()), string(d.Cache), digits(int64(d.TokenBytes())), none, none}
		if d.CacheBytes() > 0 {
			row[4], row[5] = gib(d.CacheBytes()), digits(d.Tokens())
		}
		for _, n := range c.contexts {
			if d.CacheBytes() == 0 {
				row = append(row, none)
			} else {
				row = append(row, fit(c.requests(d, n)))
			}
		}
		rows = append(rows, row)
	}
	return writeColumns(w, cols, rows)
}

// changeWords say what an option changes, and what that costs besides money.
func (c *capacity) changeWords(o *backends.Option) (what, remark string) {
	compare := "compare answers"
	if !c.host.GPU.FP8 && c.host.GPU.Name != "" && strings.HasPrefix(o.Change, "weights_fp8") {
		compare = "compare answers; not faster here"
	}
	switch o.Change {
	case "kv_fp8":
		return "fp8 KV cache", "compare answers; calibrate scales"
	case "max_model_len":
		return "shorter max-model-len", "refuses longer requests"
	case "weights_fp8":
		return "fp8 weights", compare
	case "weights_fp8_kv_fp8":
		return "fp8 weights and KV cache", compare
	case "weights_4bit":
		return "4-bit weights", "loses most; compare answers"
	case "weights_4bit_kv_fp8":
		return "4-bit weights, fp8 cache", "loses most; compare answers"
	case "tensor_parallel":
		return fmt.Sprintf("split over %d GPUs", o.GPUs), "same answers; wants NVLink"
	case "replicas":
		return fmt.Sprintf("%d replicas", o.GPUs/c.now.GPUs), "same answers; each request in one"
	case "gpu":
		return o.GPU.Name, "same answers"
	}
	return o.Change, ""
}

func (c *capacity) writeReach(w io.Writer) error {
	verdict := "What to change:\n"
	if len(c.options) == 0 {
		verdict = "Nothing to change."
	}
	_, err := fmt.Fprintf(w, "\nRequests of %s tokens: %s fit now, want %s. %s\n",
		digits(int64(c.asked)), fit(c.now.Requests(c.asked)), digits(int64(c.reach)), verdict)
	if err != nil || len(c.options) == 0 {
		return err
	}
	cols := []column{{head: "CHANGE"}, {"GPUS", true}, {"OF TOKENS", true}, {"REQUESTS", true}, {head: "ENOUGH"}, {head: "NOTE"}}
	var rows [][]string
	for i := range c.options {
		o := &c.options[i]
		what, remark := c.changeWords(o)
		enough := "no"
		switch {
		case o.Cheapest:
			enough = "cheapest"
		case o.Enough:
			enough = "yes"
		case o.Context < c.asked:
			enough = "shorter"
		}
		rows = append(rows, []string{what, strconv.Itoa(o.GPUs), digits(int64(o.Context)), fit(o.Requests), enough, remark})
	}
	return writeColumns(w, cols, rows)
}

// legend explains the tables.
func (c *capacity) legend() []string {
	lines := []string{"Columns of contexts: requests that fit at once if each fills its context; vLLM queues more.",
		"* what runs, or the checkpoint as it is. fp8 and 4 bits change answers: compare them first."}
	if c.contexts[len(c.contexts)-1] > c.maxLen && c.maxLen > 0 {
		lines = append(lines, fmt.Sprintf("%s beyond %s tokens: the model takes no more.", none, digits(int64(c.maxLen))))
	}
	if c.rows[0].CacheBytes() == 0 { // the largest weights
		lines = append(lines, none+" in a whole line: the weights leave no room.")
	}
	if len(c.options) > 0 {
		lines = append(lines, "Changes are in the order of what they cost: a setting, other weights, more GPUs, another GPU.",
			"Prices are not known here.")
		if !slices.ContainsFunc(c.options, func(o backends.Option) bool { return o.Enough }) {
			lines = append(lines, "None is enough alone: try them together, with --gpus, --weights and --kv-cache.")
		}
	}
	return lines
}

// notes are what a reader must know to trust the figures.
func (c *capacity) notes() []string {
	var notes []string
	if !c.known {
		notes = append(notes,
			"The overhead is an estimate, calibrated on the reference deployment (Qwen2.5-7B on an L4).",
			fmt.Sprintf("Startup logs of other machines left %s GiB more to %s GiB less for the KV cache.", gib(backends.OverheadLess), gib(backends.OverheadMore)),
			"vLLM's own figure, \"Available KV cache memory\" in its log, replaces it: --kv 5.17GiB")
	}
	m := &c.model
	if m.Windowed > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d layers keep a window of %s tokens: counted in requests, not in B/TOKEN and TOKENS.",
			m.Windowed, m.Layers, digits(int64(m.Window))))
	}
	if m.TextOnly {
		notes = append(notes, "Parts for images and sound are not counted: there is less room than this.")
	}
	if m.MaxContext > 0 && c.maxLen > m.MaxContext {
		notes = append(notes, fmt.Sprintf("The model was made for %s tokens; vLLM refuses a longer max-model-len.", digits(int64(m.MaxContext))))
	}
	return notes
}
