package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a screen may take to show something. A busy machine takes
// long; one that isn't never waits for it.
const patience = 60 * time.Second

// demoSite is a demo that serves, and the way to it for OpenSSH's client.
type demoSite struct {
	*process
	url, key, dir string
	port          string // of this host, where its operators come in
}

func newDemoSite(t *testing.T) *demoSite {
	t.Helper()
	p, _ := start(t, []string{"TMPDIR=" + t.TempDir()}, "--demo", "serve")
	at := p.await(t, "demo")
	d := &demoSite{process: p, url: at["url"].(string), key: at["key"].(string), dir: filepath.Dir(at["socket"].(string))}
	d.port = passage(t, at["socket"].(string))
	eventually(t, "a demo that answers", func() bool {
		code, _ := d.chat(t, 1)
		return code == http.StatusOK
	})
	return d
}

// passage has those who come to a port of this host come to a unix socket, which
// OpenSSH's client can't reach by itself. Who they are is whom this process runs as.
func passage(t *testing.T, socket string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var through sync.WaitGroup
	t.Cleanup(func() { l.Close(); through.Wait() })
	through.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			to, err := net.Dial("unix", socket)
			if err != nil {
				from.Close() // the client says that it was
				continue
			}
			context.AfterFunc(t.Context(), func() { from.Close(); to.Close() })
			join := func(a, b net.Conn) { io.Copy(a, b); a.Close(); b.Close() }
			through.Go(func() { join(from, to) })
			through.Go(func() { join(to, from) })
		}
	})
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// client is OpenSSH's command line to the demo: options, and what follows the host.
func (d *demoSite) client(options []string, command ...string) []string {
	line := []string{"ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + os.DevNull,
		"-o", "PreferredAuthentications=none", "-o", "LogLevel=ERROR", "-p", d.port}
	return append(append(append(line, options...), "127.0.0.1"), command...)
}

// viewing has a session be one that only looks.
var viewing = []string{"-o", "SetEnv=PILOTHOUSE_READ_ONLY=1"}

// run has a one-shot command run by way of SSH.
func (d *demoSite) run(t *testing.T, options []string, command string) (code int, out string) {
	t.Helper()
	line := d.client(options, command)
	text, err := exec.CommandContext(t.Context(), line[0], line[1:]...).CombinedOutput()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return exit.ExitCode(), string(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(text)
}

// entry is one of the audit.
type entry struct {
	At                             time.Time
	Author, Action, Object, Detail string
}

// audit waits for an entry that is as wanted, and returns the newest.
func (d *demoSite) audit(t *testing.T, what string, wanted func(entry) bool) (e entry) {
	t.Helper()
	eventually(t, "an audit that has "+what, func() bool {
		var told struct{ Events []entry }
		code, out := d.run(t, nil, "events --json")
		if err := json.Unmarshal([]byte(out), &told); code != 0 || err != nil {
			t.Fatalf("events: code %d, %v: %s", code, err, out)
		}
		for i := len(told.Events) - 1; i >= 0; i-- {
			if e = told.Events[i]; wanted(e) {
				return true
			}
		}
		return false
	})
	return e
}

// chat asks the demo's chat model for so many tokens.
func (d *demoSite) chat(t *testing.T, tokens int) (code int, answer string) {
	t.Helper()
	return send(t, "POST", d.url+"/v1/chat/completions", d.key, chatBody(false, tokens))
}

func chatBody(stream bool, tokens int) string {
	return `{"model":"Qwen/Qwen2.5-7B-Instruct","messages":[{"role":"user","content":"Hello"}],"ignore_eos":true,"stream":` +
		strconv.FormatBool(stream) + `,"max_tokens":` + strconv.Itoa(tokens) + `}`
}

// stream starts an answer that would take minutes; ended gives what came of it when
// it is over.
func (d *demoSite) stream(t *testing.T) (ended <-chan string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/v1/chat/completions", strings.NewReader(chatBody(true, 6000)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + d.key}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("a stream: %s", resp.Status)
	}
	all := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body) // cut off: the text shows it
		all <- string(b)
	}()
	return all
}

// operator sits at a terminal with the demo's dashboard on it.
type operator struct{ *screen }

// attach opens the dashboard by way of SSH, on a terminal that says how it was left.
func (d *demoSite) attach(t *testing.T, cols, rows int, options ...string) operator {
	t.Helper()
	line := strings.Join(d.client(append(options, "-t")), " ")
	o := operator{newScreen(t, cols, rows, nil, "echo before; "+line+`; echo ended $?; stty -a | grep -ow '.\?icanon'; cat`)}
	o.sees(`DEMO`, `\? help|keeps it`)
	return o
}

// text is what the terminal shows.
func (o operator) text() string {
	o.t.Helper()
	text, err := o.tmux("capture-pane", "-p")
	if err != nil {
		o.t.Fatalf("the terminal is gone: %v", err)
	}
	return text
}

// until waits until the screen is as wanted.
func (o operator) until(what string, wanted func(text string) bool) {
	o.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		text := o.text()
		if wanted(text) {
			return
		}
		select {
		case <-look.C:
		case <-late.C:
			o.t.Fatalf("the screen never showed %s:\n%s", what, text)
		}
	}
}

// sees waits until the screen matches all patterns at once.
func (o operator) sees(patterns ...string) {
	o.t.Helper()
	var all []*regexp.Regexp
	for _, p := range patterns {
		all = append(all, regexp.MustCompile(p))
	}
	o.until(strings.Join(patterns, " and "), func(text string) bool {
		for _, re := range all {
			if !re.MatchString(text) {
				return false
			}
		}
		return true
	})
}

// loses waits until nothing on the screen matches.
func (o operator) loses(pattern string) {
	o.t.Helper()
	re := regexp.MustCompile(pattern)
	o.until("an end of "+pattern, func(text string) bool { return !re.MatchString(text) })
}

// escape presses esc, and waits for what it does: another key right behind it would
// be taken for one with alt.
func (o operator) escape(gone string) {
	o.t.Helper()
	o.keys("Escape")
	o.loses(gone)
}

// filter types a filter in place of the one there was, and keeps it.
func (o operator) filter(text string) {
	o.t.Helper()
	o.keys("/")
	o.sees(`enter keeps it`)
	o.keys("C-u", text, "Enter")
	o.loses(`enter keeps it`)
}

// accept goes from a dialog's way out, which has the focus, to the button behind it,
// and presses that.
func (o operator) accept(button string) {
	o.t.Helper()
	o.sees(`> (Cancel|Keep it) <`)
	o.keys("Tab")
	o.sees(`> ` + button + ` <`)
	o.keys("Enter")
}

// alternate tells whether the terminal shows its second screen, where programs draw.
func (o operator) alternate() bool {
	o.t.Helper()
	on, err := o.tmux("display-message", "-p", "#{alternate_on}")
	if err != nil {
		o.t.Fatal(err)
	}
	return strings.TrimSpace(on) == "1"
}

// restored waits until the terminal is as it was before ssh, which ended so.
func (o operator) restored(code string) {
	o.t.Helper()
	o.sees(`(?s)before.*ended ` + code + `\s+icanon`)
	if o.alternate() {
		o.t.Errorf("the terminal shows its second screen still")
	}
}
