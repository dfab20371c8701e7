package query

// about is what is known of a table that isn't in its schema.
type about struct {
	table   string
	columns map[string]string
}

const (
	microsN = "microseconds since 1970 UTC; NULL: it has not been"
	org     = "the organisation's name"
	key     = "the key's id"
	model   = "as served"
	replica = "the engine's URL"
)

// ledgerAbout is the ledger's tables that operators read (gateway/ledger/schema.go).
// What isn't here is the gateway's own, and can't be read.
var ledgerAbout = map[string]about{
	"requests": {"a row for each request that has ended; a view, for as long as quota.keep says. It is in the order in which they ended, so bound number or arrived", map[string]string{
		"number":            "counts up, as requests end",
		"arrived":           whenever("arrived"),
		"sent":              "first with a backend, " + microsN,
		"first_byte":        "of the answer, " + microsN + ". (first_byte - arrived) / 1000.0 is the time to the first token in ms",
		"ended":             whenever("ended"),
		"id":                "X-Request-Id; a client may have chosen it",
		"org":               org,
		"key":               key,
		"model":             model,
		"backend":           "its name",
		"replica":           replica,
		"route":             "the path, like /v1/chat/completions",
		"status":            "HTTP",
		"code":              "the error's; '': none",
		"end_state":         "done, client_left, backend_failed, refused or interrupted",
		"prompt_tokens":     "cached ones too",
		"completion_tokens": "tokens",
		"cached_tokens":     "of prompt_tokens: those that the engine's prefix cache held",
		"estimated":         "1: the tokens are not the engine's own count",
		"suspect":           "1: the engine's count was absurd",
		"counted":           "1: it counts for the quotas",
		"bytes_in":          "of the request's body",
		"bytes_out":         "of the answer's body",
		"client":            "its address",
		"stream":            "1: the answer was streamed",
	}},
	"hourly": {"requests summed by hour, organisation, key, model, backend and replica; kept for good", sums("hour", "began, in seconds since 1970 UTC: datetime(hour, 'unixepoch')")},
	"daily":  {"requests summed by UTC day, organisation, key, model, backend and replica; kept for good", sums("day", "began, in seconds since 1970 UTC: date(day, 'unixepoch')")},
	"grants": {"what operators granted on top of a limit", map[string]string{
		"id": "the grant's", "org": org, "window": "of the limit: its name", "amount": "requests or tokens, as the window counts",
		"made": whenever("made"), "until": whenever("until"), "reason": "why", "author": "who granted it",
		"revoked": microsN, "revoker": "who took it back; '': nobody",
	}},
	"audit": {"what operators did", map[string]string{
		"at": whenever("at"), "author": "who", "action": "like grant, drain, key", "object": "to what", "detail": "in words",
	}},
}

func whenever(column string) string {
	return "microseconds since 1970 UTC: datetime(" + column + " / 1000000, 'unixepoch'); to compare: unixepoch('now', '-1 day') * 1000000"
}

func sums(begin, about string) map[string]string {
	return map[string]string{
		begin: about, "org": org, "key": key, "model": model, "backend": "its name", "replica": replica,
		"requests": "how many", "counted": "of them: those that count for the quotas", "refused": "of them, by the gateway",
		"failed": "of them, by the backend", "client_left": "of them", "estimated": "of them: tokens not the engine's own count",
		"suspect": "of them: the engine's count was absurd", "prompt_tokens": "cached ones too", "completion_tokens": "tokens",
		"cached_tokens": "of prompt_tokens", "counted_tokens": "that count for the quotas", "bytes_in": "of the requests' bodies", "bytes_out": "of the answers' bodies",
	}
}
