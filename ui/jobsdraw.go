package ui

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/ui/pane"
	"pilothouse/ui/widget"
)

// jobWidth is that of a job's panel: wide enough for a line of a log.
const jobWidth = 100

// jobNarrow is the width below which how a step stands has no room beside it.
const jobNarrow = 50

// view has the steps, and as far as there is room why it is done above them, and
// whom it hurts and what can be done below.
func (d *jobDialog) view(t *widget.Theme, w, h int) string {
	bw := inset(w, jobWidth)
	j := d.job()
	if j == nil {
		bh := min(h, 3)
		c := widget.NewCanvas(t, bw-2, bh-2)
		c.Text(2, 0, c.W-3, widget.Muted, "the job is forgotten by now")
		return widget.Box(t, bw, bh, true, widget.Title{Name: "job " + d.id}, c.String())
	}
	steps := widget.NewCanvas(t, bw-2, max(0, h-2))
	steps.Crop(pane.DrawJob(steps, 1, 0, steps.W-2, steps.H, j, d.m.data.Now, d.m.data.Pool.Jobs...))
	free := max(0, h-2-steps.H)
	take := func(n int) bool { // so many more rows, if there are any left
		if n == 0 || n > free {
			return false
		}
		free -= n
		return true
	}
	foot := d.foot(t, j, bw-6)
	foot = foot[:min(len(foot), free)]
	apart := take(len(foot)) && take(1)
	padded := take(2)
	why := j.Reason != "" && padded && take(2)

	d.rows = min(max(0, h-2), max(d.rows, h-2-free))
	c := widget.NewCanvas(t, bw-2, d.rows)
	y := 0
	if padded {
		y++
	}
	if why {
		c.Text(1, y, 4, widget.Muted, "note")
		c.Text(7, y, c.W-8, widget.Plain, j.Reason)
		y += 2
	}
	c.Lay(0, y, steps)
	y += steps.H
	if apart {
		y++
	}
	for i, l := range foot {
		c.Text(1, y+i, 1, l.style, l.mark)
		c.Text(3, y+i, c.W-4, l.style, l.text)
	}
	return widget.Box(t, bw, c.H+2, true, d.title(t, j, bw), c.String())
}

// title says what it is, by whom and for how long; without from where where there
// is no room.
func (d *jobDialog) title(t *widget.Theme, j *backends.Job, w int) widget.Title {
	title := widget.Title{Name: pane.JobTitle(j, d.m.data.Now), Note: fmt.Sprintf("job %d", j.ID)}
	if j.State != backends.Running {
		title.Note += " " + string(j.State)
	}
	if t.Width(title.Name) > w-6 {
		short := *j
		short.Author, _, _ = strings.Cut(j.Author, " ")
		title.Name = pane.JobTitle(&short, d.m.data.Now)
	}
	return title
}

// footLine is a line below the steps.
type footLine struct {
	mark, text string
	style      widget.Style
}

// foot says who waits while it goes on, and what can be done about what it left.
func (d *jobDialog) foot(t *widget.Theme, j *backends.Job, w int) (lines []footLine) {
	add := func(mark string, st widget.Style, text string) {
		for l := range strings.SplitSeq(ansi.Wrap(widget.Clean(text, t.ASCII()), max(1, w), ""), "\n") {
			lines = append(lines, footLine{mark, l, st})
			mark = " "
		}
	}
	for i := range j.Parts {
		if s := j.Parts[i].Now(); s != nil && w < jobNarrow { // beside the step there is no room for it
			words, _, _ := strings.Cut(s.Note, ";")
			add(t.Half, widget.Plain, words)
		}
	}
	if r := d.out(j); r != (pane.Ref{}) {
		add(t.Drain, widget.Warn, cmp.Or(d.m.containerOf(r), r.Name)+" stays out of work"+d.remedies(r))
	}
	if g := d.m.data.Gateway; g != nil && j.State == backends.Running {
		named := make(map[string]bool)
		for i := range j.Parts {
			name := j.Parts[i].Backend
			if q := g.Queues[name]; q.Waiting > 0 && !named[name] {
				add(t.Warn, widget.Warn, fmt.Sprintf("%s for %s, the oldest for %s", waits(q.Waiting), name, widget.Age(q.Oldest)))
			}
			named[name] = true
		}
	}
	return lines
}

// remedies are the keys that help what is out of work, as far as they work.
func (d *jobDialog) remedies(r pane.Ref) string {
	k := &d.m.keys
	var all []string
	for _, b := range d.m.useful(r, k.Restart, k.Undrain) {
		does := "restarts it"
		if b.Help() == k.Undrain.Help() {
			does = "takes it in as it is"
		}
		all = append(all, b.Help().Key+" "+does)
	}
	if all == nil {
		return ""
	}
	return ": " + strings.Join(all, ", ")
}

func waits(n int) string {
	if n == 1 {
		return "1 request waits"
	}
	return widget.Many(n, "request") + " wait"
}
