package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// btop measures btop over SSH at each size, and returns a line of each and what is to
// be said below them.
func (p *plan) btop(ctx context.Context) (lines []string, said string) {
	said = "of btop's figures, sshd's:"
	grown := ""
	for _, size := range sizes {
		m, err := remote(ctx, size.w, size.h, p.span, p.watched(size.w))
		if err != nil {
			return lines, fmt.Sprintf("btop over SSH could not be measured: %v", err)
		}
		lines = append(lines, m.line(fmt.Sprintf("btop %dx%d", size.w, size.h)))
		said += fmt.Sprintf(" %dx%d: %.2f %% of a core, %.2f MiB resident, %.2f anonymous;", size.w, size.h, m.sshd, m.sshdLast.share, m.sshdLast.anonymous)
		grown += m.grown
	}
	version, _ := exec.CommandContext(ctx, "btop", "--version").Output() // it has run
	return lines, strings.TrimSuffix(said, ";") + "\n" + grown + strings.TrimSpace(string(version))
}

// watched is what a program costs over SSH, sshd's processes with it.
type watched struct {
	measured
	sshd     float64 // % of a core that is sshd's
	sshdLast memory  // likewise
}

// remote measures btop in a terminal of a size over SSH, with its usual settings but
// for looking once a second, as the dashboard does.
func remote(ctx context.Context, w, h int, span, watch time.Duration) (*watched, error) {
	if _, err := exec.LookPath("btop"); err != nil {
		return nil, errors.New("install btop")
	}
	d, err := newDaemon()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(d.dir)
	if err := os.MkdirAll(d.path("btop"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("btop", "btop.conf"), []byte("update_ms = 1000\n"), 0o600); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, cmd, err := d.open(ctx, w, h, fmt.Sprintf("echo $$ >%s; exec env XDG_CONFIG_HOME=%s LANG=C.UTF-8 btop --utf-force", d.path("pid"), d.dir))
	if err != nil {
		return nil, err
	}
	defer func() {
		s.close() // which ends btop, and sshd
		late := time.AfterFunc(5*time.Second, stop)
		_ = cmd.Wait()
		late.Stop()
	}()
	pid, err := number(ctx, d.path("pid"))
	if err != nil {
		return nil, fmt.Errorf("start btop over SSH: %w", err)
	}
	if err := pass(ctx, settle); err != nil {
		return nil, err
	}
	r := &running{screen: s, own: pid}
	for _, other := range family(cmd.Process.Pid) {
		if other != pid {
			r.sshd = append(r.sshd, other)
		}
	}
	m, err := r.watched(ctx, span)
	if err == nil && watch > 0 {
		m.grown, err = r.grow(ctx, "btop", watch, boxes, part{"its process", func() (float64, error) { m, err := taken(r.own); return m.resident, err }},
			part{"sshd's", func() (float64, error) { m, err := taken(r.sshd...); return m.resident, err }})
	}
	return m, err
}

// number reads one from a file, once it is there.
func number(ctx context.Context, file string) (int, error) {
	for end := time.Now().Add(20 * time.Second); ; {
		text, err := os.ReadFile(file)
		if line, whole := strings.CutSuffix(string(text), "\n"); whole {
			return strconv.Atoi(line)
		}
		if time.Now().After(end) {
			return 0, cmp.Or(err, errors.New("its shell has not told its process"))
		}
		if err := pass(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// running is a program that runs over SSH.
type running struct {
	*screen
	own  int   // its process
	sshd []int // those of its server
}

// boxes takes a box of btop away, and brings it back.
var boxes = toggle{keys: [2]string{"2", "2"}, text: "²mem"}

// watched measures it.
func (r *running) watched(ctx context.Context, span time.Duration) (*watched, error) {
	m := &watched{}
	var err error
	if m.first, err = r.held(); err != nil {
		return nil, err
	}
	sshd, err := stopwatch(r.sshd...)
	if err != nil {
		return nil, err
	}
	all, err := stopwatch(append(r.sshd, r.own)...)
	if err != nil {
		return nil, err
	}
	if m.core, err = m.watch([]*screen{r.screen}, func() (float64, error) {
		if err := pass(ctx, span); err != nil {
			return 0, err
		}
		return all()
	}); err != nil {
		return nil, err
	}
	if m.sshd, err = sshd(); err != nil {
		return nil, err
	}
	if m.last, err = r.held(); err != nil {
		return nil, err
	}
	if m.sshdLast, err = taken(r.sshd...); err != nil {
		return nil, err
	}
	m.keys, err = r.walk(ctx, boxes, presses)
	return m, err
}

// held is what it takes, with its server. What both map counts once.
func (r *running) held() (held, error) {
	m, err := taken(append(r.sshd, r.own)...)
	return held{m.share, m.anonymous}, err
}
