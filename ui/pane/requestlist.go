package pane

import (
	"cmp"
	"strings"
	"time"

	"pilothouse/ui/widget"
)

// requestOrders are the ways to sort requests.
var requestOrders = []order[request]{
	{name: "in flight, newest"}, // as the gateway has them
	{"longest running", func(a, b *request) int { return cmp.Or(liveFirst(a, b), cmp.Compare(b.Duration, a.Duration)) }},
	{"most tokens", func(a, b *request) int {
		return cmp.Or(cmp.Compare(b.Output, a.Output), cmp.Compare(b.Prompt, a.Prompt))
	}},
	{"slowest first token", func(a, b *request) int { return cmp.Compare(b.untilFirst(), a.untilFirst()) }},
	{"org", func(a, b *request) int {
		return cmp.Or(strings.Compare(a.Org, b.Org), strings.Compare(a.KeyName, b.KeyName))
	}},
}

func liveFirst(a, b *request) int {
	switch {
	case a.inFlight() == b.inFlight():
		return 0
	case a.inFlight():
		return -1
	}
	return 1
}

// untilFirst is how long a request waited for its first token, or waits for it; 0:
// it ended without one.
func (r *request) untilFirst() time.Duration {
	if r.First == 0 && r.inFlight() {
		return r.Duration
	}
	return r.First
}

// Selected implements List.
func (p *Requests) Selected() Ref { return p.list.Selected() }

// Select implements List.
func (p *Requests) Select(to Ref) bool {
	p.pic.drop()
	return p.list.Select(to)
}

// Filter implements List.
func (p *Requests) Filter() string { return p.query.text }

// SetFilter implements List.
func (p *Requests) SetFilter(s string) {
	p.query = parseQuery(s)
	p.sift()
}

// Sort implements List.
func (p *Requests) Sort() int { return p.list.Sort() }

// SetSort implements List.
func (p *Requests) SetSort(i int) {
	p.pic.drop()
	p.list.SetSort(i)
}

// Sorts implements List.
func (p *Requests) Sorts() []string { return p.list.Sorts() }

// Describe implements List.
func (p *Requests) Describe() (title string, facts []Fact) {
	r := p.list.at()
	if r == nil {
		return "", nil
	}
	t := p.pic.theme
	known := func(s string) string {
		if s == "" {
			return t.None
		}
		return s
	}
	kind := "one answer"
	if r.Stream {
		kind = "stream"
	}
	state, _ := requestStatus(t, r)
	facts = []Fact{
		{Label: "request", Text: known(r.ID)},
		{Label: "state", Text: strings.TrimSpace(state)},
		{Label: "code", Text: known(r.Code)},
		{Label: "organisation", Text: known(r.Org)},
		{Label: "key", Text: known(r.KeyName)},
		{Label: "client", Text: known(r.Client)},
		{Label: "route", Text: known(r.Route) + ", " + kind},
		{Label: "model", Text: known(r.Model)},
		{Label: "backend", Text: known(r.Backend)},
		{Label: "replica", Text: known(r.Replica)},
		{Label: "started", Text: r.Start.UTC().Format("2006-01-02 15:04:05.000") + " UTC"},
		{Label: "first token", Text: known(widget.Duration(r.First))},
	}
	return "request " + r.ID, append(facts, p.amounts(r, known)...)
}

// amounts are a request's time, tokens and rates.
func (p *Requests) amounts(r *request, known func(string) string) []Fact {
	unit := func(n, unit string) string {
		if n == "" {
			return known("")
		}
		return n + " " + unit
	}
	took, prompt, output := known(widget.Duration(r.Duration)), unit(exactly(r.Prompt), "tokens"), unit(exactly(r.Output), "tokens")
	if !r.inFlight() {
		return []Fact{{Label: "took", Text: took}, {Label: "prompt", Text: prompt}, {Label: "generated", Text: output}, {Label: "rate", Text: unit(r.mean(), "tok/s after the first token")}}
	}
	if r.Prompt > 0 {
		prompt += ", an estimate until the engine says"
	}
	facts := []Fact{
		{Label: "so far", Text: took}, {Label: "prompt", Text: prompt}, {Label: "generated", Text: output + " so far"},
		{Label: "rate now", Text: unit(widget.Figure(r.rate), "tok/s")},
		{Label: "rate", Text: unit(r.mean(), "tok/s since the first token")},
	}
	if why := r.why(); why != "" {
		facts = append(facts, Fact{Label: "look", Text: why})
	}
	return facts
}

// why says what a worry is about; "": there is none.
func (r *request) why() string {
	switch r.worry() {
	case stalled:
		return "no token for " + widget.Age(r.still)
	case runaway:
		return "a runaway: more than " + widget.Count(runawayTokens) + " tokens generated"
	case long:
		return "it generates for more than " + widget.Age(longDecode)
	case waits:
		return "it waits for " + widget.Age(r.Duration)
	}
	return ""
}
