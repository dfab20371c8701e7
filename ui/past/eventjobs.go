package past

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway/ledger"
)

// told is what events there were of a job.
type told struct{ began, ended bool }

// seeJobs tells of jobs that have begun, and of those that have ended.
func (w *watch) seeJobs(now time.Time, was, is []backends.Job) {
	if len(was) == len(is) && (len(is) == 0 || &was[0] == &is[0]) {
		return
	}
	before := make(map[int]backends.JobState, len(was))
	for i := range was {
		before[was[i].ID] = was[i].State
	}
	there := make(map[int]bool, len(is))
	for i := range is {
		j := &is[i]
		there[j.ID] = true
		state, seen := before[j.ID]
		t := w.jobs[j.ID]
		switch {
		case !seen && j.State == backends.Running:
			t.began = true
			w.tell(recent(j.Began, now), KindJob, orderOf(j), Plain, fmt.Sprintf("%s begun%s%s", j.Action, by(j.Author), reason(j.Reason)))
		case j.State != backends.Running && (!seen || state == backends.Running):
			t = told{true, true}
			w.tell(recent(j.Ended, now), KindJob, orderOf(j), jobGrade(j.State), outcome(j))
		default:
			continue
		}
		w.jobs[j.ID] = t
	}
	for id := range w.jobs {
		if !there[id] {
			delete(w.jobs, id)
		}
	}
}

// orderOf is what a job is about, in the audit's words.
func orderOf(j *backends.Job) string { return cmp.Or(strings.Join(j.Names, ", "), "everything") }

func by(author string) string {
	if author == "" {
		return ""
	}
	return " by " + author
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func jobGrade(s backends.JobState) Grade {
	switch s {
	case backends.Done:
		return Good
	case backends.Failed:
		return Bad
	}
	return Warn
}

// outcome says how a job ended, and what of it took how long.
func outcome(j *backends.Job) string {
	text := fmt.Sprintf("%s%s %s after %s", j.Action, by(j.Author), j.State, span(j.Ended.Sub(j.Began)))
	if j.Err != "" {
		return text + ": " + j.Err
	}
	var parts []string
	for i := range j.Parts {
		if p := &j.Parts[i]; len(p.Past) > 0 {
			parts = append(parts, course(p))
		}
	}
	if len(parts) == 1 {
		return text + ": " + parts[0]
	}
	for i := range j.Parts {
		if p := &j.Parts[i]; len(p.Past) > 0 && !p.Ended.IsZero() {
			text += fmt.Sprintf("; %s in %s", p.Container, span(p.Ended.Sub(p.Past[0].Began)))
		}
	}
	return text
}

// course is the steps of a part that took a second or more, and what became of
// the requests that it had.
func course(p *backends.Part) string {
	var steps []string
	for _, s := range p.Past {
		took := s.Ended.Sub(s.Began)
		switch drain := s.Name == backends.StepDrain && s.Note != ""; {
		case s.Ended.IsZero() || took < time.Second && !drain:
		case drain:
			steps = append(steps, fmt.Sprintf("%s %s (%s)", s.Name, span(took), s.Note))
		default:
			steps = append(steps, fmt.Sprintf("%s %s", s.Name, span(took)))
		}
	}
	return strings.Join(steps, ", ")
}

// jobTold tells whether an entry of the audit is about a job of which there is an
// event.
func (w *watch) jobTold(e *ledger.Event) bool {
	if w.pool == nil {
		return false
	}
	for i := range w.pool.Jobs {
		j := &w.pool.Jobs[i]
		t := w.jobs[j.ID]
		if j.Author != e.Author || orderOf(j) != e.Object {
			continue
		}
		if t.began && e.Action == string(j.Action) && e.At.Sub(j.Began).Abs() < about ||
			t.ended && e.Action == fmt.Sprintf("%s %s", j.Action, j.State) && e.At.Sub(j.Ended).Abs() < about {
			return true
		}
	}
	return false
}

// about is how far apart two tell of the same thing.
const about = 10 * time.Second
