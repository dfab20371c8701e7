package pane

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"pilothouse/backends"
)

// JobTitle says what a job is, by whom, and how long it has taken, for the border
// of its panel.
func JobTitle(j *backends.Job, now time.Time) string {
	end := now
	if !j.Ended.IsZero() {
		end = j.Ended
	}
	d := max(0, end.Sub(j.Began)).Truncate(time.Second)
	clock := fmt.Sprintf("%02d:%02d", int(d/time.Minute), int(d/time.Second)%60)
	return fmt.Sprintf("%s, by %s, %s", jobName(j), jobAuthor(j), clock)
}

// JobLine says how a job is in one line, without what its parts take. earlier are
// the jobs that are known, by which it is told how far a step is.
func JobLine(j *backends.Job, now time.Time, earlier ...backends.Job) string {
	who := jobName(j) + " by " + jobAuthor(j)
	if j.State != backends.Running {
		text := fmt.Sprintf("%s %s after %s", who, j.State, stepTime(j.Ended.Sub(j.Began)))
		if j.Err != "" {
			text += ": " + j.Err
		}
		return text
	}
	parts, done := 0, 0
	var at *backends.Part
	for i := range j.Parts {
		p := &j.Parts[i]
		if len(p.Steps) == 0 {
			continue
		}
		parts++
		switch p.State {
		case backends.Running:
			at = p
		case "":
		default:
			done++
		}
	}
	text := who
	if parts > 1 {
		text += fmt.Sprintf(", %d of %d done", done, parts)
	}
	switch {
	case at == nil:
		text += ", about to go on"
	case parts > 1:
		text += ", " + partName(at) + ": " + stepLine(at, now, earlier)
	default:
		text += ": " + stepLine(at, now, earlier)
	}
	if j.Cancelling {
		text += ", being cancelled"
	}
	return text
}

// partLine says how a part of a job that is under way is, in one line.
func partLine(j *backends.Job, p *backends.Part, now time.Time, earlier []backends.Job) string {
	who := string(j.Action) + " by " + jobAuthor(j)
	switch {
	case p.State == "":
		return who + ": its turn is to come"
	case j.Cancelling:
		who += ", being cancelled"
	}
	return who + ": " + stepLine(p, now, earlier)
}

// stepLine says which step a part is at, for how long, and how far.
func stepLine(p *backends.Part, now time.Time, earlier []backends.Job) string {
	s := p.Now()
	if s == nil {
		return "between two steps"
	}
	took := now.Sub(s.Began)
	text := fmt.Sprintf("%s %s", s.Name, stepTime(took))
	if last, ok := lastStep(earlier, p, s.Name); ok && s.Name == backends.StepLoad {
		return text + ", " + progressWords(took, last)
	}
	if words, _ := stepNote(s.Note); words != "" {
		text += ", " + words
	}
	return text
}

// progressWords says how far a step is by how long it took the last time.
func progressWords(took, last time.Duration) string {
	if took > last {
		return "longer than last time (" + stepTime(last) + ")"
	}
	return fmt.Sprintf("%d%% of last time", 100*took/last)
}

// jobName is what a job does to what: "restart chat".
func jobName(j *backends.Job) string {
	names := j.Names
	if len(names) == 0 {
		return string(j.Action) + " everything"
	}
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s %s and %d more", j.Action, strings.Join(names[:most], ", "), len(names)-most)
	}
	return string(j.Action) + " " + strings.Join(names, ", ")
}

func jobAuthor(j *backends.Job) string { return cmp.Or(j.Author, "somebody") }

// partName is what a part is about: its container, or else its address.
func partName(p *backends.Part) string { return cmp.Or(p.Container, address(p.Replica), p.Backend) }
