package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends"
	"pilothouse/backends/openai"
)

// relay passes the answer on: whole, or event by event.
func (r *request) relay(ctx *fasthttp.RequestCtx, up *backends.Conn, head *backends.Head) (stream bool, err error) {
	switch {
	case head.Status >= 300:
		return false, r.relayError(up, head)
	case r.inspect.Stream && bytes.HasPrefix(head.ContentType, []byte("text/event-stream")):
		r.place.Replica.Answered()
		stream, err = true, r.relayStream(ctx, up, head)
	default:
		r.place.Replica.Answered()
		err = r.relayUnary(ctx, up, head)
	}
	if err != nil {
		up.Close()
		return false, err
	}
	return stream, nil
}

// giveBack gives the connection back after a whole answer. From then on another
// request may be on it, so what ends this one must no longer close it.
func (r *request) giveBack(up *backends.Conn) {
	if r.during(nil) != nil {
		up.Close()
	} else {
		up.Release()
	}
}

// relayUnary reads the answer whole, so that one that was cut short can still
// become an error.
func (r *request) relayUnary(ctx *fasthttp.RequestCtx, up *backends.Conn, head *backends.Head) error {
	r.began(whole)
	resp := &ctx.Response
	resp.SetStatusCode(head.Status)
	resp.Header.SetContentTypeBytes(head.ContentType)
	limit := r.g.settings.Load().maxAnswer
	for size := 0; ; {
		p, err := up.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return r.brokeOff(err)
		}
		if size += len(p); size > limit {
			return errAnswerTooLarge
		}
		resp.AppendBody(p)
		r.progress()
		r.place.Replica.Progressed()
	}
	r.giveBack(up)
	body := resp.Body()
	r.usage, r.exact = openai.UsageOf(body)
	r.row.BytesOut = int64(len(body))
	status := resp.StatusCode() // head is the connection's, and so another request's by now
	if r.settle(status, "", EndDone) != nil {
		f := unbooked()
		f.write(resp)
		r.traceRefused(f)
	}
	r.output.Store(int64(r.usage.Completion)) // as it was charged
	r.series.tokens.Add(uint64(r.usage.Completion))
	r.limitHeaders(&resp.Header)
	return nil
}

var errAnswerTooLarge = errors.New("answer above max_answer")

// maxErrorBody is as much as is read of a backend's error.
const maxErrorBody = 64 << 10

// relayError turns a backend's error into one of the gateway's shape. A 4xx
// carries the backend's own message, for it is about the request; what a 5xx
// says is about the backend and stays here.
func (r *request) relayError(up *backends.Conn, head *backends.Head) error {
	r.declined = true
	status := head.Status
	var wait time.Duration
	if d, err := time.ParseDuration(string(head.RetryAfter) + "s"); err == nil && d > 0 && d < 24*time.Hour {
		wait = d
	}
	r.began(whole)
	var body []byte
	for {
		p, err := up.Next()
		if err == io.EOF {
			r.giveBack(up)
			break
		}
		if err != nil {
			up.Close()
			return r.brokeOff(err)
		}
		if body = append(body, p...); len(body) > maxErrorBody {
			up.Close()
			r.during(nil)
			break
		}
		r.progress()
	}
	switch {
	case status == 401 || status == 403:
		r.fail(backends.KeyRefused)
		r.g.log.Error("a backend refuses the gateway's key", "backend", r.backend.Name, "replica", r.rec.Replica, "status", status)
		return failure(openai.CodeBackendError, "The model's backend refused the gateway.")
	case status >= 400 && status < 500:
		r.place.Replica.Answered()
		e, ok := openai.ParseError(body)
		if !ok {
			e = openai.Error{Message: "The model's backend refused the request."}
		}
		e.Status = status
		if e.Type == "" {
			e.Type = "invalid_request_error"
		}
		e.Code = clientCode(status)
		return &refusal{apiError: &e, retry: Retry{After: wait, From: RetryBackend}}
	}
	r.fail(backends.ServerError)
	f := failure(openai.CodeBackendError, fmt.Sprintf("The model's backend failed with status %d.", status))
	if status >= 500 {
		f.Status = status
	}
	f.retry = Retry{After: wait, From: RetryBackend}
	return f
}

// clientCode is the code for an error that a backend holds against the client.
func clientCode(status int) string {
	switch status {
	case fasthttp.StatusNotFound:
		return openai.CodeNotFound
	case fasthttp.StatusRequestEntityTooLarge:
		return openai.CodeBodyTooLarge
	case fasthttp.StatusUnsupportedMediaType:
		return openai.CodeUnsupportedMedia
	case fasthttp.StatusTooManyRequests:
		return openai.CodeRateLimited
	}
	return openai.CodeInvalidRequest
}

// fail holds a failure against the replica.
func (r *request) fail(why backends.Failure) {
	r.series.failed(why)
	r.traceFailed(why)
	r.place.Replica.Failed(why)
}

// brokeOff holds an answer that broke off against the replica, unless the
// request was ended by others than it. Nor is an answer's size its fault: that
// is the client's choice, who could close every replica's circuit with it.
func (r *request) brokeOff(err error) error {
	cause := r.ended()
	if cause == nil && !errors.Is(err, openai.ErrEventTooLarge) || cause == errFirstByte || cause == errNextByte {
		r.fail(r.why(err))
	}
	return err
}

// began notes the first byte of an answer.
func (r *request) began(kind int) {
	t := now()
	r.first.Store(t)
	r.place.Began()
	r.queue.Wake(r.backend.Room())
	r.series.first[kind].observe(time.Duration(t-r.begun), 1)
	r.step(PhaseDecode, time.Duration(r.backend.Timeouts.NextByte))
}

// progress notes that more of the answer came.
func (r *request) progress() {
	r.due.Store(now() + int64(r.backend.Timeouts.NextByte))
}
