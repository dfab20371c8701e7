// Picture draws the dashboard for docs/: it serves the demo, attaches to it in a
// terminal that tmux holds, walks through the views and a restart, and writes each
// screen as an SVG file.
//
//	go run ./ui/picture -pilothouse bin/pilothouse -out docs/pictures
//
// A screen becomes the same file every time (grid.go reads it, svg.go and shape.go
// draw it); what is on it is the demo's at that moment. A picture needs no font of
// its own: words are stretched to their cells, and lines, blocks and dots are shapes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	binary := flag.String("pilothouse", "bin/pilothouse", "the `program` to draw")
	dir := flag.String("out", "docs/pictures", "the `directory` for the pictures")
	span := flag.Duration("for", 90*time.Second, "how long the demo runs before its views are drawn, so that graphs have a shape")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := draw(ctx, *binary, *dir, *span)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// draw makes all pictures of a demo of its own.
func draw(ctx context.Context, binary, dir string, span time.Duration) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "pilothouse-picture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	d, err := serve(ctx, binary)
	if err != nil {
		return fmt.Errorf("start the demo: %w", err)
	}
	defer d.stop()
	t, err := attach(ctx, binary, d.socket, tmp)
	if err != nil {
		return err
	}
	defer t.close()
	w := &walk{ctx: ctx, t: t, dir: dir}
	w.all(d.began.Add(span))
	return w.err
}
