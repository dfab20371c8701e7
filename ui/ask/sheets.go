package ask

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"pilothouse/ui/query"
)

// Options are what sheets are made with.
type Options struct {
	// Dir is where each operator's work is kept, in a file of theirs alone; it is
	// made if need be. "": it is kept in memory.
	Dir     string
	Sources []query.Source // the first is the one to begin with
	// Models are those that may be asked, as they are now; see [Choose]. nil: none.
	Models  func() []Model
	Suggest map[string][]string // questions to begin with, by source
	Bounds  query.Bounds        // of each run
	Now     func() time.Time    // nil: time.Now
}

// Sheets are those of all operators.
type Sheets struct {
	o     Options
	group sync.WaitGroup
	ctx   context.Context
	stop  context.CancelFunc

	mu     sync.Mutex
	all    map[string]*Sheet // by operator
	recent []*Sheet          // that may hold rows: whose operator came or ran something last, first
	closed bool
}

// New makes sheets; nobody has one yet. They don't close the sources.
func New(o Options) *Sheets {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Models == nil {
		o.Models = func() []Model { return nil }
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Sheets{o: o, ctx: ctx, stop: stop, all: make(map[string]*Sheet)}
}

// holding is how many operators' results are held: of those who came or ran something
// last.
const holding = 16

// Enter is the sheet of an operator who has come, the same each time. What they ask
// goes through models from now on, and what they query is told to note, both of which
// act in their name; nil notes nothing. Their file is read the first time. After
// Close a sheet does nothing.
func (s *Sheets) Enter(operator string, models Models, note func(ctx context.Context, action, object, detail string)) *Sheet {
	s.mu.Lock()
	defer s.mu.Unlock()
	sheet := s.all[operator]
	if sheet == nil {
		sheet = newSheet(s, operator)
		s.all[operator] = sheet
		if !s.closed {
			s.group.Go(sheet.keep)
		}
	}
	s.front(sheet)
	sheet.enter(models, note)
	return sheet
}

// front puts a sheet before all others, and lets the rows of one go where too many
// are held; mu is held.
func (s *Sheets) front(sheet *Sheet) {
	s.recent = slices.Insert(slices.DeleteFunc(s.recent, func(x *Sheet) bool { return x == sheet }), 0, sheet)
	if len(s.recent) > holding {
		s.recent[holding].drop()
		s.recent = slices.Delete(s.recent, holding, len(s.recent))
	}
}

// used is front, of a sheet on which something is run.
func (s *Sheets) used(sheet *Sheet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.front(sheet)
}

// Close ends what is under way, keeps what is to be kept, and returns when all of
// that is done. It may be called again. The error is that of files that could not be
// written.
func (s *Sheets) Close() error {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Values(s.all))
	s.mu.Unlock()
	for _, sheet := range all {
		sheet.shut()
	}
	s.stop()
	s.group.Wait()
	var errs []error
	for _, sheet := range all {
		errs = append(errs, sheet.kept())
	}
	return errors.Join(errs...)
}

func (s *Sheets) source(name string) query.Source {
	for _, x := range s.o.Sources {
		if x.Name() == name {
			return x
		}
	}
	return nil
}
