package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/ui/desk"
	"pilothouse/ui/widget"
)

const (
	pollEvery  = 100 * time.Millisecond // how often it is seen how a job stands
	noteEvery  = 5 * time.Second        // at most, a step under way is told of anew on a line of its own
	drawEvery  = 250 * time.Millisecond // at most, the line on a terminal is written over
	maxNote    = 200                    // cells of a line of progress, which may hold a log's
	eraseLine  = "\r\x1b[K"
	timeOfStep = "15:04:05"
)

// past says of a step that it has ended; how long it took comes next.
var past = map[backends.StepName]string{
	backends.StepImage: "got the image in", backends.StepDrain: "drained in",
	backends.StepStop: "stopped in", backends.StepRemove: "removed in", backends.StepCreate: "created in",
	backends.StepStart: "started in", backends.StepLoad: "loaded in", backends.StepWarm: "warmed up in",
	backends.StepAdmit: "readmitted in",
}

// follow tells of a job until it has ended, and returns it then. When ctx ends
// it only stops looking.
func follow(ctx context.Context, jobs desk.Jobs, id int, p *progress) (backends.Job, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	defer p.clear()
	for {
		job, ok := jobs.Job(id)
		if !ok {
			return job, fmt.Errorf("follow job %d: it is not remembered any more", id)
		}
		if err := p.tell(&job); err != nil {
			return job, fmt.Errorf("tell how job %d goes on: %w", id, err)
		}
		if job.State != backends.Running {
			return job, nil
		}
		select {
		case <-ctx.Done():
			return job, fmt.Errorf("follow job %d: %w", id, ctx.Err())
		case <-tick.C:
		}
	}
}

// progress writes how a job goes on: a line for each step that begins or ends,
// and now and then one for how it stands. On a live terminal that is one line
// instead, below those of the steps that have ended.
type progress struct {
	w    io.Writer
	live bool
	now  func() time.Time

	parts      []toldPart
	cancelling bool
	drawn      string // the live line
	drawnAt    time.Time
}

// toldPart is how much of a part has been told.
type toldPart struct {
	begun, ended int // steps
	note         string
	at           time.Time // of the note
	failed       bool
}

// event is a line of progress.
type event struct {
	at   time.Time
	text string
}

// tell writes what is new.
func (p *progress) tell(j *backends.Job) error {
	p.parts = append(p.parts, make([]toldPart, max(0, len(j.Parts)-len(p.parts)))...)
	now := p.now()
	var events []event
	for i, label := range labels(j.Parts) {
		events = append(events, p.part(&p.parts[i], &j.Parts[i], label, now)...)
	}
	if j.Cancelling && !p.cancelling {
		p.cancelling = true
		events = append(events, event{now, "cancelling: it ends at the next step that it can end at"})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.line(maxNote) + "\n")
	}
	text := b.String()
	if p.live {
		text = p.redraw(text, j, now)
	}
	if text == "" {
		return nil
	}
	_, err := io.WriteString(p.w, text)
	return err
}

// part is what is new of a part.
func (p *progress) part(told *toldPart, part *backends.Part, label string, now time.Time) (events []event) {
	say := func(at time.Time, format string, a ...any) {
		events = append(events, event{at, label + " " + fmt.Sprintf(format, a...)})
	}
	for ; told.ended < len(part.Past) && !part.Past[told.ended].Ended.IsZero(); told.ended++ {
		s := &part.Past[told.ended]
		say(s.Ended, "%s %s", past[s.Name], took(s.Ended.Sub(s.Began)))
	}
	step := part.Now()
	switch {
	case part.Err != "" && !told.failed:
		told.failed = true
		at := part.Ended
		if at.IsZero() {
			at = now
		}
		during := backends.StepName("")
		if n := len(part.Past); n > 0 {
			during = part.Past[n-1].Name
		}
		say(at, "%s", ending(part.State, during, part.Err))
	case step == nil || p.live:
	case told.begun < len(part.Past):
		told.begun, told.note, told.at = len(part.Past), step.Note, now
		say(step.Began, "%s", standing(step))
	case step.Note != told.note && now.Sub(told.at) >= noteEvery:
		told.note, told.at = step.Note, now
		say(now, "%s", standing(step))
	}
	return events
}

// ending says how a part has ended that did not end well: "failed while loading:
// it has no GPU", "cancelled while draining".
func ending(state backends.JobState, during backends.StepName, why string) string {
	text := string(state)
	if during != "" {
		text += " while " + doing(during)
	}
	if why != string(state) {
		text += ": " + why
	}
	return text
}

// doing is a step as what one is at.
func doing(s backends.StepName) string {
	if s == backends.StepImage {
		return "getting the image"
	}
	return string(s)
}

// standing is how a step that is under way stands: "draining: 12 in flight".
func standing(s *backends.Step) string {
	if s.Note == "" {
		return string(s.Name)
	}
	return string(s.Name) + ": " + s.Note
}

// line is an event of so many cells at most, harmless to a terminal.
func (e event) line(cells int) string {
	text := e.at.UTC().Format(timeOfStep) + " " + widget.Clean(e.text, false)
	return ansi.Truncate(text, cells, "…")
}

// redraw puts lines above the one that is drawn for a job, and draws that anew
// if it is time. It leaves none below a job that has ended.
func (p *progress) redraw(lines string, j *backends.Job, now time.Time) string {
	next := ""
	if j.State == backends.Running {
		next = event{now, underWay(j, now)}.line(screen - 1)
	}
	if lines == "" && (next == p.drawn || next != "" && now.Sub(p.drawnAt) < drawEvery) {
		return ""
	}
	p.drawn, p.drawnAt = next, now
	return eraseLine + lines + next
}

// clear removes the line that is drawn, so that something else can be told.
func (p *progress) clear() {
	if p.drawn != "" {
		_, _ = io.WriteString(p.w, eraseLine) // for looks only
	}
}

// underWay is what a job does now.
func underWay(j *backends.Job, now time.Time) string {
	var busy []string
	for i, label := range labels(j.Parts) {
		if s := j.Parts[i].Now(); s != nil {
			text := fmt.Sprintf("%s %s %v", label, s.Name, now.Sub(s.Began).Truncate(time.Second))
			if s.Note != "" {
				text += ": " + s.Note
			}
			busy = append(busy, text)
		}
	}
	return strings.Join(busy, "; ")
}

// took writes how long something has taken: "1m32s", "6s", "300ms".
func took(d time.Duration) string {
	if d = max(d, 0); d < time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
