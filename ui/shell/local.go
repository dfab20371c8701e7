package shell

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"pilothouse/backends"
	"pilothouse/ui/desk"
)

// firstLook is how long commands wait for the first news of all replicas.
const firstLook = 3 * time.Second

// withoutGateway has a pool and its containers looked after in this process, until
// the closer is called. It returns once they have been looked at.
func (s *Shell) withoutGateway(ctx context.Context) (*desk.Seat, io.Closer, error) {
	configured, o, err := s.Backends()
	if err != nil {
		return nil, nil, err
	}
	pool, err := backends.New(configured)
	if err != nil {
		return nil, nil, err
	}
	life, err := backends.NewLifecycle(pool, o)
	if err != nil {
		return nil, nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return pool.Run(run) })
	group.Go(func() error { return life.Run(run) })
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.After(firstLook); !pool.Snapshot().Known(); {
		select {
		case <-look.C:
			continue
		case <-end: // what is not known by now is shown so
		case <-ctx.Done():
		}
		break
	}
	return s.seat(desk.Platform{Jobs: life, Drains: life, Logs: life, Pool: pool}), closer(func() error {
		stop()
		return errors.Join(group.Wait(), life.Close())
	}), nil
}

// closer is a function as an io.Closer.
type closer func() error

func (c closer) Close() error { return c() }
