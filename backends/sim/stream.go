package sim

import (
	"fmt"
	"net/http"
)

// stream answers with events. The head goes out before anything is generated,
// as under uvicorn; each event is a chunk and a write of its own.
func (c *call) stream(w http.ResponseWriter, r *http.Request) {
	out := &events{w: w, control: http.NewResponseController(w), plan: &c.plan,
		stall: func() {
			c.server.engine.hang(c.job)
			c.wait(r)
		}}
	options := c.body.StreamOptions
	include := options != nil && bool(options.IncludeUsage) && !c.plan.noUsage
	each := include && bool(options.ContinuousUsageStats)
	send := func(r reply, tokens int) {
		if each {
			r.Usage = newUsage(c.promptTokens(), tokens)
		}
		out.send(encode(r))
	}

	out.open()
	opened := false
	for left := len(c.reply); left > 0; {
		outputs, ok := c.outputs(r)
		if !ok {
			c.cut(w) // the stream must not look complete
		}
		if c.chat && !opened {
			for i := range c.reply {
				send(c.opening(i), 0)
				if c.tool != nil {
					send(c.calling(i), 0)
				}
			}
		}
		opened = true
		for _, o := range outputs {
			c.note(o)
			send(c.event(o), o.tokens)
			if o.finish != "" {
				left--
			}
		}
	}
	if include {
		out.send(encode(c.closing()))
	}
	out.send([]byte("[DONE]"))
}

// events writes Server-Sent Events, and breaks them off as planned. A client
// that has gone ends it like a broken stream: by http.ErrAbortHandler.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	plan    *plan
	stall   func() // returns when nobody waits any more
	sent    int
}

func (e *events) open() {
	if f := e.plan.breaks; f != nil && f.Kind == Reset && f.After == 0 {
		reset(e.control)
	}
	e.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	e.w.WriteHeader(http.StatusOK)
	e.flush()
}

func (e *events) send(data []byte) {
	if f := e.plan.breaks; f != nil && e.sent == f.After {
		data = e.breakOff(f, data)
	}
	if _, err := fmt.Fprintf(e.w, "data: %s\n\n", data); err != nil {
		panic(http.ErrAbortHandler)
	}
	e.flush()
	e.sent++
}

func (e *events) flush() {
	if e.control.Flush() != nil {
		panic(http.ErrAbortHandler)
	}
}

// breakOff acts a fault out in place of an event, and returns only for one
// that lets the stream go on, with what is to be sent instead.
func (e *events) breakOff(f *Fault, data []byte) []byte {
	switch f.Kind {
	case Stall:
		e.stall()
	case Reset:
		reset(e.control)
	case Truncate:
		truncate(e.control, data, f.Inside)
	case Malformed:
		return data[:len(data)/2]
	}
	panic(http.ErrAbortHandler)
}

// unary answers in one piece, or breaks off as planned.
func (p plan) unary(w http.ResponseWriter, stall func(), body []byte) {
	f := p.breaks
	if f == nil {
		answerJSON(w, http.StatusOK, body)
		return
	}
	if f.Kind == Malformed {
		answerJSON(w, http.StatusOK, body[:len(body)/2])
		return
	}
	control := http.NewResponseController(w)
	if f.After > 0 || f.Kind == Truncate {
		half := body[:len(body)/2]
		if f.After == 0 {
			half = nil
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		answerJSON(w, http.StatusOK, half)
		_ = control.Flush() // the connection is given up in any case
	}
	switch f.Kind {
	case Stall:
		stall()
	case Reset:
		reset(control)
	}
	panic(http.ErrAbortHandler)
}

// wait returns when the client has left, or the engine stopped or died.
func (c *call) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-c.server.engine.dead:
	case <-c.death:
	}
}

// reset closes the connection so that the client's system sees a RST.
func reset(control *http.ResponseController) {
	if conn, _, err := control.Hijack(); err == nil {
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0) // no RST then, but closed all the same
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// truncate closes the connection without the chunk that ends the body: after
// the last one, or in the middle of another.
func truncate(control *http.ResponseController, data []byte, inside bool) {
	if conn, _, err := control.Hijack(); err == nil {
		if inside {
			event := fmt.Sprintf("data: %s\n\n", data)
			_, _ = fmt.Fprintf(conn, "%x\r\n%s", len(event), event[:len(event)/2])
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}
