package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Settings are how a conversation is asked. Where a parameter is nil, the engine's
// or the gateway's own default holds.
type Settings struct {
	Model       string   `json:"model"`
	Targets     []Target `json:"targets,omitempty"` // none: through the gateway; two: compared
	System      string   `json:"system,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`
	TopP        *float64 `json:"top_p,omitempty"`
	MaxTokens   *int     `json:"max_tokens,omitempty"`
	Seed        *int64   `json:"seed,omitempty"`
	Stop        []string `json:"stop,omitempty"`
}

// The most that settings may have.
const (
	MostTargets = 2
	mostStops   = 4
	mostSystem  = 64 << 10 // bytes
	mostStop    = 256      // bytes
	mostName    = 80       // characters of a name
)

// Check returns an error unless the settings can be asked with.
func (s *Settings) Check() error {
	switch {
	case s.Temperature != nil && !(*s.Temperature >= 0 && *s.Temperature <= 2):
		return fmt.Errorf("set temperature %v: want 0 to 2", *s.Temperature)
	case s.TopP != nil && !(*s.TopP > 0 && *s.TopP <= 1):
		return fmt.Errorf("set top_p %v: want above 0, to 1", *s.TopP)
	case s.MaxTokens != nil && *s.MaxTokens < 1:
		return fmt.Errorf("set max_tokens %d: want at least 1", *s.MaxTokens)
	case len(s.Stop) > mostStops:
		return fmt.Errorf("set %d stops: want at most %d", len(s.Stop), mostStops)
	case slices.ContainsFunc(s.Stop, func(w string) bool { return w == "" || len(w) > mostStop }):
		return fmt.Errorf("set stop: want 1 to %d bytes each", mostStop)
	case len(s.System) > mostSystem:
		return fmt.Errorf("set a system prompt of %d bytes: want at most %d", len(s.System), mostSystem)
	case len(s.Targets) > MostTargets:
		return fmt.Errorf("set %d targets: want at most %d", len(s.Targets), MostTargets)
	case len(s.Targets) == 2 && s.Targets[0] == s.Targets[1]:
		return errors.New("set targets: want two that differ")
	}
	return nil
}

// clone shares nothing with s.
func (s Settings) clone() Settings {
	s.Targets, s.Stop = slices.Clone(s.Targets), slices.Clone(s.Stop)
	s.Temperature, s.TopP, s.MaxTokens, s.Seed = copied(s.Temperature), copied(s.TopP), copied(s.MaxTokens), copied(s.Seed)
	return s
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// targets are where a question goes: at least one.
func (s *Settings) targets() []Target {
	if len(s.Targets) == 0 {
		return []Target{{}}
	}
	return s.Targets
}

// message and request are the dialect's.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type request struct {
	Model         string        `json:"model"`
	Messages      []message     `json:"messages"`
	Temperature   *float64      `json:"temperature,omitempty"`
	TopP          *float64      `json:"top_p,omitempty"`
	MaxTokens     *int          `json:"max_tokens,omitempty"`
	Seed          *int64        `json:"seed,omitempty"`
	Stop          []string      `json:"stop,omitempty"`
	IgnoreEOS     bool          `json:"ignore_eos,omitempty"`
	Stream        bool          `json:"stream"`
	StreamOptions streamOptions `json:"stream_options"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// request asks a question after what was said before it.
func (s *Settings) request(before []Turn, question string) request {
	r := request{Model: s.Model, Temperature: s.Temperature, TopP: s.TopP, MaxTokens: s.MaxTokens, Seed: s.Seed, Stop: s.Stop,
		Stream: true, StreamOptions: streamOptions{IncludeUsage: true}}
	if s.System != "" {
		r.Messages = append(r.Messages, message{"system", s.System})
	}
	for i := range before {
		// Of two answers the first goes on, so that both targets are asked the same. A
		// question without an answer would make two in a row, which templates refuse.
		if t := &before[i]; len(t.Answers) > 0 && t.Answers[0].Text != "" {
			r.Messages = append(r.Messages, message{"user", t.Question}, message{"assistant", t.Answers[0].Text})
		}
	}
	r.Messages = append(r.Messages, message{"user", question})
	return r
}

// encode is the body of a request.
func (r request) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has nothing that JSON lacks: Check keeps out what is no number
	}
	return b
}
