package pane

import (
	"fmt"
	"math"
	"time"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/widget"
)

// Describe implements List.
func (p *Quotas) Describe() (title string, facts []Fact) {
	r := p.at()
	if r == nil {
		return "", nil
	}
	org := p.orgOf(r)
	switch r.ref.Kind {
	case RefGrant:
		return "grant " + r.grant.ID, p.grantFacts(r.grant, org)
	case RefKey:
		title = "key " + r.ref.ID + " of " + r.ref.Name
	default:
		title = "quotas of " + r.ref.Name
	}
	for i := range r.windows {
		facts = append(facts, p.windowFacts(&r.windows[i], quotaLabel(r.windows[i].name))...)
	}
	if r.ref.Kind == RefKey {
		for i := range org.windows {
			facts = append(facts, p.windowFacts(&org.windows[i], "org "+quotaLabel(org.windows[i].name))...)
		}
	}
	facts = append(facts, p.orgFacts(org)...)
	return title, append(facts, p.sourceFacts()...)
}

// windowFacts tell all of a window.
func (p *Quotas) windowFacts(w *quotaWindow, label string) []Fact {
	if w.limit <= 0 {
		return []Fact{{Label: label, Text: quotaCount(w.used) + " used, no limit"}}
	}
	facts := []Fact{
		{Label: label, Text: fmt.Sprintf("%s of %s used, %.1f %%", quotaCount(w.used), quotaCount(w.limit), 100*w.share())},
		{Text: fmt.Sprintf("%s reserved by requests in flight here, %s left", quotaCount(w.reserved), quotaCount(max(0, w.limit-w.used-w.reserved)))},
	}
	switch {
	case math.IsNaN(w.pace):
		facts = append(facts, Fact{Text: "its pace is not known yet"})
	default:
		facts = append(facts, Fact{Text: w.perHour() + " of late, the busiest moment left out"})
	}
	text := w.fate(p.now, 80)
	if !w.out.IsZero() && !w.spent() {
		text += ", in " + widget.Age(w.out.Sub(p.now))
	}
	return append(facts, Fact{Text: text}, Fact{Text: "begins anew " + quotaStamp(w.resets) + ", in " + widget.Age(w.resets.Sub(p.now))})
}

// orgFacts tell who uses an organisation's quota, and what was granted.
func (p *Quotas) orgFacts(org *quotaRow) []Fact {
	var facts []Fact
	name := org.ref.Name
	label := "top keys now"
	total := p.users.of(name)
	for i := range p.users.all {
		if u := &p.users.all[i]; u.org == name && u.tokens > 0 {
			facts = append(facts, Fact{Label: label, Text: fmt.Sprintf("%s: %s tok/s, %s of the organisation's", u.name, widget.Figure(u.tokens), quotaPercent(u.tokens/total))})
			label = ""
		}
	}
	label = "grants"
	for i := range p.all {
		if r := &p.all[i]; r.org == org.org && r.grant != nil {
			facts = append(facts, Fact{Label: label, Text: grantLine(r.grant, p.now)})
			label = ""
		}
	}
	label = "keys with limits"
	for i := range p.all {
		if r := &p.all[i]; r.org == org.org && r.ref.Kind == RefKey {
			facts = append(facts, Fact{Label: label, Text: r.ref.ID})
			label = ""
		}
	}
	return facts
}

// grantFacts tell all of a grant, and of the window that it adds to.
func (p *Quotas) grantFacts(g *ledger.Grant, org *quotaRow) []Fact {
	reason := g.Reason
	if reason == "" {
		reason = "not told"
	}
	facts := []Fact{
		{Label: "organisation", Text: g.Org},
		{Label: "amount", Text: "+" + quotaCount(g.Amount) + " " + quotaLabel(g.Window)},
		{Label: "made", Text: quotaStamp(g.Made) + ", " + widget.Age(p.now.Sub(g.Made)) + " ago"},
		{Label: "until", Text: quotaStamp(g.Until) + ", in " + widget.Age(g.Until.Sub(p.now))},
		{Label: "by", Text: g.Author},
		{Label: "reason", Text: reason},
	}
	if w := org.window(g.Window); w != nil {
		facts = append(facts, p.windowFacts(w, quotaLabel(w.name))...)
	}
	return append(facts, p.sourceFacts()...)
}

// sourceFacts tell how far all that can be trusted.
func (p *Quotas) sourceFacts() []Fact {
	facts := []Fact{{Label: "read", Text: quotaStamp(p.past.QuotasAt) + ", " + widget.Age(p.age()) + " ago"}}
	if p.past.Err != "" {
		facts = append(facts, Fact{Text: "could not be read since: " + p.past.Err})
	}
	if p.shared {
		facts = append(facts, Fact{Label: "counted", Text: "at all gateways, what is reserved at this one"})
	}
	if p.fleet != "" {
		facts = append(facts, Fact{Text: p.fleet})
	}
	return facts
}

// quotaStamp writes a moment with its date.
func quotaStamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
