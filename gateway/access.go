package gateway

import (
	"context"
	"log/slog"
)

// The keys of the access log's attributes.
const (
	attrID       = "id"
	attrOrg      = "org"
	attrKey      = "key"
	attrClient   = "client"
	attrRoute    = "route"
	attrModel    = "model"
	attrBackend  = "backend"
	attrReplica  = "replica"
	attrStream   = "stream"
	attrStatus   = "status"
	attrCode     = "code"
	attrEnd      = "end"
	attrFirst    = "first_byte"
	attrDuration = "duration"
	attrPrompt   = "prompt_tokens"
	attrOutput   = "completion_tokens"
)

// access writes a request that is over into the access log: who asked for
// what, and what came of it. Neither a key nor a word of a prompt or an answer
// is among it.
func (g *Gateway) access(rec *record) {
	if g.accessLog == nil {
		return
	}
	g.accessLog.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String(attrID, rec.ID), slog.String(attrOrg, rec.Org), slog.String(attrKey, rec.KeyName),
		slog.String(attrClient, rec.from()), slog.String(attrRoute, rec.Route), slog.String(attrModel, rec.Model),
		slog.String(attrBackend, rec.Backend), slog.String(attrReplica, rec.Replica), slog.Bool(attrStream, rec.Stream),
		slog.Int(attrStatus, rec.Status), slog.String(attrCode, rec.Code), slog.String(attrEnd, rec.End.String()),
		slog.Duration(attrFirst, rec.First), slog.Duration(attrDuration, rec.Duration),
		slog.Int(attrPrompt, rec.Prompt), slog.Int(attrOutput, rec.Output))
}
