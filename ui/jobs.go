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
	m  *Model
	id string
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

func (d *jobDialog) bindings() []key.Binding {
	return append([]key.Binding{d.m.keys.Close}, d.m.useful(pane.Ref{}, d.m.keys.CancelJob, d.m.keys.Logs)...)
}

func (d *jobDialog) update(msg tea.Msg) (done bool, cmd tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	switch {
	case !ok:
	case key.Matches(k, d.m.keys.Close, d.m.keys.Accept, d.m.keys.Jobs):
		return true, nil
	case key.Matches(k, d.m.keys.CancelJob):
		return false, d.m.begin(d.m.actionOf(k), pane.Ref{})
	case key.Matches(k, d.m.keys.Logs):
		if j := d.job(); j != nil {
			for i := range j.Parts {
				if p := &j.Parts[i]; p.State == backends.Running || len(j.Parts) == 1 {
					d.m.showLogs(pane.Ref{Kind: pane.RefLog, ID: p.Container})
					return true, nil
				}
			}
		}
	}
	return false, nil
}

const jobWidth = 72

func (d *jobDialog) view(t *widget.Theme, w, h int) string {
	bw := min(w, jobWidth)
	j := d.job()
	if j == nil {
		bh := min(h, 3)
		c := widget.NewCanvas(t, bw-2, bh-2)
		c.Text(2, 0, c.W-3, widget.Muted, "the job is forgotten by now")
		return widget.Box(t, bw, bh, true, widget.Title{Name: "job " + d.id}, c.String())
	}
	c := widget.NewCanvas(t, bw-2, max(0, h-2))
	rows := pane.DrawJob(c, 1, 1, c.W-2, max(0, c.H-2), j, d.m.data.Now, d.m.data.Pool.Jobs...)
	bh := min(h, rows+4)
	c.Crop(bh - 2)
	return widget.Box(t, bw, bh, true, widget.Title{Name: pane.JobTitle(j, d.m.data.Now)}, c.String())
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
