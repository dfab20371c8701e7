package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pilothouse/backends"
)

// NewCapacity makes the command "capacity". It needs no gateway and no
// configuration.
func NewCapacity() *cobra.Command {
	f := &capacityFlags{}
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Work out how many requests a model on a GPU holds at once",
		Long: `Work out, from a model's config.json and a GPU, what a token takes in vLLM's KV
cache, how many tokens fit, and how many requests of 4K, 8K, 16K and 32K tokens:
with weights in 16 bits, fp8 and 4 bits, and the cache in 16 bits and fp8.

The shape gives exact figures; what vLLM needs besides weights and cache is an
estimate. A running engine tells the truth at its start, "Available KV cache
memory": give that as --kv.

With --reach: what to change for so many requests to fit, compared.`,
		Example: `  pilothouse capacity --model Qwen/Qwen2.5-7B-Instruct --gpu L4
  pilothouse capacity --model ./my-model/config.json --gpu H100 --gpus 2
  pilothouse capacity --model Qwen2.5-7B-Instruct --kv 5.17GiB
  pilothouse capacity --model Qwen2.5-7B-Instruct --gpu L4 --context 16384 --reach 20`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.SetFlagErrorFunc(wrongFlag)
	f.add(cmd)
	return cmd
}

// capacityFlags are the flags of "capacity".
type capacityFlags struct {
	model, gpu, memory, kv string
	gpus                   int
	utilization            float64
	weights, cache         string
	context, maxLen, reach int
	asJSON                 bool
}

func (f *capacityFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.model, "model", "", "config.json of the model, a directory with one, or one of "+names(backends.BuiltIn(), modelName)+" (required)")
	flags.StringVar(&f.gpu, "gpu", "", "one of "+names(backends.GPUs(), gpuName))
	flags.StringVar(&f.memory, "gpu-memory", "", `memory of another GPU, as nvidia-smi reports it: "24564MiB"`)
	flags.StringVar(&f.kv, "kv", "", `KV cache on each GPU, as vLLM's log has it: "5.17GiB"; then the rest need not be estimated`)
	flags.IntVar(&f.gpus, "gpus", 1, "GPUs that the model is split over (vLLM's --tensor-parallel-size)")
	flags.Float64Var(&f.utilization, "gpu-memory-utilization", backends.DefaultUtilization, "as vLLM has it; its newer versions have 0.92")
	flags.StringVar(&f.weights, "weights", "", `what runs now: "bf16", "fp8" or "4bit" (default: as config.json has it)`)
	flags.StringVar(&f.cache, "kv-cache", string(backends.BF16), `what runs now: "bf16" or "fp8"`)
	flags.IntVar(&f.context, "context", 0, "tokens of a request, prompt and answer: adds a column")
	flags.IntVar(&f.maxLen, "max-model-len", 0, "as vLLM has it: adds a column, and nothing longer is shown (default: what the model takes)")
	flags.IntVar(&f.reach, "reach", 0, "compare changes with which so many requests of --context tokens fit")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	for name, values := range map[string][]string{"weights": {"bf16", "fp8", "4bit"}, "kv-cache": {"bf16", "fp8"}, "gpu": gpuNames()} {
		// The flag exists, so this cannot fail.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

func modelName(m backends.Model) string { return m.Name }

func gpuName(g backends.GPU) string { return g.Name }

func gpuNames() []string {
	var all []string
	for _, g := range backends.GPUs() {
		all = append(all, g.Name)
	}
	return all
}

func names[T any](all []T, name func(T) string) string {
	var list []string
	for _, v := range all {
		list = append(list, name(v))
	}
	return strings.Join(list, ", ")
}

// The most that flags take: beyond what there is, and low enough for every sum.
const (
	maxContext = 1 << 26
	maxGPUs    = 1 << 10
	maxReach   = 1_000_000
	maxMemory  = 1 << 44 // bytes
)

// check finds what is wrong with the flags alone.
func (f *capacityFlags) check() error {
	switch {
	case f.model == "":
		return usagef("say which model, with --model; for one of the reference deployment on its GPU: pilothouse capacity --model %s --gpu L4", backends.BuiltIn()[0].Name)
	case f.gpu == "" && f.memory == "" && f.kv == "":
		return usagef(`say what it runs on, with --gpu (%s), --gpu-memory "24564MiB" or --kv "5.17GiB"`, names(backends.GPUs(), gpuName))
	case f.gpu != "" && f.memory != "":
		return usagef("--gpu and --gpu-memory say the same; choose one")
	case f.gpus < 1 || f.gpus > maxGPUs:
		return usagef("--gpus %d: want 1 to %d", f.gpus, maxGPUs)
	case !(f.utilization > 0 && f.utilization <= 1):
		return usagef("--gpu-memory-utilization %v: want more than 0, to 1", f.utilization)
	case f.weights != "" && !slices.Contains(backends.Formats(), backends.Format(f.weights)):
		return usagef(`--weights %q is none; want "bf16", "fp8" or "4bit"`, f.weights)
	case f.cache != string(backends.BF16) && f.cache != string(backends.FP8):
		return usagef(`--kv-cache %q is none; want "bf16" or "fp8"`, f.cache)
	case f.context < 0 || f.context > maxContext:
		return usagef("--context %d: want 1 to %d tokens", f.context, maxContext)
	case f.maxLen < 0 || f.maxLen > maxContext:
		return usagef("--max-model-len %d: want 1 to %d tokens", f.maxLen, maxContext)
	case f.reach < 0 || f.reach > maxReach:
		return usagef("--reach %d: want 1 to %d requests", f.reach, maxReach)
	case f.reach > 0 && f.context == 0:
		return usagef("say how many tokens each of those requests has, with --context")
	}
	return nil
}

// capacity is what was worked out.
type capacity struct {
	model  backends.Model
	host   backends.Host // without memory if only the cache's size is known
	now    backends.Deployment
	known  bool // the cache's size was measured
	maxLen int  // tokens; 0: not known

	contexts []int
	rows     []backends.Deployment // every format of weights and cache
	reach    int                   // requests; 0: not asked
	asked    int                   // tokens that each of them has
	options  []backends.Option
}

// work does what the flags ask for.
func (f *capacityFlags) work() (*capacity, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	c := &capacity{reach: f.reach, asked: f.context, known: f.kv != "", host: backends.Host{Utilization: f.utilization}}
	var err error
	if c.model, err = openModel(f.model); err != nil {
		return nil, err
	}
	if f.weights != "" && backends.Format(f.weights) != c.model.Weights {
		c.model.Weights, c.model.Group = backends.Format(f.weights), 0
	}
	if err := f.place(c); err != nil {
		return nil, err
	}
	c.maxLen = f.maxLen
	if c.maxLen == 0 {
		c.maxLen = c.model.MaxContext
	}
	if c.maxLen > 0 && f.context > c.maxLen {
		return nil, usagef("--context %d is more than the %d tokens that the model takes; it can be raised with --max-model-len", f.context, c.maxLen)
	}
	c.contexts = []int{4 << 10, 8 << 10, 16 << 10, 32 << 10}
	for _, n := range []int{f.context, f.maxLen} {
		if n > 0 {
			c.contexts = append(c.contexts, n)
		}
	}
	slices.Sort(c.contexts)
	c.contexts = slices.Compact(c.contexts)
	for _, w := range backends.Formats() {
		for _, kv := range []backends.Format{backends.BF16, backends.FP8} {
			row := c.now
			row.Weights, row.Cache = w, kv
			c.rows = append(c.rows, row)
		}
	}
	if f.reach > 0 {
		c.options = backends.Reach(c.now, c.host, f.reach, f.context)
	}
	return c, nil
}

// place puts the model where the flags say.
func (f *capacityFlags) place(c *capacity) error {
	if f.gpu != "" {
		var ok bool
		if c.host.GPU, ok = backends.FindGPU(f.gpu); !ok {
			return usagef("--gpu %q is not known here; want one of %s, or its memory with --gpu-memory", f.gpu, names(backends.GPUs(), gpuName))
		}
	}
	var err error
	if f.memory != "" {
		if c.host.GPU.Memory, err = size("--gpu-memory", f.memory); err != nil {
			return err
		}
	}
	if c.now, err = c.host.Deploy(&c.model, f.gpus); err != nil {
		return usagef("--gpus %d: %w", f.gpus, err)
	}
	c.now.Cache = backends.Format(f.cache)
	if f.kv == "" {
		return nil
	}
	kv, err := size("--kv", f.kv)
	if err != nil {
		return err
	}
	if c.now, c.host, err = c.host.Measured(c.now, kv); err != nil {
		return usagef("--kv %q: %w; check --gpu, --weights and --gpu-memory-utilization", f.kv, err)
	}
	return nil
}

// size reads an amount of memory above 0.
func size(flag, text string) (backends.Bytes, error) {
	var n backends.Size
	if err := n.UnmarshalText([]byte(text)); err != nil || n < 1 || n > maxMemory {
		return 0, usagef(`%s %q is no amount of memory; write it like "5.17GiB" or "24564MiB", up to 16TiB`, flag, text)
	}
	return backends.Bytes(n), nil
}

// openModel reads a config.json, or that of a directory, or finds a built-in
// model. What lies on the disk goes first.
func openModel(name string) (backends.Model, error) {
	path := name
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "config.json")
		info, err = os.Stat(path)
	} else if err != nil {
		if m, ok := backends.FindModel(name); ok {
			return m, nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return backends.Model{}, usagef("--model %q: there is no file %q; want a config.json, a directory with one, or one of %s", name, path, names(backends.BuiltIn(), modelName))
	case err != nil:
		return backends.Model{}, usagef("--model %q: %w", name, err)
	case !info.Mode().IsRegular():
		return backends.Model{}, usagef("--model %q is no file; want a config.json", name)
	}
	file, err := os.Open(path)
	if err != nil {
		return backends.Model{}, usagef("--model %q: %w", name, err)
	}
	m, err := backends.ReadModel(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return m, usagef("--model %q: %w", name, err)
	}
	m.Name = name
	return m, nil
}

func (f *capacityFlags) run(cmd *cobra.Command) error {
	c, err := f.work()
	if err != nil {
		return err
	}
	if f.asJSON {
		return encode(cmd.OutOrStdout(), c.listing())
	}
	return c.write(cmd.OutOrStdout())
}

// requests is how many of context tokens fit; less than 0: they are longer than
// the model takes.
func (c *capacity) requests(d *backends.Deployment, context int) float64 {
	if c.maxLen > 0 && context > c.maxLen {
		return -1
	}
	return d.Requests(context)
}

// hundredths rounds as vLLM's log does.
func hundredths(n float64) float64 { return math.Round(n*100) / 100 }

// gib writes an amount of memory for people.
func gib(b backends.Bytes) string { return fmt.Sprintf("%.2f", b.GiB()) }
