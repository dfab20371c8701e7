package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
)

// Size is a number of bytes that a configuration file gives as "8GiB".
type Size int64

var units = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// UnmarshalText takes a number and a unit, of 1024 (KiB, MiB …) or 1000 (kB, MB …).
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		if n, ok := strings.CutSuffix(string(text), u.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if err == nil && v >= 0 && v*u.size < 1<<62 {
				*s = Size(v * u.size)
				return nil
			}
			break
		}
	}
	return fmt.Errorf("%q is not a size; write it like \"8GiB\" or \"512MiB\"", text)
}

// MarshalText is the inverse of UnmarshalText.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; s >= Size(u.size) && s%Size(u.size) == 0 {
			return strconv.FormatInt(int64(s)/int64(u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// volume is what "source:target[:ro]" means.
type volume struct {
	source, target string
	bind           bool // source is a path of the host, else a volume's name
	readOnly       bool
}

// parseVolume reads a volume. Its error is what should be written instead.
func parseVolume(s string) (volume, error) {
	parts := strings.Split(s, ":")
	v := volume{}
	switch {
	case len(parts) == 3 && (parts[2] == "ro" || parts[2] == "rw"):
		v.readOnly = parts[2] == "ro"
	case len(parts) != 2:
		return volume{}, errors.New(`"source:target" or "source:target:ro"`)
	}
	v.source, v.target = parts[0], parts[1]
	v.bind = path.IsAbs(v.source)
	if strings.ContainsRune(s, 0) || !v.bind && !containerForm.MatchString(v.source) {
		return volume{}, errors.New("an absolute path on the host, or a volume's name, before the colon")
	}
	if !path.IsAbs(v.target) || path.Clean(v.target) == "/" {
		return volume{}, errors.New("an absolute path in the container, other than /, behind the colon")
	}
	v.target = path.Clean(v.target)
	return v, nil
}

// binding is what "address:port:port" means.
type binding struct {
	host netip.AddrPort
	port uint16 // the container's
}

func (b binding) String() string { return b.host.String() + ":" + strconv.Itoa(int(b.port)) }

// parsePort reads a published port. Its error is what should be written instead.
// Without an address Docker would publish on all of them, past most firewalls:
// that has to be said.
func parsePort(s string) (binding, error) {
	at := strings.LastIndexByte(s, ':')
	if at < 0 || !strings.ContainsRune(s[:at], ':') {
		return binding{}, errors.New(`an address, its port and the container's, like "127.0.0.1:8001:8000" (0.0.0.0 is every address)`)
	}
	host, err := netip.ParseAddrPort(s[:at])
	port, err2 := strconv.ParseUint(s[at+1:], 10, 16)
	if err != nil || err2 != nil || host.Port() == 0 || port == 0 || host.Addr().Zone() != "" {
		return binding{}, errors.New(`an address, its port and the container's, like "127.0.0.1:8001:8000" or "[::1]:8001:8000"`)
	}
	return binding{host, uint16(port)}, nil
}

// parseRestart reads a restart policy. Its error is what should be written
// instead.
func parseRestart(s string) (mode container.RestartPolicyMode, times int, err error) {
	name, count, counted := strings.Cut(s, ":")
	mode = container.RestartPolicyMode(name)
	switch {
	case counted && mode == container.RestartPolicyOnFailure:
		n, err := strconv.ParseUint(count, 10, 16)
		if err == nil && n > 0 {
			return mode, int(n), nil
		}
	case counted:
	case mode == container.RestartPolicyDisabled, mode == container.RestartPolicyUnlessStopped, mode == container.RestartPolicyAlways, mode == container.RestartPolicyOnFailure:
		return mode, 0, nil
	}
	return "", 0, errors.New(`"no", "unless-stopped", "always", "on-failure" or "on-failure:5"`)
}

// restartText is the inverse of parseRestart.
func restartText(p container.RestartPolicy) string {
	if p.Name == "" {
		return string(container.RestartPolicyDisabled)
	}
	if p.MaximumRetryCount > 0 {
		return fmt.Sprintf("%s:%d", plain(string(p.Name)), p.MaximumRetryCount)
	}
	return plain(string(p.Name))
}
