package sim

import (
	"fmt"
	"slices"
	"strings"
)

// tool is a function that the client offers.
type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string  `json:"name"`
		Description string  `json:"description,omitempty"`
		Parameters  *schema `json:"parameters,omitempty"`
	} `json:"function"`
}

// schema is as much of JSON Schema as it takes to make up a fitting value.
type schema struct {
	Type       kinds              `json:"type,omitempty"`
	Enum       []any              `json:"enum,omitempty"`
	Properties map[string]*schema `json:"properties,omitempty"`
	Items      *schema            `json:"items,omitempty"`
}

// kinds is a schema's type: one name or several.
type kinds []string

func (k *kinds) UnmarshalJSON(data []byte) error { return (*texts)(k).UnmarshalJSON(data) }

// pickTool is the tool that an answer calls; nil: it is prose. With the choice
// left to the model it calls a tool whose name or description shares a word
// with the question, unless the question is not the last thing said: then the
// tool has answered, and it is prose's turn.
func (b *body) pickTool() (*tool, *refusal) {
	if len(b.Tools) == 0 {
		return nil, nil
	}
	var mode string
	var named struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	switch {
	case len(b.ToolChoice) == 0:
		mode = "auto"
	case decode(b.ToolChoice, &mode) == nil:
	case decode(b.ToolChoice, &named) == nil && named.Function.Name != "":
		for i := range b.Tools {
			if b.Tools[i].Function.Name == named.Function.Name {
				return &b.Tools[i], nil
			}
		}
		return nil, badRequest("tool_choice", fmt.Sprintf("Tool '%s' has not been passed in tools", clip(named.Function.Name)))
	default:
		mode = "?"
	}
	switch mode {
	case "none":
		return nil, nil
	case "required":
		return &b.Tools[0], nil
	case "auto":
		question, last := b.question()
		if !last {
			return nil, nil
		}
		asked := keywords(question)
		for i := range b.Tools {
			f := &b.Tools[i].Function
			about := keywords(strings.ReplaceAll(f.Name, "_", " ") + " " + f.Description)
			if slices.ContainsFunc(about, func(w string) bool { return slices.Contains(asked, w) }) {
				return &b.Tools[i], nil
			}
		}
		return nil, nil
	}
	return nil, badRequest("tool_choice", "tool_choice should be none, auto, required or a named function.")
}

// arguments makes up a call's arguments.
func (t *tool) arguments(question string) string {
	if t.Function.Parameters == nil {
		return "{}"
	}
	return string(encode(t.Function.Parameters.value("", question, 0)))
}

// value makes up a value for a member of that name: words of the question
// where a text is wanted.
func (s *schema) value(name, question string, depth int) any {
	if s == nil || depth > 8 { // as deep as anybody needs; a bound on what a client can ask for
		return nil
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	kind := "string"
	if len(s.Type) > 0 {
		kind = s.Type[0]
	} else if s.Properties != nil {
		kind = "object"
	}
	switch kind {
	case "object":
		object := make(map[string]any, len(s.Properties))
		for member, of := range s.Properties {
			object[member] = of.value(member, question, depth+1)
		}
		return object
	case "array":
		if s.Items == nil {
			return []any{}
		}
		return []any{s.Items.value(name, question, depth+1)}
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	}
	if subject := subjectOf(question); subject != "" {
		return subject
	}
	return name
}
