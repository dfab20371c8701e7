package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// action is something that changes the world. Each has a dialog, and most have a
// key.
type action struct {
	name  string // as the palette has it; what it is done to follows
	key   func(*keyMap) *key.Binding
	role  desk.Role
	kinds []pane.RefKind // that it can be done to; none: it needs nothing
	open  func(m *Model, r pane.Ref) tea.Cmd
	idle  func(m *Model, r pane.Ref) string // why there is nothing to do; nil: there always is
}

// actions are all there are. The desk has the last word on who may do what; the
// roles here say it beforehand.
var actions = []action{
	{"restart", func(k *keyMap) *key.Binding { return &k.Restart }, desk.Hand, containers, (*Model).restart, nil},
	{"drain", func(k *keyMap) *key.Binding { return &k.Drain }, desk.Hand, replicas, (*Model).drain, (*Model).drainIdle},
	{"end the drain of", func(k *keyMap) *key.Binding { return &k.Undrain }, desk.Hand, replicas, (*Model).undrain, (*Model).undrainIdle},
	{"stop", nil, desk.Hand, containers, (*Model).stop, nil},
	{"start", nil, desk.Hand, containers, (*Model).start, nil},
	{"cancel request", func(k *keyMap) *key.Binding { return &k.Cancel }, desk.Hand, []pane.RefKind{pane.RefRequest}, (*Model).cancelRequest, (*Model).requestIdle},
	{"cancel all requests of", func(k *keyMap) *key.Binding { return &k.CancelOrg }, desk.Hand, tenants, (*Model).cancelOrg, (*Model).orgIdle},
	{"cancel the job under way", func(k *keyMap) *key.Binding { return &k.CancelJob }, desk.Hand, nil, (*Model).cancelJob, (*Model).jobIdle},
	{"grant quota to", func(k *keyMap) *key.Binding { return &k.Grant }, desk.Admin, tenants, (*Model).grant, nil},
	{"revoke grant", func(k *keyMap) *key.Binding { return &k.Revoke }, desk.Admin, []pane.RefKind{pane.RefGrant}, (*Model).revoke, nil},
	{"start everything", nil, desk.Hand, nil, (*Model).up, nil},
	{"stop everything", nil, desk.Hand, nil, (*Model).down, nil},
	{incidentAction, func(k *keyMap) *key.Binding { return &k.Incident }, desk.Hand, nil, (*Model).incident, nil},
	{"show the job under way, or the last one", func(k *keyMap) *key.Binding { return &k.Jobs }, desk.Viewer, nil, (*Model).jobs, nil},
}

// incidentAction is the one that can be done of a moment of the past, too.
const incidentAction = "save an incident bundle"

var (
	containers = []pane.RefKind{pane.RefBackend, pane.RefReplica, pane.RefGPU, pane.RefLog}
	replicas   = []pane.RefKind{pane.RefBackend, pane.RefReplica, pane.RefGPU}
	tenants    = []pane.RefKind{pane.RefOrg, pane.RefKey, pane.RefRequest, pane.RefGrant}
)

// actionOf is the action of a key; nil: it has none.
func (m *Model) actionOf(k tea.KeyPressMsg) *action {
	for i := range actions {
		if a := &actions[i]; a.key != nil && key.Matches(k, *a.key(&m.keys)) {
			return a
		}
	}
	return nil
}

// refusal says why an action can't be done now; "": it can.
func (m *Model) refusal(a *action, r pane.Ref) string {
	switch {
	case m.opts.Seat == nil:
		return "nothing can be done from this screen"
	case !m.opts.Seat.Operator().Role.May(a.role):
		return needs(a.role, m.opts.Seat.Operator().Role)
	case a.role != desk.Viewer && a.name != incidentAction && !m.moment.IsZero():
		return fmt.Sprintf("you look at %s; %s goes back to now", m.data.Now.UTC().Format(time.TimeOnly+"Z"), m.keys.Now.Help().Key)
	case len(a.kinds) > 0 && !slices.Contains(a.kinds, r.Kind):
		return "select one first: " + kindWords(a.kinds)
	case a.idle != nil:
		return a.idle(m, r)
	}
	return ""
}

func needs(role, has desk.Role) string {
	return fmt.Sprintf("needs the role %s, and yours is %s", role, has)
}

func kindWords(kinds []pane.RefKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " or " + words[last]
	}
	return words[0]
}

// title is an action's name without what it is done to.
func (a *action) title() string {
	return strings.TrimSuffix(strings.TrimSuffix(a.name, " of"), " to")
}

// begin opens an action's dialog, or says why not.
func (m *Model) begin(a *action, r pane.Ref) tea.Cmd {
	if why := m.refusal(a, r); why != "" {
		m.say(widget.Warn, a.title()+": "+why)
		return nil
	}
	return a.open(m, r)
}

// answer is what came of something that was asked for, in Update.
type answer struct {
	id   int // of what asked; 0: it matters to nobody in particular
	take func(*Model) tea.Cmd
}

// ask has something done on a goroutine of the library's. What it gives is taken
// in by Update.
func (m *Model) ask(id int, do func(context.Context) func(*Model) tea.Cmd) tea.Cmd {
	ctx := m.ctx
	return func() tea.Msg {
		ctx, stop := context.WithTimeout(ctx, waitLimit)
		defer stop()
		return answer{id, do(ctx)}
	}
}

// answered takes an answer in, unless what asked for it is gone.
func (m *Model) answered(a answer) tea.Cmd {
	if a.id != 0 && m.form(a.id) == nil {
		return nil
	}
	return a.take(m)
}

// form is the open form with a number; nil: it is not open any more.
func (m *Model) form(id int) *form {
	for _, d := range m.dialogs {
		if f, ok := d.(*form); ok && f.id == id {
			return f
		}
	}
	return nil
}

// number numbers something that is asked for.
func (m *Model) number() int {
	m.asked++
	return m.asked
}

// outcome says how it went, in a flash.
func outcome(done string, err error) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if err != nil {
			m.say(widget.Bad, err.Error())
		} else {
			m.say(widget.Good, done)
		}
		m.refresh()
		return nil
	}
}

// objects are the names that an order about a thing is given.
func (m *Model) objects(r pane.Ref) []string {
	switch r.Kind {
	case pane.RefReplica, pane.RefLog:
		return []string{r.ID}
	case pane.RefGPU:
		return strings.FieldsFunc(r.Name, func(c rune) bool { return c == ',' || c == ' ' })
	}
	return []string{r.Name}
}

// order makes a form for an order, and looks what would come of it.
func (m *Model) order(o backends.Order, verb string, drains bool) tea.Cmd {
	what := strings.Join(o.Names, ", ")
	if what == "" {
		what = "everything"
	}
	f := &form{id: m.number(), keys: m.keys, title: string(o.Action) + " " + what, about: string(o.Action) + " " + what, verb: verb, looking: true,
		facts: []pane.Fact{{Text: "looking what would come of it " + m.theme.Ellipsis}}}
	if drains {
		f.fields = append(f.fields, &field{label: "drain up to", in: newInput(""), hint: "as configured, or 30s"})
	}
	f.fields = append(f.fields, &field{label: "note", in: newInput(""), hint: "for the audit"})
	f.do = func(values []string) (tea.Cmd, error) { return m.give(o, drains, values) }
	m.open(f.opened())
	jobs := m.opts.Seat.Platform().Jobs
	return m.ask(f.id, func(ctx context.Context) func(*Model) tea.Cmd {
		parts, err := jobs.Preview(ctx, o)
		return func(m *Model) tea.Cmd {
			m.previewed(f, o, drains, parts, err)
			return nil
		}
	})
}

// previewed puts into a form what would come of an order.
func (m *Model) previewed(f *form, o backends.Order, drains bool, parts []backends.Part, err error) {
	f.looking = false
	if err != nil {
		f.facts, f.wrong = nil, err.Error()
		f.do = func([]string) (tea.Cmd, error) { return nil, err }
		return
	}
	_, last := pane.Impact(o, parts, m.data)
	f.tell = func() []pane.Fact {
		facts, _ := pane.Impact(o, parts, m.data)
		return facts
	}
	if drains && stuck(parts, m.data) {
		f.fields[0].hint = "hung: 1s is enough"
	}
	if last {
		must := "all"
		if len(o.Names) == 1 {
			must = o.Names[0]
		}
		f.fields = append(f.fields, &field{label: "type " + must + " to confirm", must: must, in: newInput("")})
		if f.at >= len(f.fields)-1 {
			f.at++ // the buttons have moved on by one
		}
		o.Last = true
		f.do = func(values []string) (tea.Cmd, error) { return m.give(o, drains, values) }
	}
}

// stuck tells whether all that is to be drained hangs, so that nothing there will
// end however long it gets.
func stuck(parts []backends.Part, d pane.Data) bool {
	n := 0
	for k := range parts {
		if !slices.Contains(parts[k].Steps, backends.StepDrain) || d.Pool == nil {
			continue
		}
		n++
		for i := range d.Pool.Backends {
			for _, r := range d.Pool.Backends[i].Replicas {
				if d.Pool.Backends[i].Name == parts[k].Backend && r.URL == parts[k].Replica && r.State != backends.Hung {
					return false
				}
			}
		}
	}
	return n > 0
}

// give gives an order, with what the form's fields hold.
func (m *Model) give(o backends.Order, drains bool, values []string) (tea.Cmd, error) {
	if drains {
		if v := values[0]; v != "" {
			d, err := time.ParseDuration(v)
			if err != nil || d <= 0 {
				return nil, fmt.Errorf("drain up to %q: want a duration such as 30s or 2m", v)
			}
			o.Drain = d
		}
		values = values[1:]
	}
	o.Reason = values[0]
	jobs := m.opts.Seat.Platform().Jobs
	return m.ask(0, func(ctx context.Context) func(*Model) tea.Cmd {
		job, err := jobs.Begin(ctx, o)
		if err != nil {
			return outcome("", err)
		}
		return func(m *Model) tea.Cmd {
			m.refresh()
			m.open(m.progress(pane.Ref{Kind: pane.RefJob, ID: fmt.Sprint(job.ID)}))
			return nil
		}
	}), nil
}
