package pane

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/ui/widget"
)

func TestLogEntry(t *testing.T) {
	for _, tt := range []struct {
		text, word string
		grade      widget.Style
		shown      string
		proc, file string
	}{
		{"(EngineCore_DP0 pid=271) INFO 11-22 03:10:58 [core.py:71] Initializing", "INFO", widget.Muted, "Initializing", "EngineCore_DP0", "core.py:71"},
		{"\x1b[1;36m(APIServer pid=1)\x1b[0;0m ERROR 11-22 03:10:58 [a.py:7] \x1b[31mred\x1b[m", "ERROR", widget.Bad, "red", "APIServer", "a.py:7"},
		{"WARNING 11-22 03:10:58 [core.py:71]   indented", "WARNING", widget.Warn, "  indented", "", "core.py:71"},
		{"INFO 11-22 03:10:58 config.py:887] older", "INFO", widget.Muted, "config.py:887] older", "", ""},
		{"INFO:     10.0.0.7:1 - \"GET /health HTTP/1.1\" 200 OK", "INFO", widget.Muted, "10.0.0.7:1 - \"GET /health HTTP/1.1\" 200 OK", "", ""},
		{"(W_TP0 pid=9)", "", widget.Plain, "", "W_TP0", ""},
		{"(W pid=9) 2026-03-08 16:44:29,692 - WARNING - autotuner.py:262 - x", "WARNING", widget.Warn, "2026-03-08 16:44:29,692 - WARNING - autotuner.py:262 - x", "W", ""},
		{"INFO[0042] logrus", "INFO", widget.Muted, "INFO[0042] logrus", "", ""},
		{"[ERROR] brackets", "ERROR", widget.Bad, "[ERROR] brackets", "", ""},
		{"TERROR is no level, MY_ERROR neither", "", widget.Plain, "TERROR is no level, MY_ERROR neither", "", ""},
		{"ERRORS found: 0", "", widget.Plain, "ERRORS found: 0", "", ""},
		{"Information", "", widget.Plain, "Information", "", ""},
		{"(not a process) text", "", widget.Plain, "(not a process) text", "", ""},
		{"torch.OutOfMemoryError: CUDA out of memory", "", widget.Bad, "torch.OutOfMemoryError: CUDA out of memory", "", ""},
		{"The last Error: none", "", widget.Plain, "The last Error: none", "", ""},
		{"Traceback (most recent call last):", "", widget.Bad, "Traceback (most recent call last):", "", ""},
		{"\rLoading: 25%\r", "", widget.Plain, "Loading: 25%", "", ""},
		{"Loading: 0%\rLoading: 100%", "", widget.Plain, "\rLoading: 100%", "", ""},
		{"", "", widget.Plain, "", "", ""},
		{`{"time":"2026-11-22T03:12:03.12Z","level":"ERROR","msg":"a b","n":1,"s":"x y","o":{"a":[1, 2]},"e":"","b":true}`, "ERROR", widget.Bad, `a b n=1 s="x y" o={"a":[1, 2]} e="" b=true`, "", ""},
		{`{"level":"warning","message":"other loggers"}`, "WARNING", widget.Warn, "other loggers", "", ""},
		{`{"level":"ERROR+2","msg":""}`, "ERROR+2", widget.Bad, " ", "", ""},
		{`{"a":"no message"}`, "", widget.Plain, `{"a":"no message"}`, "", ""},
		{`{"msg":"twice","msg":"twice"}`, "", widget.Plain, `{"msg":"twice","msg":"twice"}`, "", ""},
		{`{"msg":"and more"} ERROR`, "ERROR", widget.Bad, `{"msg":"and more"} ERROR`, "", ""},
	} {
		e := newLogEntry(LogLine{Text: tt.text})
		if e.word != tt.word || e.grade != tt.grade || e.text() != tt.shown || e.proc != tt.proc || e.file != tt.file {
			t.Errorf("%q is %q in %d: %q of %q at %q, want %q in %d: %q of %q at %q", tt.text,
				e.word, e.grade, e.text(), e.proc, e.file, tt.word, tt.grade, tt.shown, tt.proc, tt.file)
		}
	}
	at := time.Date(2026, 11, 22, 3, 12, 3, 120e6, time.UTC)
	if e := newLogEntry(ownLog()[3]); !e.at.Equal(at) {
		if e.at.IsZero() {
			t.Error("the time in JSON is not read")
		}
	}
	if e := newLogEntry(LogLine{At: logNow, Text: ownLog()[3].Text}); !e.at.Equal(logNow) {
		t.Errorf("the time in JSON overrides that of the engine: %s", e.at)
	}
}

// Colours are taken out and nothing else is.
func TestStripColours(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "\x1b[0m\x1b[38;5;1mx\x1b[m": "x", "\x1b[38:2::1:2:3mx": "x",
		"\x1b[2J": "\x1b[2J", "\x1b[1A": "\x1b[1A", "\x1b[?25h": "\x1b[?25h", "\x1b[>4;2m": "\x1b[>4;2m", "\x1b]8;;x\x1b\\": "\x1b]8;;x\x1b\\",
		"\x1b": "\x1b", "\x1b[": "\x1b[", "\x1b[1": "\x1b[1", "\x1b\x1b[m": "\x1b", "\x1b[\x1b[0m2J": "\x1b[2J", "\u009b31m": "\u009b31m",
		"\x1b[" + strings.Repeat("1", 100) + "m": "\x1b[" + strings.Repeat("1", 100) + "m",
	} {
		if got := stripColours(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestWrapCells(t *testing.T) {
	for _, tt := range []struct {
		s     string
		cells int
		want  string
		rest  bool
	}{
		{"", 5, "", false},
		{"abcde", 5, "abcde", false},
		{"abcdefgh", 5, "abcde|fgh", false},
		{"abcd efgh", 5, "abcd |efgh", false},
		{"ab cdefgh", 5, "ab cd|efgh", false}, // a blank too far from the edge
		{"東京都", 5, "東京|都", false},
		{"東京都", 1, "", true},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301|e\u0301", false},
		{"abcdefghijklmnopq", 5, "abcde|fghij|klmno", true},
	} {
		rows, rest := wrapCells(tt.s, tt.cells, 3)
		var got []string
		for _, r := range rows {
			got = append(got, tt.s[r[0]:r[1]])
		}
		if s := strings.Join(got, "|"); s != tt.want || rest != tt.rest {
			t.Errorf("%q in %d cells: %q, %t; want %q, %t", tt.s, tt.cells, s, rest, tt.want, tt.rest)
		}
	}
}

func TestSkipCells(t *testing.T) {
	for _, tt := range []struct {
		s                string
		cells, n, beyond int
	}{{"abc", 2, 2, 0}, {"abc", 5, 3, 0}, {"東京", 1, 3, 1}, {"東京", 2, 3, 0}, {"a東", 2, 4, 1}, {"", 1, 0, 0}} {
		if n, beyond := skipCells(tt.s, tt.cells); n != tt.n || beyond != tt.beyond {
			t.Errorf("%d cells of %q: %d bytes and %d cells more, want %d and %d", tt.cells, tt.s, n, beyond, tt.n, tt.beyond)
		}
	}
}

// Whatever is written: it is taken apart without loss, and the cells that are
// counted are those that are drawn.
func FuzzLogLine(f *testing.F) {
	for _, l := range hostileLines()[:16] {
		f.Add(l.Text, 20, false)
	}
	for _, l := range append(script(startUp), ownLog()...) {
		f.Add(l.Text, 33, true)
	}
	f.Fuzz(func(t *testing.T, s string, cells int, ascii bool) {
		e := newLogEntry(LogLine{Text: s})
		if e.from > len(e.raw) || e.text() == "" && e.from < len(e.raw) {
			t.Fatalf("%q lost its text", s)
		}
		if cells < 1 || cells > 500 {
			return
		}
		th := widget.NewTheme(widget.Look{ASCII: ascii})
		text, more := firstCells(th, e.text(), cells)
		if got := widget.Clean(text, ascii); got != text {
			t.Fatalf("%q of %q is not clean", text, s)
		}
		n, used := cutCells(text, len(text)+1)
		if n != len(text) || used != th.Width(text) || used != ansi.StringWidth(text) {
			t.Fatalf("%q is %d cells, counted %d", text, th.Width(text), used)
		}
		if more && used < cells {
			t.Fatalf("%d cells of %q and no more, of %d", used, s, cells)
		}
		rows, _ := wrapCells(text, cells, 5)
		at := 0
		for _, r := range rows {
			if r[0] != at || r[1] < r[0] || th.Width(text[r[0]:r[1]]) > cells {
				t.Fatalf("%q breaks at %v", text, rows)
			}
			at = r[1]
		}
		skipped, beyond := skipCells(text, cells)
		if w := th.Width(text[:skipped]); skipped < len(text) && w != cells+beyond || beyond > 1 {
			t.Fatalf("skipped %d cells of %q, and %d more, not %d", w, text, beyond, cells)
		}
	})
}

// Plain words are found as the regular expression finds them.
func FuzzLogFilter(f *testing.F) {
	for _, s := range []string{"error", "ERROR", "k", `a\.b`, "東", "(?i)x", "[", `\x41`, " "} {
		f.Add(s, "an Error: a.b 東 \u212a x A\xff")
	}
	f.Fuzz(func(t *testing.T, expr, line string) {
		filter := newLogFilter(expr)
		if filter.re == nil {
			if expr != "" && filter.err == "" {
				t.Fatalf("%q is bad, and nobody says why", expr)
			}
			return
		}
		plain := expr
		if !hasCapital(expr) {
			plain = "(?i)" + expr
		}
		e := logEntry{raw: line}
		if got, want := filter.matches(&e), regexp.MustCompile(plain).MatchString(line); got != want {
			t.Fatalf("%q in %q: %t, want %t", expr, line, got, want)
		}
	})
}

func bigLog() []LogLine {
	var all []LogLine
	for len(all) < maxLogLines {
		all = append(all, script(startUp)...)
	}
	return all[:maxLogLines]
}

// A tick of a followed log that is full: ten new lines, at 118 by 36.
func BenchmarkLogs(b *testing.B) {
	lines := script(startUp)
	mega := []LogLine{{At: logNow, Text: strings.Repeat("x東", 1<<18)}}
	for _, bb := range []struct {
		name  string
		keys  string
		find  string
		lines []LogLine
	}{
		{"follow", "", "", lines[:10]},
		{"wrapped", "w", "", lines[:10]},
		{"filtered", "", "memory", lines[:10]},
		{"expression", "", `\d+ tokens`, lines[:10]},
		{"megabyte", "", "", mega},
		{"megabyte wrapped", "w", "", mega},
		{"still", "", "", nil},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := newLogs(widget.NewTheme(widget.Look{Palette: widget.Dark}), bigLog())
			p.SetFilter(bb.find)
			typed(p, 118, 36, bb.keys)
			d := logData("vllm-chat", "vllm-text2sql")
			for range 40 {
				p.Update(d)
			}
			q, _ := p.Query()
			b.ReportAllocs()
			for b.Loop() {
				d.Now = d.Now.Add(time.Second)
				p.Update(d)
				p.Update(LogBatch{Generation: q.Generation, Lines: bb.lines})
				p.View(118, 36)
			}
		})
	}
}

// What comes at once when a log is opened, and what is looked through for each
// letter of a filter.
func BenchmarkLogsAtOnce(b *testing.B) {
	lines := bigLog()
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := newLogs(theme(), lines)
			p.View(118, 36)
		}
	})
	p := newLogs(theme(), lines)
	for _, find := range []string{"memory", `\d+ tokens`} {
		b.Run(find, func(b *testing.B) {
			for b.Loop() {
				p.SetFilter("")
				p.SetFilter(find)
			}
		})
	}
}
