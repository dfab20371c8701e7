package gateway

import (
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends/openai"
	"pilothouse/gateway/keys"
)

// What happens before a request is whole: fasthttp asks once the header is
// there, and reports what it could not read.

// authenticate finds whose key the header carries. On an operator's own
// connection that is the secret of those, and no client's key; elsewhere that
// secret is none. c is nil where the connection is not known.
func (g *Gateway) authenticate(h *fasthttp.RequestHeader, c *conn) (*keys.Key, error) {
	presented := bearer(h.Peek("Authorization"))
	if presented == nil {
		return nil, badKey(KeyMissing, "An API key is needed: send it as Authorization: Bearer KEY.")
	}
	if c != nil && c.caller != nil {
		if !g.inside.is(presented) {
			return nil, badKey(KeyUnknown, "This API key is not valid.")
		}
		return c.caller, nil
	}
	key, err := g.keys.Lookup(presented)
	switch {
	case errors.Is(err, keys.ErrExpired):
		return nil, badKey(KeyExpired, "This API key has expired.")
	case err != nil:
		return nil, badKey(KeyUnknown, "This API key is not valid.")
	}
	return key, nil
}

func badKey(state KeyState, message string) *refusal {
	f := refuse(openai.CodeInvalidAPIKey, message)
	f.key = state
	return f
}

// smallBody is read without asking who sends it.
const smallBody = 64 << 10

// headerReceived keeps those without a key from having a large body held for
// them: fasthttp sets the declared length aside before the first byte. A body
// in chunks is given a length for that, so that it too is refused before it is
// read, while the header is still there to say who sends it.
func (g *Gateway) headerReceived(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > smallBody || n == -1 {
		if _, err := g.authenticate(h, nil); err != nil && !g.inside.knows(h) {
			h.SetContentLength(smallBody)
			c.MaxRequestBodySize = 1
		}
	}
	return c
}

// expect answers Expect: 100-continue before the body is sent.
func (g *Gateway) expect(ctx *fasthttp.RequestCtx) int {
	if g.stopping.Load() {
		g.early(ctx, errStopping)
		return ctx.Response.StatusCode()
	}
	if _, err := g.authenticate(&ctx.Request.Header, clientConn(ctx.Conn())); err != nil {
		g.early(ctx, err)
		return ctx.Response.StatusCode()
	}
	if n := ctx.Request.Header.ContentLength(); n > int(g.server.MaxBody) {
		g.early(ctx, g.tooLarge())
		return ctx.Response.StatusCode()
	}
	return fasthttp.StatusContinue
}

func (g *Gateway) tooLarge() *refusal {
	f := refuse(openai.CodeBodyTooLarge, "The request body is larger than "+g.server.MaxBody.String()+".")
	f.close = true
	return f
}

// unreadable answers a request that fasthttp could not read. The connection
// ends with the answer.
func (g *Gateway) unreadable(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		err = refuse(openai.CodeHeadersTooLarge, "The request's headers are larger than "+g.server.MaxHeader.String()+".")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		// Where reading has begun the header is gone, and the key was valid.
		h := &ctx.Request.Header
		err = g.tooLarge()
		if len(h.RawHeaders()) > 0 {
			if _, denied := g.authenticate(h, clientConn(ctx.Conn())); denied != nil {
				err = denied
			}
		}
	case late(ctx.Conn()):
		f := malformed("The request did not arrive within " + time.Duration(g.server.ReadTimeout).String() + ".")
		f.Status, f.Code = fasthttp.StatusRequestTimeout, "request_timeout"
		err = f
	default:
		err = malformed("The request is not valid HTTP/1.1.")
	}
	g.early(ctx, err)
}

func late(c net.Conn) bool {
	own := clientConn(c)
	return own != nil && own.late.Load()
}

// early answers and books a request that never reached the pipeline. It counts
// for its address's rate as others do.
func (g *Gateway) early(ctx *fasthttp.RequestCtx, err error) {
	r := g.arrive(ctx)
	r.origin(&ctx.Request.Header)
	if limited := r.rate(); limited != nil {
		err = limited
	}
	f := r.refusalOf(err)
	f.close = true
	r.refuse(ctx, f)
	r.leave()
}
