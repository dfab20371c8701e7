package pane

import (
	"fmt"
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Quotas shows what organisations and their keys have used of their windows,
// and when they will run out.
//
// Where there is room it lists them, a line each with a bar for each window, and
// the grants in force below; under or beside the list stands the burn-down of
// what is selected, or else of the first. In a small box it shows the fullest
// windows alone, until a key moves in it.
type Quotas struct {
	rows[quotaRow]
	pic    picture
	focus  bool
	other  key.Binding // chooses the window of the burn-down
	past   *past.Snapshot
	trends past.Trends
	now    time.Time
	built  quotaSource // what the rows were made of
	orgs   int
	fleet  string // what is wrong with the fleet's store; "": nothing
	shared bool   // windows are those of a fleet
	wide   bool   // some organisation has a limit on requests per month
	users  quotaUsers
	turned int // windows that the burn-down is away from the tightest
}

// NewQuotas makes the pane.
func NewQuotas(t *widget.Theme, keys Scrolling) *Quotas {
	both := append(slices.Clone(keys.Left.Keys()), keys.Right.Keys()...)
	return &Quotas{
		pic:   picture{theme: t},
		other: key.NewBinding(key.WithKeys(both...), key.WithHelp("left/right", "other window")),
		rows: rows[quotaRow]{
			keys:   keys,
			id:     func(r *quotaRow) Ref { return r.ref },
			text:   (*quotaRow).filtered,
			orders: quotaOrders[:],
		},
	}
}

// Title implements Pane.
func (p *Quotas) Title() (name, note string) {
	dot := " " + p.pic.theme.Dot + " "
	switch note = listedNote(&p.rows, dot); {
	case p.past == nil || p.past.QuotasAt.IsZero():
		return "quotas", "not read yet"
	case note != "":
	case p.orgs == 1:
		note = "1 org"
	default:
		note = fmt.Sprintf("%d orgs", p.orgs)
	}
	if p.shared {
		note = "all gateways" + dot + note
	}
	if p.stale() {
		note = widget.Age(p.age()) + " old" + dot + note
	}
	return "quotas", note
}

// listedNote tells what of a list is shown, and how it is sorted, if that is not
// all of it in its usual order.
func listedNote[T any](r *rows[T], dot string) string {
	var note string
	switch {
	case !r.following():
		note = fmt.Sprintf("%d of %d", r.index+1, len(r.shown))
	case r.filter != "":
		note = fmt.Sprintf("%d of %d", len(r.shown), len(r.all))
	}
	if r.filter != "" {
		note += dot + "/" + r.filter
	}
	if r.sort != 0 {
		if note != "" {
			note += dot
		}
		note += r.orders[r.sort].name
	}
	return note
}

// quotasOld is the age from which on quotas, which are read every few seconds,
// are said to be old.
const quotasOld = 30 * time.Second

func (p *Quotas) age() time.Duration { return p.now.Sub(p.past.QuotasAt) }
func (p *Quotas) stale() bool        { return p.age() >= quotasOld }

// tone is a style as the age of the data has it.
func (p *Quotas) tone(st widget.Style) widget.Style {
	if p.stale() {
		return widget.Muted
	}
	return st
}

// Update implements Pane.
func (p *Quotas) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.see(&msg)
	case tea.KeyPressMsg:
		if p.press(msg) {
			p.turned = 0
			p.pic.drop()
			return
		}
		if key.Matches(msg, p.other) {
			if p.turned++; key.Matches(msg, p.keys.Left) {
				p.turned -= 2
			}
			p.pic.drop()
		}
	}
}

// see takes a tick's data in. Rows are made anew only when what they are made of
// has changed, or got old: there may be thousands of windows.
func (p *Quotas) see(d *Data) {
	p.pic.drop()
	p.past, p.trends, p.now = d.Past, d.Trends, d.Now
	p.fleet, p.shared = "", false
	if g := d.Gateway; g != nil {
		p.shared = g.Books.Shared
		if f := &g.Books.Fleet; p.shared && f.Err != "" {
			what := "requests that need it are refused"
			if f.Allowing {
				what = "this gateway counts for itself"
			}
			p.fleet = fmt.Sprintf("the quota store is away for %s, %s: %s", widget.Age(d.Now.Sub(f.Since)), what, f.Err)
		}
	}
	p.users.count(d.Gateway)
	if src := quotaSourceOf(d); src.differs(&p.built) {
		p.built = src
		p.build(d)
	}
}

// quotaSource tells whether rows have to be made anew.
type quotaSource struct {
	at        time.Time // of the quotas
	now       time.Time
	quota     *gateway.OrgQuotas // the first of them
	grant     *ledger.Grant
	n, grants int
	trends    bool
}

func quotaSourceOf(d *Data) quotaSource {
	s := quotaSource{now: d.Now, trends: d.Trends != nil}
	if d.Past == nil {
		return s
	}
	s.at, s.n, s.grants = d.Past.QuotasAt, len(d.Past.Quotas), len(d.Past.Grants)
	if s.n > 0 {
		s.quota = &d.Past.Quotas[0]
	}
	if s.grants > 0 {
		s.grant = &d.Past.Grants[0]
	}
	return s
}

// paceAge is how long a pace may stand before it is worked out again.
const paceAge = 10 * time.Second

func (s quotaSource) differs(from *quotaSource) bool {
	since := s.now.Sub(from.now)
	s.now = from.now
	return s != *from || since < 0 || since >= paceAge
}

// Keys implements Pane.
func (p *Quotas) Keys() []key.Binding {
	keys := append(p.keys.vertical(), p.other)
	if !p.following() {
		keys = append([]key.Binding{p.keys.Follow}, keys...)
	}
	return keys
}

// SetFocus implements Pane.
func (p *Quotas) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
}

// Select, SetFilter and SetSort implement List.

func (p *Quotas) Select(to Ref) bool {
	p.pic.drop()
	p.turned = 0
	return p.rows.Select(to)
}

func (p *Quotas) SetFilter(s string) {
	p.pic.drop()
	p.rows.SetFilter(s)
}

func (p *Quotas) SetSort(i int) {
	p.pic.drop()
	p.rows.SetSort(i)
}

// Window is the name of the window whose burn-down is drawn, for a grant, say;
// "": there is none.
func (p *Quotas) Window() string {
	if r := p.subject(); r != nil {
		if w := p.graphed(r); w != nil {
			return w.name
		}
	}
	return ""
}

// subject is the row that the details are of.
func (p *Quotas) subject() *quotaRow {
	if r := p.at(); r != nil {
		return r
	}
	if len(p.shown) > 0 {
		return p.row(0)
	}
	return nil
}
