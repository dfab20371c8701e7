package play

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pilothouse/ui/chat"
)

// chatCommand is what can be typed behind a slash.
type chatCommand struct {
	name string
	args string // as the help shows them
	desc string
	do   func(c *Chat, arg string) error
	// offer are what the argument may be; nil: anything.
	offer func(c *Chat) []string
}

// chatCommands are all there are, in the order of the help.
func chatCommands() []chatCommand {
	list := func(words ...string) func(*Chat) []string { return func(*Chat) []string { return words } }
	parameters := list("temperature", "top_p", "max_tokens", "seed", "stop")
	return []chatCommand{
		{"/model", "NAME", "the model that is asked", (*Chat).setModel, (*Chat).models},
		{"/target", "gateway | URL | NUMBER", "through the gateway, or straight to a replica", (*Chat).setTarget, (*Chat).targetNames},
		{"/compare", "[URL | off]", "ask both ways: the last question now, and those that come", (*Chat).setCompare, func(c *Chat) []string { return append(c.replicas(c.settings().Model), "off") }},
		{"/system", "TEXT", "the system prompt; nothing: none", (*Chat).setSystem, nil},
		{"/set", "PARAMETER VALUE", "temperature, top_p, max_tokens, seed, stop; no value: the default", (*Chat).setParameter, parameters},
		{"/new", "", "a new conversation", func(c *Chat, _ string) error { c.fresh(); return nil }, nil},
		{"/open", "NUMBER", "another conversation, by its place in the list", (*Chat).openNumber, nil},
		{"/rename", "NAME", "give this conversation a name", func(c *Chat, arg string) error { return c.needs(func() error { return c.opts.Room.Rename(c.id, arg) }) }, nil},
		{"/delete", "", "delete this conversation", func(c *Chat, _ string) error { return c.needs(func() error { c.askDelete(c.open()); return nil }) }, nil},
		{"/export", "markdown | json", "save this conversation to a file on the gateway's host", (*Chat).export, list("markdown", "json")},
		{"/again", "", "ask the last question again", func(c *Chat, _ string) error {
			return c.last(func(at int, q string) error { return c.opts.Room.Again(c.id, at, q, nil) })
		}, nil},
		{"/edit", "[NUMBER]", "change a question, the last if none is named; what came after it is replaced", (*Chat).editNumber, nil},
		{"/raw", "", "the selected answer's request and response as they were", func(c *Chat, _ string) error {
			_, a := c.selected()
			if a == nil {
				return errors.New("nothing was asked yet")
			}
			c.openRaw(a)
			return nil
		}, nil},
		{"/burst", "[REQUESTS [TOKENS]]", "a small load, and how its times are spread", (*Chat).burstCommand, nil},
		{"/cancel", "", "end the answer, or the burst, that is under way", func(c *Chat, _ string) error { c.stop(); return nil }, nil},
		{"/help", "", "all of these", func(c *Chat, _ string) error { c.openHelp(); return nil }, nil},
	}
}

// command does what a line asks for.
func (c *Chat) command(text string) error {
	name, arg, _ := strings.Cut(text, " ")
	if head, rest, cut := strings.Cut(name, "\n"); cut {
		name, arg = head, rest+" "+arg
	}
	for _, cmd := range chatCommands() {
		if cmd.name == name {
			return cmd.do(c, strings.TrimSpace(arg))
		}
	}
	return fmt.Errorf("there is no command %s; /help lists them", name)
}

// chatOffers are the ways to complete what is typed; tab takes the next.
type chatOffers struct {
	words []string
	at    int // the one taken; -1: none yet
	fixed string
}

// offer gives what a command that is being typed may become; nil: nothing.
func (c *Chat) offer(text string) *chatOffers {
	name, arg, hasArg := strings.Cut(text, " ")
	var words []string
	fixed, typed := "", name
	for _, cmd := range chatCommands() {
		switch {
		case !hasArg:
			words = append(words, cmd.name)
		case cmd.name == name && cmd.offer != nil:
			fixed, typed, words = name+" ", arg, cmd.offer(c)
		}
	}
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, typed) })
	if len(words) == 0 || len(words) == 1 && words[0] == typed {
		return nil
	}
	return &chatOffers{words: words, at: -1, fixed: fixed}
}

// complete takes the next of what is offered, or the one before.
func (c *Chat) complete(back bool) {
	o := c.offers
	if o == nil {
		if o = c.offer(c.edit.text()); o == nil {
			return
		}
	}
	if back {
		o.at = (max(o.at, 0) + len(o.words) - 1) % len(o.words)
	} else {
		o.at = (o.at + 1) % len(o.words)
	}
	text := o.fixed + o.words[o.at]
	if len(o.words) == 1 {
		c.edit.set(text + " ")
		c.offers = c.offer(text + " ")
		return
	}
	c.edit.set(text)
	c.offers = o
}

// needs does something to the open conversation, if there is one.
func (c *Chat) needs(do func() error) error {
	if c.open() == nil {
		return errors.New("no conversation is open")
	}
	return do()
}

// last does something to the last question.
func (c *Chat) last(do func(at int, question string) error) error {
	open := c.open()
	if open == nil || len(open.Turns) == 0 {
		return errors.New("nothing was asked yet")
	}
	at := len(open.Turns) - 1
	if err := do(at, open.Turns[at].Question); err != nil {
		return err
	}
	c.toEnd()
	return nil
}

// change sets something, in a conversation that it makes where there is none.
func (c *Chat) change(do func(*chat.Settings) error) error {
	s := c.settings()
	if err := do(&s); err != nil {
		return err
	}
	if c.open() == nil {
		if err := s.Check(); err != nil {
			return err
		}
		if err := c.begin(); err != nil {
			return err
		}
	}
	return c.opts.Room.Set(c.id, s)
}

func (c *Chat) setModel(arg string) error {
	if arg == "" {
		return errors.New("want the name of a model: " + strings.Join(c.models(), ", "))
	}
	return c.change(func(s *chat.Settings) error {
		if s.Model != arg {
			s.Targets = nil // replicas serve another one
		}
		s.Model = arg
		return nil
	})
}

// targetNames are the ways that a question may go.
func (c *Chat) targetNames() []string {
	return append([]string{"gateway"}, c.replicas(c.settings().Model)...)
}

// target reads the name of a way: gateway, a replica's URL, or its number.
func (c *Chat) target(arg string) (chat.Target, error) {
	urls := c.replicas(c.settings().Model)
	if arg == "gateway" || arg == "" {
		return chat.Target{}, nil
	}
	if n, err := strconv.Atoi(arg); err == nil && n >= 1 && n <= len(urls) {
		return chat.Target{Replica: urls[n-1]}, nil
	}
	if slices.Contains(urls, arg) {
		return chat.Target{Replica: arg}, nil
	}
	return chat.Target{}, fmt.Errorf("%q is no replica of this model: want gateway, or %s", arg, strings.Join(urls, ", "))
}

func (c *Chat) setTarget(arg string) error {
	to, err := c.target(arg)
	if err != nil {
		return err
	}
	return c.change(func(s *chat.Settings) error {
		s.Targets = []chat.Target{to}
		return nil
	})
}

func (c *Chat) setCompare(arg string) error {
	if arg == "off" {
		return c.change(func(s *chat.Settings) error {
			s.Targets = nil
			return nil
		})
	}
	var to chat.Target
	_, a := c.selected()
	switch {
	case arg != "":
		var err error
		if to, err = c.target(arg); err != nil {
			return err
		}
	case a != nil:
		to.Replica = c.suspect(a, c.settings().Model)
	default:
		to.Replica = c.suspect(&chat.Answer{}, c.settings().Model)
	}
	if to.Replica == "" {
		return errNoReplica
	}
	err := c.change(func(s *chat.Settings) error {
		s.Targets = []chat.Target{{}, to}
		return nil
	})
	if open := c.open(); err == nil && open != nil && len(open.Turns) > 0 {
		return c.last(func(at int, _ string) error { return c.compare(at, to.Replica) })
	}
	return err
}

func (c *Chat) setSystem(arg string) error {
	return c.change(func(s *chat.Settings) error {
		s.System = arg
		return nil
	})
}

// setParameter sets one, or gives it up where no value follows.
func (c *Chat) setParameter(arg string) error {
	name, value, _ := strings.Cut(arg, " ")
	value = strings.TrimSpace(value)
	return c.change(func(s *chat.Settings) error {
		wrong := func(want string) error { return fmt.Errorf("set %s %q: want %s", name, value, want) }
		switch name {
		case "temperature", "top_p":
			to := &s.Temperature
			if name == "top_p" {
				to = &s.TopP
			}
			if *to = nil; value != "" {
				f, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return wrong("a number")
				}
				*to = &f
			}
		case "max_tokens":
			if s.MaxTokens = nil; value != "" {
				n, err := strconv.Atoi(value)
				if err != nil {
					return wrong("a whole number")
				}
				s.MaxTokens = &n
			}
		case "seed":
			if s.Seed = nil; value != "" {
				n, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					return wrong("a whole number")
				}
				s.Seed = &n
			}
		case "stop":
			if s.Stop = nil; value != "" {
				if word, err := strconv.Unquote(value); err == nil {
					value = word
				}
				s.Stop = []string{value}
			}
		default:
			return fmt.Errorf("there is no parameter %q: want temperature, top_p, max_tokens, seed or stop", name)
		}
		return nil
	})
}

func (c *Chat) openNumber(arg string) error {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > len(c.snap.Conversations) {
		return fmt.Errorf("want a number from 1 to %d", len(c.snap.Conversations))
	}
	c.show(c.snap.Conversations[n-1].ID)
	return nil
}

func (c *Chat) editNumber(arg string) error {
	open := c.open()
	if open == nil || len(open.Turns) == 0 {
		return errors.New("nothing was asked yet")
	}
	at := len(open.Turns)
	if arg != "" {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > at {
			return fmt.Errorf("want a number from 1 to %d", at)
		}
		at = n
	}
	c.editTurn(at - 1)
	return nil
}

// export wants the conversation saved to a file.
func (c *Chat) export(arg string) error {
	return c.needs(func() error {
		open := c.open()
		w := Want{}
		w.File.Name = "chat-" + open.ID
		switch arg {
		case "", "markdown":
			w.File.Name += ".md"
			w.File.Text = open.Markdown()
		case "json":
			w.File.Name += ".json"
			w.File.Text = string(open.JSON())
		default:
			return fmt.Errorf("export as %q: want markdown or json", arg)
		}
		c.wants = append(c.wants, w)
		return nil
	})
}
