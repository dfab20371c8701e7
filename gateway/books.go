package gateway

import (
	"time"

	"pilothouse/backends/openai"
	"pilothouse/gateway/keys"
	"pilothouse/gateway/quota"
)

// What a request costs, and how that is written down.

// who is the request's organisation and key, with the limits in force.
func (r *request) who() quota.Who {
	k := r.key
	return quota.Who{Org: k.Org.Name, Key: k.ID, Limits: r.g.settings.Load().org.of(k.Org), KeyLimits: ownLimits(k)}
}

// of are the limits of an organisation.
func (def OrgLimits) of(o *keys.Org) quota.Limits {
	return quota.Limits{
		RequestsPerDay: o.RequestsPerDay.Or(def.RequestsPerDay), TokensPerDay: o.TokensPerDay.Or(def.TokensPerDay),
		RequestsPerMonth: o.RequestsPerMonth.Or(def.RequestsPerMonth), TokensPerMonth: o.TokensPerMonth.Or(def.TokensPerMonth),
	}
}

// ownLimits are those of a key itself.
func ownLimits(k *keys.Key) quota.Limits {
	return quota.Limits{
		RequestsPerDay: k.RequestsPerDay.N, TokensPerDay: k.TokensPerDay.N,
		RequestsPerMonth: k.RequestsPerMonth.N, TokensPerMonth: k.TokensPerMonth.N,
	}
}

// begin puts the request into the ledger before a backend can have it, so that
// a crash of the gateway does not lose what it cost.
func (r *request) begin() *refusal {
	if r.sent != 0 { // it has been with another connection
		return nil
	}
	sent := now()
	row := &r.row
	r.describe()
	row.Sent = r.at(sent)
	row.Prompt, row.Estimated = int64(r.prompt), true
	entry, err := r.g.ledger.Begin(row)
	if err != nil && !r.g.unbookedPass() {
		return unbooked()
	}
	r.entry, r.sent = entry, sent
	r.mu.Lock()
	r.rec.Prompt, r.trace.sent = r.prompt, sent
	r.mu.Unlock()
	return nil
}

// unbookedPass tells whether requests go on that the ledger can't take.
func (g *Gateway) unbookedPass() bool { return g.quota.OnLedgerFailure == "allow" }

// at is the time of day of one of the request's moments; zero for none. It is
// told from the arrival, so that the row's times stay in order, and as far apart
// as they were, when the host's clock is set meanwhile.
func (r *request) at(moment int64) (t time.Time) {
	if moment != 0 {
		t = r.rec.Start.Add(time.Duration(moment - r.begun))
	}
	return t
}

// describe fills the row with what is known of the request.
func (r *request) describe() {
	row, rec := &r.row, &r.rec
	row.ID, row.Arrived = rec.ID, rec.Start
	row.Org, row.Key = rec.Org, r.key.ID
	row.Model, row.Backend, row.Replica, row.Route = rec.Model, rec.Backend, rec.Replica, rec.Route
	row.Client, row.Stream = rec.client, rec.Stream
}

// progressed tells the ledger how far a stream has come.
func (r *request) progressed(output int) {
	if r.exact && r.usage.Prompt > 0 && r.inspect.Prompts == 1 { // else it is that of one of them
		if r.rec.Prompt != r.usage.Prompt { // nobody else writes it
			r.mu.Lock()
			r.rec.Prompt = r.usage.Prompt
			r.mu.Unlock()
		}
		r.entry.Progress(int64(r.usage.Prompt), int64(output), int64(r.usage.Cached), false)
	} else {
		r.entry.Progress(int64(r.prompt), int64(output), 0, true)
	}
}

// charge finds what the request cost: what the engine says, bounded by what can
// be; where it says nothing, what was seen of the answer and the estimate of the
// prompt.
func (r *request) charge(end EndState) {
	row := &r.row
	row.Estimated, row.Suspect = false, r.usage.Absurd
	began := r.sent != 0 && !r.declined && (end == EndDone || end == EndClientLeft || end == EndInterrupted)
	said := r.exact && r.usage.Prompt+r.usage.Completion > 0 // no answer costs nothing
	switch {
	case !said && (began || r.events > 0):
		r.usage = openai.Usage{Prompt: r.prompt, Completion: r.events}
		row.Estimated = true
	case said:
		r.doubt(end)
	}
	if r.backend != nil {
		r.bound(&r.usage)
	}
	row.Suspect = row.Suspect || r.usage.Absurd
	r.usage.Total = r.usage.Prompt + r.usage.Completion
	row.Prompt, row.Completion, row.Cached = int64(r.usage.Prompt), int64(r.usage.Completion), int64(r.usage.Cached)
	if said && r.expect != nil && !row.Suspect && r.inspect.N*r.inspect.Prompts == 1 {
		r.expect.learn(r.usage.Completion)
	}
	if said && !row.Estimated && !row.Suspect {
		r.g.estimates.of(r.backend.Model).learn(r.inspect.PromptBytes, r.usage.Prompt)
	}
}

// doubt holds the engine's own count against what was seen of the answer. Absurd
// numbers never lower what is charged.
func (r *request) doubt(end EndState) {
	row, u := &r.row, &r.usage
	if u.Prompt == 0 {
		u.Prompt, row.Estimated, row.Suspect = r.prompt, true, true
	}
	if r.several() && end != EndDone { // before its end, a stream's usage is that of one answer to one prompt
		row.Estimated = true
		u.Completion = max(u.Completion, r.events)
		if r.inspect.Prompts > 1 {
			u.Prompt = max(u.Prompt, r.prompt)
		}
	}
	if u.Completion < r.events/2 || u.Absurd && u.Completion == 0 { // an event has a token at least, but for the odd one
		u.Completion, row.Estimated, row.Suspect = r.events, true, true
	}
}

// several tells whether more than one answer was asked for.
func (r *request) several() bool { return r.inspect.N*r.inspect.Prompts > 1 }

// bound brings a count of the request's tokens down to what the context holds.
// One that was above is absurd.
func (r *request) bound(u *openai.Usage) {
	most := r.backend.MaxContext * r.inspect.Prompts
	if r.endpoint.kind == openai.Embeddings { // each of its inputs may fill the context, and nobody has counted them
		most = mostBase + mostSlope*r.inspect.PromptBytes
	}
	if most > 0 {
		u.Absurd = u.Absurd || u.Prompt > most || u.Completion > most*r.inspect.N
		u.Prompt, u.Completion = min(u.Prompt, most), min(u.Completion, most*r.inspect.N)
	}
	u.Absurd = u.Absurd || u.Cached > u.Prompt
	u.Cached = min(u.Cached, u.Prompt)
}

// book writes the request into the ledger, before its client has the last byte.
// It has a row if it came whole, with a valid key, for something that a backend
// answers, and was not turned away before its key counted: by a drain, or by its
// address's rate, which so bounds what refusals can add to the ledger.
func (r *request) book(status int, code string, end EndState, at int64) error {
	if r.key == nil || r.endpoint.local != nil || r.endpoint == nowhere {
		return nil
	}
	r.describe()
	row := &r.row
	row.Status, row.Code, row.End = status, code, end
	row.Sent, row.First, row.Ended = r.at(r.sent), r.at(r.first.Load()), r.at(at)
	entry := r.entry
	r.entry = nil
	err := r.g.ledger.End(entry, row)
	if r.g.unbookedPass() {
		return nil // the ledger has it in memory, and counts what it must drop
	}
	return err
}
