package backends

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// warm sends the engine one real request, for one token, of the first kind that
// it serves. What it answers is read whole, and not looked at.
func (r *Replica) warm(ctx context.Context, client *http.Client) error {
	model, err := json.Marshal(r.settings.Load().model)
	if err != nil {
		return fmt.Errorf("write its first request: %w", err)
	}
	status := 0
	for _, kind := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"model":%s,"messages":[{"role":"user","content":"ping"}],"max_tokens":1}`},
		{"/v1/completions", `{"model":%s,"prompt":"ping","max_tokens":1}`},
		{"/v1/embeddings", `{"model":%s,"input":"ping"}`},
	} {
		resp, err := r.ask(ctx, client, "POST", kind.path, fmt.Sprintf(kind.body, model))
		if err != nil {
			var timed net.Error
			if errors.As(err, &timed) && timed.Timeout() {
				return fmt.Errorf("its first request was not answered within %v", client.Timeout)
			}
			return errors.New("its first request failed: the connection ended, or the answer was not HTTP") // whose own words are the engine's
		}
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, mostWarm))
		resp.Body.Close()
		status = resp.StatusCode
		switch {
		case status/100 == 2 && err == nil:
			return nil
		case status/100 == 2:
			return fmt.Errorf("its first answer broke off: %w", err)
		case status != http.StatusBadRequest && status != http.StatusNotFound && status != http.StatusMethodNotAllowed:
			return fmt.Errorf("its first request was answered with status %d", status)
		}
	}
	return fmt.Errorf("its first request was answered with status %d, whatever its kind", status)
}

// mostWarm bounds what is read of an answer to it.
const mostWarm = 1 << 20
