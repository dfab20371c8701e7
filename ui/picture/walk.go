package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// walk goes through the dashboard and draws it. After an error it does nothing.
type walk struct {
	ctx context.Context
	t   *terminal
	dir string
	err error
}

// The sizes of the terminal.
var (
	small  = [2]int{80, 24}
	middle = [2]int{120, 40}
	large  = [2]int{200, 60}
)

const (
	soon  = 20 * time.Second // for what the dashboard does by itself
	later = 2 * time.Minute  // for what the demo does
	quiet = 400 * time.Millisecond
)

// restarted is the backend that is restarted.
const restarted = "text2sql"

// all draws everything there is. The restart comes first, so that the views have
// events and graphs something to tell; they are drawn at views, or when all is well
// again.
func (w *walk) all(views time.Time) {
	w.await(`healthy`, soon)
	w.until(views.Add(-time.Until(views) / 2))
	w.restart()

	w.press("3")
	w.await(restarted+` +healthy(?s:.*)chat +healthy`, later)
	w.until(views)
	w.press("1")
	w.await(`\A[^\n]*● healthy`, later)
	w.await(`requests · \d+ in flight`, soon)
	w.draw("overview", "The overview: GPUs, backends, traffic, quotas, events and requests")
	w.size(small)
	w.draw("overview-80x24", "The overview in a terminal of 80 by 24")
	w.size(large)
	w.draw("overview-200x60", "The overview in a terminal of 200 by 60, with the events beside it")
	w.size(middle)
	w.press(":")
	w.await(`commands`, soon)
	w.press("-l", "rest")
	w.await(`: rest`, soon)
	w.draw("palette", "The palette of commands, filtered by a few letters")
	w.leave()
	w.view("2", `sm clock`, "gpus", "The view of GPUs: a card for each with its readings and their history")
	w.view("3", `1st token`, "backends", "The view of backends: each with its figures, the selected one in full")
	w.view("4", `org/key`, "requests", "The view of requests: in flight and ended")
	w.explain()
	w.view("5", `tokens/day`, "quotas", "The view of quotas: how much of each window is used, and until when it lasts")
	w.logs()
	w.chat()
	w.sql()
}

// restart restarts a backend, and draws what is asked before and shown meanwhile.
func (w *walk) restart() {
	w.press("3")
	w.await(`1st token`, soon)
	w.press("Down")
	w.press("R")
	w.await(`type `+restarted+` to confirm`, soon)
	w.draw("impact", "What a restart of the backend would mean, before it is done")
	w.press("Tab") // from Cancel on
	w.press("Tab") // and round
	w.press("-l", "2m")
	w.press("Tab")
	w.press("-l", "new image")
	w.press("Tab")
	w.press("-l", restarted)
	w.press("Enter")
	w.press("Tab")
	w.press("Enter")
	w.await(`◐ loading`, later)
	w.draw("progress", "A restart under way: what is done, how long it took, what comes next")
	w.await(`done in`, later)
	w.leave()
}

// explain draws why a request ended as it did.
func (w *walk) explain() {
	w.press("4", "/")
	w.press("-l", "chat done")
	w.press("Enter", "Down", "Enter")
	w.await(`accepted`, soon)
	w.draw("explain", "A request explained: each decision about it, with its numbers")
	w.leave() // the explanation
	w.leave() // the filter
}

// logs draws the gateway's log, the third in the list.
func (w *walk) logs() {
	w.press("6", ">", ">")
	w.await(`following`, soon)
	w.await(`job ended`, soon)
	w.draw("logs", "The view of logs: the gateway's own, followed")
}

// chat draws an answer that was asked for in both ways.
func (w *walk) chat() {
	w.press("q", "7")
	w.await(`▸chat`, soon)
	w.press("Enter")
	for _, line := range []string{"/set max_tokens 160", "What is a KV cache, in three sentences?"} {
		w.press("-l", line)
		w.press("Enter")
	}
	w.await(`gateway · done`, later)
	w.press("-l", "/compare")
	w.press("Enter")
	w.await(`gateway · done.*http://[\d.:]+ · done`, later)
	w.draw("chat", "An answer through the gateway, and one straight from the replica")
	w.leave()
}

// sql draws a question that became SQL, and rows.
func (w *walk) sql() {
	w.press("8")
	w.await(`▸sql`, soon)
	w.press("Enter")
	w.press("-l", "Which organisations used the most tokens in the last 7 days?")
	w.press("Enter")
	w.await(`reasoned \d+ words,`, later)
	w.press("x")
	w.await(`\d+ rows?; `, soon)
	w.draw("sql", "A question about the ledger, the SQL that the model wrote, and its rows")
}

// view goes to one of the views and draws it, once it shows what it has.
func (w *walk) view(key, pattern, name, title string) {
	w.press(key)
	w.await(pattern, soon)
	w.draw(name, title)
}

// size gives the terminal another size, and waits until all of it is drawn.
func (w *walk) size(to [2]int) {
	w.do(func() error { return w.t.resize(w.ctx, to[0], to[1]) })
	w.await(fmt.Sprintf(`\A[^\n]*healthy[^\n]*\n(?:[^\n]*\n){%d}[^\n]*help`, to[1]-2), soon)
}

// draw writes what the terminal shows now, when what was asked for has come.
func (w *walk) draw(name, title string) {
	w.do(func() error {
		if err := pass(w.ctx, quiet); err != nil {
			return err
		}
		screen, err := w.t.screen(w.ctx, true)
		if err != nil {
			return err
		}
		path := filepath.Join(w.dir, name+".svg")
		picture := svg(parse(screen, w.t.w, w.t.h), title)
		fmt.Printf("%s\t%d KB\n", path, len(picture)/1000)
		return os.WriteFile(path, []byte(picture), 0o644)
	})
}

// leave presses escape, and waits: with the next key at once it would be alt.
func (w *walk) leave() {
	w.press("Escape")
	w.do(func() error { return pass(w.ctx, quiet) })
}

func (w *walk) press(keys ...string) {
	w.do(func() error { return w.t.press(w.ctx, keys...) })
}

func (w *walk) await(pattern string, limit time.Duration) {
	w.do(func() error { return w.t.await(w.ctx, pattern, limit) })
}

func (w *walk) until(at time.Time) {
	w.do(func() error { return pass(w.ctx, time.Until(at)) })
}

func (w *walk) do(step func() error) {
	if w.err == nil {
		w.err = step()
	}
}
