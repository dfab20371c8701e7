package openai

import "encoding/json"

// MaxDepth is how deep a body may be nested, its outermost object included.
const MaxDepth = 512

// Endpoint is what a request asks for.
type Endpoint uint8

const (
	Chat        Endpoint = iota // /v1/chat/completions and routes like /text2sql
	Completions                 // /v1/completions
	Embeddings                  // /v1/embeddings
)

// Request is what the gateway needs to know of a request's body. It may be
// used again and again: Inspect sets all of it. Apart from Model it holds
// offsets, not the body.
type Request struct {
	HasModel        bool // the client named a model
	Stream          bool
	N               int  // answers asked for, from 1
	MaxTokens       int  // what the client allows each answer; 0: it did not say. max_completion_tokens rules where both are given
	IncludeUsage    bool // the client asked for a stream's usage
	ContinuousUsage bool // the client asked for it on every event
	PromptBytes     int  // length of messages (with tools), prompt or input as JSON

	endpoint Endpoint
	model    string
}

// Inspect reads body once, from front to back. The error is an *Error with
// status 400.
func (r *Request) Inspect(body []byte, e Endpoint) error {
	var b struct {
		Model         string
		Stream        bool
		N             int
		MaxTokens     int `json:"max_tokens"`
		MaxCompletion int `json:"max_completion_tokens"`
		StreamOptions struct {
			IncludeUsage    bool `json:"include_usage"`
			ContinuousUsage bool `json:"continuous_usage_stats"`
		} `json:"stream_options"`
		Messages json.RawMessage
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return Refuse(CodeInvalidRequest, "The request body is not valid.")
	}
	*r = Request{
		HasModel: b.Model != "", Stream: b.Stream, N: max(1, b.N), MaxTokens: max(b.MaxTokens, b.MaxCompletion),
		IncludeUsage: b.StreamOptions.IncludeUsage, ContinuousUsage: b.StreamOptions.ContinuousUsage,
		PromptBytes: len(b.Messages), endpoint: e, model: b.Model,
	}
	return nil
}

// Model gives the model's name as the client wrote it, decoded; empty where
// it named none. body is the one that was inspected; the result is valid
// until body is changed or Inspect is called again. A map lookup with
// string(r.Model(body)) does not allocate.
func (r *Request) Model(body []byte) []byte { return []byte(r.model) }

// PromptTokens is an estimate of the prompt's tokens: three bytes each.
func (r *Request) PromptTokens() int { return (r.PromptBytes + 2) / 3 }
