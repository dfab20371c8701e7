package dcgm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"time"
)

// Duration is a time.Duration that a configuration file gives as "3s".
type Duration time.Duration

// UnmarshalText takes what time.ParseDuration takes, less negative values.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration; write it like \"3s\" or \"500ms\"", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string { return time.Duration(d).String() }

// Remote is one [[gpu.remote]] of the configuration: a host with a DCGM
// exporter.
type Remote struct {
	Index    int      `toml:"-"`        // in the file, from 0
	Name     string   `toml:"name"`     // of the host, wherever it is shown; the URL's unless it is set
	URL      string   `toml:"url"`      // "http://gpu2:9400/metrics"; /metrics goes without saying
	Interval Duration `toml:"interval"` // 3s between scrapes: histories take nothing older than five
	Timeout  Duration `toml:"timeout"`  // 2s, or the interval where that is less
	CAFile   string   `toml:"ca_file"`  // who has signed the exporter's certificate; "": whom the system trusts
}

// SettingError is a setting that cannot be used: which, what it got, and what
// to write instead.
type SettingError struct {
	Index                  int // of the remote
	Remote, Key, Got, Want string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("gpu remote %q: %s: got %s, want %s", e.Remote, e.Key, e.Got, e.Want)
}

// Check numbers and fills the remotes, and finds what is wrong with them: one
// *SettingError each, joined.
func Check(remotes []Remote) error {
	var errs []error
	taken := make(map[string]bool)
	for i := range remotes {
		r := &remotes[i]
		r.Index = i
		r.Fill()
		errs = append(errs, r.Validate())
		if r.Name != "" && taken[r.Name] {
			errs = append(errs, &SettingError{i, r.Name, "name", strconv.Quote(r.Name) + " twice", "a name of its own"})
		}
		taken[r.Name] = true
	}
	return errors.Join(errs...)
}

// Fill puts the defaults where nothing was set.
func (r *Remote) Fill() {
	if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
		if r.Name == "" {
			r.Name = u.Hostname()
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/metrics"
			r.URL = u.String()
		}
	}
	if r.Interval == 0 {
		r.Interval = Duration(3 * time.Second)
	}
	if r.Timeout == 0 {
		r.Timeout = min(r.Interval, Duration(2*time.Second))
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// Validate finds what Fill cannot mend, one *SettingError each, joined.
func (r *Remote) Validate() error {
	var errs []error
	bad := func(key, got, want string) {
		errs = append(errs, &SettingError{r.Index, r.Name, key, got, want})
	}
	if !nameForm.MatchString(r.Name) {
		bad("name", strconv.Quote(r.Name), "letters, digits, '-', '_' and '.', beginning with a letter or a digit")
	}
	u, err := url.Parse(r.URL)
	switch {
	case err == nil && u.User != nil:
		bad("url", "an address with a user or a password", `one without, like "http://gpu2:9400/metrics"`)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !validPort(u.Port()) || u.Fragment != "":
		bad("url", strconv.Quote(r.URL), `an exporter's address, like "http://gpu2:9400/metrics"`)
	case u.Scheme == "http" && r.CAFile != "":
		bad("ca_file", strconv.Quote(r.CAFile), "nothing: only https:// uses it")
	}
	if r.Interval < Duration(time.Second) || r.Interval > Duration(Fresh) {
		bad("interval", r.Interval.String(), fmt.Sprintf("1s to %v", Fresh))
	}
	if r.Timeout < Duration(100*time.Millisecond) || r.Timeout > r.Interval {
		bad("timeout", r.Timeout.String(), "100ms to the interval")
	}
	return errors.Join(errs...)
}

// validPort takes none as well, which is the scheme's own.
func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// tls is how the exporter's certificate is checked. It reads CAFile.
func (r *Remote) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	c.RootCAs = x509.NewCertPool()
	if err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &SettingError{r.Index, r.Name, "ca_file", strconv.Quote(r.CAFile), "a readable file with certificates in PEM"}
	}
	return c, nil
}
