package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// keysEnv names the variable that gives the backend's process the keys it
// accepts, separated by spaces.
const keysEnv = "BENCH_KEYS"

// A backend is the engine behind every target: vLLM's endpoints and shapes,
// with answers that were rendered beforehand, so that it costs far less than
// what stands in front of it. It may be used by many connections at once.
type backend struct {
	events     int           // content events a stream
	interval   time.Duration // between them; 0: as fast as they are taken
	continuous bool          // honour continuous_usage_stats
	accepted   map[string]bool

	transcripts          sync.Map // prompt tokens (int) to *transcript
	running, steps, done atomic.Int64
}

// newBackend makes a backend that accepts the given bearer keys.
func newBackend(events int, interval time.Duration, continuous bool, keys ...string) *backend {
	b := &backend{events: events, interval: interval, continuous: continuous, accepted: map[string]bool{}}
	for _, k := range keys {
		b.accepted["Bearer "+k] = true
	}
	return b
}

// runBackend is the command's second face: the process it starts of itself.
// The listener comes as file descriptor 3.
func runBackend(args []string) error {
	fs := flag.NewFlagSet("backend", flag.ContinueOnError)
	events := fs.Int("events", 128, "")
	interval := fs.Duration("interval", 0, "")
	continuous := fs.Bool("continuous-usage", true, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ln, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return fmt.Errorf("take over the listener: %w", err)
	}
	var client, gateway string
	if _, err := fmt.Sscan(os.Getenv(keysEnv), &client, &gateway); err != nil {
		return fmt.Errorf("read %s: %w", keysEnv, err)
	}
	return newBackend(*events, *interval, *continuous, client, gateway).serve(ln)
}

// serve answers on ln until it is closed.
func (b *backend) serve(ln net.Listener) error {
	s := &fasthttp.Server{
		Handler:                      b.handle,
		Name:                         "uvicorn",
		Concurrency:                  1 << 16,
		ReadBufferSize:               8 << 10,
		MaxRequestBodySize:           16 << 20,
		DisablePreParseMultipartForm: true,
	}
	return s.Serve(ln)
}

func (b *backend) handle(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	if path == "/health" {
		return
	}
	if path == "/metrics" {
		ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
		b.writeMetrics(ctx)
		return
	}
	if !b.accepted[string(ctx.Request.Header.Peek("Authorization"))] {
		b.refuse(ctx, fasthttp.StatusUnauthorized, "Unauthorized")
		return
	}
	switch path {
	case chatPath:
		b.chat(ctx)
	case "/v1/models":
		ctx.SetContentType("application/json")
		fmt.Fprintf(ctx, `{"object":"list","data":[{"id":"%s","object":"model","created":1760000000,"owned_by":"vllm",`+
			`"root":"%s","parent":null,"max_model_len":%d}]}`, model, model, maxContext)
	case "/version":
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"version":"0.32.0+bench"}`)
	default:
		b.refuse(ctx, fasthttp.StatusNotFound, "Not Found")
	}
}

func (b *backend) refuse(ctx *fasthttp.RequestCtx, status int, message string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	fmt.Fprintf(ctx, `{"error":{"message":"%s","type":"%s","param":null,"code":%d}}`, message, message, status)
}

func (b *backend) chat(ctx *fasthttp.RequestCtx) {
	body := ctx.PostBody()
	t := b.transcript(promptTokens(body))
	if !hasTrue(body, "stream") {
		ctx.SetContentType("application/json")
		ctx.SetBody(t.unary)
		b.steps.Add(1)
		b.done.Add(1)
		return
	}
	s := &eventStream{backend: b, events: t.events, usage: hasTrue(body, "include_usage")}
	if s.usage && b.continuous && hasTrue(body, "continuous_usage_stats") {
		s.events = t.metered
	}
	ctx.SetContentType("text/event-stream; charset=utf-8")
	ctx.Response.ImmediateHeaderFlush = true
	ctx.Response.SetBodyStream(s, -1)
}

func (b *backend) transcript(prompt int) *transcript {
	if t, ok := b.transcripts.Load(prompt); ok {
		return t.(*transcript)
	}
	t, _ := b.transcripts.LoadOrStore(prompt, newTranscript(prompt, b.events))
	return t.(*transcript)
}

// An eventStream is the body of one stream. fasthttp sends each of its writes
// as one chunk at once, which is how vLLM's server sends events.
type eventStream struct {
	backend *backend
	events  [][]byte
	usage   bool
}

// SupportsBodyWriteTo makes fasthttp call WriteTo.
func (s *eventStream) SupportsBodyWriteTo() bool { return true }

// Read is there for io.Reader's sake: WriteTo is always preferred.
func (s *eventStream) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// WriteTo writes the events, the content ones an interval apart.
func (s *eventStream) WriteTo(w io.Writer) (n int64, err error) {
	b := s.backend
	b.running.Add(1)
	defer b.running.Add(-1)
	usage := len(s.events) - 2
	due := time.Now()
	for i, e := range s.events {
		if i == usage && !s.usage {
			continue
		}
		if b.interval > 0 && i > 1 && i <= b.events {
			due = due.Add(b.interval) // from the first, so that lateness does not add up
			time.Sleep(time.Until(due))
		}
		m, err := w.Write(e)
		n += int64(m)
		if err != nil {
			return n, err
		}
		b.steps.Add(1)
	}
	b.done.Add(1)
	return n, nil
}

// writeMetrics gives vLLM 0.32's names. The KV cache it tells of is so large
// that nobody has to wait for it.
func (b *backend) writeMetrics(w io.Writer) {
	label := `engine="0",model_name="` + model + `"`
	for _, m := range []struct {
		name, kind, labels string
		value              int64
	}{
		{"num_requests_running", "gauge", label, b.running.Load()},
		{"num_requests_waiting", "gauge", label, 0},
		{"kv_cache_usage_perc", "gauge", label, 0},
		{"cache_config_info", "gauge", `engine="0",block_size="16",num_gpu_blocks="100000000"`, 1},
		{"generation_tokens_total", "counter", label, b.steps.Load()},
		{"iteration_tokens_total_count", "counter", label, b.steps.Load()},
		{"request_success_total", "counter", `finished_reason="stop",` + label, b.done.Load()},
	} {
		fmt.Fprintf(w, "# TYPE vllm:%s %s\nvllm:%s{%s} %d\n", m.name, m.kind, m.name, m.labels, m.value)
	}
}
