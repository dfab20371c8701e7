//go:build linux && cgo

package nvml

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"pilothouse/gpu"
)

const (
	wait      = 5 * time.Second // of one call for events
	backOff   = time.Second     // after the first failure; doubled up to
	backOffTo = time.Minute
	anew      = time.Minute // when a device was busy as events were asked for, they are asked for anew
)

// Watch tells of XIDs and memory errors until ctx ends, as soon as devices are
// listed; it returns an error only if the library has no events. The call
// that waits for them may last five seconds longer than Watch does. While tell
// doesn't return the library can't be started anew.
func (s *Source) Watch(ctx context.Context, tell func(gpu.Event)) error {
	pause := backOff
	for ctx.Err() == nil {
		now := s.latest.Load()
		if now.err == nil {
			for _, f := range []string{"nvmlEventSetCreate", "nvmlEventSetFree", "nvmlEventSetWait", "nvmlDeviceRegisterEvents"} {
				if !now.has[f] {
					return fmt.Errorf("watch gpus: the library has no %s: %w", f, errors.ErrUnsupported)
				}
			}
			began := time.Now()
			s.watch(ctx, now, tell)
			if time.Since(began) >= wait {
				pause = backOff
			}
		}
		select {
		case <-now.next:
		case <-time.After(pause):
			pause = min(2*pause, backOffTo)
		case <-ctx.Done():
		}
	}
	return nil
}

// watch tells of one listing's events, until there is another, a call fails or
// room is to be made for another start of the library.
func (s *Source) watch(ctx context.Context, now *listed, tell func(gpu.Event)) {
	if s.enter(ctx) != nil {
		return
	}
	set, ret := s.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		s.leave(1)
		return
	}
	some, all := s.register(ctx, now, set)
	if !some {
		set.Free()
		s.leave(1)
		return
	}
	events := make(chan nvml.EventData)
	until := time.Now().Add(anew)
	go func() {
		defer s.leave(1)
		defer set.Free()
		defer close(events)
		for ctx.Err() == nil && s.latest.Load() == now && !s.asked.Load() && !s.closed.Load() && (all || time.Now().Before(until)) {
			e, ret := set.Wait(uint32(wait.Milliseconds()))
			if ret == nvml.ERROR_TIMEOUT {
				continue
			}
			if ret != nvml.SUCCESS {
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
			}
		}
	}()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			tell(event(now, e))
		case <-ctx.Done():
			return
		}
	}
}

// register asks for the events of every device that has any. It returns
// whether there is one, and whether no device was too busy.
func (s *Source) register(ctx context.Context, now *listed, set nvml.EventSet) (some, all bool) {
	all = true
	for _, c := range now.cards {
		if c.err != nil {
			continue
		}
		if c.work.take(ctx) != nil {
			all = false
			continue
		}
		const wanted = nvml.EventTypeXidCriticalError | nvml.EventTypeDoubleBitEccError | nvml.EventTypeSingleBitEccError
		kinds, ret := uint64(wanted), nvml.SUCCESS
		if now.has["nvmlDeviceGetSupportedEventTypes"] {
			kinds, ret = c.handle.GetSupportedEventTypes()
		}
		if kinds &= wanted; ret == nvml.SUCCESS && kinds != 0 {
			some = c.handle.RegisterEvents(kinds, set) == nvml.SUCCESS || some
		}
		c.work.leave()
	}
	return some, all
}

// event is what the library told.
func event(now *listed, e nvml.EventData) gpu.Event {
	out := gpu.Event{At: time.Now(), From: "nvml"}
	for _, c := range now.cards {
		if c.handle == e.Device {
			out.PCI, out.UUID = c.about.PCI, c.about.UUID
		}
	}
	switch e.EventType {
	case nvml.EventTypeXidCriticalError:
		out.XID = int(e.EventData) // 999: one that the library doesn't know
	case nvml.EventTypeDoubleBitEccError:
		out.Text = "an uncorrected memory error"
	case nvml.EventTypeSingleBitEccError:
		out.Text = "a corrected memory error"
	default:
		out.Text = fmt.Sprintf("event %#x", e.EventType)
	}
	const none = 1<<32 - 1
	if out.XID != 0 && e.GpuInstanceId != none {
		out.Text = fmt.Sprintf("on GPU instance %d", e.GpuInstanceId)
	}
	return out
}
