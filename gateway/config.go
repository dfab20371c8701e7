package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"pilothouse/backends"
)

// Config is what the gateway reads of the configuration.
type Config struct {
	Server Server `toml:"server"`
	Limits Limits `toml:"limits"`
	Quota  Quota  `toml:"quota"`
	Log    Log    `toml:"log"`
}

// Server is [server]: where the gateway listens, and how patient it is.
type Server struct {
	Listen         string            `toml:"listen"`       // clients
	AdminListen    string            `toml:"admin_listen"` // metrics and profiling; "off": none
	StateDir       string            `toml:"state_dir"`
	KeysFile       string            `toml:"keys_file"`
	TrustedProxies []string          `toml:"trusted_proxies"` // networks whose X-Forwarded-For is believed
	DrainTimeout   backends.Duration `toml:"drain_timeout"`   // 30s
	MaxBody        Size              `toml:"max_body"`        // 10MiB
	MaxHeader      Size              `toml:"max_header"`      // 8KiB
	MaxAnswer      Size              `toml:"max_answer"`      // 64MiB, of an answer that is not a stream
	ReadTimeout    backends.Duration `toml:"read_timeout"`    // 30s, for a whole request to arrive
	WriteTimeout   backends.Duration `toml:"write_timeout"`   // 60s, that a client may take nothing
	IdleTimeout    backends.Duration `toml:"idle_timeout"`    // 75s, between two requests
	TLS            TLS               `toml:"tls"`
}

// TLS is [server.tls]; without a certificate the gateway speaks plain HTTP.
type TLS struct {
	CertFile       string `toml:"cert_file"`
	KeyFile        string `toml:"key_file"`
	RedirectListen string `toml:"redirect_listen"` // plain HTTP, answers with the https address
}

// Limits is [limits].
type Limits struct {
	RequestsPerSecond float64   `toml:"requests_per_second"` // of one client address; 0: none
	Burst             int       `toml:"burst"`               // 0: as many as RequestsPerSecond
	Org               OrgLimits `toml:"org"`
}

// OrgLimits is [limits.org]: every organisation's, unless keys.toml says
// otherwise; 0 is no limit.
type OrgLimits struct {
	RequestsPerDay   int64 `toml:"requests_per_day"`
	TokensPerDay     int64 `toml:"tokens_per_day"`
	RequestsPerMonth int64 `toml:"requests_per_month"`
	TokensPerMonth   int64 `toml:"tokens_per_month"`
}

// Quota is [quota]: where use is counted, and what happens when that fails.
type Quota struct {
	Store             string            `toml:"store"`               // "sqlite": this gateway alone; "redis": shared with others
	RedisURLEnv       string            `toml:"redis_url_env"`       // the environment variable with the URL
	LeaseTTL          backends.Duration `toml:"lease_ttl"`           // 30s, that a lease from Redis lasts
	OnStoreLoss       string            `toml:"on_store_loss"`       // "refuse" or "allow", once the leases in hand are used up
	OnLedgerFailure   string            `toml:"on_ledger_failure"`   // "refuse" or "allow", while no row can be written
	Sync              string            `toml:"sync"`                // "normal": rows survive a crash of the process; "full": also a power loss
	Keep              backends.Duration `toml:"keep"`                // 2160h (90 days), that rows are kept; sums are for good
	ShareAddressRates bool              `toml:"share_address_rates"` // addresses' rates too, in Redis
}

// Log is [log].
type Log struct {
	Access *bool `toml:"access"` // a line for each request; nil: yes
}

// DefaultLimits are in force where the configuration says nothing.
func DefaultLimits() Limits {
	return Limits{RequestsPerSecond: 50, Org: OrgLimits{RequestsPerDay: 100_000, TokensPerDay: 10_000_000, TokensPerMonth: 300_000_000}}
}

// ConfigError is a setting that cannot be used.
type ConfigError struct{ Key, Got, Want string }

func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s: got %s, want %s", e.Key, e.Got, e.Want)
}

// Fill puts the defaults where nothing was set.
func (c *Config) Fill() {
	s := &c.Server
	for _, d := range []struct {
		v    *backends.Duration
		when time.Duration
	}{{&s.DrainTimeout, 30 * time.Second}, {&s.ReadTimeout, 30 * time.Second}, {&s.WriteTimeout, 60 * time.Second}, {&s.IdleTimeout, 75 * time.Second},
		{&c.Quota.LeaseTTL, 30 * time.Second}, {&c.Quota.Keep, 90 * 24 * time.Hour}} {
		if *d.v == 0 {
			*d.v = backends.Duration(d.when)
		}
	}
	for _, d := range []struct {
		v    *Size
		size Size
	}{{&s.MaxBody, 10 << 20}, {&s.MaxHeader, 8 << 10}, {&s.MaxAnswer, 64 << 20}} {
		if *d.v == 0 {
			*d.v = d.size
		}
	}
	q := &c.Quota
	for _, d := range []struct {
		v    *string
		word string
	}{{&q.Store, "sqlite"}, {&q.OnStoreLoss, "refuse"}, {&q.OnLedgerFailure, "refuse"}, {&q.Sync, "normal"}} {
		if *d.v == "" {
			*d.v = d.word
		}
	}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:8080"
	}
	if s.AdminListen == "" {
		s.AdminListen = "127.0.0.1:9090"
	}
	if c.Limits.Burst == 0 && c.Limits.RequestsPerSecond > 0 {
		c.Limits.Burst = int(c.Limits.RequestsPerSecond)
	}
}

// Validate finds what Fill cannot mend, one *ConfigError each, joined.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, got, want string) { errs = append(errs, &ConfigError{key, got, want}) }
	s := &c.Server
	for _, l := range []struct{ key, addr string }{{"server.listen", s.Listen}, {"server.admin_listen", s.AdminListen}, {"server.tls.redirect_listen", s.TLS.RedirectListen}} {
		off := l.addr == "" || l.addr == "off" && l.key == "server.admin_listen"
		if _, port, err := net.SplitHostPort(l.addr); !off && (err != nil || port == "") {
			bad(l.key, fmt.Sprintf("%q", l.addr), `an address and a port, like "127.0.0.1:8080" or ":8080"`)
		}
	}
	for _, d := range []struct {
		key string
		v   backends.Duration
	}{{"server.drain_timeout", s.DrainTimeout}, {"server.read_timeout", s.ReadTimeout}, {"server.write_timeout", s.WriteTimeout}, {"server.idle_timeout", s.IdleTimeout}} {
		if want := d.v.Bare(); want != "" {
			bad(d.key, d.v.String(), want)
		}
	}
	if _, err := s.trusted(); err != nil {
		errs = append(errs, err)
	}
	if (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		bad("server.tls", "one of cert_file and key_file", "both, or neither")
	}
	if s.TLS.RedirectListen != "" && s.TLS.CertFile == "" {
		bad("server.tls.redirect_listen", "no certificate", "cert_file and key_file as well, or no redirect_listen")
	}
	if s.MaxHeader != 0 && (s.MaxHeader < 1<<10 || s.MaxHeader > 1<<20) {
		bad("server.max_header", s.MaxHeader.String(), `"1KiB" to "1MiB"`)
	}
	if s.MaxBody != 0 && s.MaxBody < 1<<10 {
		bad("server.max_body", s.MaxBody.String(), `"1KiB" or more`)
	}
	if r := c.Limits.RequestsPerSecond; !(r >= 0 && r <= 1e9) {
		bad("limits.requests_per_second", fmt.Sprint(r), "0 (no limit) or more")
	}
	if c.Limits.Burst < 0 {
		bad("limits.burst", fmt.Sprint(c.Limits.Burst), "1 or more")
	}
	o := c.Limits.Org
	for _, l := range []struct {
		key string
		n   int64
	}{{"requests_per_day", o.RequestsPerDay}, {"tokens_per_day", o.TokensPerDay}, {"requests_per_month", o.RequestsPerMonth}, {"tokens_per_month", o.TokensPerMonth}} {
		if l.n < 0 {
			bad("limits.org."+l.key, fmt.Sprint(l.n), "0 (no limit) or more")
		}
	}
	c.Quota.validate(bad)
	return errors.Join(errs...)
}

func (q *Quota) validate(bad func(key, got, want string)) {
	for _, w := range []struct{ key, got, a, b string }{
		{"store", q.Store, "sqlite", "redis"}, {"on_store_loss", q.OnStoreLoss, "refuse", "allow"},
		{"on_ledger_failure", q.OnLedgerFailure, "refuse", "allow"}, {"sync", q.Sync, "normal", "full"},
	} {
		if w.got != w.a && w.got != w.b {
			bad("quota."+w.key, fmt.Sprintf("%q", w.got), fmt.Sprintf("%q or %q", w.a, w.b))
		}
	}
	if redis := q.Store == "redis"; redis && q.RedisURLEnv == "" {
		bad("quota.redis_url_env", "nothing", `the name of the environment variable that holds the URL, as "PILOTHOUSE_REDIS_URL"`)
	} else if !redis && q.ShareAddressRates {
		bad("quota.share_address_rates", "true with store = \"sqlite\"", `store = "redis"; without it there is nobody to share with`)
	}
	if d := time.Duration(q.LeaseTTL); d < time.Second || d > time.Hour {
		bad("quota.lease_ttl", d.String(), `"1s" to "1h"`)
	}
	if d := time.Duration(q.Keep); d < 24*time.Hour {
		bad("quota.keep", d.String(), `"24h" or more`)
	}
}

func (s *Server) trusted() ([]netip.Prefix, error) {
	var nets []netip.Prefix
	for _, t := range s.TrustedProxies {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			a, err := netip.ParseAddr(t)
			if err != nil {
				return nil, &ConfigError{"server.trusted_proxies", fmt.Sprintf("%q", t), `a network like "10.0.0.0/8" or an address`}
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		nets = append(nets, p.Masked())
	}
	return nets, nil
}
