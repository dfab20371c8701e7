package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/queue"
	"pilothouse/gateway/quota"
)

// refusal is an answer that is an error: what a step returns that lets a
// request go no further. write is the one place that turns it into bytes.
type refusal struct {
	*apiError
	retry   Retry
	noRetry bool     // asking again before that is in vain
	allow   string   // the methods, on 405
	close   bool     // the connection ends with it
	failed  bool     // a backend's fault, not the gateway's decision
	key     KeyState // what is wrong with the client's key; 0: it is not that
}

// apiError names the embedded field, which as Error would hide its method.
type apiError = openai.Error

func refuse(code, message string) *refusal {
	return &refusal{apiError: openai.Refuse(code, message)}
}

// refusalOf turns any error of the pipeline into what the client is told.
func (r *request) refusalOf(err error) *refusal {
	if cause := r.ended(); cause != nil {
		err = cause // the error is only what ending it looked like from inside
	}
	var known *refusal
	var said *openai.Error
	var full *quota.Exceeded
	var lost *quota.StoreLost
	var line *queue.Full
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &said):
		return &refusal{apiError: said}
	case errors.As(err, &full):
		until := full.ResetsAt.UTC().Format(time.RFC3339)
		whose := "The organisation's "
		if full.Key != "" {
			whose = "This key's "
		}
		return &refusal{
			apiError: openai.Refuse(openai.CodeQuotaExceeded, whose+full.Window+" has no room for this request ("+
				strconv.FormatInt(full.Asked, 10)+" asked, "+strconv.FormatInt(full.Used+full.Reserved, 10)+" of "+strconv.FormatInt(full.Limit, 10)+
				" used or reserved). It begins anew at "+until+"."),
			retry: Retry{After: time.Until(full.ResetsAt), From: RetryWindow}, noRetry: true}
	case errors.As(err, &lost):
		return &refusal{apiError: openai.Refuse(openai.CodeQuotaDown, "What the organisation has left of its quotas can't be told at the moment."), retry: Retry{After: storeRetry, From: RetryStore}}
	case errors.As(err, &line):
		return overloaded(line.Forecast)
	case errors.Is(err, errWaited):
		return overloaded(r.queue.Forecast(r.key.Org.Name))
	case errors.Is(err, errFirstByte):
		return failure(openai.CodeBackendTimeout, "The model's backend sent no answer in time.")
	case errors.Is(err, errNextByte):
		return failure(openai.CodeBackendTimeout, "The model's backend stopped in the middle of its answer.")
	case errors.Is(err, errTotal):
		return failure(openai.CodeBackendTimeout, "The answer took longer than a request may take.")
	case errors.Is(err, errStopping):
		return &refusal{apiError: openai.Refuse(openai.CodeNoHealthyBackend, "The gateway is stopping."), retry: Retry{After: time.Second, From: RetryStop}, close: true}
	case errors.Is(err, errCancelled):
		return &refusal{apiError: openai.Refuse(openai.CodeCancelled, "An operator cancelled this request."), noRetry: true}
	case errors.Is(err, errClientLeft):
		return &refusal{apiError: &openai.Error{Status: statusClientLeft, Type: "client_left", Code: "client_left"}, close: true}
	case errors.Is(err, backends.ErrTruncated):
		return failure(openai.CodeBackendError, "The model's backend broke off its answer.")
	case errors.Is(err, errAnswerTooLarge):
		return failure(openai.CodeBackendError, "The answer is larger than this gateway passes on; ask for streams, or for less.")
	case errors.Is(err, openai.ErrEventTooLarge):
		return failure(openai.CodeBackendError, "The model's backend sent an event that is too large.")
	}
	return failure(openai.CodeBackendError, "The connection to the model's backend broke.")
}

// unbooked is the refusal of what the ledger can't take.
func unbooked() *refusal {
	return &refusal{apiError: openai.Refuse(openai.CodeLedgerDown, "The request can't be accounted for at the moment."), retry: Retry{After: ledgerRetry, From: RetryStore}}
}

// When to ask again after a store has failed: it is tried as often.
const (
	ledgerRetry = time.Second
	storeRetry  = 5 * time.Second
)

// statusClientLeft is what nginx logs when there is nobody to answer.
const statusClientLeft = 499

func failure(code, message string) *refusal {
	return &refusal{apiError: openai.Refuse(code, message), failed: true}
}

// write makes the refusal the answer.
func (f *refusal) write(resp *fasthttp.Response) {
	h := &resp.Header
	resp.ResetBody()
	resp.SetStatusCode(f.Status)
	h.SetContentType("application/json")
	if f.Status == fasthttp.StatusUnauthorized {
		h.SetCanonical([]byte("Www-Authenticate"), []byte("Bearer"))
	}
	if f.retry.After > 0 {
		h.SetCanonical([]byte("Retry-After"), strconv.AppendInt(nil, f.retry.Seconds(), 10))
	}
	if f.noRetry {
		h.SetCanonical([]byte("X-Should-Retry"), []byte("false"))
	}
	if f.allow != "" {
		h.SetCanonical([]byte("Allow"), []byte(f.allow))
	}
	if f.close {
		resp.SetConnectionClose()
	}
	resp.SetBodyRaw(append(f.AppendJSON(nil), '\n'))
}
