package pane

import (
	"fmt"
	"strings"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// replicaNote says what is done about a replica, or else why it is not well; ""
// where it is.
func replicaNote(d Data, r *backends.ReplicaStatus) string {
	if j, p := replicaJob(d.Pool, r); j != nil && (r.State != backends.Healthy || p.Now() != nil) {
		return partLine(j, p, d.Now, d.Pool.Jobs)
	}
	switch {
	case r.State == backends.Healthy && r.Share > 0 && r.Share < 1:
		return fmt.Sprintf("comes back bit by bit: it gets %.0f %% of its share of the work", 100*r.Share)
	case r.State == backends.Healthy:
		return ""
	}
	text := r.Reason
	if r.Drained != nil && r.Drained.Job > 0 {
		for i := range d.Pool.Jobs {
			if j := &d.Pool.Jobs[i]; j.ID == r.Drained.Job && !j.Ended.IsZero() && j.State != backends.Done {
				text = fmt.Sprintf("%s by %s %s %s ago", j.Action, jobAuthor(j), j.State, widget.Age(d.Now.Sub(j.Ended)))
				if j.Err != "" {
					text += ": " + j.Err
				}
			}
		}
	}
	if c := r.Container; c != nil && c.Err != "" && text == "" {
		text = "its container can't be read: " + c.Err
	}
	return text
}

// replicaJob is the job that has a replica now, and its part of it; nil: none.
func replicaJob(s *backends.Snapshot, r *backends.ReplicaStatus) (*backends.Job, *backends.Part) {
	for i := range s.Jobs {
		j := &s.Jobs[i]
		if j.State != backends.Running {
			continue
		}
		for k := range j.Parts {
			if p := &j.Parts[k]; p.Replica == r.URL && len(p.Steps) > 0 && (p.State == "" || p.State == backends.Running) {
				return j, p
			}
		}
	}
	return nil, nil
}

// replicaName is what a replica is called in its backend: its container's name,
// or else its address.
func replicaName(r *backends.ReplicaStatus) string {
	if r.Container != nil && r.Container.Name != "" {
		return r.Container.Name
	}
	return address(r.URL)
}

// noteFrom are the columns that a note leaves in place; it has the rest of the
// line.
var noteFrom = map[string]bool{"": true, "backend": true, "state": true, "run": true}

// replica draws a replica of several, or the note of a backend's only one: its
// name and state where the backend's are, then what there is to say, or else its
// own figures.
func (l *backendTable) replica(c *widget.Canvas, y int, v *backendRow) {
	x := 1
	for _, s := range l.spans {
		col := l.cols[s.Col]
		switch {
		case v.lone:
			if col.Head == "backend" {
				x = s.X
			}
			continue
		case v.note != "" && !noteFrom[col.Head]:
			continue
		case col.Head == "backend":
			n := c.Text(s.X, y, s.W, widget.Muted, c.Theme.Branch+" ")
			c.Text(s.X+n, y, s.W-n, widget.Plain, replicaName(v.r))
		default:
			l.cell(c, y, s, v)
		}
		x = s.X + s.W + 2
	}
	if v.note == "" {
		return
	}
	style := v.grade
	if style == widget.Good {
		style = widget.Plain
	}
	if v.lone {
		x += c.Text(x, y, c.W-x, widget.Muted, c.Theme.Branch+" ")
	}
	c.Text(x, y, c.W-x-1, style, v.note)
}

// address is a URL without its scheme.
func address(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		return rest
	}
	return url
}
