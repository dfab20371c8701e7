package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
)

// TestOperate has a person on call work with the demo: the real binary, OpenSSH's
// client, and terminals that a real tmux holds. Its steps share one demo, and each
// has a terminal of its own; any can be run without those before it.
func TestOperate(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	d := newDemoSite(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *demoSite, string)
	}{
		{"sizes", operateSizes}, {"views", operateViews}, {"look", operateLook}, {"request", operateRequest}, {"restart", operateRestart},
		{"quota", operateQuota}, {"play", operatePlay}, {"hang-up", operateHangup}, {"others", operateOthers}, {"past", operatePast}, {"end", operateEnd},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, d, me.Username) }) {
			break // how it left the screen is not what the next one expects
		}
	}
}

// operateSizes: the whole screen is drawn at each size that a terminal takes.
func operateSizes(t *testing.T, d *demoSite, _ string) {
	o := d.attach(t, 120, 40)
	for i, size := range [][2]int{{120, 40}, {80, 24}, {200, 60}, {120, 40}, {40, 10}} {
		cols, rows := size[0], size[1]
		if i > 0 {
			if _, err := o.tmux("resize-window", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows)); err != nil {
				t.Fatal(err)
			}
		}
		o.until(fmt.Sprintf("a whole screen of %d×%d", cols, rows), func(text string) bool { return framed(text, cols, rows) })
	}
}

// framed tells whether the frame of the dashboard stands where it belongs: the
// verdict in the first row, the keys in the last, and boxes as wide as the screen
// from the second or third to the last but one.
func framed(text string, cols, rows int) bool {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != rows || !strings.Contains(lines[0], " DEMO ") {
		return false
	}
	if last := lines[rows-1]; !strings.HasSuffix(last, "? help") || utf8.RuneCountInString(last) != cols-1 {
		return false
	}
	top := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "╭") })
	if top < 1 || top > 2 || !strings.HasPrefix(lines[rows-2], "╰") {
		return false
	}
	for _, l := range lines[top : rows-1] {
		first, _ := utf8.DecodeRuneInString(l)
		last, _ := utf8.DecodeLastRuneInString(l)
		if utf8.RuneCountInString(l) != cols || !strings.ContainsRune("╭│╰", first) || !strings.ContainsRune("╮│╯", last) {
			return false
		}
	}
	return true
}

// operateViews: every view shows what it is for, of what the demo has, whichever
// key leads there.
func operateViews(t *testing.T, d *demoSite, _ string) {
	views := [][]string{
		{`─ 2 gpus ─|▸2 gpus ─`, `3 backends ─`, `╭─ traffic ─`, `quotas ─`, `events ─`, `requests · \d+ in flight ─`, `0 NVIDIA L4`, `vllm-text2sql`, `acme`},
		{`▸2 gpus ─`, `● 0 L4  text2sql`, `● 1 L4  chat`, `power .*/72 W`, `driver +\d`},
		{`▸3 backends ─`, `text2sql +healthy`, `chat +healthy`, `vllm-text2sql`, `vllm-chat`, `kv cache`, `ttft p95`},
		{`▸4 requests · \d+ in flight`, `queued \d+`, `acme/etl-nightly`, `globex/web`, `Qwen2.5-7B-Instruct`, `◐ decode`, `200 done`},
		{`▸5 quotas ─.* 4 orgs`, `acme .*/10M .*/100k .*/300M`, `globex`, `initech`, `visitor`, `tokens/day .* of 10M`, `resets [A-Z].* 00:00 UTC`},
		{`▸6 logs · vllm-text2sql ─`, `● vllm-chat`, `events and audit`, `following`, `Application startup complete`},
		{`▸chat ─`, `ask something`},
		{`▸sql ─`, `usage · ledger · 5 tables`, `requests +\d`, `Which organisation used the most tokens yesterday\?`},
	}
	o := d.attach(t, 120, 40)
	for i, v := range views {
		o.keys(fmt.Sprint(i + 1))
		o.sees(v...)
		if i == 5 { // the logs have a use of their own for digits
			o.keys("q")
		}
	}
	for _, v := range views {
		o.keys("]")
		o.sees(v...)
	}
	for i := range views {
		o.keys("[")
		o.sees(views[(2*len(views)-2-i)%len(views)]...)
	}
	// In the logs the last row says what else leads away, and commands do whatever
	// their keys do there.
	o.keys("[", "[")
	o.sees(`▸6 logs `, `\[ \] views`)
	o.loses(`1 overview`)
	o.keys(":", "backends")
	o.sees(`▸commands ─`, `: backends`)
	o.keys("Enter")
	o.sees(`▸3 backends ─`)
	o.keys("q")
	o.sees(views[0]...)
	o.keys("q")
	o.restored("0")
}

// operateLook: a command found by its letters, the help, what is known of a row,
// and a filter, each left with esc.
func operateLook(t *testing.T, d *demoSite, _ string) {
	o := d.attach(t, 120, 40)
	o.keys(":", "gpus")
	o.sees(`▸commands ─`, `\d of \d+`)
	o.keys("Enter")
	o.sees(`▸2 gpus ─`)
	o.keys("C-p", "nothing so called")
	o.sees(`nothing is called so`)
	o.escape(`commands ─`)
	o.keys("?")
	o.sees(`▸help ─`, `R +restart`, `incident bundle`, `back in time`)
	o.escape(`help ─`)

	o.keys("3")
	o.sees(`▸3 backends ─`)
	o.keys("G")
	o.sees(`▸. +chat +healthy`)
	o.keys("d")
	o.sees(`▸backend chat ─`, `container +vllm-chat · running`, `address +http://127\.0\.0\.1:`)
	o.escape(`▸backend chat ─`)
	o.keys(":")
	o.sees(`▸ restart chat`, `restart text2sql`)
	o.loses(`grant quota to chat`) // it is no organisation
	o.escape(`commands ─`)
	o.keys("/")
	o.sees(`enter keeps it`)
	o.keys("sql")
	o.sees(` /sql `, ` text2sql +healthy`)
	o.loses(` chat +healthy`)
	o.escape(`enter keeps it`)
	o.sees(` text2sql +healthy`, ` chat +healthy`)
}

// operateRequest: a request is explained, and cancelled; its client is told, and so
// is the audit.
func operateRequest(t *testing.T, d *demoSite, me string) {
	ended := d.stream(t)
	o := d.attach(t, 120, 40)
	o.keys("4")
	o.sees(`▸4 requests ·`)
	o.filter("org:visitor")
	o.sees(`/org:visitor ─`, `visitor/demo .*◐ decode`)
	o.loses(`acme/etl-nightly`)
	o.keys("Down")
	o.sees(`▸\d\d:\d\d:\d\d +visitor/demo .*◐ decode`)
	o.keys("Enter")
	o.sees(`▸request \w+ · decode`, `accepted +key ok`, `inspected .*max_tokens 6,000`, `reserved .*tokens left today`, `picked .*the only one fit for work`, `first byte +\d`, `answer +under way`)
	o.escape(`▸request \w`)
	o.keys("X")
	o.sees(`▸cancel request \w+`, `organisation +visitor`, `backend +chat`)
	o.keys("Up", "as a test")
	o.sees(`\[ as a test +\]`)
	o.keys("Down")
	o.accept("Cancel request")
	o.sees(`request \w+ is cancelled`, `visitor/demo .*stopped`)
	select {
	case answer := <-ended:
		if !strings.Contains(answer, `"code":"cancelled"`) || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
			t.Errorf("the client was not told: %.300q", answer[max(0, len(answer)-300):])
		}
	case <-time.After(patience):
		t.Error("the answer goes on")
	}
	e := d.audit(t, "the cancellation", func(e entry) bool { return e.Action == "cancel" })
	if e.Author != me || e.Detail != "as a test" {
		t.Errorf("the audit has %+v", e)
	}
	d.audit(t, "its outcome", func(done entry) bool { return done.Action == "cancelled" && done.Object == e.Object })
	o.filter("")
}

// operateRestart: the last replica of a model is restarted. It asks, drains, and
// tells all along how it gets on, here and to whoever asks.
func operateRestart(t *testing.T, d *demoSite, me string) {
	ended := d.stream(t) // so that there is something to drain
	o := d.attach(t, 120, 40)
	o.keys("4")
	o.sees(`▸4 requests ·`, `visitor/demo .*◐ decode`)
	o.keys("3")
	o.sees(`▸3 backends ─`, ` chat +healthy`)
	o.keys("G")
	o.sees(`▸. +chat +healthy`)
	o.keys("R")
	o.sees(`▸restart chat ─`, `in flight +\d+: .*`, `left after +0 of 1 replica`, `as configured, or 30s`, `for the audit`, `type chat to confirm`)
	o.accept("Restart") // without its name
	o.sees(`type chat to go on`, `▸restart chat ─`)
	o.keys("Up", "Up", "1s", "Down", "disk swap", "Down", "chat", "Enter")
	o.sees(`drain up to +\[ 1s `, `note +\[ disk swap `, `confirm +\[ chat `)
	o.accept("Restart")

	o.sees(`▸restart chat, by `+me, `◐ draining .*in flight`, `· loading`)
	o.sees(`✓ draining`, `✓ stopping`, `✓ starting`, `◐ loading`, `Loading safetensors checkpoint shards`, `· warm-up`)
	if code, out := d.run(t, nil, "status"); code != 0 || !regexp.MustCompile(`(?m)^chat +http\S+ +(loading|draining) `).MatchString(out) {
		t.Errorf("status while it loads: code %d\n%s", code, out)
	}
	if code, out := d.run(t, nil, "requests"); code != 0 || !strings.Contains(out, "acme/etl-nightly") {
		t.Errorf("requests while it loads: code %d\n%s", code, out)
	}
	if code, answer := d.chat(t, 2); code != 503 {
		t.Errorf("a request while it loads: status %d: %s", code, answer)
	}
	o.sees(`✓ loading`, `✓ warm-up`, `✓ readmitting`, `✓ done in \d`)
	o.escape(`▸restart chat, by`)
	o.sees(`▸. +chat +healthy`)

	if answer := <-ended; !strings.Contains(answer, `"error"`) {
		t.Errorf("the request that outlasted the drain was not told: %.300q", answer[max(0, len(answer)-300):])
	}
	if code, out := d.run(t, nil, "status"); code != 0 || !regexp.MustCompile(`(?m)^chat +http\S+ +healthy `).MatchString(out) {
		t.Errorf("status afterwards: code %d\n%s", code, out)
	}
	if code, answer := d.chat(t, 2); code != 200 {
		t.Errorf("a request afterwards: status %d: %s", code, answer)
	}
	if e := d.audit(t, "the restart", func(e entry) bool { return e.Action == "restart" }); e.Author != me || e.Object != "chat" || e.Detail != "disk swap" {
		t.Errorf("the audit has %+v", e)
	}
	if e := d.audit(t, "its outcome", func(e entry) bool { return e.Action == "restart done" }); e.Author != me || e.Object != "chat" {
		t.Errorf("the audit has %+v", e)
	}
	o.keys("J")
	o.sees(`▸restart chat, by `+me, `✓ done in \d`)
}

// operateQuota: an organisation is granted more for a time, which is then revoked.
func operateQuota(t *testing.T, d *demoSite, me string) {
	o := d.attach(t, 120, 40)
	o.keys("5")
	o.sees(`▸5 quotas ─`)
	o.filter("globex")
	o.sees(` globex .*/10M `, `/globex ─`)
	o.loses(`acme`)
	o.keys("Down")
	o.sees(`▸ +globex .*/10M `)
	o.keys("T")
	o.sees(`▸grant quota to globex`, `window +\[ day`, `5M, 500k; or else requests`, `until +\[ 12h`)
	o.accept("Grant") // of nothing
	o.sees(`▸grant quota to globex`, `■ \w+`)
	o.keys("Up", "Up", "migration", "Up", "Up", "Up", "5M")
	o.sees(`tokens +\[ 5M `, `reason +\[ migration `)
	o.keys("Down", "Down", "Down", "Down")
	o.accept("Grant")
	o.sees(`globex has 5,000,000 more tokens a day until`)
	o.sees(`globex .*/15M `, `└ \+5M tokens/day until .* by `+me+`: migration`)
	o.keys("Down")
	o.sees(`▸ +└ \+5M tokens/day`)
	o.keys("V")
	o.sees(`▸revoke grant \w+`, `organisation +globex`, `reason +migration`)
	o.accept("Revoke")
	o.sees(`grant \w+ is revoked`)
	o.loses(`└ \+5M`)
	o.sees(` globex .*/10M `)
	for _, action := range []string{"grant", "revoke"} {
		if e := d.audit(t, action, func(e entry) bool { return e.Action == action }); e.Author != me || !strings.Contains(e.Detail, "globex tokens_per_day +5000000") {
			t.Errorf("the audit has %+v", e)
		}
	}
	o.filter("")
}

// operatePlay: the model is asked through the gateway and straight to its replica; a
// question becomes SQL, and rows of the live ledger; what was typed and asked is there
// after a hang-up. The command asks the same.
func operatePlay(t *testing.T, d *demoSite, me string) {
	o := d.attach(t, 120, 40)
	o.keys("7")
	o.sees(`▸chat ─`, `no conversation yet`)
	o.keys("Enter", "/set max_tokens 12", "Enter", "How are you?", "Enter")
	o.sees(`▸ How are you\?`, `gateway · done · queue none · first \d.* tok/s · 12 tokens`)
	o.keys("/compare", "Enter")
	o.sees(`gateway · done.*http://127\.0\.0\.1:\d+ · done`, `straight: first token .* the same text`)
	o.keys("unsent")
	o.sees(`▸ +unsent`)
	o.keys("Escape")
	o.sees(`i type`)
	o.keys("8")
	o.sees(`▸sql ─`, `Which organisation has used the most tokens today\?`, `requests +\d`)
	o.keys("Enter", "Which organisation has used the most tokens today?", "Enter")
	o.sees(`ORDER BY tokens DESC`, `reasoned \d+ words`)
	o.loses(`esc cancels`)
	o.keys("x")
	o.sees(`org +tokens`, `(acme|globex|initech|visitor|operators) +[\d,]+`)

	d.hangUp(t, o)
	o = d.attach(t, 120, 40)
	o.sees(`▸sql ─`, `ORDER BY tokens DESC`, `(acme|globex|initech|visitor|operators) +[\d,]+`)
	o.keys("7")
	o.sees(`▸chat ─`, `▸ How are you\?`, `▸ +unsent`)
	o.keys("q", "4")
	o.filter("org:operators")
	o.sees(`operators/` + me + ` `)

	code, out := d.run(t, nil, `ask "Which organisation has used the most tokens today?" --run`)
	if code != 0 || !strings.Contains(out, "ORDER BY tokens DESC") || !regexp.MustCompile(`(acme|globex|initech|visitor|operators) +[\d,]+`).MatchString(out) {
		t.Errorf("ask: code %d\n%s", code, out)
	}
	d.audit(t, "what was queried", func(e entry) bool { return e.Action == "query" && e.Object == "usage" })
}

// operateHangup: the line is cut while something is being typed. What serves goes
// on, and who comes again finds it as it was.
func operateHangup(t *testing.T, d *demoSite, _ string) {
	o := d.attach(t, 120, 40)
	o.keys("4")
	o.sees(`▸4 requests ·`)
	o.keys("/")
	o.sees(`enter keeps it`)
	o.keys("C-u", "org:ac")
	o.sees(` /org:ac +enter keeps it`)
	d.hangUp(t, o)
	if code, answer := d.chat(t, 2); code != 200 {
		t.Errorf("a request after it: status %d: %s", code, answer)
	}
	o = d.attach(t, 120, 40)
	o.sees(`▸4 requests ·.* /org:ac ─`, ` /org:ac +enter keeps it`, `acme/etl-nightly`)
	o.loses(`globex/web`)
	o.keys("me")
	o.sees(` /org:acme +enter keeps it`)
	o.escape(`enter keeps it`)
	o.sees(`globex/web`)
}

// hangUp kills an operator's client, and returns when the gateway has noticed.
func (d *demoSite) hangUp(t *testing.T, o operator) {
	t.Helper()
	pid, cut := o.pid("ssh"), time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.audit(t, "the end of its screen", func(e entry) bool { return e.Action == "detach" && e.At.After(cut) })
}

// operateOthers: who is attached sees who else is, and what they are about to do;
// who only looks is told why they can't.
func operateOthers(t *testing.T, d *demoSite, me string) {
	a, b := d.attach(t, 120, 40), d.attach(t, 200, 60, viewing...)
	a.sees(me + ` admin \+1`)
	b.sees(me + ` viewer \+1`)
	for _, o := range []operator{a, b} {
		o.keys("3")
		o.sees(`▸3 backends ─`)
		o.keys("G")
		o.sees(`▸. +chat +healthy`)
		o.keys("R")
	}
	a.sees(`▸restart chat ─`)
	b.sees(`restart: needs the role operator, and yours is viewer`, `\+1 `+me+`: restart chat`)
	a.escape(`▸restart chat ─`)
	b.loses(`\+1 ` + me + `: restart chat`)
	b.keys(":", "who is")
	b.sees(`▸ who is attached`)
	b.keys("Enter")
	b.sees(`you +`+me+`, viewer`, me+` +admin, from this host .*looks at backends`)
	if code, out := d.run(t, viewing, "restart chat --last"); code != exitRefused || !strings.Contains(out, "needs the role operator, and yours is viewer") {
		t.Errorf("restart: code %d: %s", code, out)
	}
	if code, out := d.run(t, viewing, "status --check"); code > exitFailed || !strings.Contains(out, "vllm-chat running") {
		t.Errorf("status: code %d: %s", code, out)
	}
	a.keys("C-c")
	a.restored("0")
	b.loses(me + ` viewer \+1`)
}

// operatePast: the dashboard goes back in time and returns, and a bundle of what
// was known is saved, with nobody's secrets in it.
func operatePast(t *testing.T, d *demoSite, me string) {
	o := d.attach(t, 200, 60)
	o.keys("3")
	o.sees(`▸3 backends ─`)
	o.until("the past, which has to come first", func(text string) bool {
		if strings.Contains(text, " REWOUND ") {
			return true
		}
		o.keys(",")
		return false
	})
	o.keys("Down")
	o.sees(`▸. +text2sql`)
	o.keys("R")
	o.sees(`restart: you look at \d\d:\d\d:\d\dZ; 0 goes back to now`)
	o.keys("0")
	o.loses(`REWOUND`)

	o.keys("S")
	o.sees(`saved \S+\.tar\.gz`)
	found, err := filepath.Glob(filepath.Join(d.dir, "incidents", "*.tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("saved: %q, %v", found, err)
	}
	o.sees(regexp.QuoteMeta("saved " + found[0]))
	if info, err := os.Stat(found[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	files := unpack(t, found[0])
	for _, name := range []string{"README.txt", "config.toml", "audit.jsonl", "requests.csv", "snapshot.json",
		"series/traffic.csv", "series/gpus.csv", "logs/gateway.log", "logs/container-vllm-chat.log"} {
		if files[name] == "" {
			t.Errorf("%s is empty, or missing", name)
		}
	}
	if !strings.Contains(files["README.txt"], "by "+me) || !strings.Contains(files["requests.csv"], "acme") {
		t.Errorf("the bundle is of something else:\n%s", files["README.txt"])
	}
	secret := regexp.MustCompile(`ph_[A-Za-z0-9]{20}|Bearer`)
	for name, text := range files {
		if strings.Contains(text, d.key) || secret.MatchString(text) {
			t.Errorf("%s has a key in it: %s", name, secret.FindString(text))
		}
	}
}

// unpack gives what the files in an archive hold.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(b)
	}
}

// operateEnd: ctrl-z stops nothing, a terminal that goes away ends only its screen,
// and the end of the gateway gives all terminals back.
func operateEnd(t *testing.T, d *demoSite, me string) {
	gone, o := d.attach(t, 80, 24), d.attach(t, 120, 40)
	o.keys("C-z")
	o.keys("2")
	o.sees(`▸2 gpus ─`, me+` admin \+1`)
	if !o.alternate() {
		t.Error("the dashboard is not on the terminal's second screen")
	}
	if _, err := gone.tmux("kill-server"); err != nil {
		t.Fatal(err)
	}
	o.loses(me + ` admin \+1`)
	if code, answer := d.chat(t, 2); code != 200 {
		t.Errorf("a request after it: status %d: %s", code, answer)
	}
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	o.sees(`pilothouse: this gateway stops`)
	o.restored("1")
	select {
	case err := <-d.gone:
		d.gone <- err
		if err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the demo goes on")
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(d.dir), "*")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %q, %v", left, err)
	}
}
