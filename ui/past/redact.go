package past

import (
	"fmt"
	"net/url"
	"regexp"

	"github.com/pelletier/go-toml/v2"
)

// redactedValue stands where something was that may be secret.
const redactedValue = "(left out)"

// secretName are names of settings whose values are secret wherever they stand.
// Those that end in _env and _file tell only where a secret is.
var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|dsn)$`)

// Redact is a configuration in TOML without what may be secret in it: the values
// of environments, of settings that are called like a secret, and users and
// passwords in URLs.
func Redact(config []byte) ([]byte, error) {
	var all map[string]any
	if err := toml.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	redact(all, false)
	out, err := toml.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return out, nil
}

// redact goes through a value; all of it may be secret where hide is set.
func redact(v any, hide bool) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = redact(inner, hide || name == "environment" || secretName.MatchString(name))
		}
		return v
	case []any:
		for i := range v {
			v[i] = redact(v[i], hide)
		}
		return v
	case string:
		if hide {
			return redactedValue
		}
		if u, err := url.Parse(v); err == nil && u.User != nil {
			u.User = url.User("left-out")
			return u.String()
		}
		return v
	}
	if hide {
		return redactedValue
	}
	return v
}
