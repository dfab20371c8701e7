package sim

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// How a sequence ends, as vLLM's finish reasons have it.
const (
	finishStop   = "stop"   // the answer's natural end, or a stop string
	finishLength = "length" // max_tokens
	finishAbort  = "abort"  // the client left, or the server stopped
)

// output is what one step made for one choice.
type output struct {
	index   int    // of the choice
	text    string // may be empty: an end token, or text held back
	tokens  int    // generated for this choice so far
	finish  string // "" while it goes on
	stopped string // the stop string that was met
}

// job is a request's work in the engine: a sequence for each choice.
type job struct {
	request   string // the X-Request-Id it came with
	sequences []*sequence
	ready     chan struct{} // holds one: outputs may be waiting

	mu      sync.Mutex
	outputs []output
}

func newJob() *job { return &job{ready: make(chan struct{}, 1)} }

func (j *job) add(s *sequence) {
	s.job, s.index = j, len(j.sequences)
	j.sequences = append(j.sequences, s)
}

func (j *job) put(o output) {
	j.mu.Lock()
	j.outputs = append(j.outputs, o)
	j.mu.Unlock()
	select {
	case j.ready <- struct{}{}:
	default:
	}
}

// take is everything put since the last take.
func (j *job) take() []output {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := j.outputs
	j.outputs = nil
	return o
}

// sequence is one choice of a request. The engine's lock guards it from
// submit on.
type sequence struct {
	job     *job
	index   int
	prompt  []string
	answer  *answer
	limit   int  // tokens to generate at most; 0: only read the prompt
	least   int  // tokens before it may end by itself
	endless bool // never ends by itself
	stops   []string
	slow    float64 // what its prefill costs more; 1 is normal

	generated []string
	computed  int // tokens whose keys and values are in its blocks
	blocks    []*block
	filled    int    // of blocks, full and hashed
	hash      uint64 // of the prefix up to there
	held      string // text that may be the beginning of a stop string
	hung      bool   // keeps its blocks and gets nothing more
	ended     bool

	arrived, started, first, last time.Time
}

// length is what must be computed before the next token can come.
func (s *sequence) length() int { return len(s.prompt) + len(s.generated) }

func (s *sequence) missing() int { return s.length() - s.computed }

// decoding tells whether only its newest token is left to compute.
func (s *sequence) decoding() bool { return len(s.generated) > 0 && s.missing() == 1 }

func (s *sequence) token(i int) string {
	if i < len(s.prompt) {
		return s.prompt[i]
	}
	return s.generated[i-len(s.prompt)]
}

// outcome is what was done for it.
func (s *sequence) outcome(reason string) Generated {
	g := Generated{RequestID: s.job.request, Tokens: len(s.generated), Aborted: reason == finishAbort}
	if !s.first.IsZero() {
		g.Prompt = len(s.prompt)
	}
	return g
}

// next generates a token.
func (s *sequence) next() output {
	o := output{index: s.index}
	if s.limit == 0 {
		o.finish = finishStop
		return o
	}
	count := len(s.generated) + 1
	mayEnd := !s.endless && count > s.least
	token, end := s.answer.next(mayEnd)
	s.generated = append(s.generated, token)
	o.tokens = count
	switch {
	case end:
		o.finish = finishStop
	case count >= s.limit:
		o.finish = finishLength
	}
	o.text, o.stopped = s.release(token, o.finish != "", count >= s.least)
	if o.stopped != "" {
		o.finish = finishStop
	}
	return o
}

// release is the text that may go out after a token. What could be the
// beginning of a stop string is held until it is clear; from a stop string on
// nothing goes out. Text from before min_tokens is never looked at.
func (s *sequence) release(token string, last, mayStop bool) (text, stopped string) {
	if len(s.stops) == 0 || !mayStop {
		return token, ""
	}
	s.held += token
	hold := 0
	for _, stop := range s.stops {
		if at := strings.Index(s.held, stop); at >= 0 {
			return s.held[:at], stop
		}
		hold = max(hold, len(stop)-1)
	}
	if last {
		return s.held, ""
	}
	cut := max(0, len(s.held)-hold)
	for cut < len(s.held) && cut > 0 && !utf8.RuneStart(s.held[cut]) {
		cut--
	}
	text, s.held = s.held[:cut], s.held[cut:]
	return text, ""
}
