package pane

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// stepWords say what a step will do.
var stepWords = map[backends.StepName]string{
	backends.StepImage:  "the image is fetched",
	backends.StepDrain:  "nothing new comes; what is in flight may end",
	backends.StepStop:   "its engine may end by itself first",
	backends.StepRemove: "the container is removed",
	backends.StepCreate: "the container is made as configured",
	backends.StepStart:  "the container is started",
	backends.StepLoad:   "until it serves its model",
	backends.StepWarm:   "one request of one token",
	backends.StepAdmit:  "work comes back bit by bit",
}

// stepTime writes how long a step took, in whole seconds: 0 s, 74 s, 2m05s.
func stepTime(d time.Duration) string {
	d = max(0, d).Truncate(time.Second)
	if d < 100*time.Second {
		return fmt.Sprintf("%d s", int(d/time.Second))
	}
	return widget.Duration(d)
}

// stepNote takes a step's note apart: how it stands, and the line of the
// container's log that is quoted in it; "": none is.
func stepNote(note string) (words, log string) {
	words, rest, ok := strings.Cut(note, `"`)
	if !ok {
		return note, ""
	}
	log = unquoted(`"` + rest)
	words = strings.TrimRight(words, " ")
	if at := strings.LastIndexByte(words, ';'); at >= 0 {
		words = words[:at]
	}
	return words, log
}

// lastStep is how long a step of the same replica took when it last succeeded, by
// the jobs that are known; ok: it is known. Another replica of its backend will
// do where the same one has never had it.
func lastStep(jobs []backends.Job, of *backends.Part, name backends.StepName) (took time.Duration, ok bool) {
	var at time.Time
	same := false
	for i := range jobs {
		for k := range jobs[i].Parts {
			p := &jobs[i].Parts[k]
			if p.Backend != of.Backend {
				continue
			}
			for _, s := range p.Past {
				mine := p.Replica == of.Replica
				if s.Name != name || s.Ended.IsZero() || same && !mine || mine == same && !s.Ended.After(at) {
					continue
				}
				if d := s.Ended.Sub(s.Began); d > 0 {
					took, at, same, ok = d, s.Ended, mine, true
				}
			}
		}
	}
	return took, ok
}

// unquoted is what the quoted string at the beginning of s holds; "": there is
// none.
func unquoted(s string) string {
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		return ""
	}
	text, err := strconv.Unquote(q)
	if err != nil {
		return ""
	}
	return text
}
