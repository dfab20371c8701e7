package pane

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gateway/quota"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// quotaSizes are the insides of the pane's boxes: of view 5 in all tiers, and of
// the overview's.
var quotaSizes = [][2]int{{78, 20}, {118, 36}, {198, 56}, {36, 7}, {52, 11}, {38, 6}}

func newQuotas(t *widget.Theme, d Data, keys ...string) *Quotas {
	p := NewQuotas(t, NewScrolling())
	p.SetFocus(true)
	p.Update(d)
	p.View(78, 20)
	for _, k := range keys {
		p.Update(press(k))
	}
	return p
}

func TestQuotasPictures(t *testing.T) {
	stale := func() Data {
		d := quotaTrouble()
		d.Past.QuotasAt, d.Past.Err = quotaNight.Add(-41*time.Second), "read the quotas: database is locked"
		return d
	}
	for _, tt := range []struct {
		name    string
		data    func() Data
		prepare func(*Quotas)
		sizes   [][2]int
	}{
		{name: "calm", data: quotaCalm},
		{name: "trouble", data: quotaTrouble},
		{name: "many", data: quotaMany},
		{name: "hostile", data: quotaHostile},
		{name: "stale", data: stale, sizes: quotaSizes[:1]},
		{name: "grant", data: quotaTrouble, prepare: func(p *Quotas) { p.Select(Ref{Kind: RefGrant, Name: "globex", ID: "g7"}) }, sizes: quotaSizes[:5]},
		{name: "key", data: quotaTrouble, prepare: func(p *Quotas) { p.Select(Ref{Kind: RefKey, Name: "acme", ID: "k-etl"}) }, sizes: quotaSizes[:3]},
		{name: "filtered", data: quotaMany, prepare: func(p *Quotas) { p.SetFilter("k-04") }, sizes: quotaSizes[:1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.sizes == nil {
				tt.sizes = quotaSizes
			}
			goldens(t, "quotas-"+tt.name, tt.sizes, func(theme *widget.Theme) Pane {
				p := newQuotas(theme, tt.data())
				if tt.prepare != nil {
					tt.prepare(p)
				}
				return p
			})
		})
	}
}

// What is missing or old is said, as far as there is room.
func TestQuotasSayWhatIsMissing(t *testing.T) {
	quotas := func(change func(*Data)) Data {
		d := quotaTrouble()
		change(&d)
		return d
	}
	away := func(allowing bool) Data {
		return quotas(func(d *Data) {
			d.Gateway.Books.Shared = true
			d.Gateway.Books.Fleet = quota.FleetStatus{Err: "connection refused", Since: quotaNight.Add(-41 * time.Second), Allowing: allowing}
		})
	}
	for _, tt := range []struct {
		name  string
		data  Data
		note  string
		lines map[int]string // by height: what the first line has
	}{
		{"nothing at all", Data{Now: quotaNight}, "not read yet", map[int]string{20: "no quotas read yet", 1: "no quotas read yet"}},
		{"never read", Data{Now: quotaNight, Past: &past.Snapshot{}}, "not read yet", map[int]string{20: "no quotas read yet"}},
		{"not to be read", Data{Now: quotaNight, Past: &past.Snapshot{Err: "disk I/O error"}}, "not read yet", map[int]string{20: "▲ quotas can't be read: disk I/O error", 1: "disk I/O error"}},
		{"no organisations", Data{Now: quotaNight, Past: &past.Snapshot{QuotasAt: quotaNight}}, "0 orgs", map[int]string{5: "no organisations"}},
		{"old", quotas(func(d *Data) { d.Past.QuotasAt = quotaNight.Add(-41 * time.Second) }), "41 s old · 4 orgs", map[int]string{20: "▲ these are 41 s old", 6: "▲ these are", 3: "acme"}},
		{"old, and why", quotas(func(d *Data) { d.Past.QuotasAt, d.Past.Err = quotaNight.Add(-41*time.Second), "locked" }), "41 s old · 4 orgs", map[int]string{20: "▲ these are 41 s old: locked"}},
		{"failed just now", quotas(func(d *Data) { d.Past.Err = "locked" }), "4 orgs", map[int]string{20: "▲ the books could not be read: locked"}},
		{"a fleet", quotas(func(d *Data) { d.Gateway.Books.Shared = true }), "all gateways · 4 orgs", map[int]string{20: "org/key"}},
		{"a fleet's store is away", away(false), "all gateways · 4 orgs", map[int]string{20: "▲ the quota store is away for 41 s, requests that need it are refused"}},
		{"a fleet's store is away, for itself", away(true), "all gateways · 4 orgs", map[int]string{20: "away for 41 s, this gateway counts for itself: connect"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newQuotas(theme(), tt.data)
			if name, note := p.Title(); name != "quotas" || note != tt.note {
				t.Errorf("the title says %q, want %q", note, tt.note)
			}
			for h, want := range tt.lines {
				if got, _, _ := strings.Cut(ansi.Strip(p.View(78, h)), "\n"); !strings.Contains(got, want) {
					t.Errorf("at %d lines: %q, want %q", h, got, want)
				}
			}
		})
	}
}

// Whatever there is, and whatever the size, a picture has its size, and nothing
// but text and colours.
func TestQuotasKeepTheirShape(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 22))
	for range 250 {
		p := NewQuotas(widget.NewTheme(widget.Look{ASCII: r.IntN(4) == 0}), NewScrolling())
		p.SetFocus(r.IntN(2) == 0)
		for range 1 + r.IntN(3) {
			p.Update(hostileBooks(r))
			for range r.IntN(4) {
				p.Update(press([]string{"down", "up", "G", "g", "pgdown", "esc", "left", "right"}[r.IntN(8)]))
			}
			if r.IntN(4) == 0 {
				p.SetFilter([]string{"", "e", "!a", "xyz"}[r.IntN(4)])
				p.SetSort(r.IntN(5))
			}
			w, h := 1+r.IntN(300), 1+r.IntN(100)
			booksInShape(t, p.View(w, h), w, h)
			p.Title()
			p.Describe()
			p.Rows(w)
		}
	}
}

// booksInShape checks that a picture has h lines of w cells, whichever way a terminal
// counts them, and holds nothing but text and colours.
func booksInShape(t *testing.T, s string, w, h int) {
	t.Helper()
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines at %dx%d", len(lines), w, h)
	}
	for i, l := range lines {
		bare := ansi.Strip(l)
		if g, wc := ansi.StringWidth(bare), ansi.StringWidthWc(bare); g != w || wc != w {
			t.Fatalf("line %d is %d or %d cells at %dx%d: %q", i, g, wc, w, h, l)
		}
		if strings.ContainsFunc(bare, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Fatalf("line %d at %dx%d has a control character: %q", i, w, h, l)
		}
	}
}

var booksHostile = []string{
	"", "acme", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\x9b2J", "a\nb\r\nc\td", "\u202egnp.exe", "z\u200be\u200dr\ufeffo", "東京都庁舎第一本庁舎", "e\u0301\u0302\u0303", "\u0301",
	"👩\u200d👩\u200d👧", "🇩🇪🇫🇷", "क्षि", "\xff\xfe", "\x00", strings.Repeat("長", 300), strings.Repeat("x", 5000), "─│╭",
}

func hostileBooks(r *rand.Rand) Data {
	name := func() string {
		return booksHostile[r.IntN(len(booksHostile))] + booksHostile[r.IntN(len(booksHostile))]
	}
	num := func() int64 { return int64(r.Uint64()>>1) >> r.IntN(63) }
	signed := func() int64 { return num() * int64(1-2*r.IntN(2)) }
	when := func() time.Time { return quotaNight.Add(time.Duration(signed())) }
	all := quotaCurves{}
	d := Data{Now: quotaNight.Add(time.Duration(r.IntN(1e9))), Gateway: quotaTraffic(), Trends: all, Past: &past.Snapshot{QuotasAt: quotaNight}}
	switch r.IntN(8) {
	case 0:
		d.Past.Err = name()
	case 1:
		d.Past.QuotasAt = when()
	case 2:
		d.Past = nil
		return d
	case 3:
		d.Gateway, d.Trends = nil, nil
	case 4:
		d.Gateway.Books.Shared, d.Gateway.Books.Fleet = true, quota.FleetStatus{Err: name(), Since: when()}
	}
	for range r.IntN(12) {
		q := gateway.OrgQuotas{Org: name()}
		for range r.IntN(8) {
			w := quota.Window{Name: []string{quota.RequestsPerDay, quota.TokensPerDay, quota.TokensPerMonth, quota.RequestsPerMonth, name()}[r.IntN(5)], Used: num(), Reserved: num(), Limit: num(), ResetsAt: when()}
			if r.IntN(3) == 0 {
				w.ResetsAt = quotaMidnight
			}
			if r.IntN(4) == 0 {
				w.Limit = signed()
			}
			if r.IntN(3) == 0 {
				w.Key = name()
			}
			q.Windows = append(q.Windows, w)
			odd := [...]float64{0, 0.5, 1, 1e300, math.Inf(1), math.NaN(), -1}[r.IntN(7)]
			all[past.WindowName(q.Org, w.Key, w.Name)] = quotaCurve{func(t time.Time) float64 { return odd + t.Sub(quotaNight).Hours()*odd }, when()}
		}
		for range r.IntN(3) {
			d.Past.Grants = append(d.Past.Grants, ledger.Grant{ID: name(), Org: q.Org, Window: name(), Amount: num(), Until: when(), Author: name(), Reason: name()})
		}
		d.Past.Quotas = append(d.Past.Quotas, q)
	}
	if d.Gateway != nil {
		for i := range d.Gateway.Live {
			l := &d.Gateway.Live[i]
			l.Org, l.KeyName, l.Output, l.First, l.Duration = name(), name(), int(num()), time.Duration(num()), time.Duration(num())
		}
	}
	return d
}

// orgsShown are the organisations in the list's order.
func orgsShown(p *Quotas) string {
	var all []string
	for i := range p.shown {
		if r := p.row(i); r.ref.Kind == RefOrg {
			all = append(all, r.ref.Name)
		}
	}
	return strings.Join(all, " ")
}

func TestQuotasSort(t *testing.T) {
	d := quotaTrouble()
	// What ends soonest is not what is fullest, nor what is used most.
	d.Trends.(quotaCurves)[past.WindowName("initech", "", quota.TokensPerMonth)] = quotaRising(0.04, 0.9)
	d.Past.Quotas[0].Windows = d.Past.Quotas[0].Windows[:3] // without the spent key
	p := newQuotas(theme(), d)
	for i, want := range []string{"acme globex initech umbrella", "initech acme globex umbrella", "acme globex initech umbrella", "acme globex initech umbrella"} {
		p.SetSort(i)
		if got := orgsShown(p); got != want {
			t.Errorf("%s: %s, want %s", p.Sorts()[i], got, want)
		}
	}
	for i := range d.Gateway.Live {
		d.Gateway.Live[i].Org = "umbrella"
	}
	d.Gateway.Recent = d.Gateway.Recent[:2]
	d.Now = d.Now.Add(paceAge)
	p.Update(d)
	if got, want := orgsShown(p), "umbrella globex acme initech"; got != want {
		t.Errorf("%s: %s, want %s", p.Sorts()[3], got, want)
	}
	// A key of acme's is refused, as what it has left is reserved.
	full := quotaTrouble()
	full.Past.Quotas[2].Windows[0] = quotaWindowAt(quota.RequestsPerDay, "", 1000, 0.998)
	full.Trends.(quotaCurves)[past.WindowName("initech", "", quota.RequestsPerDay)] = quotaRising(0.998, 0.5)
	p = newQuotas(theme(), full)
	for i := range 2 {
		p.SetSort(i)
		if got, want := orgsShown(p), "acme initech globex umbrella"; got != want {
			t.Errorf("%s: %s, want %s", p.Sorts()[i], got, want)
		}
	}
}

// Rows of an organisation stay together in every order.
func TestQuotasSortKeepsFamilies(t *testing.T) {
	p := newQuotas(theme(), quotaMany())
	for i := range p.Sorts() {
		p.SetSort(i)
		org := ""
		for k := range p.shown {
			switch r := p.row(k); {
			case r.ref.Kind == RefOrg:
				org = r.ref.Name
			case r.ref.Name != org:
				t.Fatalf("%s: %v stands below %s", p.Sorts()[i], r.ref, org)
			}
		}
	}
}

func TestQuotasFilter(t *testing.T) {
	p := newQuotas(theme(), quotaTrouble())
	for filter, want := range map[string]int{"acme": 2, "k-etl": 1, "globex": 2, "month-end": 1, "ana": 1, "!acme": 4, "": 6, "ac k-": 1, "nobody": 0} {
		p.SetFilter(filter)
		if len(p.shown) != want {
			t.Errorf("/%s shows %d rows, want %d", filter, len(p.shown), want)
		}
	}
	p.SetFilter("k-etl")
	if _, note := p.Title(); note != "1 of 6 · /k-etl" {
		t.Errorf("the title says %q", note)
	}
	// Whose a key is must be seen without its organisation's row.
	if got := ansi.Strip(p.View(78, 10)); !strings.Contains(got, "acme/k-etl") {
		t.Errorf("shows\n%s", got)
	}
	p.SetFilter("nobody")
	if got := ansi.Strip(p.View(78, 20)); !strings.Contains(got, "none matches /nobody") {
		t.Errorf("shows\n%s", got)
	}
}

// What is selected stays on its line of the screen.
func TestQuotasStayUnderTheReader(t *testing.T) {
	d := quotaMany()
	p := newQuotas(theme(), d, "down", "pgdown", "down", "pgdown", "down", "down")
	if p.Select(Ref{Kind: RefOrg, Name: "nobody"}) {
		t.Error("selected what isn't there")
	}
	line := func() int {
		return slices.IndexFunc(strings.Split(ansi.Strip(p.View(78, 20)), "\n"), func(l string) bool { return strings.HasPrefix(l, "▸") })
	}
	was, at := p.Selected(), line()
	if at < 1 || was.Name == "" {
		t.Fatalf("%v is selected in line %d", was, at)
	}
	for i := range d.Past.Quotas { // the last become the first
		for j := range d.Past.Quotas[i].Windows {
			w := &d.Past.Quotas[i].Windows[j]
			w.Used = (w.Limit - w.Used) / 2
		}
	}
	next := *d.Past
	next.QuotasAt = next.QuotasAt.Add(5 * time.Second)
	d.Past = &next
	p.Update(d)
	if p.Selected() != was || line() != at {
		t.Errorf("%v is selected in line %d, was %v in %d", p.Selected(), line(), was, at)
	}
}

func TestQuotasDescribe(t *testing.T) {
	d := quotaTrouble()
	d.Gateway.Books.Shared = true
	p := newQuotas(theme(), d)
	if title, facts := p.Describe(); title != "" || facts != nil {
		t.Errorf("%q, %v of nothing", title, facts)
	}
	for _, tt := range []struct {
		ref    Ref
		title  string
		has    []string
		hasNot string
	}{
		{Ref{Kind: RefOrg, Name: "acme"}, "quotas of acme", []string{"tokens/day: 9,124,400 of 10,000,000 used, 91.2 %", "42,160 reserved", "833,440 left", "600k/h of late", "runs out 04:40 UTC, in 87 min",
			"2026-11-23 00:00:00 UTC, in 20 h", "top keys now: etl-nightly: 169 tok/s, 67%", "keys with limits: k-etl", "counted: at all gateways", "read: 2026-11-22 03:12:42 UTC, 2 s ago"}, "grants"},
		{Ref{Kind: RefKey, Name: "acme", ID: "k-etl"}, "key k-etl of acme", []string{"tokens/day: 7,968,800 of 8,000,000", "spent until Mon 00:00 UTC", "org tokens/day: 9,124,400"}, "grants"},
		{Ref{Kind: RefGrant, Name: "globex", ID: "g7"}, "grant g7", []string{"organisation: globex", "amount: +2,500,000 tokens/day", "made: 2026-11-22 02:41:44 UTC, 31 min ago", "until: 2026-11-22 06:00:00 UTC, in 2 h", "by: ana", "reason: month-end run", "tokens/day: 10,125,000 of 12,500,000"}, "g6"},
		{Ref{Kind: RefOrg, Name: "umbrella"}, "quotas of umbrella", []string{"tokens/day: 1,204,211 used, no limit"}, "left"},
	} {
		if !p.Select(tt.ref) || p.Selected() != tt.ref {
			t.Fatalf("can't select %v", tt.ref)
		}
		title, facts := p.Describe()
		var all strings.Builder
		for _, f := range facts {
			all.WriteString(f.Label + ": " + f.Text + "\n")
		}
		if title != tt.title {
			t.Errorf("title %q, want %q", title, tt.title)
		}
		for _, want := range tt.has {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: no %q in\n%s", title, want, all.String())
			}
		}
		if strings.Contains(all.String(), tt.hasNot) {
			t.Errorf("%s: there is %q in\n%s", title, tt.hasNot, all.String())
		}
	}
}

// Left and right choose the window of the burn-down, which is the one that a grant
// would be for.
func TestQuotasTurnToOtherWindows(t *testing.T) {
	p := newQuotas(theme(), quotaTrouble(), "down")
	for _, step := range []struct{ key, want string }{
		{"right", quota.RequestsPerDay}, {"right", quota.TokensPerMonth}, {"right", quota.TokensPerDay},
		{"left", quota.TokensPerMonth}, {"left", quota.RequestsPerDay}, {"down", quota.TokensPerDay},
	} {
		p.Update(press(step.key))
		if got := p.Window(); got != step.want {
			t.Errorf("after %s it is %s, want %s", step.key, got, step.want)
		}
	}
	d := quotaTrouble()
	d.Past.Grants[0].Window = quota.RequestsPerDay
	p = newQuotas(theme(), d)
	p.Select(Ref{Kind: RefGrant, Name: "globex", ID: "g7"})
	if got := p.Window(); got != quota.RequestsPerDay {
		t.Errorf("%s of a grant, want that which it adds to", got)
	}
	p.Select(Ref{Kind: RefOrg, Name: "umbrella"})
	if got := p.Window(); got != "" {
		t.Errorf("%s of one without limits", got)
	}
	p = newQuotas(theme(), quotaCalm())
	if got := p.Window(); got != quota.TokensPerMonth {
		t.Errorf("%s is first, want the tightest", got)
	}
}

// What runs out first is tighter than what is fuller, and what is spent than both.
func TestQuotasTightest(t *testing.T) {
	windows := []quotaWindow{
		{name: "fullest, but lasts", used: 95, limit: 100},
		{name: "fuller", used: 85, limit: 100, out: quotaNight.Add(3 * time.Hour)},
		{name: "unlimited", used: 1e9},
		{name: "sooner", used: 60, limit: 100, out: quotaNight.Add(time.Hour)},
		{name: "spent", used: 90, reserved: 10, limit: 100},
	}
	for _, want := range []string{"spent", "sooner", "fuller", "fullest, but lasts", ""} {
		r := quotaRow{windows: windows}
		got := ""
		if i := r.tightest(); i >= 0 {
			got = windows[i].name
			windows = slices.Delete(windows, i, i+1)
		}
		if got != want {
			t.Errorf("%q is the tightest, want %q", got, want)
		}
	}
}

// Nothing known is not nothing used, and not for ever.
func TestQuotasUnknownIsNoZero(t *testing.T) {
	d := quotaCalm()
	d.Trends, d.Gateway = nil, nil
	got := strings.Split(ansi.Strip(newQuotas(theme(), d).View(78, 20)), "\n")
	if strings.Contains(got[1], "lasts") || strings.Contains(got[1], "0.0") || strings.Count(got[1], "–") != 2 {
		t.Errorf("%q", got[1])
	}
}

// A tick without news makes no rows anew, as there may be thousands.
func TestQuotasBuildOnlyOnNews(t *testing.T) {
	d := quotaMany()
	p := newQuotas(theme(), d)
	first := &p.all[0].windows[0]
	d.Now = d.Now.Add(time.Second)
	same := *d.Past
	d.Past = &same
	p.Update(d)
	if &p.all[0].windows[0] != first {
		t.Error("rows were made anew without news")
	}
	for name, change := range map[string]func(){
		"quotas read again": func() { same.QuotasAt = same.QuotasAt.Add(time.Second) },
		"a grant":           func() { same.Grants = append(slices.Clone(same.Grants), ledger.Grant{ID: "g8"}) },
		"its age":           func() { d.Now = d.Now.Add(paceAge) },
		"stepped back":      func() { d.Now = d.Now.Add(-time.Minute) },
		"other quotas":      func() { same.Quotas = slices.Clone(same.Quotas) },
	} {
		first = &p.all[0].windows[0]
		change()
		p.Update(d)
		if &p.all[0].windows[0] == first {
			t.Errorf("%s: rows stayed", name)
		}
	}
}

func TestQuotasRows(t *testing.T) {
	for name, d := range map[string]Data{"calm": quotaCalm(), "many": quotaMany(), "none": {Now: quotaNight}} {
		p := newQuotas(theme(), d)
		least, full := p.Rows(52)
		if want := map[string][2]int{"calm": {3, 12}, "many": {3, 12}, "none": {1, 1}}[name]; want != [2]int{least, full} {
			t.Errorf("%s: %d, %d, want %v", name, least, full, want)
		}
	}
}

func BenchmarkQuotas(b *testing.B) {
	for name, d := range map[string]Data{"trouble": quotaTrouble(), "many": quotaMany()} {
		for size, s := range map[string][2]int{"118x36": {118, 36}, "198x56": {198, 56}, "52x11": {52, 11}} {
			b.Run(name+"/"+size, func(b *testing.B) {
				p := NewQuotas(theme(), NewScrolling())
				p.Update(d)
				b.ReportAllocs()
				for i := range b.N { // a tick a second; quotas are read every ten
					d.Now = quotaNight.Add(time.Duration(i%10) * time.Second)
					p.Update(d)
					p.View(s[0], s[1])
				}
			})
		}
	}
}
