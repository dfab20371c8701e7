package play

import (
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/chat"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// Beat tells a playground the time between two pane.Data, while it is busy.
type Beat struct{ Now time.Time }

// ChatOptions are what a Chat works with.
type ChatOptions struct {
	Room *chat.Room // nil: there is none
	Why  string     // there is none, in words

	// Queued is how long a request waited for room at a replica; known is false where
	// that isn't told. It waits for nobody. nil: it is told of none.
	Queued func(id string) (wait time.Duration, known bool)
}

// chatPart is what has the keys inside the pane.
type chatPart uint8

const (
	chatEditor chatPart = iota
	chatAnswers
	chatList
	chatSettings
	chatParts
)

// Chat is the pane in which operators talk to the models. See the package's doc for
// who calls what.
type Chat struct {
	opts    ChatOptions
	keys    ChatKeys
	canvas  widget.Canvas
	theme   *widget.Theme
	pens    *pens
	data    pane.Data
	now     time.Time
	snap    *chat.Snapshot
	focused bool

	id     string // of the open conversation; "": none
	part   chatPart
	typing bool
	edit   *chatEdit
	offers *chatOffers // of a command that is being typed; nil: none
	again  int         // the turn that what is typed takes the place of; -1: none

	at, side int // the selected turn, and which of its answers
	scroll   chatScroll
	listed   int // the selected conversation, in the snapshot's order
	setting  int // the selected setting
	sheet    *chatSheet

	drawn  map[uint64]*chatAnswer // by the answers' ids
	waits  map[string]time.Duration
	says   string // of the last command, until the next key
	wrong  bool   // it is that it failed
	wants  []Want
	picked bool // a conversation was opened since the start

	kept         string // the last picture, where nothing has happened since
	keptW, keptH int
	shown        bool // kept is one
}

// NewChat makes a Chat. Nothing is drawn, or made ready to be, before its first View.
func NewChat(t *widget.Theme, o ChatOptions) *Chat {
	c := &Chat{opts: o, keys: newChatKeys(), theme: t, pens: &pens{ascii: t.ASCII()}, edit: newChatEdit(),
		again: -1, drawn: map[uint64]*chatAnswer{}, waits: map[string]time.Duration{}}
	c.scroll.follow = true
	c.look()
	return c
}

// Title is the pane's name, and how many conversations there are.
func (c *Chat) Title() (name, note string) {
	if c.snap == nil {
		return "chat", ""
	}
	if n := len(c.snap.Conversations); n != 1 {
		return "chat", widget.Count(uint64(n)) + " conversations"
	}
	return "chat", "1 conversation"
}

// SetFocus tells whether the pane has the keys. When it gets them, they are text.
func (c *Chat) SetFocus(on bool) {
	c.shown = false
	if !on {
		c.typing = false // who comes back isn't typing: digits lead to views
	}
	c.focused = on
}

// Typing tells whether printable keys are text.
func (c *Chat) Typing() bool {
	return c.opts.Room != nil && c.part == chatEditor && c.typing && c.sheet == nil
}

// Busy tells whether an answer to the open conversation, or a burst, is under way.
func (c *Chat) Busy() bool {
	if c.snap == nil {
		return false
	}
	open := c.open()
	return open != nil && open.Running() || c.snap.Burst != nil && c.snap.Burst.Running || c.late()
}

// Paste takes text in that was pasted, of as many lines as it has.
func (c *Chat) Paste(text string) {
	if c.opts.Room == nil || c.sheet != nil {
		return
	}
	c.shown = false
	c.part, c.typing = chatEditor, true
	c.says = ""
	whole := c.edit.paste(text)
	if c.typed(); !whole {
		c.say("", fmt.Errorf("cut: a message has at most %d lines and %d characters", chatLines, chatLetter))
	}
}

// Wants is what is wanted of the dashboard since it was last asked.
func (c *Chat) Wants() []Want {
	w := c.wants
	c.wants = nil
	return w
}

// Update takes a message in.
func (c *Chat) Update(msg tea.Msg) {
	c.shown = false
	switch m := msg.(type) {
	case pane.Themed:
		c.theme = m.Theme
		if ascii := m.Theme.ASCII(); ascii != c.pens.ascii {
			c.pens = &pens{ascii: ascii}
			clear(c.drawn)
		}
	case pane.Data:
		c.data, c.now = m, m.Now
	case Beat:
		c.now = m.Now
	case tea.PasteMsg:
		c.Paste(m.Content)
	case tea.KeyPressMsg:
		c.press(m)
	}
	c.look()
}

// look takes the room in as it is now.
func (c *Chat) look() {
	if c.opts.Room == nil {
		return
	}
	s := c.opts.Room.Snapshot()
	if s != c.snap {
		c.snap = s
		if c.id != "" && s.Find(c.id) == nil { // deleted, in another window maybe
			c.show("")
		}
		if !c.picked && !s.Loading && len(s.Conversations) > 0 {
			c.show(s.Conversations[0].ID)
		}
		c.listed = max(0, min(c.listed, len(s.Conversations)-1))
	}
	c.askQueued()
}

// askQueued asks how long the shown answers waited, once each.
func (c *Chat) askQueued() {
	open := c.open()
	if open == nil || c.opts.Queued == nil {
		return
	}
	for i := range open.Turns {
		for j := range open.Turns[i].Answers {
			a := &open.Turns[i].Answers[j]
			if _, known := c.waits[a.RequestID]; known || a.RequestID == "" || a.State.Running() || a.Target.Replica != "" {
				continue
			}
			wait, known := c.opts.Queued(a.RequestID)
			if known {
				c.waits[a.RequestID] = wait
			} else if c.now.Sub(a.Start) > a.Took+5*time.Second {
				c.waits[a.RequestID] = -1 // it won't be known any more
			}
		}
	}
}

// open is the open conversation; nil: there is none.
func (c *Chat) open() *chat.Conversation {
	if c.snap == nil || c.id == "" {
		return nil
	}
	return c.snap.Find(c.id)
}

// show opens a conversation; "": none.
func (c *Chat) show(id string) {
	c.id, c.again, c.sheet, c.offers = id, -1, nil, nil
	c.scroll = chatScroll{follow: true}
	c.at, c.side = 0, 0
	clear(c.drawn)
	clear(c.waits)
	open := c.open()
	if open == nil {
		c.edit.set("")
		return
	}
	c.picked = true
	c.edit.set(open.Draft)
	c.at = max(0, len(open.Turns)-1)
	c.listed = slices.IndexFunc(c.snap.Conversations, func(o *chat.Conversation) bool { return o.ID == id })
}

// say tells of a command on the figures' line.
func (c *Chat) say(text string, err error) {
	c.says, c.wrong = text, err != nil
	if err != nil {
		c.says = err.Error()
	}
}

// selected is the selected answer; nil: there is none.
func (c *Chat) selected() (*chat.Turn, *chat.Answer) {
	open := c.open()
	if open == nil || c.at >= len(open.Turns) || c.at < 0 {
		return nil, nil
	}
	t := &open.Turns[c.at]
	if len(t.Answers) == 0 {
		return t, nil
	}
	return t, &t.Answers[min(c.side, len(t.Answers)-1)]
}

// settings are those of the open conversation, or those that the next begins with.
func (c *Chat) settings() chat.Settings {
	if open := c.open(); open != nil {
		return open.Settings
	}
	if c.snap != nil && len(c.snap.Conversations) > 0 {
		s := c.snap.Conversations[0].Settings
		return chat.Settings{Model: s.Model}
	}
	return chat.Settings{Model: c.firstModel()}
}

// firstModel is the model to talk to where none was chosen: of the first backend that
// has no route for a purpose of its own, or else of the first.
func (c *Chat) firstModel() (model string) {
	if c.data.Pool == nil {
		return ""
	}
	for i := range c.data.Pool.Backends {
		b := &c.data.Pool.Backends[i]
		if len(b.Routes) == 0 {
			return b.Model
		}
		if model == "" {
			model = b.Model
		}
	}
	return model
}

// models are those that can be asked for.
func (c *Chat) models() (all []string) {
	if c.data.Pool == nil {
		return nil
	}
	for i := range c.data.Pool.Backends {
		b := &c.data.Pool.Backends[i]
		all = append(append(all, b.Model), b.Aliases...)
	}
	return all
}

// replicas are the URLs of those of a model's backend.
func (c *Chat) replicas(model string) (urls []string) {
	if c.data.Pool == nil {
		return nil
	}
	for i := range c.data.Pool.Backends {
		b := &c.data.Pool.Backends[i]
		if b.Model != model && !slices.Contains(b.Aliases, model) {
			continue
		}
		for j := range b.Replicas {
			urls = append(urls, b.Replicas[j].URL)
		}
	}
	return urls
}

// suspect is the replica that the gateway is compared with: the one that the answer
// came from, where that is known, or else the first.
func (c *Chat) suspect(a *chat.Answer, model string) string {
	if r, ok := c.record(a); ok && r.Replica != "" {
		return r.Replica
	}
	if urls := c.replicas(model); len(urls) > 0 {
		return urls[0]
	}
	return ""
}
