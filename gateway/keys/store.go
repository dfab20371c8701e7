package keys

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a [Store] needs from outside.
type Options struct {
	Log   *slog.Logger     // what Run notices; nil: nowhere
	Clock func() time.Time // decides what has expired; nil: time.Now
}

// Store holds the organisations and keys in force. All methods may be used by
// any number of goroutines at once.
type Store struct {
	path  string
	log   *slog.Logger
	clock func() time.Time
	live  atomic.Pointer[live]

	reload sync.Mutex // one at a time
	seen   stamp      // of the file when it was last read, well or not
}

// live is what one reading of the file has put in force. It is immutable.
type live struct {
	orgs  []*Org
	index map[uint64][]*Key // by the first 8 bytes of their hashes
}

// Open reads a keys file. It starts nothing: to notice changes, Run must run.
// What is wrong with the file is a *[FileError]; if it is not there, that wraps
// fs.ErrNotExist.
func Open(path string, opt Options) (*Store, error) {
	s := &Store{path: path, log: opt.Log, clock: opt.Clock}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.live.Store(new(live))
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Lookup returns the key that a client presented, ErrUnknown or ErrExpired. It
// keeps nothing of what was presented and allocates nothing.
func (s *Store) Lookup(presented []byte) (*Key, error) {
	hash := hashOf(presented)
	for _, k := range s.live.Load().index[hash.head()] {
		if subtle.ConstantTimeCompare(k.hash[:], hash[:]) == 1 {
			if k.Expired(s.clock()) {
				return nil, ErrExpired
			}
			return k, nil
		}
	}
	return nil, ErrUnknown
}

// Orgs returns the organisations in the order of the file. The slice must not
// be changed.
func (s *Store) Orgs() []*Org { return s.live.Load().orgs }

// Change is what a reload has changed.
type Change struct {
	Orgs, Keys              int      // how many there are now
	Added, Removed, Changed []string // the ids of keys
}

// Reload reads the file again, now. If there is an error, which is a
// *[FileError], everything stays in force that was.
func (s *Store) Reload() (Change, error) {
	s.reload.Lock()
	defer s.reload.Unlock()
	f, err := read(s.path)
	s.seen = f.stamp
	if err != nil {
		return Change{}, err
	}
	now := newLive(f.orgs)
	before := s.live.Swap(now)
	return before.change(now), nil
}

// pollInterval is how often Run looks at the file. A change is taken when two
// looks have found it alike, so that a file is not read while an editor is still
// writing it.
const pollInterval = 500 * time.Millisecond

// Run reloads the file when it changes, until ctx ends; then it returns nil. What
// came of it goes to the log.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var last stamp
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := stampOf(s.path)
		if now == last && s.changed(now) {
			s.logReload()
		}
		last = now
	}
}

func (s *Store) changed(now stamp) bool {
	s.reload.Lock()
	defer s.reload.Unlock()
	return now != s.seen
}

// The attributes of what Run logs.
const (
	attrFile    = "file"
	attrError   = "error"
	attrOrgs    = "orgs"
	attrKeys    = "keys"
	attrAdded   = "added"
	attrRemoved = "removed"
	attrChanged = "changed"
)

func (s *Store) logReload() {
	c, err := s.Reload()
	if err != nil {
		s.log.Error("keys file not taken, the keys before it stay in force", attrFile, s.path, attrError, err)
		return
	}
	s.log.Info("keys reloaded", attrFile, s.path, attrOrgs, c.Orgs, attrKeys, c.Keys,
		attrAdded, c.Added, attrRemoved, c.Removed, attrChanged, c.Changed)
}

func newLive(orgs []*Org) *live {
	l := &live{orgs: orgs, index: make(map[uint64][]*Key)}
	for k := range all(orgs) {
		head := k.hash.head()
		l.index[head] = append(l.index[head], k)
	}
	return l
}

// head is what the index goes by.
func (h *digest) head() uint64 { return binary.LittleEndian.Uint64(h[:8]) }

// change compares two readings.
func (l *live) change(now *live) Change {
	c := Change{Orgs: len(now.orgs)}
	before := prints(l.orgs)
	for k := range all(now.orgs) {
		c.Keys++
		switch was, ok := before[k.ID]; {
		case !ok:
			c.Added = append(c.Added, k.ID)
		case was != k.print():
			c.Changed = append(c.Changed, k.ID)
		}
		delete(before, k.ID)
	}
	for k := range all(l.orgs) {
		if _, gone := before[k.ID]; gone {
			c.Removed = append(c.Removed, k.ID)
		}
	}
	slices.Sort(c.Removed)
	return c
}
