package sshd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"pilothouse/ui/desk"
)

// Why a connection or a session ended, where it was not its client's wish.
var (
	errEnding      = errors.New("this gateway stops")
	errRevoked     = errors.New("your access was changed")
	errUnused      = errors.New("there was no session")
	errDead        = errors.New("the client answers no more")
	errStalled     = errors.New("the client reads no more")
	errIdle        = errors.New("no key was pressed for too long")
	errInterrupted = errors.New("interrupted")
	errGone        = errors.New("the client is gone")
)

// conn is the connection of an operator: of one who has proven a key, or of a user
// of this host.
type conn struct {
	*Server
	way  *way
	raw  net.Conn
	ssh  *ssh.ServerConn
	stop context.CancelCauseFunc // ends its sessions, and then it
	key  string                  // as it is on the wire; "": of a user of this host
	who  desk.Operator
	idle time.Duration
	log  *slog.Logger // says who
}

// serve has sessions until the client goes or ctx ends, and returns after the
// last of them.
func (c *conn) serve(ctx context.Context, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	var support, sessions sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	support.Go(func() {
		for r := range reqs { // forwarding, and the client's own keep-alive, which takes no for an answer
			_ = r.Reply(false, nil) // whose failure ends the connection elsewhere
		}
	})
	support.Go(func() { c.keepAlive(ctx) })
	c.accept(ctx, chans, &sessions)
	// Sessions end with ctx, and have a moment to leave the terminal as it was.
	// What still comes is refused, since the library waits until it is taken.
	stop()
	support.Go(func() {
		for n := range chans {
			_ = n.Reject(ssh.ResourceShortage, errEnding.Error()) // likewise
		}
	})
	late := time.AfterFunc(c.limits.farewell, func() { _ = c.raw.Close() })
	sessions.Wait()
	late.Stop()
	_ = c.raw.Close()
	support.Wait()
}

// accept starts sessions until there is a reason to end.
func (c *conn) accept(ctx context.Context, chans <-chan ssh.NewChannel, sessions *sync.WaitGroup) {
	ended := make(chan struct{}, c.limits.channels)
	unused := time.NewTimer(c.limits.unused)
	defer unused.Stop()
	for n := 0; ; {
		select {
		case asked, ok := <-chans:
			if !ok {
				c.stop(errGone)
				return
			}
			if why := c.refusal(asked, n); why != nil {
				_ = asked.Reject(why.Reason, why.Message) // whose failure ends the connection elsewhere
				continue
			}
			n++
			unused.Stop()
			sessions.Go(func() {
				defer func() {
					c.way.sessions.leave(c.who.Name)
					ended <- struct{}{}
				}()
				c.session(ctx, asked)
			})
		case <-ended:
			if n--; n == 0 {
				unused.Reset(c.limits.unused)
			}
		case <-unused.C:
			c.stop(errUnused)
			return
		case <-ctx.Done():
			return
		}
	}
}

// refusal says why a channel is not to be; nil: it has its place, which it has
// to leave.
func (c *conn) refusal(asked ssh.NewChannel, n int) *ssh.OpenChannelError {
	switch {
	case asked.ChannelType() != "session":
		return &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "nothing is forwarded here"}
	case n >= c.limits.channels:
		return &ssh.OpenChannelError{Reason: ssh.ResourceShortage, Message: fmt.Sprintf("a connection has %d sessions at most", n)}
	case !c.way.sessions.take(c.who.Name):
		return &ssh.OpenChannelError{Reason: ssh.ResourceShortage,
			Message: fmt.Sprintf("too many sessions: %d of an operator's and %d in all at most; close some", c.way.sessions.each, c.way.sessions.all)}
	}
	return nil
}

// keepAlive asks again and again whether the client is there, whatever is written
// to it meanwhile, and drops it when there is no answer.
func (c *conn) keepAlive(ctx context.Context) {
	tick := time.NewTicker(c.limits.alive)
	defer tick.Stop()
	answered := make(chan error, 1)
	for missed := -1; ; { // -1: no question is open
		select {
		case <-ctx.Done():
			if missed >= 0 {
				// The connection is closed soon, which is an answer.
				<-answered
			}
			return
		case err := <-answered:
			if err != nil {
				return // it is closed
			}
			missed = -1
		case <-tick.C:
			if missed++; missed == 0 {
				go func() {
					_, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil)
					answered <- err
				}()
			} else if missed >= c.limits.missed {
				c.drop(errDead)
			}
		}
	}
}

// drop cuts the client off without a word: it would not take it.
func (c *conn) drop(why error) {
	c.log.Warn("ssh client dropped", attrError, why)
	c.stop(why)
	_ = c.raw.Close()
}
