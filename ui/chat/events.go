package chat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"pilothouse/backends/openai"
)

// maxEvent bounds an event of a stream, and an answer that is no stream.
const maxEvent = 1 << 20

// errLong is an event that is longer.
var errLong = fmt.Errorf("read answer: an event of more than %d bytes", maxEvent)

// errOpen is a stream that ends without its [DONE].
var errOpen = errors.New("read answer: the stream ended before it was done")

// chunk is an event of a stream, and an answer that is no stream.
type chunk struct {
	Choices []struct {
		Delta        said    `json:"delta"`
		Message      said    `json:"message"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Details    *struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// said is a piece of text. Engines call what a model says to itself one or the other.
type said struct {
	Content          string `json:"content"`
	ReasoningContent string `json:"reasoning_content"`
	Reasoning        string `json:"reasoning"`
}

func (s said) thought() string {
	if s.ReasoningContent != "" {
		return s.ReasoningContent
	}
	return s.Reasoning
}

// refused is the dialect's error in an answer.
type refused struct{ code, message string }

func (r *refused) Error() string { return r.message }

// refusal reads an answer of another status than 2xx.
func refusal(status int, body []byte) *refused {
	if e, ok := openai.ParseError(body); ok {
		return &refused{code: e.Code, message: e.Message}
	}
	return &refused{message: fmt.Sprintf("answered with status %d", status)}
}

// readEvents calls f with the data of each event, until [DONE], the end, or f's error.
// The data is f's until it returns.
func readEvents(r *bufio.Reader, f func(data []byte) error) error {
	var data, line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line)+len(data) > maxEvent {
			return errLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		ended := err != nil
		field, isData := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
		blank := len(bytes.TrimRight(line, "\r\n")) == 0
		if isData {
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(field, []byte(" "))...)
		}
		line = line[:0]
		if blank && len(data) > 0 && !ended {
			if string(data) == "[DONE]" {
				return nil
			}
			if err := f(data); err != nil {
				return err
			}
			data = data[:0]
		}
		switch {
		case errors.Is(err, io.EOF) && string(data) == "[DONE]":
			return nil
		case errors.Is(err, io.EOF):
			return errOpen
		case ended:
			return fmt.Errorf("read answer: %w", err)
		}
	}
}
