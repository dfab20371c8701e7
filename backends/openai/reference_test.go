package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The plain version of what the package does in one pass, on encoding/json.
// It is slow, and each rule stands in one place.

type refMember struct {
	name string
	raw  string
}

// refMembers splits a JSON object.
func refMembers(b []byte) ([]refMember, error) {
	if !json.Valid(b) || !utf8.Valid(b) || refDepth(b) > MaxDepth {
		return nil, errors.New("not the JSON we accept")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	var all []refMember
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		all = append(all, refMember{t.(string), string(raw)})
	}
	return all, nil
}

func refDepth(b []byte) int {
	deepest, depth := 0, 0
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return deepest
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

type refRequest struct {
	Request
	model   string
	members []refMember
	options []refMember
}

// refInspect gives the offending parameter where the body is refused.
func refInspect(b []byte, e Endpoint) (r refRequest, param string, ok bool) {
	all, err := refMembers(b)
	if err != nil {
		return r, "", false
	}
	r.members, r.N, r.Prompts = all, 1, 1
	var refused []string
	refuse := func(p string) { refused = append(refused, p) }
	seen := map[string]bool{}
	limits := map[string]int{}
	work := map[Endpoint]string{Chat: "messages", Completions: "prompt", Embeddings: "input"}[e]
	worked := false
	for _, m := range all {
		if seen[m.name] {
			refuse(refCut(m.name))
			continue
		}
		seen[m.name] = true
		if m.raw == "null" {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(m.raw), &v); err != nil {
			v = math.Inf(1) // a number that no float64 can hold
			if strings.HasPrefix(m.raw, "-") {
				v = math.Inf(-1)
			}
		}
		switch m.name {
		case "model":
			s, is := v.(string)
			if !is || s == "" {
				refuse("model")
			}
			r.model, r.HasModel = s, true
		case "stream":
			s, is := v.(bool)
			if !is {
				refuse("stream")
			}
			r.Stream = s && e != Embeddings
		case "n", "max_tokens", "max_completion_tokens":
			n, err := strconv.ParseInt(m.raw, 10, 32)
			if err != nil || n < 1 {
				refuse(m.name)
			}
			limits[m.name] = int(n)
		case "temperature":
			if x, is := v.(float64); !is || x < 0 || x > 2 {
				refuse(m.name)
			}
		case "top_p":
			if x, is := v.(float64); !is || x <= 0 || x > 1 {
				refuse(m.name)
			}
		case "messages":
			if a, is := v.([]any); e == Chat && (!is || len(a) == 0) {
				refuse(m.name)
			}
		case "stream_options":
			if _, is := v.(map[string]any); !is {
				refuse(m.name)
				break
			}
			r.options, _ = refMembers([]byte(m.raw))
			r.IncludeUsage = true
			inner := map[string]bool{}
			for _, o := range r.options {
				if inner[o.name] {
					refuse("stream_options." + refCut(o.name))
					continue
				}
				inner[o.name] = true
				if o.name != "include_usage" && o.name != "continuous_usage_stats" {
					continue
				}
				if o.raw != "true" && o.raw != "false" && o.raw != "null" {
					refuse("stream_options." + o.name)
				}
				if o.name == "include_usage" {
					r.IncludeUsage = o.raw == "true"
				} else {
					r.ContinuousUsage = o.raw == "true"
				}
			}
			r.ContinuousUsage = r.ContinuousUsage && r.IncludeUsage
		}
		if m.name == work {
			worked = true
			var prompts []any
			if e == Completions && json.Unmarshal([]byte(m.raw), &prompts) == nil && len(prompts) > 0 {
				switch prompts[0].(type) {
				case string, []any:
					r.Prompts = len(prompts)
				}
			}
			r.PromptBytes += len(m.raw)
		}
		if m.name == "tools" && e == Chat {
			r.PromptBytes += len(m.raw)
		}
	}
	if !worked {
		refuse(work)
	}
	if refused != nil {
		return r, refused[0], false
	}
	if e != Embeddings {
		r.N = max(1, limits["n"])
		r.MaxTokens = limits["max_tokens"]
		if n := limits["max_completion_tokens"]; n > 0 {
			r.MaxTokens = n
		}
	}
	return r, "", true
}

func refCut(s string) string {
	for len(s) > 64 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// refBody gives the members that the backend is to get.
func (r *refRequest) refBody(e Endpoint, t *Target) map[string]string {
	m := map[string]string{}
	for _, o := range r.members {
		m[o.name] = o.raw
	}
	absent := func(name string) bool { return m[name] == "" || m[name] == "null" }
	if t.Model != "" && r.model != t.Model {
		m["model"] = refJSON(t.Model)
	}
	if e == Embeddings {
		return m
	}
	limit := t.Defaults.MaxTokens
	if t.MaxContext > 0 {
		limit = min(limit, t.MaxContext-int(math.Ceil(float64(r.PromptBytes)/3)))
	}
	if absent("max_tokens") && absent("max_completion_tokens") && limit > 0 {
		m["max_tokens"] = refJSON(limit)
	}
	if x := t.Defaults.Temperature; x != nil && absent("temperature") {
		m["temperature"] = refJSON(*x)
	}
	if x := t.Defaults.TopP; x != nil && absent("top_p") {
		m["top_p"] = refJSON(*x)
	}
	return m
}

// refOptions gives the members of stream_options that the backend is to get
// for a stream.
func (r *refRequest) refOptions() map[string]string {
	m := map[string]string{}
	for _, o := range r.options {
		m[o.name] = o.raw
	}
	m["include_usage"], m["continuous_usage_stats"] = "true", "true"
	return m
}

func refJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
