package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Kind is what a simulated model writes.
type Kind string

const (
	Chat     Kind = "chat"     // prose on the question's topic
	Text2SQL Kind = "text2sql" // a line of reasoning and a query
)

// Config is one simulated server. Everything but Model has a default, which
// the zero value stands for.
type Config struct {
	Model  string // the one name it serves, as clients write it
	Kind   Kind   // Chat
	APIKey string // the bearer key that /v1/* asks for; "" asks for none

	MaxModelLen  int // the context, in tokens: 8192
	KVTokens     int // what the KV cache holds: 96,768 tokens
	BlockSize    int // tokens in a block of it: 16
	MaxSequences int // running at once: 256
	BatchTokens  int // computed in one step, the unit of chunked prefill: 2048

	Timing Timing  // of the simulated GPU: that of an NVIDIA L4 with a 7B model
	Speed  float64 // times as fast as that: 1
	Seed   uint64  // of answers and of faults by chance

	// ShutdownTimeout is how long requests in flight may go on once Serve's
	// context has ended. 0 aborts them, as vLLM does.
	ShutdownTimeout time.Duration
	FlatErrors      bool    // the error shape from before 2025: no "error" around it
	Control         bool    // serve /sim/faults
	Faults          []Fault // from the start
	Log             *slog.Logger

	// Console, where set, is given each line that vLLM would print while it
	// serves: see access and report. It is called by many at once.
	Console func(line string)
	// Card, where set, is told of the fault that the server's GPU has from now on,
	// "" for none, when SetFaults changes it; not of one that Faults begins with.
	// Calls come one at a time. Nil: there is no GPU that could have any.
	Card func(FaultKind)

	// Observe, where set, is told of each choice that has left the engine. It
	// is called with the engine's lock held: it must return at once, and must
	// not call the Server.
	Observe func(Generated)
}

// Generated is what the engine did for one choice of a request.
type Generated struct {
	RequestID string // the request's X-Request-Id
	Prompt    int    // tokens read; 0 where it ended before they all were
	Tokens    int    // generated
	Aborted   bool   // the client left, or the server stopped
}

// Timing is where a simulated step's time goes. A step costs
//
//	max(WeightBytes/Bandwidth, prefilled/PrefillRate + running×SequenceCost) + read×KVTokenBytes/Bandwidth
//
// because every step reads all weights once however many sequences it serves,
// computing goes on beside that reading, and attention reads each decoding
// sequence's own cache on top.
//
// The default is a 7B model in 16 bits on an NVIDIA L4. 7.6e9 parameters are
// 15.2 GB; the L4 reads 300 GB/s (its data sheet): 50.7 ms a step, so 19.7
// tokens/s for a request alone. A token of cache is 28 layers × 4 KV heads ×
// 128 × 2 bytes × 2 (keys and values) = 57,344 bytes: 32 requests with 1,000
// tokens each add 6.1 ms, and 32 × 0.25 ms of compute hides behind the
// weights, so each still gets 17.6 tokens/s, and all of them 563. Prefill
// costs 2 × 7.6e9 operations a token; at 30 % of the L4's 121 TFLOPS that
// makes 2,400 tokens/s.
type Timing struct {
	WeightBytes  float64
	Bandwidth    float64 // bytes/s
	KVTokenBytes float64
	PrefillRate  float64 // tokens/s
	SequenceCost time.Duration
}

// L4 is the timing of a 7B model in 16 bits on an NVIDIA L4; see Timing.
func L4() Timing {
	return Timing{
		WeightBytes:  15.2e9,
		Bandwidth:    300e9,
		KVTokenBytes: 57_344,
		PrefillRate:  2_400,
		SequenceCost: 250 * time.Microsecond,
	}
}

// DecodeStep is how long a step takes in which batch sequences get one token
// each, with so many tokens of cache between them.
func (t Timing) DecodeStep(batch, cached int) time.Duration {
	total, _ := t.step(0, batch, cached)
	return total
}

// step is a whole step's time, and how much of it prefill takes: the first is
// never less than the second.
func (t Timing) step(prefill float64, decoding, cached int) (total, prefilling time.Duration) {
	compute := prefill/t.PrefillRate + float64(decoding)*t.SequenceCost.Seconds()
	seconds := max(t.WeightBytes/t.Bandwidth, compute) + float64(cached)*t.KVTokenBytes/t.Bandwidth
	total = time.Duration(seconds * float64(time.Second))
	if decoding == 0 {
		return total, total
	}
	return total, min(total, time.Duration(prefill/t.PrefillRate*float64(time.Second)))
}

// withDefaults is the configuration with every zero value replaced.
func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if c.Kind == "" {
		c.Kind = Chat
	}
	def(&c.MaxModelLen, 8192)
	def(&c.KVTokens, 96_768)
	def(&c.BlockSize, 16)
	def(&c.MaxSequences, 256)
	def(&c.BatchTokens, 2048)
	if c.Timing == (Timing{}) {
		c.Timing = L4()
	}
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// ConfigError is a setting that can't be served.
type ConfigError struct {
	Field string // as in Config
	Got   string
	Want  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("simulate %s: got %s, want %s", e.Field, e.Got, e.Want)
}

// check reports everything that is wrong with a configuration that has its
// defaults, joined.
func (c Config) check() error {
	var errs []error
	want := func(ok bool, field string, got any, wanted string) {
		if !ok {
			errs = append(errs, &ConfigError{Field: field, Got: fmt.Sprintf("%v", got), Want: wanted})
		}
	}
	positive := func(f float64) bool { return f > 0 && !math.IsInf(f, 1) }
	want(c.Model != "", "Model", `""`, "the model's name")
	want(c.Kind == Chat || c.Kind == Text2SQL, "Kind", c.Kind, `"chat" or "text2sql"`)
	want(c.MaxModelLen > 0, "MaxModelLen", c.MaxModelLen, "a number of tokens above 0")
	want(c.BlockSize > 0, "BlockSize", c.BlockSize, "a number of tokens above 0")
	want(c.KVTokens >= c.MaxModelLen, "KVTokens", c.KVTokens,
		fmt.Sprintf("at least one request of the full context, %d", c.MaxModelLen))
	want(c.BlockSize <= 0 || c.KVTokens/c.BlockSize*c.BlockSize >= c.MaxModelLen, "BlockSize", c.BlockSize,
		"blocks small enough that whole ones hold the full context")
	want(c.MaxSequences > 0, "MaxSequences", c.MaxSequences, "a number above 0")
	want(c.BatchTokens > 0, "BatchTokens", c.BatchTokens, "a number of tokens above 0")
	want(positive(c.Speed), "Speed", c.Speed, "a factor above 0")
	want(positive(c.Timing.WeightBytes) && positive(c.Timing.Bandwidth) && positive(c.Timing.PrefillRate) &&
		c.Timing.KVTokenBytes >= 0 && c.Timing.SequenceCost >= 0,
		"Timing", fmt.Sprintf("%+v", c.Timing), "weights, bandwidth and prefill rate above 0 and no cost below 0")
	want(c.ShutdownTimeout >= 0, "ShutdownTimeout", c.ShutdownTimeout, "0 or more")
	for _, f := range c.Faults {
		if err := f.check(); err != nil {
			errs = append(errs, err)
		}
	}
	if err := c.checkCard(c.Faults); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
