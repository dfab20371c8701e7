package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

// statusFlags are the flags of "status".
type statusFlags struct{ asJSON, check bool }

func newStatus(opt OperationsOptions) *cobra.Command {
	f := &statusFlags{}
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show how everything is",
		Long: `Show the gateway, the replicas with their engines and containers, what is drained and
by whom, the jobs under way, and what is not as configured: of all backends, or of
those named. A NAME is a backend, or a replica by its container's name or its URL.

REQUESTS is what the gateway has in flight with a replica. BOOKED is what those are
expected to come to in its KV cache, of CAPACITY tokens; USED, RUN and WAIT are the
engine's own word. "-" is not known.`,
		Example: `  pilothouse status chat
  pilothouse status --json | jq '.jobs[0].state'
  pilothouse status --check > /dev/null || page`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, opt, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.check, "check", false, "exit with 1 unless each backend has a replica that serves it")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f *statusFlags) run(cmd *cobra.Command, opt OperationsOptions, args []string) error {
	return opt.anywhere(cmd, args, func(_ context.Context, p desk.Platform) error {
		pool, err := selected(p.Pool.Snapshot(), args)
		if err != nil {
			return err
		}
		s := newStatusListing(pool, p.Gateway, opt.now())
		if f.asJSON {
			err = encode(cmd.OutOrStdout(), s)
		} else {
			err = writeStatus(cmd.OutOrStdout(), &s)
		}
		if err == nil && f.check {
			err = s.check()
		}
		return err
	})
}

// selected is the part of a snapshot that has names; all of it if there are none.
func selected(snap *backends.Snapshot, names []string) (*backends.Snapshot, error) {
	if len(names) == 0 {
		return snap, nil
	}
	part := *snap
	part.Backends, part.Jobs = nil, nil
	known, used := []string(nil), make(map[string]bool)
	wanted := func(name string) bool {
		known = append(known, name)
		used[name] = slices.Contains(names, name)
		return used[name]
	}
	for _, b := range snap.Backends {
		all, replicas := wanted(b.Name), b.Replicas
		b.Replicas = nil
		for _, r := range replicas {
			byURL, byContainer := wanted(r.URL), r.Container != nil && wanted(r.Container.Name)
			if all || byURL || byContainer {
				b.Replicas = append(b.Replicas, r)
			}
		}
		if all || len(b.Replicas) > 0 {
			part.Backends = append(part.Backends, b)
		}
	}
	for _, n := range names {
		if !used[n] {
			return nil, unknownName(n, known)
		}
	}
	for _, j := range snap.Jobs {
		if slices.ContainsFunc(j.Parts, func(p backends.Part) bool { return has(part.Backends, p.Replica) }) {
			part.Jobs = append(part.Jobs, j)
		}
	}
	return &part, nil
}

func has(all []backends.BackendStatus, url string) bool {
	return slices.ContainsFunc(all, func(b backends.BackendStatus) bool {
		return slices.ContainsFunc(b.Replicas, func(r backends.ReplicaStatus) bool { return r.URL == url })
	})
}

func unknownName(name string, names []string) error {
	if best := nearest(name, names); best != "" {
		return usagef("there is no backend, container or replica %q; did you mean %q?", name, best)
	}
	return usagef("there is no backend, container or replica %q; to see all: pilothouse status", name)
}

// The verdicts of a status; those of GET /health are among them.
const (
	verdictAbsent   = "not serving" // there is no gateway
	verdictDraining = "draining"    // the gateway takes nothing new
	verdictNone     = "unhealthy"   // no backend is served
	verdictDegraded = "degraded"    // a replica is out
	verdictStarting = "starting"    // of some nothing has been heard yet
	verdictHealthy  = "healthy"
)

// verdict sums up a status.
func (s *statusListing) verdict() string {
	served, out, unheard := 0, 0, 0
	for _, b := range s.Backends {
		served += b.Serving
		for _, r := range b.Replicas {
			switch {
			case r.State == backends.Unknown.String():
				unheard++
			case !r.Available:
				out++
			}
		}
	}
	switch {
	case s.Gateway == nil:
		return verdictAbsent
	case s.Gateway.Draining:
		return verdictDraining
	case served == 0 && unheard == 0:
		return verdictNone
	case out > 0:
		return verdictDegraded
	case unheard > 0:
		return verdictStarting
	}
	return verdictHealthy
}

// check returns an error unless each backend is served.
func (s *statusListing) check() error {
	switch {
	case s.Gateway == nil:
		return desk.ErrNotServing
	case s.Gateway.Draining:
		return fmt.Errorf("check the status: the gateway drains, and takes nothing new")
	}
	var without []string
	for _, b := range s.Backends {
		if b.Serving == 0 {
			without = append(without, fmt.Sprintf("%q", b.Name))
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("check the status: no replica serves %s", strings.Join(without, ", "))
	}
	return nil
}
