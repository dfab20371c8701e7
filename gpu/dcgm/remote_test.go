package dcgm

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestFill(t *testing.T) {
	r := Remote{URL: "http://gpu2:9400"}
	r.Fill()
	if want := (Remote{Name: "gpu2", URL: "http://gpu2:9400/metrics", Interval: Duration(3 * time.Second), Timeout: Duration(2 * time.Second)}); r != want {
		t.Errorf("filled: %+v", r)
	}
	r = Remote{Name: "x", URL: "https://[fd00::1]:9400/gpu/metrics", Interval: Duration(time.Second)}
	r.Fill()
	if r.Name != "x" || r.URL != "https://[fd00::1]:9400/gpu/metrics" || r.Timeout != r.Interval {
		t.Errorf("filled: %+v", r)
	}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	good := Remote{Name: "gpu2", URL: "http://gpu2:9400/metrics", Interval: Duration(3 * time.Second), Timeout: Duration(2 * time.Second)}
	for _, c := range []struct {
		name string
		set  func(*Remote)
		keys []string
	}{
		{"good", func(*Remote) {}, nil},
		{"https with a ca", func(r *Remote) { r.URL, r.CAFile = "https://gpu2/metrics", "/ca.pem" }, nil},
		{"no name", func(r *Remote) { r.Name = "" }, []string{"name"}},
		{"odd name", func(r *Remote) { r.Name = "a b\x1b" }, []string{"name"}},
		{"no url", func(r *Remote) { r.URL = "" }, []string{"url"}},
		{"no scheme", func(r *Remote) { r.URL = "gpu2:9400" }, []string{"url"}},
		{"another scheme", func(r *Remote) { r.URL = "file:///etc/passwd" }, []string{"url"}},
		{"no host", func(r *Remote) { r.URL = "http://:9400/" }, []string{"url"}},
		{"no such port", func(r *Remote) { r.URL = "http://gpu2:94000/metrics" }, []string{"url"}},
		{"port 0", func(r *Remote) { r.URL = "http://gpu2:0/metrics" }, []string{"url"}},
		{"a fragment", func(r *Remote) { r.URL += "#x" }, []string{"url"}},
		{"a password", func(r *Remote) { r.URL = "http://u:secret@gpu2/metrics" }, []string{"url"}},
		{"not a url", func(r *Remote) { r.URL = "http://[" }, []string{"url"}},
		{"a ca for http", func(r *Remote) { r.CAFile = "/ca.pem" }, []string{"ca_file"}},
		{"too often", func(r *Remote) { r.Interval, r.Timeout = Duration(time.Second/2), Duration(time.Second/2) }, []string{"interval"}},
		{"too rarely", func(r *Remote) { r.Interval = Duration(Fresh + 1) }, []string{"interval"}},
		{"a short time-out", func(r *Remote) { r.Timeout = 1 }, []string{"timeout"}},
		{"a long time-out", func(r *Remote) { r.Timeout = Duration(4 * time.Second) }, []string{"timeout"}},
		{"two mistakes", func(r *Remote) { r.Name, r.URL = "", "x" }, []string{"name", "url"}},
	} {
		r := good
		c.set(&r)
		var keys []string
		if err := r.Validate(); err != nil {
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				var e *SettingError
				if !errors.As(err, &e) || e.Got == "" || e.Want == "" {
					t.Fatalf("%s: %v", c.name, err)
				}
				keys = append(keys, e.Key)
			}
		}
		if !slices.Equal(keys, c.keys) {
			t.Errorf("%s: complaints about %q, want %q", c.name, keys, c.keys)
		}
	}
	bad := good
	bad.URL = "http://u:secret@gpu2/"
	if got, want := bad.Validate().Error(), `gpu remote "gpu2": url: got an address with a user or a password, want one without, like "http://gpu2:9400/metrics"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCheck(t *testing.T) {
	remotes := []Remote{{URL: "http://gpu2:9400"}, {URL: "http://gpu3:9400"}, {URL: "http://gpu2:9401"}}
	var e *SettingError
	if err := Check(remotes); !errors.As(err, &e) || e.Index != 2 || e.Key != "name" {
		t.Errorf("two of the same name: %v", err)
	}
	if err := Check(remotes[:2]); err != nil || remotes[1].Index != 1 {
		t.Errorf("two of different names: %v, %+v", err, remotes)
	}
}

func TestDuration(t *testing.T) {
	var d Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || d != Duration(90*time.Second) {
		t.Errorf("%v, %v", d, err)
	}
	if text, err := d.MarshalText(); err != nil || string(text) != "1m30s" {
		t.Errorf("%s, %v", text, err)
	}
	for _, bad := range []string{"-1s", "5", "x"} {
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a duration", bad)
		}
	}
}

func TestCAFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".not"} {
		var e *SettingError
		if _, err := New(Remote{Name: "x", URL: "https://x/metrics", CAFile: file}); !errors.As(err, &e) || e.Key != "ca_file" {
			t.Errorf("%s: %v", file, err)
		}
	}
}
