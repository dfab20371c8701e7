package gateway

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"pilothouse/backends"
	"pilothouse/backends/openai"
	"pilothouse/gateway/keys"
)

// endpoint is a row of the contract's table. What a backend is asked for is
// upstream, never the client's own target.
type endpoint struct {
	path     string // also its name in metrics and logs
	method   string
	open     bool                                       // needs no key
	local    func(*request, *fasthttp.RequestCtx) error // the gateway's own answer; nil: a backend answers
	kind     openai.Endpoint
	scope    keys.Scope
	upstream string
	byRoute  bool // the path chooses the backend, not the model
}

const modelPath = "/v1/models/"

// fixed are the endpoints that every gateway has.
var fixed = func() map[string]*endpoint {
	m := map[string]*endpoint{}
	for _, e := range []endpoint{
		{path: "/v1/chat/completions", method: "POST", kind: openai.Chat, scope: keys.Chat},
		{path: "/v1/completions", method: "POST", kind: openai.Completions, scope: keys.Completions},
		{path: "/v1/embeddings", method: "POST", kind: openai.Embeddings, scope: keys.Embeddings},
		{path: "/v1/models", method: "GET", local: (*request).listModels},
		{path: modelPath + "{id}", method: "GET", local: (*request).showModel},
		{path: "/v1/usage", method: "GET", local: (*request).showUsage},
		{path: "/health", method: "GET", open: true, local: (*request).health},
		{path: "/health/live", method: "GET", open: true, local: (*request).live},
		{path: "/health/ready", method: "GET", open: true, local: (*request).ready},
	} {
		e.upstream = e.path
		m[e.path] = &e
	}
	return m
}()

// nowhere is the endpoint of all other paths.
var nowhere = &endpoint{path: "other"}

// find looks a path up. It must match to the byte.
func (g *Gateway) find(path []byte) *endpoint {
	if e := fixed[string(path)]; e != nil && !bytes.Contains(path, []byte("{")) {
		return e
	}
	if len(path) > len(modelPath) && string(path[:len(modelPath)]) == modelPath {
		return fixed[modelPath+"{id}"]
	}
	if e := g.settings.Load().routes[string(path)]; e != nil {
		return e
	}
	return nowhere
}

// routes are the endpoints that backends bring along.
func routes(all []*backends.Backend) map[string]*endpoint {
	m := map[string]*endpoint{}
	for _, b := range all {
		for _, path := range b.Routes {
			e := &endpoint{path: path, method: "POST", kind: openai.Chat, scope: keys.Chat, upstream: "/v1/chat/completions", byRoute: true}
			if path == "/text2sql" {
				e.scope = keys.Text2SQL
			}
			m[path] = e
		}
	}
	return m
}
