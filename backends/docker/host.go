package docker

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that a configuration file gives as "30s".
type Duration time.Duration

// UnmarshalText takes what time.ParseDuration takes, less negative values.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration; write it like \"30s\", \"2m\" or \"1h30m\"", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string { return time.Duration(d).String() }

// Bare says what to write instead of a number without a unit, which the file's
// format takes for nanoseconds; "": it is none.
func (d Duration) Bare() string {
	if d == 0 || d >= Duration(time.Millisecond) {
		return ""
	}
	return `a time with its unit, like "30s"`
}

// Host is one [[docker]] of the configuration: an engine and the way to it.
type Host struct {
	Name    string   `toml:"name"`    // "local"
	Host    string   `toml:"host"`    // "unix:///var/run/docker.sock", "tcp://gpu1:2376" or "ssh://user@gpu1"
	TLS     TLS      `toml:"tls"`     // of tcp
	Timeout Duration `toml:"timeout"` // 10s, for the engine to answer
}

// TLS are the certificates of a tcp host, which is always spoken to with TLS.
type TLS struct {
	CAFile   string `toml:"ca_file"`   // who has signed the engine's; "": whom the system trusts
	CertFile string `toml:"cert_file"` // ours; "": none
	KeyFile  string `toml:"key_file"`  // of CertFile
}

// target is a host's way, understood.
type target struct {
	scheme string   // unix, tcp or ssh
	addr   string   // unix: the socket; tcp: host:port
	ssh    []string // arguments to ssh that say where to
	remote []string // the command there
}

// Fill puts the defaults where nothing was set.
func (h *Host) Fill() {
	if h.Name == "" {
		h.Name = "local"
	}
	if h.Host == "" {
		h.Host = "unix:///var/run/docker.sock"
	}
	if h.Timeout == 0 {
		h.Timeout = Duration(10 * time.Second)
	}
}

// Validate finds what Fill cannot mend, one *SettingError each, joined.
func (h *Host) Validate() error {
	var errs []error
	bad := func(key, got, want string) {
		errs = append(errs, &SettingError{"docker host", h.Name, key, got, want})
	}
	if !nameForm.MatchString(h.Name) {
		bad("name", strconv.Quote(h.Name), nameWant)
	}
	to, want := parseTarget(h.Host)
	if want != "" {
		got := strconv.Quote(h.Host)
		if u, err := url.Parse(h.Host); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				got = "an address with a password"
			}
		}
		bad("host", got, want)
	}
	if want := h.Timeout.Bare(); want != "" {
		bad("timeout", h.Timeout.String(), want)
	}
	for _, f := range []struct{ key, file string }{{"tls.ca_file", h.TLS.CAFile}, {"tls.cert_file", h.TLS.CertFile}, {"tls.key_file", h.TLS.KeyFile}} {
		if f.file != "" && want == "" && to.scheme != "tcp" {
			bad(f.key, strconv.Quote(f.file), "nothing: only tcp:// uses TLS")
		}
	}
	if (h.TLS.CertFile == "") != (h.TLS.KeyFile == "") {
		bad("tls.cert_file", "one of cert_file and key_file", "both or none")
	}
	return errors.Join(errs...)
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	pathForm = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
)

const (
	nameWant = "letters, digits, '-', '_' and '.', beginning with a letter or a digit"
	hostWant = `"unix:///var/run/docker.sock", "tcp://gpu1:2376" or "ssh://user@gpu1"`
)

// parseTarget understands a host, or says what it should be. What ssh gets on its
// command line, and the shell behind it, can't be taken for anything but a name:
// each part has a form that begins with a letter or a digit and has no
// character that means something to either.
func parseTarget(s string) (to target, want string) {
	u, err := url.Parse(s)
	if err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" {
		return target{}, hostWant
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.User != nil || !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
			return target{}, `a socket by its absolute path, like "unix:///var/run/docker.sock"`
		}
		return target{scheme: "unix", addr: u.Path}, ""
	case "tcp":
		if u.User != nil || u.Path != "" && u.Path != "/" || !validHost(u.Hostname()) || !validPort(u.Port()) {
			return target{}, `a name or an address with its port, like "tcp://gpu1:2376"`
		}
		return target{scheme: "tcp", addr: net.JoinHostPort(u.Hostname(), u.Port())}, ""
	case "ssh":
		return parseSSH(u)
	}
	return target{}, hostWant
}

func parseSSH(u *url.URL) (to target, want string) {
	const form = `a user, a host, and a port or a socket where needed, like "ssh://user@gpu1:22/var/run/docker.sock"`
	to.scheme, to.remote = "ssh", []string{"docker", "system", "dial-stdio"}
	if !validHost(u.Hostname()) || u.RawPath != "" {
		return target{}, form
	}
	if u.User != nil {
		_, password := u.User.Password()
		if password || !nameForm.MatchString(u.User.Username()) {
			return target{}, form + "; a key opens it, never a password"
		}
		to.ssh = append(to.ssh, "-l", u.User.Username())
	}
	if u.Port() != "" {
		if !validPort(u.Port()) {
			return target{}, form
		}
		to.ssh = append(to.ssh, "-p", u.Port())
	} else if strings.HasSuffix(u.Host, ":") {
		return target{}, form
	}
	if u.Path != "" && u.Path != "/" {
		if !pathForm.MatchString(u.Path) {
			return target{}, form
		}
		to.remote = []string{"docker", "--host", "unix://" + u.Path, "system", "dial-stdio"}
	}
	to.ssh = append(to.ssh, "--", u.Hostname())
	return to, ""
}

func validHost(s string) bool {
	return hostForm.MatchString(s) && len(s) < 254 || net.ParseIP(s) != nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '+'
}
