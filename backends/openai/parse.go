package openai

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMessage bounds what is taken over of a backend's message, in bytes: some
// engines put the whole request into it.
const maxMessage = 4096

// ParseError reads a backend's error body, in any of the shapes that engines
// have:
//
//	{"error":{"message":…,"type":…,"param":…,"code":…}}   OpenAI, vLLM, llama.cpp, SGLang
//	{"object":"error","message":…,"type":…,"code":…}      vLLM before 2025, SGLang
//	{"error":"…"}, {"error":"…","error_type":"…"}         Ollama, TGI
//	{"detail":"…"}, {"detail":[{"loc":[…],"msg":"…"}]}    FastAPI, in front of any of them
//
// A code that is a number from 400 to 599 becomes Status, and Code is then the
// gateway's own for that status, where there is one; any other is Code. Status
// is 0, Type and Code are "" where the body does not say. It reports false
// where the body holds no message.
func ParseError(body []byte) (Error, bool) {
	var outer, inner errorBody
	if json.Unmarshal(body, &outer) != nil {
		return Error{}, false
	}
	e := Error{Message: text(outer.Error)}
	switch {
	case e.Message != "":
		e.Type = text(outer.ErrorType)
	case json.Unmarshal(outer.Error, &inner) == nil && text(inner.Message) != "":
		e = inner.fields()
	case text(outer.Message) != "":
		e = outer.fields()
	default:
		e.Message, e.Param = detail(outer.Detail)
	}
	if len(e.Message) > maxMessage {
		n := maxMessage
		for n > 0 && !utf8.RuneStart(e.Message[n]) {
			n--
		}
		e.Message = e.Message[:n]
	}
	return e, e.Message != ""
}

// errorBody has every member that one of the shapes has. None is taken for
// granted to be of its type.
type errorBody struct {
	Error     json.RawMessage `json:"error"`
	ErrorType json.RawMessage `json:"error_type"`
	Message   json.RawMessage `json:"message"`
	Type      json.RawMessage `json:"type"`
	Param     json.RawMessage `json:"param"`
	Code      json.RawMessage `json:"code"`
	Detail    json.RawMessage `json:"detail"`
}

func (b *errorBody) fields() Error {
	e := Error{Message: text(b.Message), Type: text(b.Type), Param: text(b.Param), Code: text(b.Code)}
	number := e.Code
	if number == "" {
		number = string(b.Code)
	}
	if n, err := strconv.Atoi(number); err == nil {
		e.Code = ""
		if n >= 400 && n < 600 {
			e.Status, e.Code = n, codeOf(n)
		}
	}
	return e
}

// codeOf gives the code for the status of a backend's error.
func codeOf(status int) string {
	switch status {
	case 400, 422:
		return CodeInvalidRequest
	case 404:
		return CodeNotFound
	case 413:
		return CodeBodyTooLarge
	case 429:
		return CodeRateLimited
	}
	if status >= 500 {
		return CodeBackendError
	}
	return ""
}

// text gives a JSON string, and "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// detail reads FastAPI's: a message, or a list of what is wrong where. The
// first of them counts, without the value that it complains of.
func detail(raw json.RawMessage) (message, param string) {
	if message = text(raw); message != "" {
		return message, ""
	}
	var list []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return "", ""
	}
	var path []string
	for i, step := range list[0].Loc {
		if name := fmt.Sprint(step); i > 0 || name != "body" {
			path = append(path, name)
		}
	}
	return list[0].Msg, strings.Join(path, ".")
}
