package ui

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/gpu"
	"pilothouse/ui/desk"
	"pilothouse/ui/pane"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// shape checks that a screen has h lines of w cells, whichever way a terminal
// counts them, and holds nothing but text and colours.
func shape(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines at %dx%d:\n%s", len(lines), w, h, ansi.Strip(s))
	}
	for i, l := range lines {
		bare := colours(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("line %d is %d or %d cells at %dx%d: %q", i, g, wc, w, h, l)
		}
		for _, r := range bare {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in line %d at %dx%d: %q", r, i, w, h, l)
			}
		}
	}
}

// colours takes the sequences that set colours out, and nothing else.
func colours(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
		if end < 0 || rest[end] != 'm' {
			b.WriteString("\x1b[") // not ours: for the caller to find
			end = -1
		}
		s = rest[end+1:]
	}
}

// hostile are names as an attacker would choose them.
var hostile = []string{
	"", "acme", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\x1bP+q\x1b\\", "\u009b31m", "\x9b2J", "a\nb\r\nc\td", "\u202egnp.exe", "\u2066\u2069", "z\u200be\u200dr\ufeffo",
	"東京都庁舎第一本庁舎", "東", "e\u0301\u0302\u0303", "\u0301", "👩\u200d👩\u200d👧\u200d👦", "🇩🇪🇫🇷", "❤\ufe0f", "क्षि", "각", "\xff\xfe", "\x00", "\u2028", strings.Repeat("長", 300),
	strings.Repeat("x", 5000), "\U000e0041", "─│╭", strings.Repeat("a\u0300\u0316", 50), "ﷺ", "\u00ad\u034f",
}

func hostileData(r *rand.Rand) pane.Data {
	name := func() string { return hostile[r.IntN(len(hostile))] + hostile[r.IntN(len(hostile))] }
	dur := func() time.Duration { return time.Duration(r.Int64N(1<<62) >> r.IntN(62)) }
	num := func() float64 {
		return [...]float64{0, 0.1, 99.97, 1e9, 1e300, math.Inf(1), math.NaN(), -1}[r.IntN(8)]
	}
	d := pane.Data{Now: night.Add(dur() % (1000 * time.Hour))}
	if r.IntN(10) > 0 {
		g := &gateway.Snapshot{At: night, Started: night.Add(-dur()), Listen: name(), Draining: r.IntN(4) == 0, InFlight: int(r.Uint32() >> r.IntN(32)),
			Now:      gateway.Rates{Requests: num(), Tokens: num(), Errors: num(), FirstP50: dur(), FirstP95: dur()},
			Backends: map[string]gateway.Rates{}, Totals: gateway.Totals{Status2xx: r.Uint64(), Status429: r.Uint64(), PromptTokens: r.Uint64()}}
		for range r.IntN(900) {
			g.History = append(g.History, gateway.Point{Requests: r.IntN(1000), Tokens: int(r.Uint32()), Errors: r.IntN(3)})
		}
		for range r.IntN(60) {
			rec := gateway.Record{ID: name(), Start: night, Org: name(), KeyName: name(), Client: name(), Route: name(), Model: name(), Backend: name(), Replica: name(), Code: name(),
				Stream: r.IntN(2) == 0, Phase: gateway.Phase(r.IntN(5)), Status: r.IntN(600), End: gateway.EndState(r.IntN(6)), First: dur(), Duration: dur(), Prompt: int(r.Uint32()), Output: int(r.Uint32())}
			g.Live, g.Recent = append(g.Live, rec), append(g.Recent, rec)
		}
		d.Gateway = g
	}
	if r.IntN(10) > 0 {
		p := &backends.Snapshot{At: night}
		for range r.IntN(8) {
			b := backends.BackendStatus{Name: name(), Model: name()}
			for range r.IntN(4) {
				b.Replicas = append(b.Replicas, backends.ReplicaStatus{URL: name(), State: backends.State(r.IntN(int(backends.Draining) + 1)), Reason: name(), Since: night.Add(-dur()), InFlight: r.IntN(1 << 30), Requests: r.Uint64()})
			}
			p.Backends = append(p.Backends, b)
			if d.Gateway != nil {
				d.Gateway.Backends[b.Name] = gateway.Rates{Requests: num(), Tokens: num(), Errors: num(), FirstP95: dur()}
			}
		}
		d.Pool = p
	}
	if r.IntN(4) > 0 {
		p := &past.Snapshot{At: night, QuotasAt: night.Add(-dur()), Err: hostile[r.IntN(4)], Oldest: night.Add(-dur())}
		for range r.IntN(8) {
			o := gateway.OrgQuotas{Org: name()}
			for range r.IntN(4) {
				o.Windows = append(o.Windows, quota.Window{Name: name(), Key: hostile[r.IntN(3)], Used: r.Int64() >> r.IntN(60), Limit: r.Int64() >> r.IntN(60), ResetsAt: night.Add(dur())})
			}
			p.Quotas = append(p.Quotas, o)
			p.Grants = append(p.Grants, ledger.Grant{ID: name(), Org: o.Org, Window: name(), Amount: 5, Until: night.Add(dur()), Reason: name(), Author: name()})
		}
		for range r.IntN(40) {
			p.Events = append(p.Events, past.Event{At: night.Add(-dur()), Kind: past.Kind(name()), Object: name(), Text: name(), Grade: past.Grade(r.IntN(5))})
			p.Audit = append(p.Audit, ledger.Event{At: night.Add(-dur()), Author: name(), Action: name(), Object: name(), Detail: name()})
		}
		d.Past, d.Trends = p, flow{}
	}
	if r.IntN(3) > 0 {
		u := &gpu.Snapshot{At: night, Source: name(), Simulated: r.IntN(2) == 0}
		if r.IntN(6) == 0 {
			u.Err = name()
		}
		for i := range r.IntN(10) {
			read := func() gpu.Reading { return gpu.Read(num(), night) }
			x := gpu.GPU{Index: i, Name: name(), Serves: name(), Err: name(), State: gpu.State(r.IntN(int(gpu.Gone) + 1)), Sample: gpu.Sample{Util: read(), MemUsed: read(), MemTotal: read(), Temp: read(), Power: read(), PowerCap: read(), Clock: read(), Throttle: gpu.Throttle(r.Uint32())}}
			if r.IntN(3) > 0 {
				x.At = night.Add(-dur() % time.Minute)
			}
			for range r.IntN(900) {
				x.History = append(x.History, gpu.Point{Util: float32(num())})
			}
			u.GPUs = append(u.GPUs, x)
		}
		d.GPUs = u
	}
	return d
}

// Whatever the size and whatever clients, files and engines are called, the
// screen keeps its shape, and so it does when they change under it.
func TestScreenKeepsItsShape(t *testing.T) {
	keys := []string{"?", "q", "c", "!", "esc", "enter", "tab", "shift+tab", "f", "space", "up", "down", "g", "G", "pgup", "pgdown", "left", "right", "y", "j",
		"1", "2", "3", "4", "5", "6", "]", "[", "/", ":", "d", "s", "l", "n", "R", "D", "U", "X", "O", "C", "T", "V", "S", "J", "t", "w", "a", ",", ".", "0", "m"}
	const rounds = 80
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 7))
		o := with(pane.Data{Now: night})
		o.GPUs = &fixedGPUs{}
		o.Demo, o.DemoKey, o.Version = r.IntN(2) == 0, hostile[r.IntN(len(hostile))], "1"
		h := &hands{there: true, parts: []backends.Part{{Backend: hostile[r.IntN(len(hostile))], Container: hostile[r.IntN(len(hostile))]}}}
		o.Seat = desk.New(desk.Platform{Jobs: h, Drains: h, Logs: h, Gateway: h, Pool: o.Pool}, desk.Options{}).Seat(desk.Operator{Name: hostile[r.IntN(len(hostile))], Role: desk.Admin})
		o.ASCII, o.Profile = r.IntN(4) == 0, []colorprofile.Profile{colorprofile.ASCII, colorprofile.ANSI, colorprofile.TrueColor}[r.IntN(3)]
		o.Palette = widget.Dark
		var now time.Time
		o.Now = func() time.Time { return now }
		m := New(context.Background(), o)
		for range 6 {
			d := hostileData(r)
			o.Gateway.(*fixedGateway).s, o.Pool.(*fixedPool).s, o.GPUs.(*fixedGPUs).s, now = d.Gateway, d.Pool, d.GPUs, d.Now
			m.opts.Past = fixedPast{flow{}, d.Past}
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			if r.IntN(3) == 0 {
				w, h = 1+r.IntN(30), 1+r.IntN(12)
			}
			m.Update(tea.WindowSizeMsg{Width: w, Height: h})
			m.Update(tick{})
			shape(t, m.View().Content, w, h)
			for range 6 {
				do(m, keys[r.IntN(len(keys))])
				shape(t, m.View().Content, w, h)
			}
		}
		m.close()
	}
}

// Every size there is, once, with dialogs over it.
func TestEverySize(t *testing.T) {
	m := New(context.Background(), with(trouble()))
	m.Update(press("?"))
	m.Update(press("esc"))
	for w := 1; w <= 300; w += 1 + w/20 {
		for h := 1; h <= 100; h += 1 + h/8 {
			m.Update(tea.WindowSizeMsg{Width: w, Height: h})
			shape(t, m.View().Content, w, h)
			m.Update(press("q"))
			shape(t, m.View().Content, w, h)
			m.Update(press("esc"))
		}
	}
}
