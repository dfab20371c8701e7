package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// labels are what the parts of a job are called: by their containers, those that
// have none by their URLs. Where hosts have containers of one name, the host's is
// said, too.
func labels(parts []backends.Part) []string {
	count := make(map[string]int)
	for i := range parts {
		count[parts[i].Container]++
	}
	names := make([]string, len(parts))
	for i := range parts {
		switch p := &parts[i]; {
		case p.Container == "":
			names[i] = p.Replica
		case count[p.Container] > 1:
			names[i] = p.Container + " on " + p.Host
		default:
			names[i] = p.Container
		}
	}
	return names
}

// writePlan writes what is done to each replica, and the settings that are the
// reason.
func writePlan(w io.Writer, parts []backends.Part) error {
	var b strings.Builder
	line := func(format string, a ...any) {
		b.WriteString(widget.Clean(fmt.Sprintf(format, a...), false) + "\n")
	}
	for i, label := range labels(parts) {
		p := &parts[i]
		steps := make([]string, len(p.Steps))
		for j, s := range p.Steps {
			steps[j] = string(s)
		}
		switch what := strings.Join(steps, ", "); {
		case what == "" && p.Why == "":
			line("%s: nothing to do", label)
		case what == "":
			line("%s: nothing to do: %s", label, p.Why)
		case p.Why != "":
			line("%s: %s (%s)", label, what, p.Why)
		default:
			line("%s: %s", label, what)
		}
		for _, c := range p.Changes {
			line("  ~ %s", c)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// planListing is what --dry-run --json prints.
type planListing struct {
	Action backends.Action `json:"action"`
	Parts  []partItem      `json:"parts"`
}

// jobItem is a job in JSON. Text is "" where there is none.
type jobItem struct {
	ID         int               `json:"id"`
	Action     backends.Action   `json:"action"`
	Names      []string          `json:"names"` // as ordered; none: all
	Author     string            `json:"author"`
	Reason     string            `json:"reason"`
	State      backends.JobState `json:"state"`
	Cancelling bool              `json:"cancelling"`
	Began      *time.Time        `json:"began"`
	Ended      *time.Time        `json:"ended"` // null: it has not
	Error      string            `json:"error"`
	Parts      []partItem        `json:"parts"`
}

type partItem struct {
	Backend   string              `json:"backend"`
	Replica   string              `json:"replica"`
	Container string              `json:"container"`
	Host      string              `json:"host"`
	Steps     []backends.StepName `json:"steps"` // none: nothing is to do
	Past      []stepItem          `json:"past"`
	State     backends.JobState   `json:"state"` // "": it has not begun, or nothing is to do
	Why       string              `json:"why"`
	Changes   []changeItem        `json:"changes"`
	Ended     *time.Time          `json:"ended"` // null: it has not, or there was nothing to do
	Error     string              `json:"error"`
}

type stepItem struct {
	Name  backends.StepName `json:"name"`
	Began *time.Time        `json:"began"`
	Ended *time.Time        `json:"ended"` // null: it is under way, or failed
	Note  string            `json:"note"`
}

type changeItem struct {
	Field string `json:"field"`
	Have  string `json:"have"`
	Want  string `json:"want"`
}

func newJobItem(j *backends.Job) jobItem {
	return jobItem{ID: j.ID, Action: j.Action, Names: list(j.Names), Author: j.Author, Reason: j.Reason, State: j.State,
		Cancelling: j.Cancelling, Began: known(j.Began), Ended: known(j.Ended), Error: j.Err, Parts: partItems(j.Parts)}
}

func partItems(parts []backends.Part) []partItem {
	items := make([]partItem, len(parts))
	for i := range parts {
		p := &parts[i]
		items[i] = partItem{Backend: p.Backend, Replica: p.Replica, Container: p.Container, Host: p.Host, Steps: list(p.Steps),
			Past: make([]stepItem, len(p.Past)), State: p.State, Why: p.Why, Changes: changeItems(p.Changes), Ended: known(p.Ended), Error: p.Err}
		for j, s := range p.Past {
			items[i].Past[j] = stepItem{s.Name, known(s.Began), known(s.Ended), s.Note}
		}
	}
	return items
}

func changeItems(changes []backends.Change) []changeItem {
	items := make([]changeItem, len(changes))
	for i, c := range changes {
		items[i] = changeItem(c)
	}
	return items
}
