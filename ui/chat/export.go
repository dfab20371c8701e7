package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// JSON is the conversation for other programs, with its figures.
func (c *Conversation) JSON() []byte {
	data, err := json.MarshalIndent(file{fileVersion, c}, "", "  ")
	if err != nil {
		panic(err) // it has nothing that JSON lacks
	}
	return append(data, '\n')
}

// Markdown is the conversation for people, with its figures. Texts are as they came.
func (c *Conversation) Markdown() string {
	var b strings.Builder
	name := c.Name
	if name == "" {
		name = "Conversation"
	}
	fmt.Fprintf(&b, "# %s\n\nModel: %s. Begun %s.\n", oneLine(name), oneLine(c.Settings.Model), c.Created.UTC().Format("2006-01-02 15:04 UTC"))
	if p := c.Settings.parameters(); p != "" {
		fmt.Fprintf(&b, "Parameters: %s.\n", p)
	}
	if c.Settings.System != "" {
		fmt.Fprintf(&b, "\n## System\n\n%s\n", c.Settings.System)
	}
	for i := range c.Turns {
		t := &c.Turns[i]
		fmt.Fprintf(&b, "\n## Question %d\n\n%s\n", i+1, t.Question)
		for j := range t.Answers {
			a := &t.Answers[j]
			fmt.Fprintf(&b, "\n## Answer %d, %s\n\n", i+1, oneLine(a.Target.String()))
			if a.Text != "" {
				fmt.Fprintf(&b, "%s\n\n", a.Text)
			}
			fmt.Fprintf(&b, "> %s\n", oneLine(a.Summary()))
		}
	}
	return b.String()
}

// Summary is an answer's figures in a line. Parts of it come from outside.
func (a *Answer) Summary() string {
	parts := []string{string(a.State)}
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(a.Error != "", "%s", a.Error)
	add(a.First > 0, "first token %s", a.First.Round(time.Millisecond))
	add(a.Rate() > 0, "%.1f tokens/s", a.Rate())
	n, exact := a.Tokens()
	add(exact, "%d prompt tokens, %d completion tokens", a.Prompt, n)
	add(!exact && n > 0, "about %d tokens", n)
	add(a.Took > 0, "%s in all", a.Took.Round(time.Millisecond))
	add(a.Finish != "", "finish reason %s", a.Finish)
	add(a.RequestID != "", "request %s", a.RequestID)
	return strings.Join(parts, ", ")
}

// parameters are those that are set.
func (s *Settings) parameters() string {
	var parts []string
	if s.Temperature != nil {
		parts = append(parts, fmt.Sprintf("temperature %v", *s.Temperature))
	}
	if s.TopP != nil {
		parts = append(parts, fmt.Sprintf("top_p %v", *s.TopP))
	}
	if s.MaxTokens != nil {
		parts = append(parts, fmt.Sprintf("max_tokens %d", *s.MaxTokens))
	}
	if s.Seed != nil {
		parts = append(parts, fmt.Sprintf("seed %d", *s.Seed))
	}
	for _, w := range s.Stop {
		parts = append(parts, fmt.Sprintf("stop %q", w))
	}
	return strings.Join(parts, ", ")
}

// oneLine is text without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
