package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// writeStatus writes a status for people: the platform in two lines, a table of
// the replicas, and a line for all else that there is to know.
func writeStatus(w io.Writer, s *statusListing) error {
	var b strings.Builder
	line := func(format string, a ...any) {
		b.WriteString(widget.Clean(fmt.Sprintf(format, a...), false) + "\n")
	}
	platform(s, line)
	b.WriteByte('\n')
	if err := writeColumns(&b, statusColumns(s), statusRows(s)); err != nil {
		return err
	}
	head := b.Len()
	b.WriteByte('\n')
	for i := range s.Backends {
		backendNotes(s.At, &s.Backends[i], line)
	}
	for i := range s.Jobs {
		if j := &s.Jobs[i]; j.State == backends.Running {
			jobNotes(s.At, j, line)
		}
	}
	for _, h := range s.Hosts {
		if h.Error != "" {
			line("Docker engine %s can't be asked%s: %s", h.Name, lasting(s.At, h.Since), h.Error)
		}
	}
	text := b.String()
	if b.Len() == head+1 {
		text = text[:head] // nothing else is to know
	}
	_, err := io.WriteString(w, text)
	return err
}

// platform is the verdict, and the gateway's figures.
func platform(s *statusListing, line func(string, ...any)) {
	g := s.Gateway
	if g == nil {
		line("%s: no gateway runs here; what it would know is not shown", s.Verdict)
		return
	}
	up := none
	if g.Started != nil {
		up = widget.Age(s.At.Sub(*g.Started))
	}
	line("%s  %s  up %s", s.Verdict, cmp.Or(g.Listen, "no address yet"), up)
	first := none
	if g.FirstP95 != nil {
		first = widget.Duration(time.Duration(*g.FirstP95 * float64(time.Second)))
	}
	line("%s requests/s  %s tokens/s  first token p95 %s  %d in flight  %d queued",
		cmp.Or(widget.Figure(g.Requests), none), cmp.Or(widget.Figure(g.Tokens), none), first, g.InFlight, g.Queued)
}

// shared tells whether some replica gets less work than others.
func (s *statusListing) shared() bool {
	return slices.ContainsFunc(s.Backends, func(b backendItem) bool {
		return slices.ContainsFunc(b.Replicas, func(r replicaItem) bool { return r.Share < 1 })
	})
}

func statusColumns(s *statusListing) []column {
	cols := []column{{"BACKEND", false}, {"REPLICA", false}, {"STATE", false}}
	if s.shared() {
		cols = append(cols, column{"SHARE", true})
	}
	return append(cols, column{"REQUESTS", true}, column{"BOOKED", true}, column{"CAPACITY", true}, column{"USED", true},
		column{"RUN", true}, column{"WAIT", true}, column{"CONTAINER", false})
}

func statusRows(s *statusListing) [][]string {
	var rows [][]string
	shared := s.shared()
	for _, b := range s.Backends {
		for i := range b.Replicas {
			r := &b.Replicas[i]
			row := []string{b.Name, r.URL, r.State}
			if shared {
				row = append(row, percent(&r.Share))
			}
			e := cmp.Or(r.Engine, &engineItem{})
			rows = append(rows, append(row, figure(r.InFlight), figure(r.Booked), figure(r.Capacity),
				percent(e.KVUsage), figure(e.Running), figure(e.Waiting), inWords(r.Container)))
		}
	}
	return rows
}

// inWords is a container with its state: "vllm-chat-1 running".
func inWords(c *containerItem) string {
	switch {
	case c == nil:
		return none
	case c.At == nil:
		return c.Name + " not read yet"
	case c.State == "":
		return c.Name + " not there"
	}
	return c.Name + " " + cmp.Or(c.Words, c.State)
}

func figure[N int | int64](n *N) string {
	if n == nil {
		return none
	}
	return digits(int64(*n))
}

func percent(part *float64) string {
	if part == nil {
		return none
	}
	return share(int64(*part*10_000+0.5), 10_000)
}

// lasting is since when something is so: " for 12 min".
func lasting(now time.Time, since *time.Time) string {
	if since == nil {
		return ""
	}
	return " for " + widget.Age(now.Sub(*since))
}

// backendNotes are what a table of replicas has no room for.
func backendNotes(now time.Time, b *backendItem, line func(string, ...any)) {
	if q := b.Queue; q != nil && q.Waiting > 0 {
		line("%s: %d waiting for room, the oldest for %s", b.Name, q.Waiting, cmp.Or(widget.Duration(time.Duration(q.Oldest*float64(time.Second))), "<1 ms"))
	}
	for i := range b.Replicas {
		r := &b.Replicas[i]
		if d := r.Drained; d != nil {
			by := d.By
			if d.Job != nil {
				by += fmt.Sprintf(" (job %d)", *d.Job)
			}
			line("%s is %s%s, taken out by %s: %s", r.URL, r.State, lasting(now, d.At), by, cmp.Or(d.Reason, "no reason told"))
		} else if r.Reason != "" && r.State != backends.Healthy.String() {
			line("%s is %s%s: %s", r.URL, r.State, lasting(now, r.Since), r.Reason)
		}
		if e := r.Engine; e != nil && e.Error != "" {
			line("%s: its engine's figures are %s: %s", r.URL, asOf(now, e.At), e.Error)
		}
		if e := r.Engine; e != nil && e.Sleeping {
			line("%s: its engine was put to sleep", r.URL)
		}
		if c := r.Container; c != nil {
			containerNotes(now, c, line)
		}
	}
}

// asOf says how old a reading is that could not be repeated.
func asOf(now time.Time, at *time.Time) string {
	if at == nil {
		return "not known"
	}
	return "of " + widget.Age(now.Sub(*at)) + " ago"
}

func containerNotes(now time.Time, c *containerItem, line func(string, ...any)) {
	if c.Error != "" {
		line("%s: what is told of the container is %s: %s", c.Name, asOf(now, c.At), c.Error)
	}
	if len(c.Changes) == 0 {
		return
	}
	changes, differ := make([]string, len(c.Changes)), fmt.Sprintf("%d settings differ", len(c.Changes))
	for i, ch := range c.Changes {
		changes[i] = backends.Change(ch).String()
	}
	if len(changes) == 1 {
		differ = "1 setting differs"
	}
	line("%s: %s; pilothouse up makes it anew: %s", c.Name, differ, strings.Join(changes, "; "))
}

// jobNotes are a job under way: who wants what, and how far each part of it is.
func jobNotes(now time.Time, j *jobItem, line func(string, ...any)) {
	what, state := ordered(j.Action, j.Names), ""
	if j.Cancelling {
		state = ", being cancelled"
	}
	if j.Reason != "" {
		state += ": " + j.Reason
	}
	if j.Began != nil {
		state = " " + widget.Age(now.Sub(*j.Began)) + " ago" + state
	}
	line("job %d: %s, begun by %s%s", j.ID, what, j.Author, state)
	for _, p := range j.Parts {
		name, n := cmp.Or(p.Container, p.Replica), len(p.Past)
		switch {
		case p.Error != "" && n > 0:
			line("  %s %s", name, ending(p.State, p.Past[n-1].Name, p.Error))
		case p.Error != "":
			line("  %s %s", name, ending(p.State, "", p.Error))
		case n > 0 && p.Past[n-1].Ended == nil:
			s := p.Past[n-1]
			text := fmt.Sprintf("  %s %s%s", name, s.Name, lasting(now, s.Began))
			if s.Note != "" {
				text += ": " + s.Note
			}
			line("%s", text)
		}
	}
}
