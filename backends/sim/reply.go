package sim

// whole is the answer in one piece.
func (c *call) whole() reply {
	r := c.frame("chat.completion", "text_completion")
	if !c.plan.noUsage {
		r.Usage = c.usage()
	}
	for i := range c.reply {
		a := &c.reply[i]
		ch := choice{Index: i, FinishReason: c.finish(a.finish), StopReason: optional(a.stopped)}
		text := string(a.text)
		switch {
		case !c.chat:
			ch.Text = &text
		case c.tool != nil:
			ch.Message = &message{Role: "assistant", ToolCalls: []toolCall{{
				ID: c.toolID(), Type: "function",
				Function: toolFunction{Name: c.tool.Function.Name, Arguments: text},
			}}}
		default:
			ch.Message = &message{Role: "assistant", Content: &text}
		}
		r.Choices = append(r.Choices, ch)
	}
	return r
}

// opening is the event that begins a choice of a chat. A tool call's name is
// in the one after it.
func (c *call) opening(index int) reply {
	r := c.frame("chat.completion.chunk", "text_completion")
	none := ""
	r.Choices = []choice{{Index: index, Delta: &delta{Role: "assistant", Content: &none}}}
	return r
}

// calling is the event that names the tool.
func (c *call) calling(index int) reply {
	r := c.frame("chat.completion.chunk", "text_completion")
	r.Choices = []choice{{Index: index, Delta: &delta{ToolCalls: []toolCall{{
		Index: new(int), ID: c.toolID(), Type: "function", Function: toolFunction{Name: c.tool.Function.Name},
	}}}}}
	return r
}

// event is one output of a stream.
func (c *call) event(o output) reply {
	r := c.frame("chat.completion.chunk", "text_completion")
	ch := choice{Index: o.index, FinishReason: c.finish(o.finish), StopReason: optional(o.stopped)}
	switch {
	case !c.chat:
		ch.Text = &o.text
	case c.tool != nil && o.text == "":
		ch.Delta = &delta{}
	case c.tool != nil:
		ch.Delta = &delta{ToolCalls: []toolCall{{Index: new(int), Function: toolFunction{Arguments: o.text}}}}
	default:
		ch.Delta = &delta{Content: &o.text}
	}
	r.Choices = []choice{ch}
	return r
}

// closing is the event with the usage and no choice.
func (c *call) closing() reply {
	r := c.frame("chat.completion.chunk", "text_completion")
	r.Choices = []choice{}
	r.Usage = c.usage()
	return r
}

func (c *call) frame(chat, text string) reply {
	object := text
	if c.chat {
		object = chat
	}
	return reply{
		ID: c.id, Object: object, Created: c.created, Model: c.server.config.Model,
		SystemFingerprint: fingerprint,
	}
}

// finish is the reason as clients get it.
func (c *call) finish(reason string) *string {
	if reason == finishStop && c.tool != nil {
		reason = "tool_calls"
	}
	return optional(reason)
}

func (c *call) toolID() string { return "chatcmpl-tool-" + randomID() }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
