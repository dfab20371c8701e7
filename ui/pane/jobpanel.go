package pane

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// jobPanel makes the lines of a job's panel.
type jobPanel struct {
	t       *widget.Theme
	j       *backends.Job
	now     time.Time
	earlier []backends.Job
	lines   []jobPanelLine
}

// jobPanelLine is one line: a step, a part, or something that is said of them.
type jobPanelLine struct {
	worth int // where room is short those of the lowest go first
	mark  string
	name  string
	took  string
	text  string
	style widget.Style // of mark and text
	share float64      // of a bar before the text; below 0: none
	whole bool         // the text begins at the left
	turn  string       // a heading: a part of several
	deep  bool         // below a heading
}

// DrawJob draws how a job is in at most w by h cells: of each step whether it is
// done, how long it took, and how it stands, with the last line of the
// container's log while it loads. Of several replicas those that are done or to
// come have a line each. Where room is short what is under way or went wrong
// stays. It returns the rows that it took. earlier are the jobs that are known,
// by which it is told how far a step is.
func DrawJob(c *widget.Canvas, x, y, w, h int, j *backends.Job, now time.Time, earlier ...backends.Job) (rows int) {
	p := &jobPanel{t: c.Theme, j: j, now: now, earlier: earlier}
	p.make(w)
	for len(p.lines) > max(0, h) {
		p.shorten()
	}
	for i := range p.lines {
		p.draw(c, x, y+i, w, &p.lines[i])
	}
	return len(p.lines)
}

// shorten takes the line of the least worth out; of several the last one.
func (p *jobPanel) shorten() {
	least := 0
	for i := range p.lines {
		if p.lines[i].worth <= p.lines[least].worth {
			least = i
		}
	}
	p.lines = slices.Delete(p.lines, least, least+1)
}

// What lines are worth.
const (
	worthNow   = 100
	worthLog   = 80
	worthEnd   = 90
	worthPast  = 50
	worthNext  = 40
	worthDone  = 30
	worthIdle  = 10
	worthTitle = 95
)

func (p *jobPanel) add(l jobPanelLine) { p.lines = append(p.lines, l) }

// make lists all lines, for a panel of w cells.
func (p *jobPanel) make(w int) {
	several := 0
	for i := range p.j.Parts {
		if len(p.j.Parts[i].Steps) > 0 {
			several++
		}
	}
	for i := range p.j.Parts {
		part := &p.j.Parts[i]
		switch {
		case len(part.Steps) == 0:
			p.add(jobPanelLine{worth: worthIdle, mark: p.t.Dot, turn: partName(part), text: cmp.Or(part.Why, "nothing is to do"), style: widget.Muted, share: -1})
		case several == 1:
			p.steps(part)
		default:
			p.turn(part)
		}
	}
	p.end(w)
}

// turn tells of one part of several: only the one under way with its steps, and
// one that went wrong with that step.
func (p *jobPanel) turn(part *backends.Part) {
	l := jobPanelLine{turn: partName(part), share: -1}
	took := ""
	if len(part.Past) > 0 && !part.Ended.IsZero() {
		took = stepTime(part.Ended.Sub(part.Past[0].Began))
	}
	switch part.State {
	case "":
		l.worth, l.mark, l.text, l.style = worthNext, p.t.Dot, "to come", widget.Muted
		if p.j.State != backends.Running {
			l.text = "not begun"
		}
	case backends.Running:
		l.worth, l.mark, l.text = worthTitle, p.t.Half, "now"
		p.add(l)
		at := len(p.lines)
		p.steps(part)
		for i := range p.lines[at:] {
			p.lines[at+i].deep = true
		}
		return
	case backends.Done:
		l.worth, l.mark, l.took, l.text, l.style = worthDone, doneMark(p.t), took, stepTimes(part), widget.Good
	default:
		l.worth, l.took = worthTitle, took
		l.mark, l.style = stateOutcome(p.t, part.State)
		l.text = string(part.State)
		if n := len(part.Past); n > 0 {
			l.text += " while " + string(part.Past[n-1].Name)
		}
		if part.Err != "" {
			l.text += ": " + part.Err
		}
	}
	p.add(l)
}

// steps tells of all steps of a part.
func (p *jobPanel) steps(part *backends.Part) {
	for i, name := range part.Steps {
		k := slices.IndexFunc(part.Past, func(s backends.Step) bool { return s.Name == name })
		if k < 0 {
			text := stepWords[name]
			if p.j.State != backends.Running {
				text = "not begun"
			}
			p.add(jobPanelLine{worth: worthNext - i, mark: p.t.Dot, name: string(name), text: text, style: widget.Muted, share: -1})
			continue
		}
		p.step(part, &part.Past[k])
	}
	if part.Why != "" {
		p.add(jobPanelLine{worth: worthIdle, text: part.Why, style: widget.Warn, share: -1})
	}
}

// step tells of a step that has begun.
func (p *jobPanel) step(part *backends.Part, s *backends.Step) {
	words, log := stepNote(s.Note)
	l := jobPanelLine{name: string(s.Name), text: words, share: -1}
	switch {
	case !s.Ended.IsZero():
		// How it stood on the way is no news any more, but for who was broken off.
		l.worth, l.mark, l.style, l.took = worthPast, doneMark(p.t), widget.Good, stepTime(s.Ended.Sub(s.Began))
		if s.Name != backends.StepDrain {
			l.text = ""
		}
		p.add(l)
		return
	case part.State != backends.Running:
		l.worth = worthTitle
		l.mark, l.style = stateOutcome(p.t, part.State)
		if !part.Ended.IsZero() {
			l.took = stepTime(part.Ended.Sub(s.Began))
		}
		l.text = cmp.Or(part.Err, words)
		p.add(l)
		return
	}
	l.worth, l.mark = worthNow, p.t.Half
	took := p.now.Sub(s.Began)
	l.took = stepTime(took)
	if last, ok := lastStep(p.earlier, part, s.Name); ok && s.Name == backends.StepLoad {
		l.share, l.text = float64(took)/float64(last), progressWords(took, last)
		if took > last {
			l.style = widget.Warn
		}
	}
	p.add(l)
	if log != "" {
		p.add(jobPanelLine{worth: worthLog, text: p.t.Branch + " " + log, style: widget.Muted, share: -1, whole: true}) // a log's lines are long
	}
}

// end says how it came to its end, or that it is about to.
func (p *jobPanel) end(w int) {
	l := jobPanelLine{worth: worthEnd, whole: true, share: -1}
	l.mark, l.style = stateOutcome(p.t, p.j.State)
	took := stepTime(p.j.Ended.Sub(p.j.Began))
	switch p.j.State {
	case backends.Running:
		if !p.j.Cancelling {
			return
		}
		l.mark, l.style, l.text = p.t.Drain, widget.Warn, "cancelled: it ends at the next step that it can end at"
	case backends.Done:
		l.text = "done in " + took
	case backends.Failed:
		l.text = "failed after " + took
		if p.j.Err != "" {
			l.text += ": " + p.j.Err
		}
	case backends.Cancelled:
		l.text = "cancelled after " + took
	case backends.Interrupted:
		l.text = "interrupted after " + took + ": Pilothouse ended before anything was done that has to be finished"
	}
	// Why it failed is told whole, within reason.
	const most = 4
	for i := range most {
		line, rest := firstLine(p.t, l.text, w-2)
		if rest == "" || i == most-1 {
			break
		}
		p.add(jobPanelLine{worth: l.worth, mark: l.mark, style: l.style, whole: true, share: -1, text: line})
		l.mark, l.text, l.worth = "", rest, worthLog
	}
	p.add(l)
}

// doneMark is the shape of a step that is done.
func doneMark(t *widget.Theme) string {
	if t.ASCII() {
		return t.Good
	}
	return "✓"
}

// stateOutcome is the shape and colour of how something ended.
func stateOutcome(t *widget.Theme, s backends.JobState) (string, widget.Style) {
	switch s {
	case backends.Done:
		return doneMark(t), widget.Good
	case backends.Failed:
		return t.Bad, widget.Bad
	case backends.Cancelled:
		return t.Drain, widget.Warn
	case backends.Interrupted:
		return t.Warn, widget.Warn
	}
	return t.Half, widget.Plain
}

// stepTimes are the steps of a part with their times, but for those that took
// none.
func stepTimes(p *backends.Part) string {
	var all []string
	for _, s := range p.Past {
		if d := s.Ended.Sub(s.Began); !s.Ended.IsZero() && d >= time.Second {
			all = append(all, fmt.Sprintf("%s %s", s.Name, stepTime(d)))
		}
	}
	return strings.Join(all, ", ")
}
