package pane

import (
	"fmt"
	"time"

	"pilothouse/backends"
	"pilothouse/ui/widget"
)

// Grade is what a replica's state means to the one who looks.
func Grade(s backends.State) widget.Style {
	switch s {
	case backends.Healthy:
		return widget.Good
	case backends.Degraded, backends.Starting, backends.Loading, backends.Draining:
		return widget.Warn
	case backends.Down, backends.Hung:
		return widget.Bad
	}
	return widget.Unknown
}

// gravity orders states by how much they hurt; what somebody ordered hurts less
// than what came by itself.
func gravity(s backends.State) int {
	switch s {
	case backends.Hung:
		return 7
	case backends.Down:
		return 6
	case backends.Starting:
		return 5
	case backends.Loading:
		return 4
	case backends.Degraded:
		return 3
	case backends.Draining:
		return 2
	case backends.Unknown:
		return 1
	}
	return 0
}

// stateMark is the shape of a state.
func stateMark(t *widget.Theme, s backends.State) string {
	switch s {
	case backends.Starting, backends.Loading:
		return t.Half
	case backends.Draining:
		return t.Drain
	}
	return t.Mark(Grade(s))
}

// rotation says in words whether a replica is in rotation, and until when it is
// out.
func rotation(r *backends.ReplicaStatus) string {
	switch r.State {
	case backends.Healthy:
		if r.Share > 0 && r.Share < 1 {
			return fmt.Sprintf("in, with %.0f%% of its share of the work for now", 100*r.Share)
		}
		return "in"
	case backends.Degraded:
		return "in, on trial: it failed lately"
	case backends.Unknown:
		return "in only where nothing better is there"
	case backends.Starting, backends.Loading:
		return "out until it serves its model"
	case backends.Hung:
		return "out until it makes progress, or is restarted"
	case backends.Draining:
		return "out until it is taken in again; what it has may end"
	}
	return "out until its health check succeeds"
}

// Condition sums a backend's replicas up: how grave, in a word, and since
// when where one replica decides it. A backend with several says how many of
// them may be sent work when not all are well.
func Condition(b *backends.BackendStatus) (widget.Style, string, time.Time) {
	n := len(b.Replicas)
	if n == 0 {
		return widget.Bad, "none", time.Time{}
	}
	if n == 1 {
		r := &b.Replicas[0]
		return Grade(r.State), r.State.String(), r.Since
	}
	healthy, unknown := 0, 0
	first := b.Replicas[0].State
	same := true
	var newest time.Time
	for i := range b.Replicas {
		r := &b.Replicas[i]
		switch r.State {
		case backends.Healthy:
			healthy++
		case backends.Unknown:
			unknown++
		}
		same = same && r.State == first
		if r.Since.After(newest) {
			newest = r.Since
		}
	}
	up := b.Available()
	switch {
	case same:
		return Grade(first), first.String(), newest
	case up == 0:
		return widget.Bad, "down", newest
	case up < n:
		return widget.Warn, fmt.Sprintf("%d/%d up", up, n), newest
	case unknown > 0 && healthy+unknown == n:
		return widget.Unknown, fmt.Sprintf("%d/%d known", healthy, n), newest
	}
	return widget.Warn, "degraded", newest
}
