package chat

import "time"

// Conversation is one as it was at a moment. It is immutable.
type Conversation struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // "": nothing was asked yet
	Named    bool      `json:"named,omitempty"`
	Created  time.Time `json:"created"`
	Changed  time.Time `json:"changed"`
	Settings Settings  `json:"settings"`
	Draft    string    `json:"draft,omitempty"` // typed, and not sent
	Turns    []Turn    `json:"turns"`
}

// Running tells whether an answer is under way.
func (c *Conversation) Running() bool {
	return len(c.Turns) > 0 && c.Turns[len(c.Turns)-1].Running()
}

// Turn is a question and its answer, or its two answers where ways are compared.
type Turn struct {
	Question string    `json:"question"`
	At       time.Time `json:"at"`
	Answers  []Answer  `json:"answers"`
}

// Running tells whether one of the answers is under way.
func (t *Turn) Running() bool {
	for i := range t.Answers {
		if t.Answers[i].State.Running() {
			return true
		}
	}
	return false
}

// State is where an answer stands.
type State string

// The states.
const (
	Waiting     State = "waiting"     // asked; nothing has come
	Streaming   State = "streaming"   // the first token has come
	Done        State = "done"        // it ended as it should
	Cancelled   State = "cancelled"   // by the operator
	Failed      State = "failed"      // see Error
	Interrupted State = "interrupted" // the gateway's process ended
)

// Running tells whether more may come.
func (s State) Running() bool { return s == Waiting || s == Streaming }

// Answer is what came of a question on one way. Its texts come from outside: who
// draws them makes them harmless. Text and Reasoning only grow, as long as ID is the
// same.
type Answer struct {
	ID        uint64 `json:"-"` // of no other answer in this process
	Target    Target `json:"target"`
	Model     string `json:"model"` // as asked
	State     State  `json:"state"`
	Text      string `json:"text"`
	Reasoning string `json:"reasoning,omitempty"` // what the model says to itself first
	Cut       bool   `json:"cut,omitempty"`       // it was longer than what is kept
	Error     string `json:"error,omitempty"`
	Code      string `json:"code,omitempty"`   // the error's, in the dialect
	Status    int    `json:"status,omitempty"` // of HTTP; 0: no head has come
	RequestID string `json:"request_id,omitempty"`
	Finish    string `json:"finish,omitempty"` // the finish reason

	Start   time.Time     `json:"start"`
	First   time.Duration `json:"first_ns,omitempty"`   // to the first token; 0: none has come
	Last    time.Duration `json:"last_ns,omitempty"`    // to the newest token
	Took    time.Duration `json:"took_ns,omitempty"`    // in all; 0 while it runs
	Longest time.Duration `json:"longest_ns,omitempty"` // wait between two tokens

	Events     int  `json:"events,omitempty"`     // with text in them
	Usage      bool `json:"usage,omitempty"`      // the engine has said the two that follow
	Prompt     int  `json:"prompt,omitempty"`     // tokens
	Completion int  `json:"completion,omitempty"` // tokens
	Cached     int  `json:"cached,omitempty"`     // of Prompt: found in the prefix cache

	// As they went over the wire, from the start on; kept while the process lives, of
	// the newest answers.
	Request  string `json:"-"`
	Response string `json:"-"`
}

// Tokens is how many were generated; exact is false where the engine hasn't said, and
// events are counted.
func (a *Answer) Tokens() (n int, exact bool) {
	if a.Usage {
		return a.Completion, true
	}
	return a.Events, false
}

// Rate is tokens a second behind the first; 0: not known.
func (a *Answer) Rate() float64 {
	n, _ := a.Tokens()
	if n < 2 || a.Last <= a.First {
		return 0
	}
	return float64(n-1) / (a.Last - a.First).Seconds()
}

// PerToken is the mean time between two tokens; 0: not known.
func (a *Answer) PerToken() time.Duration {
	n, _ := a.Tokens()
	if n < 2 || a.Last <= a.First {
		return 0
	}
	return (a.Last - a.First) / time.Duration(n-1)
}
