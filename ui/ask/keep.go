package ask

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// keptSheet is what of a sheet outlives the process: a file's content.
type keptSheet struct {
	Operator string
	Source   string
	Question string
	SQL      string
	History  []Entry
	Saved    []Saved
}

// What a file is written after, so that not each letter typed is, and how long it
// may be, in bytes: more than bounded texts come to when each is escaped.
const (
	keepingPace = 500 * time.Millisecond
	maxFile     = 8 << 20
)

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// fileOf is the name of an operator's file. Names of people become that of a file
// as they are, all others by their sum, which has a mark in front that no name has.
func fileOf(operator string) string {
	if plainName.MatchString(operator) {
		return operator + ".json"
	}
	sum := sha256.Sum256([]byte(operator))
	return "_" + hex.EncodeToString(sum[:16]) + ".json"
}

// newSheet makes a sheet, with what was kept of the operator's last.
func newSheet(of *Sheets, operator string) *Sheet {
	s := &Sheet{of: of, operator: operator, now: of.o.Now, dirty: make(chan struct{}, 1), closed: of.closed}
	for _, x := range of.o.Sources {
		s.is.Sources = append(s.is.Sources, x.Name())
	}
	k, err := load(of.o.Dir, operator)
	src := of.source(k.Source)
	if src == nil && len(of.o.Sources) > 0 {
		src = of.o.Sources[0]
	}
	if src != nil {
		s.is.Source, s.is.Kind, s.is.Suggested = src.Name(), src.Kind(), of.o.Suggest[src.Name()]
	}
	s.is.Question, s.is.SQL, s.is.History, s.is.Saved, s.is.Err = k.Question, k.SQL, k.History, k.Saved, err
	s.publish()
	return s
}

// load reads an operator's file. One that can't be read is set aside, so that it is
// not written over, and the error says where.
func load(dir, operator string) (k keptSheet, err error) {
	if dir == "" {
		return k, nil
	}
	path := filepath.Join(dir, fileOf(operator))
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err == nil && k.Operator != operator {
		err = errors.New("it is another operator's")
	}
	if err != nil {
		aside := path + ".broken"
		if moved := os.Rename(path, aside); moved != nil {
			return keptSheet{}, fmt.Errorf("read questions and queries kept in %q: %w", path, errors.Join(err, moved))
		}
		return keptSheet{}, fmt.Errorf("read questions and queries kept in %q: %w; it is set aside as %q", path, err, aside)
	}
	k.Question, k.SQL = clip(k.Question, maxQuestion), clip(k.SQL, maxSQL)
	k.History, k.Saved = k.History[:min(len(k.History), maxHistory)], k.Saved[:min(len(k.Saved), maxSaved)]
	slices.SortFunc(k.Saved, bySaved)
	return k, nil
}

// read reads a file that is not longer than it may be.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it is longer than %d MiB", maxFile>>20)
	}
	return text, errors.Join(err, f.Close())
}

// keep writes the file some time after a change, until the sheets are closed; what is
// to be written then, kept writes.
func (s *Sheet) keep() {
	done := s.of.ctx.Done()
	for {
		select {
		case <-s.dirty:
		case <-done:
			return
		}
		select {
		case <-time.After(keepingPace):
			s.save()
		case <-done:
			s.keeping()
			return
		}
	}
}

// save writes the file. Err tells of the first time in a row that it can't be.
func (s *Sheet) save() {
	if s.of.o.Dir == "" {
		return
	}
	is := s.Snapshot()
	text, err := json.Marshal(keptSheet{s.operator, is.Source, is.Question, is.SQL, is.History, is.Saved})
	if err == nil {
		err = replace(filepath.Join(s.of.o.Dir, fileOf(s.operator)), text)
	}
	if err != nil {
		err = fmt.Errorf("keep questions and queries: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.written == nil {
		s.is.Err = err
		s.publish()
	}
	s.written = err
}

// kept writes what has not been yet, once nothing is under way any more, and returns
// why the file could not be.
func (s *Sheet) kept() error {
	select {
	case <-s.dirty:
		s.save()
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// replace writes a file that nobody else may read, so that it holds what it did or
// the text, whenever the process, or the machine, ends.
func replace(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	fresh := file + "~"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}
