package backends

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pilothouse/backends/docker"
)

// mostRestarts is how often an engine may end while it loads, and be started
// again by its container's restart policy.
const mostRestarts = 3

// load waits until the engine serves its model.
func (s *doing) load(begun time.Time) error {
	restarts := -1 // of the container before; below 0: not known yet
	for n := 0; ; n++ {
		if s.p.r.circuit.ready() {
			return nil
		}
		if n%10 == 0 {
			if err := s.look(begun, &restarts); err != nil {
				return err
			}
		}
		if err := s.wait(looking); err != nil {
			return err
		}
	}
}

// look says how far the engine is, or why it won't come to serve: its container
// ends, or takes too long.
func (s *doing) look(begun time.Time, restarts *int) error {
	if !slices.ContainsFunc(s.l.targets(), func(t target) bool { return t.r == s.p.r }) {
		return errors.New("it is no longer configured: nobody asks whether it is well")
	}
	c, err := s.read()
	if s.ctx.Err() != nil {
		return errCancelled
	}
	if _, absent := errors.AsType[*docker.NotFoundError](err); absent {
		return errors.New("its container was removed")
	}
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		if *restarts < 0 || c.Restarts < *restarts {
			*restarts = c.Restarts
		}
		_, why = s.p.r.circuit.beneath()
		why += "; " + s.lastLine()
		if again := c.Restarts - *restarts; again >= mostRestarts {
			return fmt.Errorf("its container ends as soon as it is started (%d times; now it is %s); %s", again, c.Words(), s.lastLine())
		}
		if c.State == "exited" && s.p.house.lost.Load() > s.p.lost { // an engine that is killed ends its containers, and starts none of them again
			return s.start(begun)
		}
		if c.State == "exited" || c.State == "dead" || c.State == "created" {
			return fmt.Errorf("its container %s; %s", how(c.State, c.Words()), s.lastLine())
		}
	}
	if limit := time.Duration(s.p.b.Container.StartTimeout); s.l.pool.now().Sub(begun) >= limit {
		return fmt.Errorf("not ready after %v: %s", limit, why)
	}
	s.note("%s", why)
	return nil
}

const (
	lastLines = 10  // of a log, of which the last that is not empty is shown
	mostLine  = 200 // bytes of it
)

// lastLine says what the container wrote last. The engine breaks the log of one off
// that it is about to start again, so that a second look may see what the first did
// not.
func (s *doing) lastLine() string {
	last := ""
	var err error
	for range 2 {
		err = s.p.house.engine.Logs(s.ctx, s.p.name, docker.LogOptions{Since: s.p.since, Tail: lastLines}, func(line docker.Line) {
			if text := strings.TrimSpace(line.Text); text != "" {
				last = text
			}
		})
		if err == nil || last != "" {
			break
		}
	}
	switch {
	case last != "":
		return fmt.Sprintf("its log's last line: %q", strings.ToValidUTF8(last[:min(len(last), mostLine)], ""))
	case err != nil:
		return "its log can't be read"
	}
	return "its log is empty"
}
