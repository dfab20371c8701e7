package gateway

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"pilothouse/backends"
	"pilothouse/backends/openai"
)

// What the gateway answers by itself.

func answerJSON(ctx *fasthttp.RequestCtx, status int, body []byte) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

// done answers and books a request that no backend is needed for.
func (r *request) done(ctx *fasthttp.RequestCtx, status int, body []byte) {
	answerJSON(ctx, status, append(body, '\n'))
	_ = r.settle(status, "", EndDone) // nothing of it goes into the ledger
	r.limitHeaders(&ctx.Response.Header)
}

// Health is the body of GET /health.
type Health struct {
	Status   string              `json:"status"` // healthy, degraded or unhealthy
	Backends map[string][]string `json:"backends"`
}

// healthOf judges the pool: unhealthy without any healthy backend, degraded
// where a replica is missing.
func healthOf(s *backends.Snapshot) Health {
	h := Health{Status: "healthy", Backends: map[string][]string{}}
	some := false
	for _, b := range s.Backends {
		urls := []string{}
		for _, rep := range b.Replicas {
			if rep.State == backends.Healthy || rep.State == backends.Degraded {
				urls = append(urls, rep.URL)
			}
		}
		h.Backends[b.Name] = urls
		some = some || len(urls) > 0
		if len(urls) < len(b.Replicas) {
			h.Status = "degraded"
		}
	}
	if !some {
		h.Status = "unhealthy"
	}
	return h
}

func (r *request) health(ctx *fasthttp.RequestCtx) error {
	h := healthOf(r.g.pool.Snapshot())
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	status := fasthttp.StatusOK
	if h.Status == "unhealthy" {
		status = fasthttp.StatusServiceUnavailable
	}
	r.done(ctx, status, body)
	return nil
}

func (r *request) live(ctx *fasthttp.RequestCtx) error {
	r.done(ctx, fasthttp.StatusOK, []byte(`{"status":"live"}`))
	return nil
}

func (r *request) ready(ctx *fasthttp.RequestCtx) error {
	if r.g.stopping.Load() {
		r.done(ctx, fasthttp.StatusServiceUnavailable, []byte(`{"status":"draining"}`))
	} else {
		r.done(ctx, fasthttp.StatusOK, []byte(`{"status":"ready"}`))
	}
	return nil
}

func (r *request) model(b *backends.Backend, id string) openai.Model {
	return openai.Model{ID: id, Created: r.g.started.Unix(), OwnedBy: "pilothouse", MaxModelLen: b.MaxContext}
}

// listModels lists what the key may use, aliases too.
func (r *request) listModels(ctx *fasthttp.RequestCtx) error {
	var list []openai.Model
	for _, b := range r.g.pool.All() {
		if r.key.AllowsModel(b.Model) {
			for _, id := range append([]string{b.Model}, b.Aliases...) {
				list = append(list, r.model(b, id))
			}
		}
	}
	r.done(ctx, fasthttp.StatusOK, openai.AppendModels(nil, list))
	return nil
}

func (r *request) showModel(ctx *fasthttp.RequestCtx) error {
	id, err := url.PathUnescape(string(target(ctx.Request.Header.RequestURI())[len(modelPath):]))
	b := r.g.pool.Model([]byte(id))
	if err != nil || b == nil || !r.key.AllowsModel(b.Model) {
		return refuse(openai.CodeModelNotFound, "This model does not exist here, or this key may not use it.")
	}
	m := r.model(b, id)
	r.done(ctx, fasthttp.StatusOK, openai.AppendModel(nil, &m))
	return nil
}

// Usage is the body of GET /v1/usage.
type Usage struct {
	Object  string        `json:"object"` // "usage"
	Org     string        `json:"org"`
	Windows []UsageWindow `json:"windows"`
}

// UsageWindow is one of its windows. Limit 0 is none.
type UsageWindow struct {
	Name     string    `json:"name"`
	Key      string    `json:"key,omitempty"` // the key's id, where it is a limit of its own
	Used     int64     `json:"used"`
	Reserved int64     `json:"reserved"`
	Limit    int64     `json:"limit"`
	ResetsAt time.Time `json:"resets_at"`
}

func (r *request) showUsage(ctx *fasthttp.RequestCtx) error {
	u := Usage{Object: "usage", Org: r.key.Org.Name}
	for _, w := range r.g.windows.Query(r.who()) {
		u.Windows = append(u.Windows, UsageWindow{w.Name, w.Key, w.Used, w.Reserved, w.Limit, w.ResetsAt.UTC()})
	}
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	r.done(ctx, fasthttp.StatusOK, body)
	return nil
}
