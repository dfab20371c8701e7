package past

import (
	"fmt"
	"time"

	"pilothouse/backends"
)

// seeBackends compares replicas and their containers. While a job is at one, what
// becomes of it is the job's to tell.
func (w *watch) seeBackends(now time.Time, was, is *backends.Snapshot) {
	busy := underWay(is.Jobs)
	for i := range is.Backends {
		b := &is.Backends[i]
		for k := range b.Replicas {
			next := &b.Replicas[k]
			last := replicaOf(was, i, k, b.Name, next.URL)
			if last == nil || busy[replica{b.Name, next.URL}] {
				continue
			}
			w.seeState(now, b, last, next)
			w.seeContainer(now, b, last.Container, next.Container)
		}
	}
}

// underWay are the replicas that a job is at; nil: there are none.
func underWay(jobs []backends.Job) map[replica]bool {
	var busy map[replica]bool
	for i := range jobs {
		if jobs[i].State != backends.Running {
			continue
		}
		for _, p := range jobs[i].Parts {
			if p.State == backends.Running {
				if busy == nil {
					busy = map[replica]bool{}
				}
				busy[replica{p.Backend, p.Replica}] = true
			}
		}
	}
	return busy
}

// replicaOf finds a replica, which mostly is where it was; nil: it was not there.
func replicaOf(s *backends.Snapshot, i, k int, name, url string) *backends.ReplicaStatus {
	if i < len(s.Backends) && s.Backends[i].Name == name && k < len(s.Backends[i].Replicas) && s.Backends[i].Replicas[k].URL == url {
		return &s.Backends[i].Replicas[k]
	}
	for i := range s.Backends {
		for k := range s.Backends[i].Replicas {
			if r := &s.Backends[i].Replicas[k]; s.Backends[i].Name == name && r.URL == url {
				return r
			}
		}
	}
	return nil
}

// seeState tells of another state. That a replica is well when it is first asked
// is what it should be.
func (w *watch) seeState(now time.Time, b *backends.BackendStatus, was, is *backends.ReplicaStatus) {
	if was.State == is.State || was.State == backends.Unknown && is.State == backends.Healthy {
		return
	}
	text := fmt.Sprintf("now %s, was %s for %s", is.State, was.State, span(is.Since.Sub(was.Since)))
	if was.State == backends.Unknown { // it was not asked yet
		text = "now " + is.State.String()
	}
	if is.Reason != "" {
		text += ": " + is.Reason
	}
	if len(b.Replicas) > 1 {
		text = is.URL + " " + text
	}
	w.tell(recent(is.Since, now), KindBackend, b.Name, stateGrade(is.State), text)
}

func stateGrade(s backends.State) Grade {
	switch s {
	case backends.Healthy:
		return Good
	case backends.Down, backends.Hung:
		return Bad
	case backends.Degraded:
		return Warn
	}
	return Plain
}

// recent is a moment that something tells of itself, or now, where that is none
// since the last look.
func recent(at, now time.Time) time.Time {
	if d := now.Sub(at); at.IsZero() || d < 0 || d > 10*time.Second {
		return now
	}
	return at
}

// seeContainer tells what became of a container that nobody ordered.
func (w *watch) seeContainer(now time.Time, b *backends.BackendStatus, was, is *backends.ContainerStatus) {
	if was == nil || is == nil || was.At.IsZero() || was.At.Equal(is.At) || is.Err != "" || was.Err != "" {
		return
	}
	tell := func(g Grade, format string, args ...any) {
		w.tell(now, KindJob, b.Name, g, "container "+is.Name+" "+fmt.Sprintf(format, args...))
	}
	ran := was.State == "running"
	switch {
	case is.ID == "" && was.ID != "":
		tell(Warn, "was removed")
	case is.Restarts > was.Restarts:
		tell(Bad, "ended, and its engine started it again (%s in all)", counted(is.Restarts, "time"))
	case ran && is.State != "running":
		tell(Bad, "is %s; it had run for %s", is.Words, span(now.Sub(was.Started)))
	case is.State == "running" && (!ran || !is.Started.Equal(was.Started)):
		tell(Plain, "was started")
	case is.State != was.State:
		tell(Plain, "is %s", is.Words)
	}
}

// seeHosts tells of Docker engines that can't be asked, and can again.
func (w *watch) seeHosts(now time.Time, was, is *backends.Snapshot) {
	for _, h := range is.Hosts {
		for _, old := range was.Hosts {
			switch {
			case h.Name != old.Name || (h.Err == "") == (old.Err == ""):
			case h.Err != "":
				w.tell(recent(h.Since, now), KindBackend, h.Name, Bad, "its Docker engine can't be asked: "+h.Err)
			default:
				w.tell(recent(h.Since, now), KindBackend, h.Name, Good, "its Docker engine can be asked again, after "+span(h.Since.Sub(old.Since)))
			}
		}
	}
}
