package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A lane is a connection of a paced load: the pacer writes, a goroutine of its
// own reads.
type lane struct {
	*conn
	tally
	due   atomic.Int64 // when the request under way was to leave, after the epoch
	ended atomic.Bool  // closed by us
}

func (a *lane) hangUp() {
	a.ended.Store(true)
	a.Close()
}

// paced sends at a fixed rate whatever the answers do, and takes latency from
// the moment a request was due, so that a target that falls behind is not
// spared its queue.
func (l *load) paced(ctx context.Context) *tally {
	var sum tally
	var lanes []*lane
	var readers sync.WaitGroup
	epoch := time.Now()
	free := make(chan *lane, l.conns)
	for range l.conns {
		c, err := dial(l.addr, l.deadline)
		if err != nil {
			sum.fail(err)
			continue
		}
		a := &lane{conn: c}
		lanes = append(lanes, a)
		readers.Go(func() { l.read(a, epoch, free) })
		free <- a
	}
	lost := make(chan struct{}) // closed when every connection is
	go func() {
		readers.Wait()
		close(lost)
	}()
	sent := l.pace(ctx, epoch, free, lost, &sum)
	awaitAll(free, len(lanes), lost)
	for _, a := range lanes {
		a.hangUp()
	}
	<-lost
	for _, a := range lanes {
		sum.merge(&a.tally)
	}
	if missing := sent - sum.answers - sum.bad; missing > 0 {
		sum.fail(errors.New("no answer came"))
		sum.bad += missing - 1
	}
	return &sum
}

// awaitAll gives the answers still under way two seconds.
func awaitAll(free <-chan *lane, n int, lost <-chan struct{}) {
	late := time.NewTimer(2 * time.Second)
	defer late.Stop()
	for range n {
		select {
		case <-free:
		case <-lost:
			return
		case <-late.C:
			return
		}
	}
}

// read takes a lane's answers until its connection ends.
func (l *load) read(a *lane, epoch time.Time, free chan<- *lane) {
	for {
		err := a.readUnary(l.want.unary)
		if err == nil && a.head.ConnectionClose() {
			err = errors.New("connection closed between requests")
		}
		if err != nil {
			if !a.ended.Load() {
				a.fail(err)
			}
			return
		}
		a.answers++
		a.latency = append(a.latency, time.Since(epoch)-time.Duration(a.due.Load()))
		free <- a
	}
}

// pace writes the requests when they are due, from a thread of its own with a
// fine timer, and tells how many left.
func (l *load) pace(ctx context.Context, epoch time.Time, free <-chan *lane, lost <-chan struct{}, sum *tally) (sent int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	setTimerSlack(1)
	defer setTimerSlack(0)

	const spin = 100 * time.Microsecond // waking up takes about half as long
	period := time.Duration(float64(time.Second) / l.rate)
	start := time.Now()
	for due := start; due.Sub(start) < l.duration && ctx.Err() == nil; due = due.Add(period) {
		if wait := time.Until(due) - spin; wait > 0 {
			ts := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&ts, nil) // a wake-up before time is waited out below
		}
		for time.Now().Before(due) {
		}
		var a *lane
		select {
		case a = <-free:
		case <-lost:
			return sent
		case <-time.After(5 * time.Second):
			sum.fail(errors.New("no connection came free for 5 s"))
			return sent
		}
		a.due.Store(int64(due.Sub(epoch)))
		sent++
		if _, err := a.Write(l.request); err != nil {
			sum.fail(err)
			a.hangUp()
		}
	}
	return sent
}

// setTimerSlack sets how late the kernel may wake this thread, in nanoseconds;
// 0 is the default again.
func setTimerSlack(ns uintptr) {
	const prSetTimerSlack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, ns, 0)
}
