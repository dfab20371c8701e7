package pane

import (
	"slices"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// logSource is one that lines can be chosen from. Two are the same when they are
// equal in kind and name.
type logSource struct {
	kind  LogKind
	name  string
	grade widget.Style // of the replica in the container
}

// title is how it is called.
func (s logSource) title() string {
	switch s.kind {
	case LogGateway:
		return "gateway"
	case LogPast:
		return "events and audit"
	}
	return s.name
}

func (s logSource) is(o logSource) bool { return s.kind == o.kind && s.name == o.name }

// logSources are the containers of a pool, in its order, and what there is always.
func logSources(pool *backends.Snapshot, chosen logSource) []logSource {
	var all []logSource
	if pool != nil {
		for i := range pool.Backends {
			for j := range pool.Backends[i].Replicas {
				r := &pool.Backends[i].Replicas[j]
				if r.Container == nil || r.Container.Name == "" {
					continue
				}
				s := logSource{LogContainer, r.Container.Name, Grade(r.State)}
				if !slices.ContainsFunc(all, s.is) {
					all = append(all, s)
				}
			}
		}
	}
	if chosen.kind == LogContainer && !slices.ContainsFunc(all, chosen.is) {
		all = append(all, logSource{kind: LogContainer, name: chosen.name, grade: widget.Unknown})
	}
	return append(all, logSource{kind: LogGateway}, logSource{kind: LogPast})
}

// takeSources takes a new pool in. Until somebody has looked, the log is that of
// the first container in trouble; whoever looks before there is a pool gets that
// one too.
func (p *Logs) takeSources(pool *backends.Snapshot) {
	all := logSources(pool, p.source)
	if slices.Equal(all, p.sources) {
		return
	}
	p.sources = all
	p.pic.drop()
	if pool == nil || p.touched && p.source.kind != "" {
		return
	}
	now := slices.IndexFunc(all, p.source.is)
	if now >= 0 && all[now].kind == LogContainer && all[now].grade == widget.Bad {
		return
	}
	at := slices.IndexFunc(all, func(s logSource) bool { return s.kind == LogContainer && s.grade == widget.Bad })
	if at < 0 && p.source.kind == "" {
		at = 0
	}
	if at >= 0 {
		p.show(all[at])
	}
}

// SelectSource shows the log of a container, whether the pool has it or not.
func (p *Logs) SelectSource(container string) {
	p.touched = true
	s := logSource{kind: LogContainer, name: container}
	if p.source.is(s) {
		return
	}
	p.show(s)
	p.sources = logSources(p.pool, s)
}

// Source is the container of which the log is shown; "": it is no container's.
func (p *Logs) Source() string { return p.source.name }

// turn goes to another source.
func (p *Logs) turn(by int) {
	p.touched = true
	if n := len(p.sources); n > 0 {
		at := slices.IndexFunc(p.sources, p.source.is)
		p.show(p.sources[((at+by)%n+n)%n])
	}
}

// show goes to a source, at the part of it that was chosen.
func (p *Logs) show(s logSource) {
	p.source = logSource{kind: s.kind, name: s.name}
	p.ask()
}

// chooseRange goes to a part of the log. Going to the end of it when that is what
// is there needs no asking.
func (p *Logs) chooseRange(i int) {
	p.touched = true
	r := &logRanges[i]
	if i == p.part && r.span == 0 && !p.back && p.err == "" {
		p.sel, p.pan, p.seen = 0, 0, p.buf.next
		return
	}
	p.part = i
	p.ask()
}

// How many lines are asked for.
const (
	tailLines = 1000
	headLines = 5000
)

// Query is what the pane wants to be told now; false: nothing that needs asking
// for. It changes when the user goes to another log or part of one, and with it its
// Generation.
func (p *Logs) Query() (LogQuery, bool) {
	return p.query, p.query.Kind == LogContainer || p.query.Kind == LogGateway
}

// ask makes the question for what was chosen, and forgets the last answer.
func (p *Logs) ask() {
	r := &logRanges[p.part]
	q := LogQuery{Kind: p.source.kind, Source: p.source.name}
	switch {
	case r.head:
		q.Head, q.Lines = true, headLines
	case r.span > 0:
		q.Since, q.Follow = p.now.Add(-r.span), true
	default:
		q.Lines, q.Follow = tailLines, true
	}
	p.back = false
	p.put(q)
}

// How much a question for a moment in the past asks for.
const (
	backSpan  = time.Minute
	backLines = maxLogLines
)

// askBack asks for what led to a moment, in a rewound dashboard, unless that is
// there.
func (p *Logs) askBack() {
	if p.source.kind == LogPast || p.source.kind == "" || p.backAt.Equal(p.now) || p.reaches(p.now) {
		return
	}
	p.back, p.backAt = true, p.now
	p.put(LogQuery{Kind: p.source.kind, Source: p.source.name, Since: p.now.Add(-backSpan), Head: true, Lines: backLines})
}

// reaches tells whether the lines that led to a moment are there, or coming.
func (p *Logs) reaches(t time.Time) bool {
	if !p.answered {
		return true
	}
	from := p.query.Since
	if n := len(p.buf.all); n > 0 && (from.IsZero() || p.buf.gone > 0) {
		from = p.buf.all[0].at
	}
	if from.After(t.Add(-backSpan / 2)) {
		return false
	}
	if p.query.Follow || !p.done || len(p.buf.all) < p.query.Lines {
		return true
	}
	return !p.buf.all[len(p.buf.all)-1].at.Before(t)
}

// put asks a question.
func (p *Logs) put(q LogQuery) {
	p.query.Generation++
	q.Generation = p.query.Generation
	p.query = q
	p.forget()
	p.answered, p.done, p.err = false, false, ""
	if q.Kind == LogPast {
		p.takePast(true)
	}
}

// forget drops all lines.
func (p *Logs) forget() {
	p.buf.clear()
	p.hits.reset(&p.buf)
	p.sel, p.pan, p.seen, p.lost = 0, 0, p.buf.next, 0
	p.pic.drop()
}
