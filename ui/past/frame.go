package past

import (
	"reflect"
	"slices"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
	"pilothouse/gateway/ledger"
	"pilothouse/gpu"
)

// How far back frames go, and how many requests they have of each kind, those in
// flight and those that ended.
const (
	fineFor      = 15 * time.Minute // a frame a second
	coarseEvery  = 10 * time.Second
	coarseFor    = 24 * time.Hour
	fineRecords  = 50
	plainRecords = 10

	fineBooksEvery = 10 * time.Second
	booksEvery     = time.Minute
)

// frame is what was published of a moment, without what is kept elsewhere.
type frame struct {
	Gateway *gateway.Snapshot
	Pool    *backends.Snapshot
	GPUs    *gpu.Snapshot
}

// account is what the books said at a moment.
type account struct {
	At     time.Time
	Quotas []gateway.OrgQuotas
	Grants []ledger.Grant
}

// elsewhere is what frames leave out: series have it.
var elsewhere = map[reflect.Type][]string{
	reflect.TypeFor[gateway.Snapshot](): {"History"},
	reflect.TypeFor[gpu.Snapshot]():     {"Events"},
	reflect.TypeFor[gpu.GPU]():          {"History", "Long", "LongAt"},
}

// frames is what there was, moment by moment, within a budget of bytes.
type frames struct {
	budget             int
	fine, coarse       *track[frame]
	fineBooks, account *track[account]
}

func newFrames(budget int) *frames {
	return &frames{
		budget: budget,
		fine:   newTrack[frame](tickEvery, fineFor, elsewhere), coarse: newTrack[frame](coarseEvery, coarseFor, elsewhere),
		fineBooks: newTrack[account](fineBooksEvery, fineFor, nil), account: newTrack[account](booksEvery, coarseFor, nil),
	}
}

// add keeps how everything is.
func (f *frames) add(now time.Time, l look) {
	if f.fine.due(now) {
		f.fine.add(now, l.frame(fineRecords))
	}
	if f.coarse.due(now) {
		f.coarse.add(now, l.frame(plainRecords))
	}
	if l.books != nil && !l.books.at.IsZero() {
		a := &account{l.books.at, l.books.quotas, l.books.grants}
		if f.fineBooks.due(now) {
			f.fineBooks.add(now, a)
		}
		if f.account.due(now) {
			f.account.add(now, a)
		}
	}
	for f.bytes() > f.budget && f.dropOldest() {
	}
}

func (f *frames) bytes() int {
	return f.fine.size() + f.coarse.size() + f.fineBooks.size() + f.account.size()
}

// dropOldest forgets the oldest of what there is, and tells whether there was
// anything.
func (f *frames) dropOldest() bool {
	oldest, drop := time.Time{}, func() {}
	consider := func(at time.Time, ok bool, d func()) {
		if ok && (oldest.IsZero() || at.Before(oldest)) {
			oldest, drop = at, d
		}
	}
	at, ok := f.coarse.oldest()
	consider(at, ok, f.coarse.dropFirst)
	at, ok = f.account.oldest()
	consider(at, ok, f.account.dropFirst)
	at, ok = f.fine.oldest()
	consider(at, ok, f.fine.dropFirst)
	at, ok = f.fineBooks.oldest()
	consider(at, ok, f.fineBooks.dropFirst)
	drop()
	return !oldest.IsZero()
}

// oldest is the first moment that there is a frame of; zero: there is none.
func (f *frames) oldest() time.Time {
	fine, _ := f.fine.oldest()
	coarse, ok := f.coarse.oldest()
	if !ok || !fine.IsZero() && fine.Before(coarse) {
		return fine
	}
	return coarse
}

// at is the newest frame that is not of a later moment.
func (f *frames) at(when time.Time) (*frame, time.Time, bool) {
	return newest(f.fine, f.coarse, when)
}

// books are what they said last.
func (f *frames) books(when time.Time) *account {
	a, _, ok := newest(f.fineBooks, f.account, when)
	if !ok {
		return &account{}
	}
	return a
}

func newest[T any](fine, coarse *track[T], when time.Time) (*T, time.Time, bool) {
	v, at, ok := fine.at(when)
	if ok {
		return v, at, ok
	}
	return coarse.at(when)
}

// look is all that is there at one moment. Each may be nil.
type look struct {
	gateway *gateway.Snapshot
	pool    *backends.Snapshot
	gpus    *gpu.Snapshot
	books   *books
}

// frame is the look as it is kept, with so many requests.
func (l look) frame(records int) *frame {
	f := &frame{GPUs: l.gpus}
	if l.gateway != nil {
		g := *l.gateway
		g.History = nil
		g.Live, g.Recent = g.Live[:min(records, len(g.Live))], g.Recent[:min(records, len(g.Recent))]
		f.Gateway = &g
	}
	if l.pool != nil {
		p := *l.pool
		p.Jobs = slices.DeleteFunc(slices.Clone(p.Jobs), func(j backends.Job) bool { return j.State != backends.Running })
		f.Pool = &p
	}
	return f
}

// At is how the platform was at a moment: the newest frame that is not of a later
// one. There is one of each second for 15 minutes, with at most 50 requests in
// flight and as many that ended, and one of each ten seconds for 24 hours, with at
// most 10; fewer, where the budget of bytes does not suffice. What the books said
// is up to ten seconds, or a minute, older. Histories end at the moment; those of
// GPUs, further back than the last 15 minutes, are means of ten seconds. False:
// nothing is known of that time.
func (r *Recorder) At(t time.Time) (Moment, bool) {
	now := r.Snapshot()
	f, at, ok := r.frames.at(t)
	if !ok || now == nil {
		return Moment{}, false
	}
	m := Moment{At: at}
	if f.Gateway != nil {
		g := *f.Gateway
		g.History = r.points.history(g.At)
		m.Gateway = &g
	}
	if f.Pool != nil {
		p := *f.Pool
		p.Jobs = r.ended(p.Jobs, at)
		m.Pool = &p
	}
	if f.GPUs != nil {
		u := *f.GPUs
		u.GPUs = slices.Clone(u.GPUs)
		for i := range u.GPUs {
			r.devices.fill(&u.GPUs[i], u.At)
		}
		if latest := r.latest.Load(); latest != nil && latest.gpus != nil {
			u.Events = happened(latest.gpus.Events, at)
		}
		m.GPUs = &u
	}
	m.Past = r.past(now, at)
	return m, true
}

// ended adds to jobs that were under way those that had ended: what is over does
// not change.
func (r *Recorder) ended(running []backends.Job, at time.Time) []backends.Job {
	all := slices.Clone(running)
	latest := r.latest.Load()
	if latest == nil || latest.pool == nil {
		return all
	}
	for _, j := range latest.pool.Jobs {
		if j.State != backends.Running && !j.Ended.IsZero() && !j.Ended.After(at) {
			all = append(all, j)
		}
	}
	return all
}

// past is the part of a snapshot that is not of a later moment.
func (r *Recorder) past(now *Snapshot, at time.Time) *Snapshot {
	a := r.frames.books(at)
	p := &Snapshot{At: at, Quotas: a.Quotas, QuotasAt: a.At, Grants: a.Grants, Oldest: now.Oldest}
	i := slices.IndexFunc(now.Events, func(e Event) bool { return !e.At.After(at) })
	if i >= 0 {
		p.Events = now.Events[i:]
	}
	if i = slices.IndexFunc(now.Audit, func(e ledger.Event) bool { return !e.At.After(at) }); i >= 0 {
		p.Audit = now.Audit[i:]
	}
	return p
}
