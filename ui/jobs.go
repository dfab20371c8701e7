package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// jobDialog shows how a job gets on, as every operator may.
type jobDialog struct {
	reading
	m    *Model
	id   string
	rows int // that it has had: it doesn't jump when it has less to say
}

// progress is the dialog of a job.
func (m *Model) progress(r pane.Ref) dialog { return &jobDialog{m: m, id: r.ID} }

// jobs shows the job under way, or the one that ended last.
func (m *Model) jobs(pane.Ref) tea.Cmd {
	if p := m.data.Pool; p != nil && len(p.Jobs) > 0 {
		m.open(m.progress(pane.Ref{Kind: pane.RefJob, ID: fmt.Sprint(p.Jobs[0].ID)}))
		return nil
	}
	m.say(widget.Plain, "there was no job yet")
	return nil
}

func (d *jobDialog) job() *backends.Job {
	if p := d.m.data.Pool; p != nil {
		for i := range p.Jobs {
			if fmt.Sprint(p.Jobs[i].ID) == d.id {
				return &p.Jobs[i]
			}
		}
	}
	return nil
}

// bindings are the keys that work now: while it goes on the panel is only hidden,
// and what it left out of work can be helped.
func (d *jobDialog) bindings() []key.Binding {
	k, j := &d.m.keys, d.job()
	closes := "close"
	if j != nil && j.State == backends.Running {
		closes = "hide"
	}
	all := append([]key.Binding{key.NewBinding(key.WithKeys(k.Close.Keys()...), key.WithHelp(k.Close.Help().Key, closes))}, d.m.useful(pane.Ref{}, k.CancelJob)...)
	if r := d.out(j); r != (pane.Ref{}) {
		all = append(all, d.m.useful(r, k.Restart, k.Undrain)...)
	}
	if j != nil && d.container(j) != "" {
		all = append(all, k.Logs)
	}
	return all
}

func (d *jobDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	j := d.job()
	switch {
	case !ok:
	case key.Matches(k, d.m.keys.Close, d.m.keys.Accept, d.m.keys.Jobs):
		return true, nil
	case key.Matches(k, d.m.keys.CancelJob):
		return false, d.m.begin(d.m.actionOf(k), pane.Ref{})
	case key.Matches(k, d.m.keys.Restart, d.m.keys.Undrain):
		if r := d.out(j); r != (pane.Ref{}) {
			return true, d.m.begin(d.m.actionOf(k), r)
		}
	case key.Matches(k, d.m.keys.Logs) && j != nil:
		if name := d.container(j); name != "" {
			d.m.showLogs(pane.Ref{Kind: pane.RefLog, ID: name})
			return true, nil
		}
	}
	return false, nil
}

// container is the one to read the log of: that which the job is at, or else that
// which did not come up, or else the last one that it was at.
func (d *jobDialog) container(j *backends.Job) (name string) {
	worth := -1
	for i := range j.Parts {
		p := &j.Parts[i]
		w := 0
		switch {
		case p.State == backends.Running:
			w = 3
		case p.State == backends.Failed && len(p.Past) > 0:
			w = 2
		case len(p.Past) > 0:
			w = 1
		}
		if p.Container != "" && w >= worth {
			name, worth = p.Container, w
		}
	}
	return name
}

// out is a replica that the job has left out of work; the zero Ref: none is.
func (d *jobDialog) out(j *backends.Job) pane.Ref {
	if j == nil || j.State == backends.Running || d.m.data.Pool == nil {
		return pane.Ref{}
	}
	for i := range d.m.data.Pool.Backends {
		b := &d.m.data.Pool.Backends[i]
		for k := range b.Replicas {
			switch r := &b.Replicas[k]; {
			case r.Drained == nil || r.Drained.Job != j.ID:
			case len(b.Replicas) == 1:
				return backend(b.Name)
			default:
				return pane.Ref{Kind: pane.RefReplica, Name: b.Name, ID: r.URL}
			}
		}
	}
	return pane.Ref{}
}

// errLooking keeps a form open while what it asked for is under way.
var errLooking = errors.New("")

// run has a command line run, as a shell would have it, for a form; it closes
// when the command has done what it should.
func (m *Model) run(id int, args []string) tea.Cmd {
	command := m.opts.Command
	if command == nil {
		return nil
	}
	return m.ask(id, func(ctx context.Context) func(*Model) tea.Cmd {
		var out, errOut bytes.Buffer
		code := command(ctx, args, &out, &errOut)
		told := strings.TrimSpace(strings.TrimPrefix(errOut.String(), "pilothouse: "))
		told = strings.ReplaceAll(told, "--", "") // the flags are fields here
		return func(m *Model) tea.Cmd {
			f := m.form(id)
			f.looking = false
			if code != 0 {
				f.wrong = told
				return nil
			}
			m.shut(f)
			m.say(widget.Good, told)
			m.refresh()
			return nil
		}
	})
}

// shut takes a dialog off, wherever it is in the stack.
func (m *Model) shut(d dialog) {
	for i := range m.dialogs {
		if m.dialogs[i] == d {
			m.dialogs = append(m.dialogs[:i:i], m.dialogs[i+1:]...)
			return
		}
	}
}
