package backends

import (
	"fmt"
	"math"
	"strings"
)

// Option is a change to a deployment, and how many requests it would hold then.
type Option struct {
	Change  string // what is changed, in a word that stays: see Reach
	Weights Format
	Cache   Format
	GPU     GPU
	GPUs    int // in all, those of every replica
	Context int // tokens that each of the requests has; less than asked where the change is that

	Requests float64 // that fit at once; whole ones for replicas, as a request fits in one of them
	Enough   bool    // it holds what was asked for
	Cheapest bool    // the first that does, in the order of Reach
}

// Reach compares what can be done for a deployment to hold so many requests of
// context tokens. The order is what it costs: a setting, other weights, more GPUs
// of the same kind, another kind of GPU. Prices are not known here. Changes that
// are made already or can't be made are left out, and there are none for a
// deployment that holds them already:
//
//	kv_fp8                  the cache in fp8
//	max_model_len           shorter requests, as many as asked for; never Enough
//	weights_fp8             with the cache as it is
//	weights_fp8_kv_fp8
//	weights_4bit            with the cache as it is
//	weights_4bit_kv_fp8
//	tensor_parallel         2, 4 or 8 GPUs for one engine: as few as are enough
//	replicas                as many engines as are needed, or 2 if none is enough
//	gpu                     the smallest GPU that is enough, or else the largest
func Reach(d Deployment, h Host, requests, context int) []Option {
	if enough(d.Requests(context), requests) {
		return nil
	}
	var options []Option
	add := func(change string, d Deployment, gpu GPU) {
		n := d.Requests(context)
		options = append(options, Option{Change: change, Weights: d.Weights, Cache: d.Cache, GPU: gpu, GPUs: d.GPUs,
			Context: context, Requests: n, Enough: enough(n, requests)})
	}
	if d.Cache != FP8 {
		with := d
		with.Cache = FP8
		add("kv_fp8", with, h.GPU)
	}
	if n := longest(d, requests, context); n > 0 && n < context {
		options = append(options, Option{Change: "max_model_len", Weights: d.Weights, Cache: d.Cache, GPU: h.GPU, GPUs: d.GPUs,
			Context: n, Requests: d.Requests(n)})
	}
	for _, f := range smaller(d.Weights) {
		with := d
		with.Weights = f
		add("weights_"+string(f), with, h.GPU)
		if d.Cache != FP8 {
			with.Cache = FP8
			add("weights_"+string(f)+"_kv_fp8", with, h.GPU)
		}
	}
	if with, ok := split(d, requests, context); ok {
		add("tensor_parallel", with, h.GPU)
	}
	if o, ok := replicas(d, h, requests, context); ok {
		options = append(options, o)
	}
	if with, gpu, ok := larger(d, h, requests, context); ok {
		add("gpu", with, gpu)
	}
	for i := range options {
		if options[i].Enough {
			options[i].Cheapest = true
			break
		}
	}
	return options
}

// enough tells whether whole requests are.
func enough(n float64, requests int) bool { return math.Floor(n) >= float64(requests) }

// longest is the most tokens, in whole blocks, that requests of them may have
// each for all of them to fit; 0: none fit.
func longest(d Deployment, requests, context int) int {
	low, high := 0, context/BlockTokens
	for low < high {
		mid := (low + high + 1) / 2
		if enough(d.Requests(mid*BlockTokens), requests) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low * BlockTokens
}

// smaller are the formats that take less than f.
func smaller(f Format) []Format {
	all := Formats()
	for i := range all {
		if all[i] == f {
			return all[i+1:]
		}
	}
	return nil
}

// maxSplit is how many GPUs one host has as a rule.
const maxSplit = 8

// split is the deployment on as few GPUs as are enough, doubling, or else on as
// many as it can be split over; each has the room that one had.
func split(d Deployment, requests, context int) (Deployment, bool) {
	ok := false
	for n := 2 * d.GPUs; n <= maxSplit && d.Model.Split(n) == nil; n *= 2 {
		if d.GPUs == 1 {
			d.Room -= overheadSplit
		}
		d.GPUs, ok = n, true
		if enough(d.Requests(context), requests) {
			break
		}
	}
	return d, ok
}

// replicas are as many engines as are needed.
func replicas(d Deployment, h Host, requests, context int) (Option, bool) {
	each := math.Floor(d.Requests(context))
	if each < 1 {
		return Option{}, false
	}
	n := max(2, int(math.Ceil(float64(requests)/each)))
	return Option{Change: "replicas", Weights: d.Weights, Cache: d.Cache, GPU: h.GPU, GPUs: n * d.GPUs,
		Context: context, Requests: float64(n) * each, Enough: true}, true
}

// larger is the deployment on the smallest GPU that holds enough, or else on the
// largest there is.
func larger(d Deployment, h Host, requests, context int) (Deployment, GPU, bool) {
	var found Deployment
	var gpu GPU
	if h.GPU.Memory == 0 {
		return found, gpu, false
	}
	for _, g := range GPUs() {
		if g.Memory <= h.GPU.Memory {
			continue
		}
		with := h
		with.GPU = g
		found, gpu = d, g
		found.Room, found.Batch = with.Room(d.GPUs), with.Batch()
		if enough(found.Requests(context), requests) {
			break
		}
	}
	return found, gpu, gpu.Memory > 0
}

// BuiltIn returns the models of the reference deployment, which need no file.
// Their published config.json files have one shape.
func BuiltIn() []Model {
	shape := Model{Type: "qwen2", Layers: 28, Hidden: 3584, Heads: 28, KVHeads: 4, HeadDim: 128,
		Vocab: 152064, Intermediate: 18944, QKVBias: true, MaxContext: 32768, Weights: BF16}
	chat, sql := shape, shape
	chat.Name, sql.Name = "Qwen/Qwen2.5-7B-Instruct", "Snowflake/Arctic-Text2SQL-R1-7B"
	return []Model{chat, sql}
}

// FindModel finds a built-in model by its name, with its owner's or without.
func FindModel(name string) (Model, bool) {
	for _, m := range BuiltIn() {
		_, short, _ := strings.Cut(m.Name, "/")
		if strings.EqualFold(name, m.Name) || strings.EqualFold(name, short) {
			return m, true
		}
	}
	return Model{}, false
}

// Deploy is a model on a host as its checkpoint is, with a cache in 16 bits.
func (h *Host) Deploy(m *Model, gpus int) (Deployment, error) {
	if err := m.Split(gpus); err != nil {
		return Deployment{}, fmt.Errorf("deploy %q: %w", m.Name, err)
	}
	return Deployment{Model: m, Weights: m.Weights, Cache: BF16, GPUs: gpus, Room: h.Room(gpus), Batch: h.Batch()}, nil
}
