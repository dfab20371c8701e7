package backends

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"pilothouse/backends/docker"
)

// Duration is a time.Duration that a configuration file gives as "30s".
type Duration = docker.Duration

// Config is one [[backend]] of the configuration: a model and its replicas.
type Config struct {
	Name       string   `toml:"name"`
	Model      string   `toml:"model"`
	Aliases    []string `toml:"aliases"`
	Routes     []string `toml:"routes"`
	URLs       []string `toml:"urls"`
	APIKeyEnv  string   `toml:"api_key_env"`
	APIKeyFile string   `toml:"api_key_file"`
	MaxContext int      `toml:"max_context"`     // tokens; 0: not known, so not checked
	MaxN       int      `toml:"max_n"`           // 0: 1
	KVTokens   int64    `toml:"kv_cache_tokens"` // that a replica's KV cache holds, where its engine doesn't say; 0: not known
	Affinity   *bool    `toml:"affinity"`        // requests that begin alike go to the same replica while it has room; nil: yes
	Defaults   Defaults `toml:"defaults"`
	Capacity   Capacity `toml:"capacity"`
	Queue      Queue    `toml:"queue"`
	Timeouts   Timeouts `toml:"timeouts"`
	Health     Health   `toml:"health"`

	Container *Container `toml:"container"` // nil: something else runs its engines

	Index  int    `toml:"-"` // of it in the list; set by Check, for its errors
	APIKey string `toml:"-"` // resolved from APIKeyEnv or APIKeyFile by ReadKey
}

// Defaults are sent on where the client sent nothing; nil: 2048, 0.7 and 1.0.
type Defaults struct {
	MaxTokens   *int     `toml:"max_tokens"`
	Temperature *float64 `toml:"temperature"`
	TopP        *float64 `toml:"top_p"`
}

// Queue bounds the line of requests that wait for room; 0 is the default.
type Queue struct {
	Length int      `toml:"length"` // 1000 requests
	Wait   Duration `toml:"wait"`   // 30s
}

// Timeouts bound a request's steps; 0 is the default.
type Timeouts struct {
	Connect   Duration `toml:"connect"`    // 2s
	FirstByte Duration `toml:"first_byte"` // 120s, from the request sent to the first byte of the answer
	NextByte  Duration `toml:"next_byte"`  // 60s, between two reads of an answer
	Total     Duration `toml:"total"`      // 15m, from the request's arrival
	Idle      Duration `toml:"idle"`       // 4s, that a kept-alive connection may wait; vLLM closes them after 5s
}

// Health tunes what a replica's health is told from; 0 is the default.
type Health struct {
	Interval  Duration `toml:"interval"`   // 2s between probes, and between readings of a busy engine's metrics
	Timeout   Duration `toml:"timeout"`    // 2s for one probe
	Path      string   `toml:"path"`       // /health
	Fall      int      `toml:"fall"`       // 3 failures in a row open the circuit
	Rise      int      `toml:"rise"`       // 2 successes in a row close it again
	HungAfter Duration `toml:"hung_after"` // 20s without any progress, where the engine does not say that it stands still; 1s at least
	Ramp      Duration `toml:"ramp"`       // 30s, in which a replica that comes back gets its whole share of work
}

// SettingError is a setting that cannot be used: which, what it got, and what
// to write instead.
type SettingError struct {
	Index                   int // of the backend
	Backend, Key, Got, Want string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("backend %q: %s: got %s, want %s", e.Backend, e.Key, e.Got, e.Want)
}

func orDuration(d *Duration, v time.Duration) {
	if *d == 0 {
		*d = Duration(v)
	}
}

func or[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Fill puts the defaults where nothing was set.
func (c *Config) Fill() {
	or(&c.MaxN, 1)
	if c.Affinity == nil {
		c.Affinity = new(true)
	}
	if c.Defaults.MaxTokens == nil {
		c.Defaults.MaxTokens = new(2048)
	}
	if c.Defaults.Temperature == nil {
		c.Defaults.Temperature = new(0.7)
	}
	if c.Defaults.TopP == nil {
		c.Defaults.TopP = new(1.0)
	}
	orDuration(&c.Timeouts.Connect, 2*time.Second)
	orDuration(&c.Timeouts.FirstByte, 120*time.Second)
	orDuration(&c.Timeouts.NextByte, 60*time.Second)
	orDuration(&c.Timeouts.Total, 15*time.Minute)
	orDuration(&c.Timeouts.Idle, 4*time.Second)
	orDuration(&c.Health.Interval, 2*time.Second)
	orDuration(&c.Health.Timeout, 2*time.Second)
	or(&c.Queue.Length, 1000)
	orDuration(&c.Queue.Wait, 30*time.Second)
	or(&c.Health.Path, "/health")
	or(&c.Health.Fall, 3)
	or(&c.Health.Rise, 2)
	orDuration(&c.Health.HungAfter, 20*time.Second)
	orDuration(&c.Health.Ramp, 30*time.Second)
	if c.Container != nil {
		c.Container.fill()
	}
}

// Validate finds what Fill cannot mend, one *SettingError each, joined.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, got, want string) {
		errs = append(errs, &SettingError{c.Index, c.Name, key, got, want})
	}
	if c.Name == "" || strings.ContainsFunc(c.Name, notWord) {
		bad("name", fmt.Sprintf("%q", c.Name), "letters, digits, '-', '_' and '.'")
	}
	if c.Model == "" {
		bad("model", `""`, "the model's name as the engine serves it (its --served-model-name)")
	}
	for _, r := range c.Routes {
		if !strings.HasPrefix(r, "/") || strings.HasPrefix(r, "/v1/") || r == "/health" || strings.HasPrefix(r, "/health/") || strings.ContainsAny(r, "?#% ") {
			bad("routes", fmt.Sprintf("%q", r), `a path of its own, like "/text2sql"`)
		}
	}
	if len(c.URLs) == 0 {
		bad("urls", "none", `at least one address, like ["http://chat:8000"]`)
	}
	for _, s := range c.URLs {
		u, err := url.Parse(s)
		if err == nil && u.User != nil {
			bad("urls", "an address with a user or a password", "the address alone; a key goes into api_key_env or api_key_file")
		} else if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			bad("urls", fmt.Sprintf("%q", s), `an address like "http://chat:8000"`)
		} else if strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/v1") {
			bad("urls", fmt.Sprintf("%q", s), "the address without /v1, which the gateway adds")
		}
	}
	if c.APIKeyEnv != "" && c.APIKeyFile != "" {
		bad("api_key_env", "api_key_file as well", "one of the two")
	}
	for _, s := range []struct {
		key string
		n   int
	}{{"max_context", c.MaxContext}, {"max_n", c.MaxN}, {"kv_cache_tokens", int(c.KVTokens)}, {"queue.length", c.Queue.Length}, {"health.fall", c.Health.Fall}, {"health.rise", c.Health.Rise}} {
		if s.n < 0 {
			bad(s.key, fmt.Sprint(s.n), "0 or more")
		}
	}
	for _, s := range []struct {
		key string
		d   Duration
	}{{"queue.wait", c.Queue.Wait}, {"timeouts.connect", c.Timeouts.Connect}, {"timeouts.first_byte", c.Timeouts.FirstByte}, {"timeouts.next_byte", c.Timeouts.NextByte},
		{"timeouts.total", c.Timeouts.Total}, {"health.interval", c.Health.Interval}, {"health.timeout", c.Health.Timeout}, {"health.ramp", c.Health.Ramp}} {
		if want := s.d.Bare(); want != "" {
			bad(s.key, s.d.String(), want)
		}
	}
	if d := c.Defaults; d.MaxTokens != nil && *d.MaxTokens < 1 {
		bad("defaults.max_tokens", fmt.Sprint(*d.MaxTokens), "1 or more")
	} else if d.MaxTokens != nil && c.MaxContext > 0 && *d.MaxTokens > c.MaxContext {
		bad("defaults.max_tokens", fmt.Sprint(*d.MaxTokens), fmt.Sprintf("at most max_context, %d", c.MaxContext))
	}
	if t := c.Defaults.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
		bad("defaults.temperature", fmt.Sprint(*t), "0 to 2")
	}
	if p := c.Defaults.TopP; p != nil && !(*p > 0 && *p <= 1) {
		bad("defaults.top_p", fmt.Sprint(*p), "above 0, to 1")
	}
	if c.Health.Path != "" && !strings.HasPrefix(c.Health.Path, "/") {
		bad("health.path", fmt.Sprintf("%q", c.Health.Path), `a path like "/health"`)
	}
	if c.Container != nil {
		c.Container.validate(len(c.URLs), bad)
	}
	if h := time.Duration(c.Health.HungAfter); h > 0 && h < time.Second {
		bad("health.hung_after", h.String(), `"1s" or more`)
	}
	c.Capacity.validate(c.Model, bad)
	return errors.Join(errs...)
}

func notWord(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}

// ReadKey resolves the backend's key from the environment or its file; file
// names are relative to dir. A key that is configured and can't be had is an
// error: sending requests without it would only fail later.
func (c *Config) ReadKey(getenv func(string) string, readFile func(string) ([]byte, error)) error {
	switch {
	case c.APIKeyEnv != "":
		c.APIKey = getenv(c.APIKeyEnv)
		if c.APIKey == "" {
			return &SettingError{c.Index, c.Name, "api_key_env", "nothing in the environment variable " + c.APIKeyEnv, "the key that the engine was started with; export it, or remove the setting"}
		}
	case c.APIKeyFile != "":
		b, err := readFile(c.APIKeyFile)
		if err != nil {
			return &SettingError{c.Index, c.Name, "api_key_file", fmt.Sprintf("%q, which can't be read (%v)", c.APIKeyFile, errors.Unwrap(err)), "a file that holds the key and nothing else"}
		}
		c.APIKey = strings.TrimSpace(string(b))
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) || c.APIKeyFile != "" && c.APIKey == "" {
		return &SettingError{c.Index, c.Name, "api_key_env or api_key_file", "a key that is empty or has spaces or control characters", "one line of printable ASCII"}
	}
	return nil
}
