package chat

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
	"slices"
	"strings"
	"unicode/utf8"
)

// store is an operator's folder. Its methods do input and output; one goroutine at a
// time uses it.
type store struct{ dir string }

const (
	fileVersion = 1
	historyFile = "history.json"
	talkPrefix  = "talk-"
	tempPrefix  = ".new-"
	asideSuffix = ".unreadable"
)

// file is a conversation in its file.
type file struct {
	Version int `json:"version"`
	*Conversation
}

type historyOf struct {
	Version int      `json:"version"`
	History []string `json:"history"`
}

// newStore gives the folder of an operator. Names may be anything: what is no letter
// or digit becomes an underscore, and a digest tells apart what is the same then.
func newStore(dir, operator string) *store {
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}
	sum := sha256.Sum256([]byte(operator))
	name := strings.Map(plain, operator)
	return &store{dir: filepath.Join(dir, name[:min(len(name), 32)]+"-"+hex.EncodeToString(sum[:8]))}
}

func (s *store) path(id string) string { return filepath.Join(s.dir, talkPrefix+id+".json") }

// write replaces a file whole.
func (s *store) write(path string, v any) (err error) {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %q: %w", path, err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("save %q: %w", path, err)
	}
	temp, err := os.CreateTemp(s.dir, tempPrefix) // 0600
	if err != nil {
		return fmt.Errorf("save %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("save %q: %w", path, errors.Join(err, os.Remove(temp.Name())))
		}
	}()
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// remove removes a conversation's file, if there is one.
func (s *store) remove(id string) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// load reads all that is there, within the bounds. What can't be read is set aside,
// and told in notes.
func (s *store) load(c *Config) (list []*Conversation, history []string, notes []string) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			notes = append(notes, fmt.Sprintf("conversations can't be read: %v", err))
		}
		return nil, nil, notes
	}
	slices.Reverse(entries) // the newest first
	total, skipped := 0, 0
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, tempPrefix) { // of a process that was killed while it wrote
			_ = os.Remove(filepath.Join(s.dir, name))
			continue
		}
		id, isTalk := strings.CutPrefix(strings.TrimSuffix(name, ".json"), talkPrefix)
		if !strings.HasSuffix(name, ".json") || !isTalk && name != historyFile {
			continue
		}
		if isTalk && (len(list) >= c.Conversations || total >= c.Total) {
			skipped++
			continue
		}
		data, err := s.read(name, c)
		if err == nil && isTalk {
			var one *Conversation
			if one, err = parse(data, id); err == nil {
				list, total = append(list, one), total+len(data)
				continue
			}
		} else if err == nil {
			if history, err = parseHistory(data); err == nil {
				continue
			}
		}
		notes = append(notes, s.aside(name, err))
	}
	if skipped > 0 {
		notes = append(notes, fmt.Sprintf("%d older conversations are not shown: there are too many, or they are too long", skipped))
	}
	return list, history, notes
}

// read reads a file that isn't longer than what is written.
func (s *store) read(name string, c *Config) ([]byte, error) {
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	most := int64(8*(c.Bytes+maxAnswer*2*MostTargets) + mostHistory*maxQuestion) // JSON writes a byte in six at most
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return data, err
}

// aside gives a file another name, so that it is neither lost nor read again.
func (s *store) aside(name string, why error) string {
	to := name + asideSuffix
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(s.dir, to)); err != nil {
			break
		}
		to = fmt.Sprintf("%s%s.%d", name, asideSuffix, i)
	}
	if err := os.Rename(filepath.Join(s.dir, name), filepath.Join(s.dir, to)); err != nil {
		return fmt.Sprintf("%s can't be read (%v) and not be set aside: %v", name, why, err)
	}
	return fmt.Sprintf("%s can't be read (%v); it is set aside as %s", name, why, filepath.Join(s.dir, to))
}

// parse reads a conversation's file.
func parse(data []byte, id string) (*Conversation, error) {
	f := file{Conversation: new(Conversation)}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not in UTF-8")
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	switch {
	case f.Version != fileVersion:
		return nil, fmt.Errorf("it has version %d, and %d is read", f.Version, fileVersion)
	case f.ID != id:
		return nil, errors.New("it is of another conversation")
	}
	for i := range f.Turns {
		if n := len(f.Turns[i].Answers); n < 1 || n > MostTargets {
			return nil, fmt.Errorf("question %d has %d answers", i+1, n)
		}
	}
	return f.Conversation, f.Settings.Check()
}

func parseHistory(data []byte) ([]string, error) {
	var h historyOf
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, err
	}
	return h.History[max(0, len(h.History)-mostHistory):], nil
}
