package openai

// Endpoint is what a request asks for.
type Endpoint uint8

const (
	Chat        Endpoint = iota // /v1/chat/completions and routes like /text2sql
	Completions                 // /v1/completions
	Embeddings                  // /v1/embeddings
)

// Request is what the gateway needs to know of a request's body. It may be
// used again and again: Inspect sets all of it. It holds offsets into the
// body, never the body; what takes a body wants the one that was inspected,
// unchanged.
//
// null counts as nothing for every parameter, as in OpenAI's own API. For
// Embeddings Stream is false, N is 1 and MaxTokens is 0 whatever the body
// says: nothing is generated there.
type Request struct {
	HasModel        bool // the client named a model
	Stream          bool
	N               int  // answers asked for to each prompt, from 1
	Prompts         int  // from 1; more only for Completions, whose prompt may be an array of them
	MaxTokens       int  // what the client allows each answer; 0: it did not say. max_completion_tokens rules where both are given
	IncludeUsage    bool // the client asked for a stream's usage; an object without include_usage does, as in vLLM
	ContinuousUsage bool // the client asked for it on every event; counts only with IncludeUsage, as in vLLM
	PromptBytes     int  // length as JSON of messages and tools, of prompt, or of input: what the prompt's tokens are estimated from

	endpoint    Endpoint
	seen        seen
	open        int // offset behind the brace that opens the body
	modelStart  int // the name: in the body, or in decoded where it has escapes
	modelEnd    int
	modelPlain  bool // no escapes
	maxTokens   int  // max_tokens alone
	work        bool // messages, prompt or input, whichever the endpoint needs
	workStart   int  // its value in the body
	workEnd     int
	usageGiven  bool // stream_options has a member include_usage
	everyGiven  bool // … continuous_usage_stats
	optionsBare bool // stream_options is an object without members
	cuts        [maxCuts]cut
	cutCount    int

	names   names  // of the top level, those that have no bit in seen
	options names  // of stream_options
	decoded []byte // of names and the model, where they have escapes
	refusal *Error // the first thing wrong with valid JSON
}

// seen has a bit for every member that the top level had.
type seen uint16

const (
	seenModel seen = 1 << iota
	seenStream
	seenStreamOptions
	seenN
	seenMaxTokens
	seenMaxCompletion
	seenTemperature
	seenTopP
	seenMessages
	seenTools
	seenPrompt
	seenInput
)

// cut is a place in the body where AppendBody may have to write something
// else: body[start:end] is what the client has there.
type cut struct {
	what       cutKind
	start, end int
}

type cutKind uint8

const (
	cutModel       cutKind = iota // the value of model
	cutMaxTokens                  // a null
	cutTemperature                // a null
	cutTopP                       // a null
	cutOptions                    // a null
	cutOptionsOpen                // behind the brace that opens stream_options, empty
	cutUsage                      // the value of include_usage or continuous_usage_stats
)

// maxCuts is one of each, and both values of cutUsage: stream_options is
// either null or an object.
const maxCuts = 7

// Model gives the model's name as the client means it, escapes decoded; empty
// where it named none. It is valid until the body is changed or Inspect is
// called again. A map lookup with string(r.Model(body)) does not allocate.
func (r *Request) Model(body []byte) []byte {
	if !r.HasModel {
		return nil
	}
	if r.modelPlain {
		return body[r.modelStart:r.modelEnd]
	}
	return r.decoded[r.modelStart:r.modelEnd]
}

// PromptTokens is an estimate of the prompt's tokens: three bytes of JSON
// each. English has about four, code and most other scripts two to three.
func (r *Request) PromptTokens() int { return (r.PromptBytes + 2) / 3 }

func (r *Request) reset(e Endpoint) {
	*r = Request{N: 1, Prompts: 1, endpoint: e, names: r.names, options: r.options, decoded: r.decoded[:0]}
	r.names.reset()
	r.options.reset()
	if cap(r.decoded) > keepDecoded {
		r.decoded = nil
	}
}

// keepDecoded bounds the memory for decoded names that is kept for the next
// body.
const keepDecoded = 64 << 10

func (r *Request) cut(what cutKind, start, end int) {
	r.cuts[r.cutCount] = cut{what, start, end}
	r.cutCount++
}

// work is the member that holds what is to be worked on.
func (e Endpoint) work() seen {
	switch e {
	case Completions:
		return seenPrompt
	case Embeddings:
		return seenInput
	}
	return seenMessages
}
