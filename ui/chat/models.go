package chat

import (
	"context"
	"net/http"
)

// Models is who answers. Both methods may be called at once; they return when the
// head of an answer has come, and their errors are shown in words. An answer's body
// ends when ctx does, and is closed by who asked. What is refused in the dialect
// comes as an answer of another status than 2xx.
type Models interface {
	// Ask goes through the gateway, as a client does.
	Ask(ctx context.Context, path string, body []byte) (*http.Response, error)
	// AskReplica goes straight to a replica, past the gateway.
	AskReplica(ctx context.Context, replica, path string, body []byte) (*http.Response, error)
}

// Target is which way a question goes. The zero Target is through the gateway.
type Target struct {
	Replica string `json:"replica,omitempty"` // its URL; "": through the gateway
}

func (t Target) String() string {
	if t.Replica == "" {
		return "gateway"
	}
	return t.Replica
}

// ask sends a body the way that t is.
func (t Target) ask(ctx context.Context, m Models, body []byte) (*http.Response, error) {
	const path = "/v1/chat/completions"
	if t.Replica == "" {
		return m.Ask(ctx, path, body)
	}
	return m.AskReplica(ctx, t.Replica, path, body)
}
