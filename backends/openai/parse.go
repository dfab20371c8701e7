package openai

import "encoding/json"

// ParseError reads a backend's error body. Status is 0 where the body names
// none. It reports false where the body holds no error that it knows.
func ParseError(body []byte) (Error, bool) {
	var b struct {
		Error   struct{ Message, Type, Param string }
		Message string
	}
	if json.Unmarshal(body, &b) != nil {
		return Error{}, false
	}
	if b.Error.Message == "" {
		b.Error.Message = b.Message
	}
	return Error{Type: b.Error.Type, Message: b.Error.Message, Param: b.Error.Param}, b.Error.Message != ""
}
