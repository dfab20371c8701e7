package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"pilothouse/backends/sim"
)

// NewSim makes the command that runs one simulated backend.
func NewSim() *cobra.Command {
	var c sim.Config
	var listen, kind, keyEnv string
	var load time.Duration
	var faults []string
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve one simulated vLLM backend",
		Long: `Serve a simulator of a vLLM server: its endpoints, errors and metrics, with the timing of a
7B model on an NVIDIA L4. What it writes is made up, and it says so in system_fingerprint
and /version. With --control, POST /sim/faults makes it misbehave.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Kind = sim.Kind(kind)
			if keyEnv != "" {
				if c.APIKey = os.Getenv(keyEnv); c.APIKey == "" {
					return &UsageError{Err: fmt.Errorf("--api-key-env: the environment variable %s holds nothing", keyEnv)}
				}
			}
			for _, f := range faults {
				fault, err := sim.ParseFault(f)
				if err != nil {
					return &UsageError{Err: fmt.Errorf("--fault: %w", err)}
				}
				c.Faults = append(c.Faults, fault)
			}
			c.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			s, err := sim.New(c)
			if err != nil {
				return &UsageError{Err: err}
			}
			loads(cmd.Context(), load, c.Log)
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			c.Log.Info("listening", "address", "http://"+l.Addr().String(), "model", c.Model, "simulator", true)
			return s.Serve(cmd.Context(), l)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8000", "`address` to serve on")
	f.StringVar(&c.Model, "model", "Qwen/Qwen2.5-7B-Instruct", "`name` of the one model it serves")
	f.StringVar(&kind, "kind", string(sim.Chat), "what the model writes: chat or text2sql")
	f.StringVar(&keyEnv, "api-key-env", "", "environment `variable` with the bearer key that it asks for (default: none)")
	f.IntVar(&c.MaxModelLen, "max-model-len", 8192, "context in `tokens`")
	f.IntVar(&c.KVTokens, "kv-tokens", 96_768, "KV cache in `tokens`")
	f.IntVar(&c.MaxSequences, "max-num-seqs", 256, "sequences that it computes at once")
	f.Float64Var(&c.Speed, "speed", 1, "times as fast as a real L4")
	f.DurationVar(&load, "load-time", 0, "how long it loads its model before it listens")
	f.Uint64Var(&c.Seed, "seed", 1, "of what it writes")
	f.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", 0, "how long requests may go on after SIGTERM (0: they are aborted)")
	f.BoolVar(&c.FlatErrors, "flat-errors", false, "answer errors in the shape of vLLM before 2025")
	f.BoolVar(&c.Control, "control", false, "serve POST /sim/faults")
	f.StringArrayVar(&faults, "fault", nil, `how to misbehave from the start, as "stall,after=3" or "error_500,next=2"; may be repeated`)
	return cmd
}

// loads takes as long as a simulated model does to load, and says how far it is.
func loads(ctx context.Context, load time.Duration, log *slog.Logger) {
	const shards = 10
	for n := 0; load > 0 && n < shards; n++ {
		log.Info("loading", "shard", n+1, "of", shards, "simulator", true)
		select {
		case <-time.After(load / shards):
		case <-ctx.Done():
			return
		}
	}
}
