package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of an answer.
const (
	maxAnswer  = 1 << 20   // bytes of its text, and of its reasoning
	maxRaw     = 256 << 10 // bytes kept of a request, and of a response
	rawAnswers = 20        // newest answers of a conversation whose raw bytes are kept
)

var errQuestion = fmt.Errorf("ask: want 1 to %d bytes", maxQuestion)

// talk is a conversation while it changes; its room's mu guards it. Conversation's
// Turns are not used: turns are.
type talk struct {
	Conversation
	turns   []*turn
	frozen  *Conversation // as it is; nil: it must be made anew
	unsaved bool
}

type turn struct {
	question string
	at       time.Time
	answers  []*answer
}

// answer is one that may be under way. Answer's texts are not used: the builders are.
type answer struct {
	Answer
	text, thought, response strings.Builder
	stop                    context.CancelFunc
	told                    bool // that the operator ended it
}

// freeze gives the conversation as it is.
func (t *talk) freeze() *Conversation {
	if t.frozen != nil {
		return t.frozen
	}
	c := t.Conversation
	c.Settings = c.Settings.clone()
	c.Turns = make([]Turn, len(t.turns))
	for i, u := range t.turns {
		c.Turns[i] = Turn{Question: u.question, At: u.at, Answers: make([]Answer, len(u.answers))}
		for j, a := range u.answers {
			c.Turns[i].Answers[j] = a.freeze()
		}
	}
	t.frozen = &c
	return t.frozen
}

func (a *answer) freeze() Answer {
	f := a.Answer
	// What a builder gives stays as it is when more is written.
	f.Text, f.Reasoning, f.Response = a.text.String(), a.thought.String(), a.response.String()
	return f
}

// thaw makes a conversation that was read from a file changeable.
func (rs *Rooms) thaw(c *Conversation) *talk {
	t := &talk{Conversation: *c}
	t.Turns = nil
	for i := range c.Turns {
		u := &turn{question: c.Turns[i].Question, at: c.Turns[i].At}
		for _, f := range c.Turns[i].Answers {
			a := &answer{Answer: f}
			a.ID, a.Text, a.Reasoning = rs.answer.Add(1), "", ""
			a.text.WriteString(f.Text)
			a.thought.WriteString(f.Reasoning)
			if a.State.Running() {
				a.State = Interrupted
			}
			u.answers = append(u.answers, a)
		}
		t.turns = append(t.turns, u)
	}
	return t
}

// running counts answers under way.
func (t *talk) running() (n int) {
	for _, u := range t.turns {
		for _, a := range u.answers {
			if a.State.Running() {
				n++
			}
		}
	}
	return n
}

// cancel ends what is under way.
func (t *talk) cancel() {
	for _, u := range t.turns {
		for _, a := range u.answers {
			if a.State.Running() {
				a.told = true
				a.stop()
			}
		}
	}
}

// size is how many bytes of text it has.
func (t *talk) size() (n int) {
	n = len(t.Settings.System) + len(t.Draft)
	for _, u := range t.turns {
		n += len(u.question)
		for _, a := range u.answers {
			n += a.text.Len() + a.thought.Len()
		}
	}
	return n
}

// Ask asks a question in a conversation, on each of its targets.
func (h *Room) Ask(id, question string) error {
	return h.ask(id, -1, question, nil)
}

// Again asks a question in place of an earlier one: that one's answers, and what came
// after it, are replaced. The targets of this once are given, or nil for those of the
// conversation.
func (h *Room) Again(id string, turn int, question string, targets []Target) error {
	return h.ask(id, turn, question, targets)
}

// ask is both; turn -1 is behind the last.
func (h *Room) ask(id string, at int, question string, targets []Target) error {
	if strings.TrimSpace(question) == "" || len(question) > maxQuestion || !utf8.ValidString(question) {
		return errQuestion
	}
	if err := (&Settings{Targets: targets}).Check(); err != nil {
		return err
	}
	r := h.room
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.find(id)
	if err != nil {
		return err
	}
	if at < 0 {
		at = len(t.turns)
	}
	if len(targets) == 0 {
		targets = t.Settings.targets()
	}
	if err := r.mayAsk(t, at, len(question), len(targets)); err != nil {
		return err
	}
	t.turns = slices.Clone(t.turns[:at])
	u := &turn{question: strings.Clone(question), at: r.rooms.config.Now().UTC()}
	body := t.Settings.request(t.freezeTurns(), u.question).encode()
	t.turns = append(t.turns, u)
	if !t.Named && at == 0 {
		t.Name = title(question)
	}
	t.Draft, t.Changed = "", u.at
	for _, to := range targets {
		a, work := r.answering(h.models, t, to, body)
		if err := r.rooms.begin(work); err != nil {
			a.State, a.Error = Failed, err.Error()
			a.stop()
		}
		u.answers = append(u.answers, a)
	}
	t.forgetRaw()
	r.touch(t)
	return nil
}

// freezeTurns gives the turns as they are.
func (t *talk) freezeTurns() []Turn {
	t.frozen = nil
	return t.freeze().Turns
}

// mayAsk returns an error unless one more question fits.
func (r *room) mayAsk(t *talk, at, bytes, targets int) error {
	c := &r.rooms.config
	total := 0
	for _, o := range r.talks {
		total += o.size()
	}
	switch {
	case t.Settings.Model == "":
		return errors.New("choose a model first: /model NAME")
	case at > len(t.turns):
		return errors.New("there is no such question any more")
	case t.running() > 0:
		return errors.New("an answer is under way; esc ends it")
	case r.running()+targets > c.Running:
		return fmt.Errorf("%d answers are under way, which is the most", r.running())
	case at >= c.Turns:
		return fmt.Errorf("a conversation has at most %d questions; begin another with /new", c.Turns)
	case t.size()+bytes > c.Bytes:
		return fmt.Errorf("a conversation has at most %d KiB; begin another with /new", c.Bytes>>10)
	case total+bytes > c.Total:
		return fmt.Errorf("conversations have at most %d MiB together; delete one first", c.Total>>20)
	}
	return nil
}

// title names a conversation after its first question.
func title(question string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(question), "\n")
	letters := []rune(strings.TrimSpace(line))
	if len(letters) > titleLetters {
		letters = letters[:titleLetters]
	}
	return string(letters)
}

// forgetRaw drops the raw bytes of all but the newest answers.
func (t *talk) forgetRaw() {
	kept := 0
	for _, u := range slices.Backward(t.turns) {
		for _, a := range u.answers {
			if kept++; kept > rawAnswers {
				a.Request = ""
				a.response = strings.Builder{}
			}
		}
	}
}

// answering makes an answer, and the work that fills it; mu is held when it is
// called, and not when the work runs.
func (r *room) answering(m Models, t *talk, to Target, body []byte) (*answer, func()) {
	a := &answer{Answer: Answer{ID: r.rooms.answer.Add(1), Target: to, Model: t.Settings.Model, State: Waiting,
		Start: r.rooms.config.Now(), Request: string(body[:min(len(body), maxRaw)])}}
	ctx, stop := context.WithTimeout(r.rooms.ctx, r.rooms.config.Longest)
	a.stop = stop
	return a, func() {
		defer stop()
		err := ask(ctx, m, to, body, func(n news) { r.heard(t, a, n) })
		r.ended(ctx, t, a, err)
	}
}

// heard takes news of an answer in.
func (r *room) heard(t *talk, a *answer, n news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := maxRaw - a.response.Len(); room > 0 && len(n.raw) > 0 {
		a.response.Write(n.raw[:min(len(n.raw), room)])
	}
	if n.status != 0 {
		a.Status, a.RequestID = n.status, n.requestID
	}
	if n.finish != "" {
		a.Finish = n.finish
	}
	if n.usage != nil {
		a.Usage, a.Prompt, a.Completion, a.Cached = true, n.usage.prompt, n.usage.completion, n.usage.cached
	}
	if n.text != "" || n.thought != "" {
		a.piece(r.rooms.config.Now().Sub(a.Start), n)
	}
	if n.raw == nil {
		r.touch(t)
	}
}

// piece adds text that has come at a time.
func (a *answer) piece(at time.Duration, n news) {
	at = max(at, 1)
	if a.First == 0 {
		a.First, a.State = at, Streaming
	} else {
		a.Longest = max(a.Longest, at-a.Last)
	}
	a.Last = at
	a.Events++
	if a.Cut || a.text.Len()+len(n.text) > maxAnswer || a.thought.Len()+len(n.thought) > maxAnswer {
		a.Cut = true
		a.stop()
		return
	}
	a.text.WriteString(n.text)
	a.thought.WriteString(n.thought)
}

// ended notes how an answer ended.
func (r *room) ended(ctx context.Context, t *talk, a *answer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Took = max(r.rooms.config.Now().Sub(a.Start), 1)
	var no *refused
	switch {
	case a.Cut:
		a.State, a.Error = Failed, fmt.Sprintf("it was ended: answers have at most %d KiB", maxAnswer>>10)
	case err == nil:
		a.State = Done
	case a.told:
		a.State = Cancelled
	case r.rooms.ctx.Err() != nil:
		a.State = Interrupted
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		a.State, a.Error = Failed, fmt.Sprintf("no end after %s", r.rooms.config.Longest)
	case errors.As(err, &no):
		a.State, a.Error, a.Code = Failed, no.message, no.code
	default:
		a.State, a.Error = Failed, err.Error()
	}
	t.Changed = r.rooms.config.Now().UTC()
	r.touch(t)
}
