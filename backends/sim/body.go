package sim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decode reads JSON as vLLM does: names are told apart by case, and of equal
// ones the last counts.
func decode(data []byte, to any) error {
	return json.Unmarshal(data, to, jsontext.AllowDuplicateNames(true))
}

// body is what clients send: the members of all endpoints that are looked at.
// Others, logprobs among them, are taken and ignored.
type body struct {
	Model               string          `json:"model"`
	Messages            []chatMessage   `json:"messages"`
	Prompt              jsontext.Value  `json:"prompt"`
	Input               jsontext.Value  `json:"input"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	MinTokens           int             `json:"min_tokens"`
	IgnoreEOS           lax             `json:"ignore_eos"`
	N                   *int            `json:"n"`
	Stream              lax             `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options"`
	Stop                texts           `json:"stop"`
	Seed                *int64          `json:"seed"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	Tools               []tool          `json:"tools"`
	ToolChoice          jsontext.Value  `json:"tool_choice"`
	ResponseFormat      *responseFormat `json:"response_format"`
	EncodingFormat      string          `json:"encoding_format"`
	Dimensions          *int            `json:"dimensions"`
}

type streamOptions struct {
	IncludeUsage         lax `json:"include_usage"`
	ContinuousUsageStats lax `json:"continuous_usage_stats"`
}

type responseFormat struct {
	Type       string `json:"type"` // text, json_object, json_schema
	JSONSchema struct {
		Schema *schema `json:"schema"`
	} `json:"json_schema"`
}

type chatMessage struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a message's text: a string, or parts of type text.
type content string

func (c *content) UnmarshalJSON(data []byte) error {
	var text string
	if data[0] != '[' {
		err := decode(data, &text) // null leaves it empty
		*c = content(text)
		return err
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := decode(data, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("content parts of type %q are not taken: this is not a multimodal model", p.Type)
		}
		text += p.Text
	}
	*c = content(text)
	return nil
}

// lax is a boolean as pydantic reads it, which vLLM checks requests with.
type lax bool

func (l *lax) UnmarshalJSON(data []byte) error {
	switch strings.ToLower(string(bytes.Trim(data, `"`))) {
	case "true", "1", "yes", "on", "y", "t", "1.0":
		*l = true
	case "false", "0", "no", "off", "n", "f", "0.0", "null":
		*l = false
	default:
		return errors.New("input should be a valid boolean")
	}
	return nil
}

// texts is one string or several.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*t = make(texts, 1)
		return decode(data, &(*t)[0])
	}
	return decode(data, (*[]string)(t))
}

// parseBody reads a request and checks what doesn't depend on its prompt.
func (s *Server) parseBody(data []byte) (*body, *refusal) {
	var b body
	if err := decode(data, &b); err != nil {
		var wrong *json.SemanticError
		if errors.As(err, &wrong) && wrong.Err == nil {
			return nil, badRequest(param(wrong.JSONPointer), fmt.Sprintf("input should be a valid %s, got a JSON %s", wrong.GoType, wrong.JSONKind))
		}
		if wrong != nil {
			return nil, badRequest(param(wrong.JSONPointer), wrong.Err.Error())
		}
		var syntax *jsontext.SyntacticError
		if errors.As(err, &syntax) {
			return nil, badRequest("", fmt.Sprintf("JSON decode error at byte %d", syntax.ByteOffset))
		}
		return nil, badRequest("", "JSON decode error: the body ends too early")
	}
	if b.Model != s.config.Model && b.Model != "" { // vLLM takes a missing one for its own
		return nil, &refusal{status: 404, kind: "NotFoundError", param: "model",
			message: fmt.Sprintf("The model `%s` does not exist.", clip(b.Model))}
	}
	limit := b.MaxTokens
	if b.MaxCompletionTokens != nil {
		limit = b.MaxCompletionTokens
	}
	b.MaxTokens = limit
	switch {
	case limit != nil && *limit < 1:
		return nil, badRequest("max_tokens", fmt.Sprintf("max_tokens must be at least 1, got %d.", *limit))
	case b.MinTokens < 0 || limit != nil && b.MinTokens > *limit:
		return nil, badRequest("min_tokens", fmt.Sprintf("min_tokens must be from 0 to max_tokens, got %d.", b.MinTokens))
	case b.Temperature != nil && *b.Temperature < 0:
		return nil, badRequest("temperature", fmt.Sprintf("temperature must be non-negative, got %v.", *b.Temperature))
	case b.TopP != nil && (*b.TopP <= 0 || *b.TopP > 1):
		return nil, badRequest("top_p", fmt.Sprintf("top_p must be in (0, 1], got %v.", *b.TopP))
	case b.N != nil && (*b.N < 1 || *b.N > maxChoices):
		return nil, badRequest("n", fmt.Sprintf("n must be from 1 to %d, got %d.", maxChoices, *b.N))
	case b.StreamOptions != nil && !bool(b.Stream):
		return nil, badRequest("stream_options", "Stream options can only be defined when `stream=True`.")
	}
	for _, stop := range b.Stop {
		if stop == "" {
			return nil, badRequest("stop", "stop cannot contain an empty string.")
		}
	}
	return &b, nil
}

const maxChoices = 128

// param is a member's place as vLLM's errors name it.
func param(at jsontext.Pointer) string {
	return clip(strings.ReplaceAll(strings.TrimPrefix(string(at), "/"), "/", "."))
}

// clip shortens what a client sent before it goes into a message.
func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}

func (b *body) choices() int {
	if b.N == nil {
		return 1
	}
	return *b.N
}

// chatPrompt is the conversation under Qwen's template, and its last question.
func (b *body) chatPrompt() ([]string, *refusal) {
	if len(b.Messages) == 0 {
		return nil, badRequest("messages", "messages must have at least one message.")
	}
	var list []string
	if len(b.Tools) > 0 {
		list = append(list, "<|im_start|>", "tools", "\n")
		list = append(list, tokens(string(encode(b.Tools)))...)
		list = append(list, "<|im_end|>", "\n")
	}
	for i, m := range b.Messages {
		if m.Role == "" {
			return nil, badRequest(fmt.Sprintf("messages[%d].role", i), "a message must have a role.")
		}
		list = append(list, "<|im_start|>", m.Role, "\n")
		list = append(list, tokens(string(m.Content))...)
		list = append(list, "<|im_end|>", "\n")
	}
	return append(list, "<|im_start|>", "assistant", "\n"), nil
}

// question is the last thing that the user said, and whether it is the last
// thing said at all.
func (b *body) question() (text string, last bool) {
	for i := len(b.Messages) - 1; i >= 0; i-- {
		if b.Messages[i].Role == "user" {
			return string(b.Messages[i].Content), i == len(b.Messages)-1
		}
	}
	return "", false
}

// prompts reads "prompt" or "input": a text, texts, a list of token numbers,
// or lists of them. Nobody here knows what the numbers mean: each stands for
// a token of its own.
func prompts(param string, raw jsontext.Value) ([]prompt, *refusal) {
	var text string
	var several []string
	var ids []int
	var lists [][]int
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return nil, badRequest(param, param+" is required.")
	case decode(raw, &text) == nil:
		several = []string{text}
	case decode(raw, &several) == nil:
	case decode(raw, &ids) == nil:
		several, lists = nil, [][]int{ids} // what failed to decode may have left something
	case decode(raw, &lists) == nil:
		several = nil
	default:
		return nil, badRequest(param, param+" should be a string, strings, token ids or lists of them.")
	}
	var list []prompt
	for _, text := range several {
		list = append(list, prompt{text: text, tokens: tokens(text)})
	}
	for _, ids := range lists {
		p := prompt{}
		for _, id := range ids {
			p.tokens = append(p.tokens, fmt.Sprintf("<%d>", id))
		}
		list = append(list, p)
	}
	if len(list) == 0 || len(list) > maxChoices {
		return nil, badRequest(param, fmt.Sprintf("%s should have from 1 to %d entries.", param, maxChoices))
	}
	for _, p := range list {
		if len(p.tokens) == 0 {
			return nil, badRequest(param, "The decoder prompt cannot be empty")
		}
	}
	return list, nil
}

// prompt is one text to go on from.
type prompt struct {
	text   string // "" when it came as token numbers
	tokens []string
}
