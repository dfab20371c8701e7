package backends

// Failure is a sign that a replica is not well.
type Failure uint8

const (
	ConnectFailed Failure = iota
	ProbeFailed
	Reset
	Protocol
	ServerError
	TimedOut
	KeyRefused
	failures // how many there are
)

var failureNames = [failures]struct{ kind, words string }{
	ConnectFailed: {"connect", "it can't be connected to"},
	ProbeFailed:   {"probe", "its health check fails"},
	Reset:         {"reset", "it broke off an answer"},
	Protocol:      {"protocol", "it does not speak HTTP as it should"},
	ServerError:   {"server_error", "it answers with a server error"},
	TimedOut:      {"timeout", "it did not answer in time"},
	KeyRefused:    {"key_refused", "it refuses the gateway's key"},
}

// String says what happened, in words.
func (f Failure) String() string { return failureNames[f].words }

// Kind is one word, for metrics.
func (f Failure) Kind() string { return failureNames[f].kind }

// Failures lists all there are.
func Failures() []Failure {
	all := make([]Failure, failures)
	for i := range all {
		all[i] = Failure(i)
	}
	return all
}

// aboutConnection tells whether a health check that succeeds disproves it.
func (f Failure) aboutConnection() bool { return f == ConnectFailed || f == ProbeFailed }

// outcome is what came of a health check.
type outcome uint8

const (
	succeeded outcome = iota
	refused           // nothing listens
	unnamed           // the host's name is not known
	brokeOff          // it listens, and ends the connection without an answer
	unready           // 503
	lacking           // it is well, and does not serve the model
	errored           // another status than 2xx
	silent            // no answer in time
	unclear           // no connection, or no answer that can be understood
)

var outcomeWords = [...]string{
	refused:  "nothing listens at its address",
	unnamed:  "its host's name is not known",
	brokeOff: "it ends connections without an answer",
	unready:  "its health check answers 503",
	lacking:  "it is up, and does not list its model in /v1/models",
	errored:  "its health check answers with an error",
	silent:   "its health check is not answered in time",
	unclear:  "its health check fails",
}

func (o outcome) String() string { return outcomeWords[o] }

// dead tells whether it is the engine's own word, or its absence, that it does
// not run. Silence is not: who hangs is silent as well.
func (o outcome) dead() bool {
	return o == refused || o == unnamed || o == brokeOff || o == unready
}
