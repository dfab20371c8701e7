package ui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

func (m *Model) restart(r pane.Ref) tea.Cmd {
	return m.order(backends.Order{Action: backends.ActRestart, Names: m.objects(r)}, "Restart", true)
}

func (m *Model) stop(r pane.Ref) tea.Cmd {
	return m.order(backends.Order{Action: backends.ActStop, Names: m.objects(r)}, "Stop", true)
}

func (m *Model) start(r pane.Ref) tea.Cmd {
	return m.order(backends.Order{Action: backends.ActStart, Names: m.objects(r)}, "Start", false)
}

func (m *Model) up(pane.Ref) tea.Cmd {
	return m.order(backends.Order{Action: backends.ActUp}, "Start", false)
}

func (m *Model) down(pane.Ref) tea.Cmd {
	return m.order(backends.Order{Action: backends.ActDown}, "Stop", true)
}

// drain asks before it takes replicas out of work; what is in flight there ends.
func (m *Model) drain(r pane.Ref) tea.Cmd {
	names := m.objects(r)
	impact := func() ([]pane.Fact, bool) {
		return pane.Impact(backends.Order{Action: "drain", Names: names}, nil, m.data)
	}
	_, last := impact()
	f := &form{id: m.number(), keys: m.keys, title: "drain " + strings.Join(names, ", "), about: "drain " + strings.Join(names, ", "), verb: "Drain",
		tell: func() []pane.Fact {
			facts, _ := impact()
			return facts
		},
		fields: []*field{{label: "note", in: newInput(""), hint: "for the audit"}}}
	if last {
		f.fields = append(f.fields, &field{label: "type " + names[0] + " to confirm", must: names[0], in: newInput("")})
	}
	drains := m.opts.Seat.Platform().Drains
	f.do = func(values []string) (tea.Cmd, error) {
		o := backends.Order{Names: names, Reason: values[0], Last: last}
		return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
			urls, err := drains.Drain(ctx, o)
			return outcome(fmt.Sprintf("%s of %s drained; %s ends that", widget.Many(len(urls), "replica"), strings.Join(names, ", "), m.keys.Undrain.Help().Key), err)
		}), nil
	}
	m.open(f.opened())
	return nil
}

func (m *Model) undrain(r pane.Ref) tea.Cmd {
	names := m.objects(r)
	what := strings.Join(names, ", ")
	drains := m.opts.Seat.Platform().Drains
	m.open((&form{id: m.number(), keys: m.keys, title: "end the drain of " + what, about: "undrain " + what, verb: "Undrain",
		facts:  []pane.Fact{{Text: "It takes new work again, gradually."}},
		fields: []*field{{label: "note", in: newInput(""), hint: "for the audit"}},
		do: func(values []string) (tea.Cmd, error) {
			o := backends.Order{Names: names, Reason: values[0]}
			return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
				urls, err := drains.Undrain(ctx, o)
				return outcome("at work again: "+widget.Many(len(urls), "replica")+" of "+what, err)
			}), nil
		}}).opened())
	return nil
}

func (m *Model) cancelRequest(r pane.Ref) tea.Cmd {
	requests := m.opts.Seat.Platform().Gateway
	m.open((&form{id: m.number(), keys: m.keys, title: "cancel request " + r.ID, about: "cancel a request of " + r.Name, verb: "Cancel request", no: "Keep it",
		facts:  append(m.told(), pane.Fact{Label: "then", Text: "Its engine stops at once. The client gets 503 cancelled, and is charged what was used."}),
		fields: []*field{{label: "note", in: newInput(""), hint: "for the audit"}},
		do: func(values []string) (tea.Cmd, error) {
			return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
				there, err := requests.CancelRequest(ctx, r.ID, "", values[0])
				if err == nil && !there {
					err = fmt.Errorf("request %s is not in flight any more", r.ID)
				}
				return outcome("request "+r.ID+" is cancelled", err)
			}), nil
		}}).opened())
	return nil
}

// told is of a request what tells one from another: what else is known of it would
// leave no room for what comes of it.
func (m *Model) told() []pane.Fact {
	_, facts := m.list().Describe()
	return slices.DeleteFunc(slices.Clone(facts), func(f pane.Fact) bool {
		return !slices.Contains([]string{"state", "organisation", "key", "route", "model", "backend", "so far", "generated"}, f.Label)
	})
}

// cancelOrg ends all requests of the organisation that a thing belongs to.
func (m *Model) cancelOrg(r pane.Ref) tea.Cmd {
	org := r.Name
	n, tokens := 0, 0
	if g := m.data.Gateway; g != nil {
		for i := range g.Live {
			if g.Live[i].Org == org {
				n, tokens = n+1, tokens+g.Live[i].Output
			}
		}
	}
	requests := m.opts.Seat.Platform().Gateway
	m.open((&form{id: m.number(), keys: m.keys, title: "cancel all requests of " + org, about: "cancel all of " + org, verb: "Cancel all", no: "Keep them",
		facts: []pane.Fact{{Label: "in flight", Text: widget.Many(n, "request") + " with " + widget.Many(tokens, "token") + " so far"},
			{Label: "then", Text: "Their engines stop at once. The clients get 503 cancelled; new requests are taken as before."}},
		fields: []*field{{label: "note", in: newInput(""), hint: "for the audit"}, {label: "type " + org + " to confirm", must: org, in: newInput("")}},
		do: func(values []string) (tea.Cmd, error) {
			return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
				n, err := requests.CancelOrg(ctx, org, "", values[0])
				return outcome("cancelled: "+widget.Many(n, "request")+" of "+org, err)
			}), nil
		}}).opened())
	return nil
}

// cancelJob ends the job under way at its next step, or the oldest of several.
func (m *Model) cancelJob(pane.Ref) tea.Cmd {
	j := m.running()
	if j == nil {
		m.say(widget.Plain, "no job is under way")
		return nil
	}
	id := j.ID
	what := string(j.Action) + " of " + cmp.Or(strings.Join(j.Names, ", "), "everything")
	jobs := m.opts.Seat.Platform().Jobs
	m.open((&form{id: m.number(), keys: m.keys, title: fmt.Sprintf("cancel job %d", id), about: "cancel the " + what, verb: "Cancel job", no: "Let it go on",
		facts: []pane.Fact{{Label: "job", Text: pane.JobLine(j, m.data.Now, m.data.Pool.Jobs...)}, {Label: "then", Text: afterCancel(j)}},
		do: func([]string) (tea.Cmd, error) {
			return m.ask(0, func(context.Context) func(*Model) tea.Cmd {
				return outcome(fmt.Sprintf("job %d ends at its next step", id), jobs.CancelJob(id, ""))
			}), nil
		}}).opened())
	return nil
}

// afterCancel says what becomes of the replica that a job is at, and of those
// whose turn is to come.
func afterCancel(j *backends.Job) string {
	text, several := "It ends at its next step.", 0
	for i := range j.Parts {
		p := &j.Parts[i]
		if len(p.Steps) > 0 {
			several++
		}
		step, name := p.Now(), cmp.Or(p.Container, p.Replica)
		if step == nil {
			continue
		}
		switch text = name + " takes work when its health check succeeds."; step.Name {
		case backends.StepImage:
			text = "Nothing was done to " + name + " yet."
		case backends.StepDrain:
			text = "Nothing was done to " + name + " yet: it takes work again at once."
		case backends.StepStop, backends.StepRemove, backends.StepCreate, backends.StepStart: // none of them is left half done
			text = name + " is started all the same, and takes work when its health check succeeds."
			if j.Action == backends.ActStop || j.Action == backends.ActDown {
				text = name + " is stopped all the same."
			}
		}
	}
	if several > 1 {
		text += " Those whose turn is to come are left alone."
	}
	return text
}

// running is the oldest job under way; nil: none is.
func (m *Model) running() *backends.Job {
	if m.data.Pool == nil {
		return nil
	}
	for i := range m.data.Pool.Jobs {
		if j := &m.data.Pool.Jobs[i]; j.State == backends.Running {
			return j
		}
	}
	return nil
}

// grant adds to a window for a time. The command of the same name reads what was
// typed, and says what is wrong with it.
func (m *Model) grant(r pane.Ref) tea.Cmd {
	org := r.Name
	f := &form{id: m.number(), keys: m.keys, title: "grant quota to " + org, about: "grant quota to " + org, verb: "Grant",
		tell: func() []pane.Fact {
			return append([]pane.Fact{{Text: "An addition to a window of the organisation, until it expires or is revoked."}}, usedOf(m.data.Past, org)...)
		},
		fields: []*field{
			{label: "window", in: newInput("day"), hint: "day or month"},
			{label: "tokens", in: newInput(""), hint: "5M, 500k; or else requests"},
			{label: "requests", in: newInput("")},
			{label: "until", in: newInput("12h"), hint: "12h, 7d, 2027-01-31"},
			{label: "reason", in: newInput(""), hint: "it is needed"},
		}}
	f.do = func(v []string) (tea.Cmd, error) {
		args := []string{"grant", "--org=" + org, "--window=" + v[0], "--until=" + v[3], "--reason=" + v[4]}
		if v[1] != "" {
			args = append(args, "--tokens="+v[1])
		}
		if v[2] != "" {
			args = append(args, "--requests="+v[2])
		}
		f.looking, f.wrong = true, ""
		return m.run(f.id, args), errLooking
	}
	m.open(f.opened())
	return nil
}

// usedOf tells how much of its windows an organisation has used: what a grant has
// to be measured by.
func usedOf(p *past.Snapshot, org string) (facts []pane.Fact) {
	if p == nil {
		return nil
	}
	for i := range p.Quotas {
		if p.Quotas[i].Org != org {
			continue
		}
		for _, w := range p.Quotas[i].Windows {
			if w.Key != "" || w.Limit <= 0 {
				continue
			}
			used := uint64(max(0, w.Used))
			facts = append(facts, pane.Fact{Label: strings.ReplaceAll(w.Name, "_per_", " a "),
				Text: fmt.Sprintf("%s of %s used, %d %%", widget.Count(used), widget.Count(uint64(w.Limit)), int(100*float64(used)/float64(w.Limit)))})
		}
	}
	return facts
}

func (m *Model) revoke(r pane.Ref) tea.Cmd {
	books := m.opts.Seat.Platform().Books
	_, facts := m.list().Describe()
	m.open((&form{id: m.number(), keys: m.keys, title: "revoke grant " + r.ID, about: "revoke a grant of " + r.Name, verb: "Revoke", facts: facts,
		do: func([]string) (tea.Cmd, error) {
			return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
				_, err := books.Revoke(ctx, r.ID, "")
				return outcome("grant "+r.ID+" is revoked", err)
			}), nil
		}}).opened())
	return nil
}

// incident saves a bundle of what is known of the last quarter of an hour.
func (m *Model) incident(pane.Ref) tea.Cmd {
	save := m.opts.Save
	if save == nil {
		m.say(widget.Warn, "nothing of the past is kept here")
		return nil
	}
	m.say(widget.Plain, "saving "+m.theme.Ellipsis)
	who, at := m.opts.Seat, m.data.Now
	return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
		path, err := save(ctx, who, at)
		return outcome("saved "+path+" on the gateway's host", err)
	})
}
