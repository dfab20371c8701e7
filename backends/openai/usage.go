package openai

import "encoding/json"

// Usage is what a request cost, in tokens.
type Usage struct {
	Prompt     int // Cached included
	Completion int
	Total      int
	Cached     int // of Prompt: found in the engine's prefix cache
}

// UsageOf reads the usage of a unary answer. It reports false where the
// answer has none.
func UsageOf(body []byte) (Usage, bool) {
	var b struct {
		Usage *struct {
			PromptTokens     int `json:"prompt_tokens"`
			CompletionTokens int `json:"completion_tokens"`
			TotalTokens      int `json:"total_tokens"`
		}
	}
	if json.Unmarshal(body, &b) != nil || b.Usage == nil {
		return Usage{}, false
	}
	return Usage{Prompt: b.Usage.PromptTokens, Completion: b.Usage.CompletionTokens, Total: b.Usage.TotalTokens}, true
}
