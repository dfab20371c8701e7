package pane

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

var logSizes = [][2]int{{78, 20}, {118, 36}, {198, 56}, {38, 8}}

func TestLogsGoldens(t *testing.T) {
	for name, prepare := range map[string]func(*widget.Theme) *Logs{
		"calm": func(t *widget.Theme) *Logs { return newLogs(t, script(startUp)[:19]) },
		"trouble": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			q, _ := p.Query()
			p.Update(LogBatch{Generation: q.Generation, Retry: logNow.Add(8 * time.Second),
				Err: `read the log of container "vllm-chat": Docker engine "local" can't be reached: dial unix /var/run/docker.sock: connect: connection refused`})
			return p
		},
		"selected": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			typed(p, 78, 20, "up up up up up")
			answer(p, numbered(1, 4)...)
			return p
		},
		"filtered": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			p.SetFilter(`memory|\d+ tokens`)
			typed(p, 78, 20, "N")
			return p
		},
		"context": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			p.SetFilter(`memory|\d+ tokens`)
			typed(p, 78, 20, "N N x")
			return p
		},
		"bad-filter": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			p.SetFilter(`(out of memory`)
			return p
		},
		"wrapped": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			typed(p, 78, 20, "w")
			return p
		},
		"bare": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			typed(p, 78, 20, "t up right right")
			return p
		},
		"gateway": func(t *widget.Theme) *Logs {
			p := newLogs(t, nil)
			typed(p, 78, 20, "> >")
			answer(p, ownLog()...)
			return p
		},
		"events": func(t *widget.Theme) *Logs {
			p := newLogs(t, nil)
			typed(p, 78, 20, "<")
			typed(p, 78, 20, "<")
			typed(p, 78, 20, "< > >")
			return p
		},
		"empty":   func(t *widget.Theme) *Logs { return NewLogs(t, NewScrolling()) },
		"reading": func(t *widget.Theme) *Logs { p := NewLogs(t, NewScrolling()); p.Update(logData("vllm")); return p },
		"quiet": func(t *widget.Theme) *Logs {
			p := newLogs(t, nil)
			typed(p, 78, 20, "3")
			answer(p)
			return p
		},
		"hostile": func(t *widget.Theme) *Logs {
			p := newLogs(t, hostileLines(), "\x1b[2J\u202eevil", "東京都庁舎第一本庁舎の記録", strings.Repeat("long", 40))
			p.SetFilter("e|京")
			typed(p, 78, 20, "x up g")
			return p
		},
		"many": func(t *widget.Theme) *Logs {
			var names []string
			for i := range 45 {
				names = append(names, fmt.Sprintf("vllm-chat-%d", i+1))
			}
			p := newLogs(t, numbered(1, 30_000), names...)
			typed(p, 78, 20, "pgup pgup")
			return p
		},
		"lost": func(t *widget.Theme) *Logs {
			p := newLogs(t, numbered(1, 3))
			q, _ := p.Query()
			p.Update(LogBatch{Generation: q.Generation, Dropped: 1203, Lines: numbered(1206, 1210)})
			return p
		},
		"rewound": func(t *widget.Theme) *Logs {
			p := newLogs(t, script(startUp))
			d := logData("vllm-chat", "vllm-text2sql")
			d.Now, d.Rewound = logNow.Add(-14*time.Minute), true
			p.Update(d)
			return p
		},
	} {
		goldens(t, "logs-"+name, logSizes, func(th *widget.Theme) Pane { return prepare(th) })
	}
}

// hostileLines are lines as somebody would write them who wants to do harm.
var hostileLines = sync.OnceValue(func() []LogLine {
	var all []LogLine
	for _, s := range []string{
		"\x1b[1;31mred\x1b[0m and \x1b[38;2;1;2;3mtrue\x1b[m and 256 \x1b[38:5:9mcolours\x1b[0m",
		"\x1b[2J\x1b[H\x1b]0;title\a\x1bP+q\x1b\\ \u009b31m \x9b2J",
		"\x1b[\x1b[0m2J a sequence in a sequence \x1b",
		"\u202eevil\u2066 bidi \u200b\ufeff zero width",
		"東京都庁舎第一本庁舎の記録を読み込んでいます。東京都庁舎第一本庁舎の記録を読み込んでいます。東京都庁舎第一本庁舎の記録",
		"a\tb\t\tc\t東\td", "e\u0301\u0302 \u0301 👩\u200d👩\u200d👧 🇩🇪 ❤\ufe0f क्षि \u2028 \U000e0041",
		"\x00\x01\x02\xff\xfe\xfd\x80 binary \x7f", "all is well\rrm -rf: erased", "", "\r\r", "ERROR", "(x pid=1)", "INFO:", "{", `{"msg":"\u001b[2J\n","level":"\u202eERROR"}`,
		strings.Repeat("\u0300", 3000), strings.Repeat("長", 3000), strings.Repeat("x", 1<<20), "ERROR " + strings.Repeat("\x1b[2J", 1000),
	} {
		all = append(all, LogLine{At: logNow, Text: s, Stderr: len(all)%3 == 0})
	}
	return all
})

// wellFormed sees that a picture has its size and holds nothing but text and colours.
func wellFormed(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines at %dx%d", len(lines), w, h)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if a, b := ansi.StringWidth(bare), ansi.StringWidthWc(bare); a != w || b != w {
			t.Fatalf("line %d is %d or %d cells at %dx%d: %q", i, a, b, w, h, l)
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U at %dx%d: %q", r, w, h, l)
			}
		}
		for rest := l; ; {
			_, after, ok := strings.Cut(rest, "\x1b")
			if !ok {
				break
			}
			if colourLen("\x1b"+after) == 0 {
				t.Fatalf("a sequence that sets no colour at %dx%d: %q", w, h, l)
			}
			rest = after
		}
	}
}

// Whatever is written and pressed at whatever size, the picture keeps its shape.
func TestLogsKeepTheirShape(t *testing.T) {
	keys := strings.Fields("up down up down pgup pgdown g G left right right 0 1 2 6 t w w < > n N x esc v")
	filters := []string{"", "e", "東", "[", "^$", "x{9}", `\x1b`, "(?i)RED", "."}
	lines := append(append(hostileLines(), script(startUp)...), ownLog()...)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		look := widget.Look{Palette: widget.Dark, ASCII: r.IntN(4) == 0, Profile: []colorprofile.Profile{colorprofile.ASCII, colorprofile.ANSI, colorprofile.TrueColor}[r.IntN(3)]}
		p := NewLogs(widget.NewTheme(look), NewScrolling())
		p.SetFocus(r.IntN(2) == 0)
		for range 12 {
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			if r.IntN(3) == 0 {
				w, h = 1+r.IntN(30), 1+r.IntN(12)
			}
			d := logData("vllm", hostileLines()[r.IntN(10)].Text, hostileLines()[r.IntN(10)].Text)
			d.Rewound = r.IntN(6) == 0
			d.Now = logNow.Add(-time.Duration(r.IntN(1000)) * time.Second)
			d.Past.Events = append(d.Past.Events, past.Event{At: logNow, Object: hostileLines()[r.IntN(10)].Text, Text: hostileLines()[r.IntN(20)].Text, Kind: "\x1b[2J"})
			d.Past.Audit = append(d.Past.Audit, ledger.Event{Author: hostileLines()[r.IntN(20)].Text})
			switch r.IntN(5) {
			case 0:
				d = Data{}
			default:
				p.Update(d)
			}
			for range r.IntN(60) {
				l := lines[r.IntN(len(lines))]
				q, _ := p.Query()
				p.Update(LogBatch{Generation: q.Generation - r.IntN(9)/8, Lines: []LogLine{l}, Dropped: r.IntN(9) / 8, Err: []string{"", "", hostileLines()[r.IntN(10)].Text}[r.IntN(3)], Retry: logNow})
			}
			p.SetFilter(filters[r.IntN(len(filters))])
			wellFormed(t, p.View(w, h), w, h)
			for range 8 {
				p.Update(press(keys[r.IntN(len(keys))]))
				p.Title()
				p.Describe()
				p.Selected()
				wellFormed(t, p.View(w, h), w, h)
			}
			if look.ASCII && strings.ContainsFunc(p.View(w, h), func(r rune) bool { return r > 0x7e }) {
				t.Fatal("not ASCII")
			}
		}
	}
}

// shownLines are the numbers of the lines on the screen, the selected one in
// brackets.
func shownLines(p *Logs, w, h int) string {
	var out []string
	for l := range strings.SplitSeq(ansi.Strip(p.View(w, h)), "\n") {
		_, n, ok := strings.Cut(strings.ReplaceAll(l, "no line matches", ""), "line ")
		if n, _, _ = strings.Cut(n, "."); ok {
			if strings.HasPrefix(l, "▸") {
				n = "[" + n + "]"
			}
			out = append(out, n)
		}
	}
	return strings.Join(out, " ")
}

func TestLogsMove(t *testing.T) {
	for _, tt := range []struct{ keys, want string }{
		{"", "16 17 18 19 20"},
		{"up", "16 17 18 19 [20]"}, // takes hold of the newest
		{"up up", "16 17 18 [19] 20"},
		{"k k k k k k", "[15] 16 17 18 19"},
		{"k k k k k k j j", "15 16 [17] 18 19"},
		{"up pgup", "[16] 17 18 19 20"},
		{"up pgup pgup", "[12] 13 14 15 16"},
		{"pgup", "[16] 17 18 19 20"},
		{"g", "[1] 2 3 4 5"},
		{"g pgdown", "1 2 3 4 [5]"},
		{"g down down G", "16 17 18 19 [20]"},
		{"g G down", "16 17 18 19 [20]"},
		{"g up", "[1] 2 3 4 5"},
		{"g esc", "16 17 18 19 20"},
		{"g 0", "16 17 18 19 20"},
		{"w up up", "16 17 18 [19] 20"},
		{"w g pgdown", "1 2 3 4 [5]"},
	} {
		t.Run(tt.keys, func(t *testing.T) {
			p := newLogs(theme(), numbered(1, 21))
			typed(p, 60, 6, tt.keys) // a row is the sources'
			if got := shownLines(p, 60, 6); got != tt.want {
				t.Errorf("shows %s, want %s", got, tt.want)
			}
		})
	}
}

// What is read stays where it is while lines come, and while the oldest go.
func TestLogsStayUnderTheReader(t *testing.T) {
	for _, keys := range []string{"up up up", "w up up up", "t up up up"} {
		p := newLogs(theme(), numbered(1, 21))
		typed(p, 60, 6, keys)
		want := shownLines(p, 60, 6)
		if want != "16 17 [18] 19 20" {
			t.Fatalf("shows %s", want)
		}
		answer(p, numbered(21, 121)...)
		if got := shownLines(p, 60, 6); got != want {
			t.Errorf("%s: after new lines it shows %s", keys, got)
		}
		if _, note := p.Title(); !strings.Contains(note, "+100 new") || !strings.Contains(note, "18 of 120") {
			t.Errorf("the title says %q", note)
		}
		answer(p, numbered(121, maxLogLines)...)
		answer(p, numbered(maxLogLines, maxLogLines+11)...) // ten are gone
		if got := shownLines(p, 60, 6); got != want {
			t.Errorf("%s: after the oldest went it shows %s", keys, got)
		}
		if _, note := p.Title(); !strings.Contains(note, "older let go") {
			t.Errorf("the title says %q", note)
		}
		answer(p, numbered(maxLogLines+11, maxLogLines+41)...) // and the selected one
		if got := shownLines(p, 60, 6); got != "[41] 42 43 44 45" {
			t.Errorf("%s: after the selected line went it shows %s", keys, got)
		}
		typed(p, 60, 6, "esc")
		answer(p, numbered(maxLogLines+41, maxLogLines+42)...)
		if got := shownLines(p, 60, 6); !strings.HasSuffix(got, fmt.Sprint(maxLogLines+41)) {
			t.Errorf("%s: following it shows %s", keys, got)
		}
	}
}

// A resize keeps the selected line on the screen.
func TestLogsResize(t *testing.T) {
	p := newLogs(theme(), numbered(1, 41))
	typed(p, 60, 21, "up pgup down")
	for _, h := range []int{21, 3, 11, 2, 1, 40} {
		if h > 1 && !strings.Contains(shownLines(p, 60, h), "[") {
			t.Errorf("not to be seen in %d rows: %s", h, shownLines(p, 60, h))
		}
	}
}

func TestLogsFilter(t *testing.T) {
	p := newLogs(theme(), numbered(1, 31))
	note := func() string { _, n := p.Title(); return n }
	p.SetFilter("LINE 1")
	if got := shownLines(p, 60, 6); got != "" || !strings.Contains(note(), "0 of 30 · /LINE 1") {
		t.Errorf("a capital letter: %s, %q", got, note())
	}
	p.SetFilter(`line [12]\.`)
	if got := shownLines(p, 60, 6); got != "1 2" || !strings.Contains(note(), "2 of 30") {
		t.Errorf("shows %s, %q", got, note())
	}
	answer(p, numbered(1, 4)...)
	if got := shownLines(p, 60, 6); got != "1 2 1 2" {
		t.Errorf("with more: %s", got)
	}
	p.SetFilter(`line (`)
	if got := shownLines(p, 60, 6); got != "29 30 1 2 3" || !strings.Contains(note(), "no filter: missing closing )") {
		t.Errorf("a bad one: %s, %q", got, note())
	}
	if p.Filter() != "line (" {
		t.Errorf("the filter is %q", p.Filter())
	}
	p.SetFilter("")
	if got := shownLines(p, 60, 6); got != "29 30 1 2 3" || strings.Contains(note(), "filter") {
		t.Errorf("none: %s, %q", got, note())
	}
}

// n and N go from match to match; x shows what is around one, which stays in its row.
func TestLogsNextMatch(t *testing.T) {
	p := newLogs(theme(), numbered(1, 31))
	p.SetFilter(`line .?5`)
	see := func(keys, want string) {
		t.Helper()
		typed(p, 60, 6, keys)
		if got := shownLines(p, 60, 6); got != want {
			t.Errorf("after %q it shows %s, want %s", keys, got, want)
		}
	}
	see("", "5 15 25")
	see("n", "5 15 [25]")
	see("N", "5 [15] 25")
	see("x", "14 [15] 16 17 18")
	see("n", "21 22 23 24 [25]")
	see("n", "21 22 23 24 [25]")
	see("up up", "21 22 [23] 24 25")
	see("n", "21 22 23 24 [25]")
	see("N", "[15] 16 17 18 19")
	see("x", "5 [15] 25") // the row that it can have
	see("x up", "[14] 15 16 17 18")
	p.SetFilter("")
	see("", "[14] 15 16 17 18")
}

// Without a filter they go from error to error.
func TestLogsNextError(t *testing.T) {
	p := newLogs(theme(), script(startUp))
	typed(p, 118, 30, "N")
	if got := p.Copy(); !strings.HasPrefix(got, "Traceback") {
		t.Errorf("the newest error is %q", got)
	}
	typed(p, 118, 30, "N N N N N N N")
	if got := p.Copy(); !strings.Contains(got, "fatal error") {
		t.Errorf("the first error is %q", got)
	}
	typed(p, 118, 30, "n")
	if got := p.Copy(); !strings.HasSuffix(got, "(most recent call last):") {
		t.Errorf("the second error is %q", got)
	}
}

// A match that is right of the screen is panned to.
func TestLogsRevealMatch(t *testing.T) {
	p := newLogs(theme(), []LogLine{{At: logNow, Text: strings.Repeat("x東", 100) + "needle" + strings.Repeat("y", 1<<20)}})
	p.SetFilter("needle")
	typed(p, 60, 6, "n")
	if got := p.View(60, 6); !strings.Contains(ansi.Strip(got), "needle") {
		t.Errorf("not to be seen:\n%s", ansi.Strip(got))
	}
	typed(p, 60, 6, "esc")
	if got := p.View(60, 6); !strings.Contains(ansi.Strip(got), "x東x") || strings.Contains(got, "needle") {
		t.Errorf("not back at the left:\n%s", ansi.Strip(got))
	}
}

// A slow search goes on from tick to tick, from the newest on.
func TestLogsSearchBitByBit(t *testing.T) {
	p := newLogs(theme(), nil)
	long := strings.Repeat("x", 1000)
	var lines []LogLine
	for i := range 5000 {
		lines = append(lines, LogLine{At: logNow, Text: fmt.Sprintf("line %d. %s", i, long)})
	}
	answer(p, lines...)
	p.SetFilter(`line \d*7\.`)
	_, note := p.Title()
	if first := len(p.hits.seqs); first == 0 || first >= 500 || !strings.Contains(note, "+ of 5,000") {
		t.Fatalf("%d matches at once, %q", first, note)
	}
	typed(p, 60, 6, "up")
	want := shownLines(p, 60, 6)
	for range 30 {
		p.Update(logData("vllm-chat", "vllm-text2sql"))
	}
	if _, note = p.Title(); len(p.hits.seqs) != 500 || !strings.Contains(note, "500 of 5,000") {
		t.Errorf("%d matches, %q", len(p.hits.seqs), note)
	}
	if got := shownLines(p, 60, 6); got != want || !strings.Contains(want, "[4997]") {
		t.Errorf("shows %s, at first %s", got, want)
	}
	// So it does when as many come at once.
	answer(p, lines...)
	if p.hits.done(&p.buf) {
		t.Error("looked through all that came at once")
	}
	for range 60 {
		p.Update(logData("vllm-chat", "vllm-text2sql"))
	}
	if got := shownLines(p, 60, 6); got != want || len(p.hits.seqs) != 1000 {
		t.Errorf("shows %s, at first %s; %d matches", got, want, len(p.hits.seqs))
	}
}

// The newest answer counts.
func TestLogsQuery(t *testing.T) {
	p := NewLogs(theme(), NewScrolling())
	if _, ok := p.Query(); ok {
		t.Error("asks before there is anything to ask for")
	}
	p.Update(logData("b", "a"))
	q, ok := p.Query()
	if !ok || q != (LogQuery{Kind: LogContainer, Source: "b", Lines: tailLines, Follow: true, Generation: q.Generation}) {
		t.Errorf("asks for %+v", q) // b is in trouble
	}
	for _, tt := range []struct {
		keys string
		want LogQuery
		ok   bool
	}{
		{"1", LogQuery{Kind: LogContainer, Source: "b", Head: true, Lines: headLines}, true},
		{"2", LogQuery{Kind: LogContainer, Source: "b", Since: logNow.Add(-time.Minute), Follow: true}, true},
		{"6", LogQuery{Kind: LogContainer, Source: "b", Since: logNow.Add(-time.Hour), Follow: true}, true},
		{">", LogQuery{Kind: LogContainer, Source: "a", Since: logNow.Add(-time.Hour), Follow: true}, true},
		{">", LogQuery{Kind: LogGateway, Since: logNow.Add(-time.Hour), Follow: true}, true},
		{">", LogQuery{Kind: LogPast, Since: logNow.Add(-time.Hour), Follow: true}, false},
		{"> 0", LogQuery{Kind: LogContainer, Source: "b", Lines: tailLines, Follow: true}, true},
	} {
		before := q
		typed(p, 78, 20, tt.keys)
		q, ok = p.Query()
		tt.want.Generation = q.Generation
		if q != tt.want || ok != tt.ok || q.Generation <= before.Generation {
			t.Errorf("%q asks for %+v, %t; before %+v", tt.keys, q, ok, before)
		}
		p.Update(LogBatch{Generation: before.Generation, Lines: numbered(1, 3)})
		if len(p.buf.all) > 0 && q.Kind != LogPast {
			t.Errorf("%q: took an answer to another question", tt.keys)
		}
	}
	answer(p, numbered(1, 4)...)
	typed(p, 78, 20, "up 0")
	if again, _ := p.Query(); again != q || p.sel != 0 || len(p.buf.all) != 3 {
		t.Errorf("asks for what is there: %+v", again)
	}
	p.SelectSource("new")
	if q, _ = p.Query(); q.Source != "new" || !strings.Contains(ansi.Strip(p.View(78, 20)), "new") {
		t.Errorf("asks for %+v", q)
	}
	p.Update(logData("a", "b")) // another is in trouble, but new was chosen
	if again, _ := p.Query(); again != q {
		t.Errorf("went to %+v by itself", again)
	}
}

// Until somebody looks, the log is that of who is in trouble.
func TestLogsOfWhoIsInTrouble(t *testing.T) {
	p := NewLogs(theme(), NewScrolling())
	d := logData("a", "b")
	d.Pool.Backends[0].Replicas[0].State = d.Pool.Backends[1].Replicas[0].State
	p.Update(d)
	if p.Source() != "a" {
		t.Errorf("at first %q", p.Source())
	}
	p.Update(logData("b", "a"))
	if p.Source() != "b" {
		t.Errorf("b is in trouble, the log is of %q", p.Source())
	}
	p.SetFocus(true)
	p.Update(logData("a", "b"))
	if p.Source() != "b" {
		t.Errorf("somebody reads b, and has %q", p.Source())
	}
	early := NewLogs(theme(), NewScrolling())
	early.SetFocus(true) // the view is opened before its panes are told anything
	if early.Update(d); early.Source() != "a" {
		t.Errorf("whoever looks before there is data gets %q", early.Source())
	}
	none := NewLogs(theme(), NewScrolling())
	none.Update(Data{Now: logNow, Pool: logData().Pool})
	if q, ok := none.Query(); !ok || q.Kind != LogGateway {
		t.Errorf("without containers it asks for %+v", q)
	}
}

// The head of a log is read from its beginning.
func TestLogsHead(t *testing.T) {
	p := newLogs(theme(), nil)
	typed(p, 60, 6, "1")
	answer(p, numbered(1, 21)...)
	if got := shownLines(p, 60, 6); got != "1 2 3 4 5" {
		t.Errorf("shows %s", got)
	}
	typed(p, 60, 6, "down down")
	if got := shownLines(p, 60, 6); got != "1 [2] 3 4 5" {
		t.Errorf("shows %s", got)
	}
}

// A tick that brings nothing draws nothing.
func TestLogsKeepTheirPicture(t *testing.T) {
	p := newLogs(theme(), numbered(1, 5))
	for range 4 {
		answer(p, numbered(1, 5)...)
		p.SetFilter("line")
		p.View(118, 36)
		d := logData("vllm-chat", "vllm-text2sql")
		d.Now = d.Now.Add(time.Second)
		p.Update(d)
		answer(p)
		if !p.pic.kept {
			t.Errorf("%s is drawn again", p.source.title())
		}
		typed(p, 118, 36, ">")
	}
}

// In a rewound dashboard the log ends with its moment, and what led to it is asked
// for when it isn't there.
func TestLogsRewound(t *testing.T) {
	p := newLogs(theme(), numbered(1960, 2001)) // of the last 40 seconds
	at := func(ago time.Duration, rewound bool) {
		d := logData("vllm-chat", "vllm-text2sql")
		d.Now, d.Rewound = logNow.Add(-ago), rewound
		p.Update(d)
	}
	first, _ := p.Query()
	at(10*time.Second, true)
	if q, _ := p.Query(); q != first {
		t.Errorf("asks for what is there: %+v", q)
	}
	if got := shownLines(p, 60, 6); got != "1986 1987 1988 1989 1990" {
		t.Errorf("shows %s", got)
	}
	at(10*time.Minute, true)
	q, _ := p.Query()
	if q.Since != logNow.Add(-11*time.Minute) || !q.Head || q.Follow {
		t.Errorf("asks for %+v", q)
	}
	for range 3 { // and waits for the answer
		at(10*time.Minute, true)
	}
	answer(p, numbered(2000-660, 2001)...)
	at(10*time.Minute, true)
	if again, _ := p.Query(); again != q {
		t.Errorf("asks again: %+v", again)
	}
	if got := shownLines(p, 60, 6); got != "1396 1397 1398 1399 1400" {
		t.Errorf("shows %s", got)
	}
	typed(p, 60, 6, "up up")
	at(9*time.Minute, true)
	if got := shownLines(p, 60, 6); got != "1396 1397 1398 [1399] 1400" {
		t.Errorf("a step forth moves what is read: %s", got)
	}
	p.SetFilter(`0\.`)
	typed(p, 60, 6, "esc")
	if got := shownLines(p, 60, 6); got != "1420 1430 1440 1450 1460" {
		t.Errorf("filtered it shows %s", got)
	}
	at(0, false)
	now, _ := p.Query()
	if now.Generation <= q.Generation || !now.Follow || !now.Since.IsZero() {
		t.Errorf("back at now it asks for %+v", now)
	}
	answer(p, numbered(1960, 2001)...)
	at(time.Hour, true)
	typed(p, 60, 6, "0") // what is asked for by hand stays so
	if q, _ = p.Query(); q.Head || !q.Follow {
		t.Errorf("asks for %+v", q)
	}
	at(0, false)
	if again, _ := p.Query(); again != q {
		t.Errorf("back at now it asks again: %+v", again)
	}
}

// Where more was written than is read at once, that is that: it is not asked for
// again with each tick.
func TestLogsRewoundInAFlood(t *testing.T) {
	p := newLogs(theme(), numbered(1990, 2001))
	d := logData("vllm-chat", "vllm-text2sql")
	d.Now, d.Rewound = logNow.Add(-time.Hour), true
	var flood []LogLine
	for range backLines {
		flood = append(flood, LogLine{At: d.Now.Add(-backSpan), Text: "x"})
	}
	p.Update(d)
	q, _ := p.Query()
	p.Update(LogBatch{Generation: q.Generation, Lines: flood, Done: true})
	for range 3 {
		p.Update(d)
	}
	if again, _ := p.Query(); again != q || q.Lines != backLines {
		t.Errorf("asks for %+v again: %+v", q, again)
	}
	d.Now = d.Now.Add(time.Second)
	p.Update(d)
	if again, _ := p.Query(); again == q {
		t.Error("asks for nothing at another moment")
	}
}

func TestLogsAreBounded(t *testing.T) {
	p := newLogs(theme(), nil)
	big := strings.Repeat("x", 1<<20)
	for range 40 {
		answer(p, LogLine{At: logNow, Text: big, Stderr: true}, LogLine{At: logNow, Text: "ERROR x"})
	}
	if n := len(p.buf.all); n > 2*maxLogBytes>>20 || p.buf.bytes > maxLogBytes || p.buf.errors != (n+1)/2 {
		t.Errorf("%d lines with %d bytes and %d errors are kept", n, p.buf.bytes, p.buf.errors)
	}
}

func TestLogsEvents(t *testing.T) {
	p := newLogs(theme(), nil)
	typed(p, 118, 20, "<") // the last one
	got := ansi.Strip(p.View(118, 20))
	for _, want := range []string{"■ backend  chat: no bytes since", "▲ quota    acme: day tokens", "● job      text2sql", "  audit    ana from 192.0.2.7: attach dashboard: role operator"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Index(got, "attach dashboard") > strings.Index(got, "power 71") {
		t.Errorf("not in the order of time:\n%s", got)
	}
	typed(p, 118, 20, "up up")
	was := p.Selected()
	d := logData("vllm-chat", "vllm-text2sql")
	d.Past.Events = append([]past.Event{{At: logNow, Text: "news"}}, d.Past.Events...)
	p.Update(d)
	_, note := p.Title()
	if is := p.Selected(); is.ID != was.ID || is.Kind != RefEvent || !strings.Contains(note, "+1 new") {
		t.Errorf("was %+v, is %+v, %q", was, is, note)
	}
	if !p.Select(p.Selected()) || p.Select(Ref{Kind: RefEvent, ID: "x", Name: "3"}) {
		t.Error("selects what isn't there, or not what is")
	}
	typed(p, 118, 20, "3")
	if n := len(p.buf.all); n != 3 {
		t.Errorf("%d events in the last five minutes", n)
	}
}

func TestLogsDescribe(t *testing.T) {
	facts := func(p *Logs) string {
		title, all := p.Describe()
		out := title
		for _, f := range all {
			out += "\n" + f.Label + ": " + f.Text
		}
		return out
	}
	p := newLogs(theme(), script(startUp))
	if got := facts(p); got != "" || p.Copy() != "" || p.Selected() != (Ref{}) {
		t.Errorf("nothing is selected: %q", got)
	}
	typed(p, 78, 20, "up up up up up")
	want := `line of vllm-chat
time: 2026-11-22 03:12:03.119 UTC, 40 s ago
stream: standard error
level: ERROR
process: EngineCore_DP0
place: core.py:710
text: (EngineCore_DP0 pid=271) ERROR 11-22 03:12:03 [core.py:710] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity of 22.03 GiB of which 812.00 MiB is free.`
	if got := facts(p); got != want {
		t.Errorf("described as\n%s\nwant\n%s", got, want)
	}
	if r := p.Selected(); r.Kind != RefLog || r.ID != "vllm-chat" || !p.Select(r) {
		t.Errorf("selected is %+v", r)
	}
	p = newLogs(theme(), nil)
	typed(p, 78, 20, "> >")
	answer(p, ownLog()...)
	typed(p, 78, 20, "N N")
	if got := facts(p); !strings.Contains(got, "\nto: hung\nsince: {\"bytes\":\"41s\",\"probes\":3}") {
		t.Errorf("described as\n%s", got)
	}
	answer(p, LogLine{At: logNow, Text: strings.Repeat("\xff", 1<<20)})
	typed(p, 78, 20, "G")
	if got := facts(p); len(got) > 2*maxLogDescribed || !strings.Contains(got, "bytes more") {
		t.Errorf("a megabyte is described in %d bytes", len(got))
	}
}

func TestLogsSave(t *testing.T) {
	p := newLogs(theme(), []LogLine{
		{At: logNow, Text: "\x1b[31ma\x1b[m\x1b[2J"},
		{At: logNow.Add(time.Millisecond), Text: "b\tc", Stderr: true},
		{At: logNow, Text: "left out"},
	}, "vllm/../chat")
	q, _ := p.Query()
	p.Update(LogBatch{Generation: q.Generation, Dropped: 2})
	p.SetFilter("a|b")
	name, text := p.Save()
	if name != "vllm-..-chat-20261122T031244Z.log" {
		t.Errorf("the file is %q", name)
	}
	want := "2026-11-22T03:12:44.000Z stdout a\\x1b[2J\n2026-11-22T03:12:44.001Z stderr b\\tc\n" +
		"2026-11-22T03:12:44.000Z --- 2 lines are missing here: they came faster than they could be shown\n"
	if text != want {
		t.Errorf("saved\n%s\nwant\n%s", text, want)
	}
}

func TestLogsKeys(t *testing.T) {
	p := newLogs(theme(), numbered(1, 5))
	for _, k := range []string{"0", "1", "2", "3", "4", "5", "6"} {
		if !p.Wants(press(k)) {
			t.Errorf("%s is for others", k)
		}
	}
	for _, k := range []string{"7", "t", "q", "l"} {
		if p.Wants(press(k)) {
			t.Errorf("%s is not for others", k)
		}
	}
	for _, b := range p.Keys() {
		if b.Help().Key == "" || b.Help().Desc == "" {
			t.Errorf("%+v has no help", b)
		}
	}
	before := p.View(78, 20)
	p.Update(tea.KeyPressMsg{Code: 'v', Text: "v"}) // the root's
	if p.View(78, 20) != before {
		t.Error("v changes the picture")
	}
}

// Of a log that has not been read nobody knows how many lines or errors it has: not 0.
func TestLogsCountNothingUnread(t *testing.T) {
	p := NewLogs(theme(), NewScrolling())
	p.Update(logData("vllm"))
	p.SetFocus(true)
	if _, note := p.Title(); note != "" {
		t.Errorf("unread, its note is %q", note)
	}
	if got := ansi.Strip(p.View(118, 36)); strings.Contains(got, "0 errors") || !strings.Contains(got, "– errors") || !strings.Contains(got, "– warnings") {
		t.Errorf("unread:\n%s", got)
	}
	answer(p)
	if _, note := p.Title(); note != "0 lines · following" {
		t.Errorf("read, its note is %q", note)
	}
	if got := ansi.Strip(p.View(118, 36)); !strings.Contains(got, "0 errors") || !strings.Contains(got, "0 warnings") {
		t.Errorf("read:\n%s", got)
	}
}
