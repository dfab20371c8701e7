package play

import (
	"errors"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/ui/chat"
	"pilothouse/ui/pane"
)

// press routes a key: to the sheet, to what is being typed, to the part that has the
// keys.
func (c *Chat) press(k tea.KeyPressMsg) {
	if c.opts.Room == nil {
		return
	}
	c.says = ""
	switch {
	case c.sheet != nil:
		c.pressSheet(k)
	case key.Matches(k, c.keys.Stop):
		c.stop()
	case c.Typing():
		c.pressEditor(k)
	case key.Matches(k, c.keys.Next):
		c.turn(1)
	case key.Matches(k, c.keys.Previous):
		c.turn(-1)
	case c.part == chatList:
		c.pressList(k)
	case c.part == chatSettings:
		c.pressSettings(k)
	case c.part == chatEditor && key.Matches(k, c.keys.Type):
		c.typing = true
	default:
		c.pressAnswers(k)
	}
}

// turn gives the keys to another part.
func (c *Chat) turn(by int) {
	c.part = chatPart((int(c.part) + by + int(chatParts)) % int(chatParts))
	c.typing = c.part == chatEditor
	c.offers = nil
}

// stop ends what is under way, or else gives up what takes the place of a question, or
// else leaves typing, or else goes back to the editor.
func (c *Chat) stop() {
	open := c.open()
	switch {
	case open != nil && open.Running():
		c.say("the answer is ended", c.opts.Room.Cancel(c.id))
	case c.snap.Burst != nil && c.snap.Burst.Running:
		c.opts.Room.CancelBurst()
		c.say("the burst is ended", nil)
	case c.offers != nil:
		c.offers = nil
	case c.again >= 0:
		c.again = -1
		c.edit.set("")
		c.typed()
	case c.part == chatEditor:
		c.typing = false
	default:
		c.part, c.typing = chatEditor, false
	}
}

// pressEditor takes a key in while a message is typed.
func (c *Chat) pressEditor(k tea.KeyPressMsg) {
	switch {
	case key.Matches(k, c.keys.Send):
		c.send()
	case k.Code == tea.KeyTab && strings.HasPrefix(c.edit.text(), "/"):
		c.complete(k.Mod&tea.ModShift != 0)
	case key.Matches(k, c.keys.Next):
		c.turn(1)
	case key.Matches(k, c.keys.Previous):
		c.turn(-1)
	case k.Code == tea.KeyPgUp:
		c.scroll.page(-1)
	case k.Code == tea.KeyPgDown:
		c.scroll.page(1)
	case (k.Code == tea.KeyUp || k.String() == "ctrl+p") && c.edit.older(c.snap.History),
		(k.Code == tea.KeyDown || k.String() == "ctrl+n") && c.edit.newer(c.snap.History):
		c.typed()
	default:
		if c.edit.press(k) {
			c.typed()
		}
	}
}

// typed keeps what was typed as a draft, where it is no command.
func (c *Chat) typed() {
	text := c.edit.text()
	c.offers = nil
	if strings.HasPrefix(text, "/") {
		c.offers = c.offer(text)
		return
	}
	if c.id == "" && strings.TrimSpace(text) == "" || c.again >= 0 {
		return
	}
	if c.id == "" && c.begin() != nil {
		return // it is told when it is sent
	}
	if err := c.opts.Room.SetDraft(c.id, text); err != nil {
		c.say("", err)
	}
}

// begin makes a conversation, keeping what is typed, and opens it.
func (c *Chat) begin() error {
	id, err := c.opts.Room.New(c.settings())
	if err != nil {
		return err
	}
	text := c.edit.text()
	c.snap = c.opts.Room.Snapshot()
	c.show(id)
	c.edit.set(text)
	return nil
}

// send sends what is typed, or does what it commands.
func (c *Chat) send() {
	text := strings.TrimSpace(c.edit.text())
	if text == "" {
		return
	}
	var err error
	if strings.HasPrefix(text, "/") {
		c.offers = nil
		c.edit.set("")
		c.opts.Room.Remember(text)
		if err = c.command(text); err != nil {
			c.edit.set(text) // to be put right
			c.say("", err)
		}
		return
	}
	if c.id == "" {
		err = c.begin()
	}
	if err == nil && c.settings().Model == "" {
		s := c.settings()
		if s.Model = c.firstModel(); s.Model != "" {
			err = c.opts.Room.Set(c.id, s)
		}
	}
	if err == nil {
		err = c.opts.Room.Again(c.id, c.again, text, nil)
	}
	if err != nil {
		c.say("", err)
		return
	}
	c.opts.Room.Remember(text)
	c.again = -1
	c.edit.set("")
	c.toEnd()
}

// toEnd selects the newest turn and follows it.
func (c *Chat) toEnd() {
	c.snap = c.opts.Room.Snapshot()
	if open := c.open(); open != nil {
		c.at, c.side = max(0, len(open.Turns)-1), 0
	}
	c.scroll.follow = true
}

// pressAnswers takes a key in of the answers, and of the editor while nothing is typed.
func (c *Chat) pressAnswers(k tea.KeyPressMsg) {
	open := c.open()
	turn, a := c.selected()
	turns := 0
	if open != nil {
		turns = len(open.Turns)
	}
	switch {
	case key.Matches(k, c.keys.PageUp):
		c.scroll.page(-1)
	case key.Matches(k, c.keys.PageDown):
		c.scroll.page(1)
	case key.Matches(k, c.keys.Top):
		c.scroll.to(0)
		c.at = 0
	case key.Matches(k, c.keys.Bottom):
		c.scroll.follow = true
		c.at = max(0, turns-1)
	case key.Matches(k, c.keys.Up):
		c.at = max(0, c.at-1)
		c.scroll.reveal = true
	case key.Matches(k, c.keys.Down):
		c.at = min(max(0, turns-1), c.at+1)
		c.scroll.reveal = true
	case key.Matches(k, c.keys.Left):
		c.side = 0
	case key.Matches(k, c.keys.Right):
		if turn != nil && len(turn.Answers) > 1 {
			c.side = 1
		}
	case key.Matches(k, c.keys.New):
		c.fresh()
	case key.Matches(k, c.keys.Burst):
		_ = c.askBurst(8, 64) // it tells why not itself
	case turn == nil:
		c.say("nothing was asked yet", nil)
	case key.Matches(k, c.keys.Edit):
		c.editTurn(c.at)
	case key.Matches(k, c.keys.Again):
		c.asked(c.opts.Room.Again(c.id, c.at, turn.Question, nil))
	case key.Matches(k, c.keys.Compare):
		c.asked(c.compare(c.at, ""))
	case a == nil:
	case key.Matches(k, c.keys.Explain):
		c.explain(a)
	case key.Matches(k, c.keys.Raw):
		c.openRaw(a)
	case key.Matches(k, c.keys.Copy):
		c.copy(a)
	}
}

// asked tells of what was asked again.
func (c *Chat) asked(err error) {
	if err != nil {
		c.say("", err)
		return
	}
	c.toEnd()
}

// fresh opens a place for a new conversation; it is made when something is typed.
func (c *Chat) fresh() {
	s := c.settings()
	id, err := c.opts.Room.New(chat.Settings{Model: s.Model})
	if err != nil {
		c.say("", err)
		return
	}
	c.snap = c.opts.Room.Snapshot()
	c.show(id)
	c.part, c.typing = chatEditor, true
}

// editTurn puts an earlier question where it can be changed and sent again.
func (c *Chat) editTurn(at int) {
	c.again = at
	c.edit.set(c.open().Turns[at].Question)
	c.part, c.typing = chatEditor, true
}

var errNoReplica = errors.New("no replica of that model is known")

// compare asks a question again, through the gateway and straight to a replica; "": the
// one that answered.
func (c *Chat) compare(at int, replica string) error {
	open := c.open()
	if open == nil || at >= len(open.Turns) {
		return errors.New("nothing was asked yet")
	}
	t := &open.Turns[at]
	if replica == "" {
		replica = c.suspect(&t.Answers[0], open.Settings.Model)
	}
	if replica == "" {
		return errNoReplica
	}
	return c.opts.Room.Again(c.id, at, t.Question, []chat.Target{{}, {Replica: replica}})
}

// explain wants the explanation of an answer's request.
func (c *Chat) explain(a *chat.Answer) {
	r, ok := c.record(a)
	switch {
	case a.Target.Replica != "":
		c.say("it went straight to the replica: the gateway decided nothing; v shows it as it was", nil)
	case !ok:
		c.say("the gateway doesn't know this request any more; v shows it as it was", nil)
	default:
		c.wants = append(c.wants, Want{Explain: pane.Ref{Kind: pane.RefRequest, ID: r.ID, Start: r.Start, Name: r.Org}})
	}
}

func (c *Chat) copy(a *chat.Answer) {
	if a.Text == "" {
		c.say("there is no text to copy", nil)
		return
	}
	c.wants = append(c.wants, Want{Clipboard: a.Text})
	c.say("sent to the terminal's clipboard, where it allows that", nil)
}

// pressList takes a key in of the list of conversations.
func (c *Chat) pressList(k tea.KeyPressMsg) {
	all := c.snap.Conversations
	switch {
	case key.Matches(k, c.keys.New):
		c.fresh()
	case len(all) == 0:
	case key.Matches(k, c.keys.Up):
		c.listed = max(0, c.listed-1)
	case key.Matches(k, c.keys.Down):
		c.listed = min(len(all)-1, c.listed+1)
	case key.Matches(k, c.keys.PageUp):
		c.listed = max(0, c.listed-10)
	case key.Matches(k, c.keys.PageDown):
		c.listed = min(len(all)-1, c.listed+10)
	case key.Matches(k, c.keys.Top):
		c.listed = 0
	case key.Matches(k, c.keys.Bottom):
		c.listed = len(all) - 1
	case key.Matches(k, c.keys.Open):
		c.show(all[c.listed].ID)
		c.part, c.typing = chatEditor, true
	case key.Matches(k, c.keys.Rename):
		c.show(all[c.listed].ID)
		c.prompt("/rename " + all[c.listed].Name)
	case key.Matches(k, c.keys.Delete):
		c.askDelete(all[c.listed])
	}
}

// prompt puts a command where it can be typed on.
func (c *Chat) prompt(text string) {
	c.part, c.typing = chatEditor, true
	c.edit.set(text)
	c.typed()
}
