package docker

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Plan is a Spec with its secrets read: what a container can be made of, and
// compared with. Printed or logged, it shows the container's name alone.
type Plan struct {
	Spec    Spec
	secrets func(name string) string // not a map, which fmt and others would print
}

// Plan reads the secrets, from the environment and from files. It fills and
// validates the Spec. A secret that can't be had is an error: the container
// would only fail later.
func (s Spec) Plan(getenv func(string) string, readFile func(string) ([]byte, error)) (Plan, error) {
	s.Fill()
	if err := s.Validate(); err != nil {
		return Plan{}, err
	}
	values := make(map[string]string, len(s.Secrets))
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		from := s.Secrets[name]
		bad := func(got, want string) (Plan, error) {
			return Plan{}, &SettingError{"container", s.Name, "secrets." + name, got, want}
		}
		value := ""
		if from.Env != "" {
			value = getenv(from.Env)
		} else if text, err := readFile(from.File); err != nil {
			return bad("a file that can't be read, "+fmt.Sprintf("%q", from.File), "a file that holds the secret and nothing else")
		} else {
			value = strings.TrimSpace(string(text))
		}
		if value == "" {
			return bad("nothing in the "+from.source(), "the secret there, or not this setting")
		}
		if strings.ContainsAny(value, "\x00\n\r") {
			return bad("several lines, or a zero byte, in the "+from.source(), "one line")
		}
		values[name] = value
	}
	return Plan{s, func(name string) string { return values[name] }}, nil
}

// String, GoString and LogValue show no secret.
func (p Plan) String() string       { return "container " + p.Spec.Name }
func (p Plan) GoString() string     { return p.String() }
func (p Plan) LogValue() slog.Value { return slog.StringValue(p.String()) }

func (p Plan) secret(name string) string {
	if p.secrets == nil {
		return ""
	}
	return p.secrets(name)
}

// record is what a container's label says it was made of.
type record struct {
	Spec    Spec
	Salt    string            // of this container
	Secrets map[string]string // a hash of each
}

// record makes a label's record, with a salt of its own.
func (p Plan) record() record {
	r := record{Spec: p.Spec, Salt: rand.Text(), Secrets: make(map[string]string)}
	for name := range p.Spec.Secrets {
		r.Secrets[name] = r.hash(name, p.secret(name))
	}
	return r
}

// hash is of a secret, to tell whether it is still the same. It is as short as
// does for that, and gives no more away than it must.
func (r *record) hash(name, value string) string {
	h := hmac.New(sha256.New, []byte(r.Salt))
	h.Write([]byte(name + "\x00" + value))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// labels are a container's, the user's own included.
func (p Plan) labels() (map[string]string, error) {
	text, err := json.Marshal(p.record())
	if err != nil {
		return nil, fmt.Errorf("write what container %q is made of: %w", p.Spec.Name, err)
	}
	all := map[string]string{labelManaged: "true", labelBackend: p.Spec.Backend, labelSpec: string(text)}
	maps.Copy(all, p.Spec.Labels)
	return all, nil
}

// readRecord tells whether a container of that name is ours, by its labels. They
// may have come from an image that was made of one of our containers: so the
// name that they tell has to be its own.
func readRecord(name string, labels map[string]string) (r *record, ours bool) {
	if labels[labelManaged] != "true" {
		return nil, false
	}
	r = new(record)
	if json.Unmarshal([]byte(labels[labelSpec]), r) != nil || r.Spec.Name != name {
		return nil, false
	}
	return r, true
}

// environment is a container's, sorted.
func (p Plan) environment() []string {
	visible := "void" // none, as NVIDIA's container toolkit reads it
	if len(p.Spec.GPUs) > 0 {
		visible = strings.Join(p.Spec.GPUs, ",")
	}
	all := []string{gpuVariable + "=" + visible}
	for k, v := range p.Spec.Environment {
		all = append(all, k+"="+v)
	}
	for k := range p.Spec.Secrets {
		all = append(all, k+"="+p.secret(k))
	}
	slices.Sort(all)
	return all
}
