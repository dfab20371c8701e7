package pane

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"pilothouse/backends"
	"pilothouse/ui/past"
	"pilothouse/ui/widget"
)

// Logs shows the log of a container, the gateway's own, or what happened and who
// did what.
//
// It reads nothing itself: Query says what it wants to be told, and LogBatch tells
// it. It keeps the newest line at the bottom until a key moves in it; from then on
// what is read stays where it is while lines come, and the title tells how many
// those are. In a rewound dashboard it shows the log up to that moment.
//
// As a List it has one order, and its filter is a regular expression.
type Logs struct {
	pic  picture
	keys Scrolling
	own  LogKeys

	pool    *backends.Snapshot
	past    *past.Snapshot
	pastAt  pastMark // of the lines that were made of it
	now     time.Time
	rewound bool

	sources []logSource
	source  logSource
	part    int  // of the log, into logRanges
	touched bool // the user has looked: the source is theirs to change

	query    LogQuery
	back     bool // it is for a moment in the past,
	backAt   time.Time
	answered bool
	done     bool
	err      string
	retry    time.Time
	lost     int // lines that came too fast

	buf     logBuffer
	filter  logFilter
	hits    logHits
	context bool // all lines are shown, whether they match or not

	sel    uint64 // the selected line; 0: none, the newest, or the first, is followed
	row    int    // of the screen that it is on
	seen   uint64 // lines from here on are new since one was selected
	pan    int    // cells that are left out at the left
	wrap   bool
	stamps bool
	focus  bool

	w, h          int // of the last view
	linesH, textW int // of what it had for lines
	placed        []placedLine
}

var _ List = (*Logs)(nil)

// NewLogs makes the pane.
func NewLogs(t *widget.Theme, keys Scrolling) *Logs {
	p := &Logs{pic: picture{theme: t}, keys: keys, own: newLogKeys(), stamps: true}
	p.buf.next = 1 // no line has the number 0
	p.seen = 1
	p.hits.reset(&p.buf)
	return p
}

// SetFocus implements Pane.
func (p *Logs) SetFocus(on bool) {
	if p.focus != on {
		p.pic.drop()
	}
	p.focus = on
	p.touched = p.touched || on
}

// Update implements Pane. Besides what all panes take it takes a LogBatch.
func (p *Logs) Update(msg tea.Msg) {
	if p.pic.themed(msg) {
		return
	}
	switch msg := msg.(type) {
	case Data:
		p.takeData(&msg)
	case LogBatch:
		p.takeBatch(&msg)
	case tea.KeyPressMsg:
		p.press(msg)
	}
	p.look()
}

// takeData takes a tick in.
func (p *Logs) takeData(d *Data) {
	returned := p.rewound && !d.Rewound
	moved := p.rewound != d.Rewound || d.Rewound && !d.Now.Equal(p.now)
	days := p.days(d.Now) != p.days(p.now)
	p.now, p.rewound, p.pool, p.past = d.Now, d.Rewound, d.Pool, d.Past
	p.takeSources(d.Pool)
	if p.source.kind == LogPast {
		p.takePast(false)
	}
	switch {
	case d.Rewound:
		p.askBack()
	case returned && p.back:
		p.ask()
	}
	if moved || days || p.err != "" && !p.retry.IsZero() {
		p.pic.drop()
	}
}

// takeBatch takes lines in.
func (p *Logs) takeBatch(b *LogBatch) {
	if b.Generation != p.query.Generation || p.query.Kind == LogPast {
		return
	}
	if !p.answered || p.done != b.Done || p.err != b.Err || !p.retry.Equal(b.Retry) || b.Dropped > 0 || len(b.Lines) > 0 {
		p.pic.drop()
	}
	p.answered, p.done, p.err, p.retry = true, b.Done, b.Err, b.Retry
	from := p.buf.next
	if b.Dropped > 0 {
		p.lost += b.Dropped
		p.buf.add(lostEntry(b.Dropped))
	}
	for _, l := range b.Lines {
		p.buf.add(newLogEntry(l))
	}
	if p.filter.re != nil {
		p.hits.added(&p.buf, &p.filter, from)
	}
	if p.sel == 0 {
		p.seen = p.buf.next
	}
}

// lostEntry stands for lines that were lost.
func lostEntry(n int) logEntry {
	what := " lines are missing here: they came faster than they could be shown"
	if n == 1 {
		what = " line is missing here: it came faster than it could be shown"
	}
	return logEntry{raw: widget.Count(uint64(n)) + what, grade: widget.Warn, lost: true}
}

// look goes on with a search that isn't through.
func (p *Logs) look() {
	if p.filter.re != nil && !p.hits.done(&p.buf) {
		p.hits.search(&p.buf, &p.filter)
		p.pic.drop()
	}
}

// Filter implements List.
func (p *Logs) Filter() string { return p.filter.text }

// SetFilter implements List: a regular expression, in either case unless it has a
// hasCapital letter. A bad one filters nothing, and the title says what is wrong.
func (p *Logs) SetFilter(s string) {
	if s == p.filter.text {
		return
	}
	p.filter = newLogFilter(s)
	p.hits.reset(&p.buf)
	p.context = p.context && p.filter.re != nil
	p.look()
	p.pic.drop()
}

// Sort, SetSort and Sorts implement List: lines are in the order of time.
func (p *Logs) Sort() int       { return 0 }
func (p *Logs) SetSort(int)     {}
func (p *Logs) Sorts() []string { return []string{"time"} }

// Selected implements List. A line's Name is its number.
func (p *Logs) Selected() Ref {
	if p.sel == 0 || p.count() == 0 {
		return Ref{}
	}
	return p.ref(p.line(p.find(p.sel)))
}

func (p *Logs) ref(e *logEntry) Ref {
	if p.source.kind == LogPast {
		return Ref{Kind: RefEvent, ID: e.at.UTC().Format(time.RFC3339Nano), Name: strconv.FormatUint(e.seq, 10)}
	}
	return Ref{Kind: RefLog, ID: p.source.name, Name: strconv.FormatUint(e.seq, 10)}
}

// Select implements List.
func (p *Logs) Select(to Ref) bool {
	seq, err := strconv.ParseUint(to.Name, 10, 64)
	if err != nil || p.count() == 0 {
		return false
	}
	i := p.find(seq)
	if p.ref(p.line(i)) != to {
		return false
	}
	p.choose(i)
	p.pic.drop()
	return true
}

// Title implements Pane.
func (p *Logs) Title() (name, note string) {
	dot := " " + p.pic.theme.Dot + " "
	if p.source.kind == "" {
		return "logs", ""
	}
	name = "logs" + dot + p.source.title()
	return name, strings.Join(p.notes(), dot)
}

// notes are the parts of the title's note.
func (p *Logs) notes() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	f := &p.filter
	if f.err != "" {
		add("no filter: %s", f.err)
	}
	if news := p.buf.next - p.seen; p.sel != 0 && news > 0 && !p.rewound {
		add("+%s new", widget.Count(news))
	}
	lines := widget.Count(uint64(len(p.buf.all)))
	switch n := p.count(); {
	case !p.answered: // not 0 lines: nobody knows how many
	case f.re != nil:
		more := ""
		if !p.hits.done(&p.buf) {
			more = "+" // it is still being searched
		}
		add("%s%s of %s", widget.Count(uint64(len(p.hits.seqs))), more, lines)
		add("/%s", frontBytes(f.text, 24))
	case p.sel != 0 && n > 0:
		add("%s of %s", widget.Count(uint64(p.find(p.sel)+1)), lines)
	default:
		add("%s", plainCount(len(p.buf.all), "line"))
	}
	if p.buf.gone > 0 {
		add("older let go")
	}
	switch {
	case p.rewound && p.source.kind != LogPast:
		add("until %s", p.now.UTC().Format(time.TimeOnly))
	case p.sel == 0 && p.query.Follow && p.err == "" && p.answered:
		add("following")
	}
	return notes
}
