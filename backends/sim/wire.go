package sim

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// reply is an answer, whole or one event of it. Chat and text completions
// share it: the former fills Message or Delta, the latter Text.
type reply struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`
	Created           int64    `json:"created"`
	Model             string   `json:"model"`
	SystemFingerprint string   `json:"system_fingerprint"`
	Choices           []choice `json:"choices"`
	Usage             *usage   `json:"usage,omitempty"`
}

type choice struct {
	Index        int       `json:"index"`
	Message      *message  `json:"message,omitempty"`
	Delta        *delta    `json:"delta,omitempty"`
	Text         *string   `json:"text,omitempty"`
	Logprobs     *struct{} `json:"logprobs"` // always null
	FinishReason *string   `json:"finish_reason"`
	StopReason   *string   `json:"stop_reason,omitempty"`
}

type message struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type delta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type toolCall struct {
	Index    *int         `json:"index,omitempty"` // in events only
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function toolFunction `json:"function"`
}

type toolFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	TotalTokens      int `json:"total_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

func newUsage(prompt, completion int) *usage {
	return &usage{PromptTokens: prompt, TotalTokens: prompt + completion, CompletionTokens: completion}
}

// refusal is a request that is answered with an error.
type refusal struct {
	status  int
	kind    string // "BadRequestError"
	message string
	param   string // the member at fault; "" for none
}

func badRequest(param, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, kind: "BadRequestError", message: message, param: param}
}

// body is the error in vLLM's shape: nested since 2025, flat before.
func (r *refusal) body(flat bool) []byte {
	var param *string
	if r.param != "" {
		param = &r.param
	}
	type detail struct {
		Object  string  `json:"object,omitempty"`
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	}
	d := detail{Message: r.message, Type: r.kind, Param: param, Code: r.status}
	if flat {
		d.Object = "error"
		return encode(d)
	}
	return encode(map[string]detail{"error": d})
}

// encode is JSON as vLLM writes it: on one line, nothing escaped for HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only types of this package come here, and all of them encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// answerJSON writes a whole answer.
func answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is noticed by its context
}
