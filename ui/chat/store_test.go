package chat

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files are those below a directory, by their names, but for those being written.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), tempPrefix) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A restart finds all of it again: settings, texts, figures, drafts, what was typed.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	m := says(t, `data: {"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n")
	rs, r := enter(t, Config{Dir: dir, Save: time.Millisecond}, m)
	cold, seed := 0.0, int64(7)
	id := begin(t, r)
	set := Settings{Model: "m", System: "s", Temperature: &cold, Seed: &seed, Stop: []string{"\n"}, Targets: []Target{{Replica: m.gateway}}}
	ok(t, r.Set(id, set))
	ok(t, r.Ask(id, "q"))
	a := answered(t, r, id)[0]
	ok(t, r.SetDraft(id, "and then"))
	ok(t, r.Rename(id, "mine"))
	r.Remember("q")
	gone := begin(t, r)
	ok(t, r.Ask(gone, "to be deleted"))
	answered(t, r, gone)
	for end := time.Now().Add(patience); len(files(t, dir)) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not written: %v", files(t, dir))
		}
	}
	ok(t, r.Delete(gone))
	_ = begin(t, r) // nothing in it: not worth a file
	rs.Close()
	for path, text := range files(t, dir) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		if strings.Contains(text, "to be deleted") {
			t.Errorf("%s has what was deleted", path)
		}
	}

	_, back := enter(t, Config{Dir: dir}, m)
	s := back.Snapshot()
	if len(s.Conversations) != 1 || len(s.Notes) != 0 || len(s.History) != 1 || s.History[0] != "q" {
		t.Fatalf("after the restart: %+v", s)
	}
	c := s.Conversations[0]
	b := c.Turns[0].Answers[0]
	if c.ID != id || c.Name != "mine" || c.Draft != "and then" || *c.Settings.Seed != 7 || *c.Settings.Temperature != 0 || c.Settings.Targets[0].Replica != m.gateway {
		t.Errorf("conversation: %+v", c)
	}
	if b.Text != "yes" || b.First != a.First || b.RequestID != a.RequestID || b.Completion != 1 || !b.Start.Equal(a.Start) || b.ID == 0 {
		t.Errorf("answer: %+v, it was %+v", b, a)
	}
	ok(t, back.Ask(id, "go on"))
	if got := answered(t, back, id)[0]; got.Text != "yes" {
		t.Errorf("answer: %+v", got)
	}
}

// What was under way when the process ended is told as that, with what had come.
func TestRestartInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	m := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"content":"half"}}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	rs, r := enter(t, Config{Dir: dir, Save: time.Millisecond}, m)
	id := begin(t, r)
	ok(t, r.Ask(id, "q"))
	until(t, r, "half has come", func(s *Snapshot) bool { return s.Find(id).Turns[0].Answers[0].Text == "half" })
	// As a kill would leave it: the file of what is under way.
	var left string
	for end := time.Now().Add(patience); left == ""; time.Sleep(time.Millisecond) {
		for _, text := range files(t, dir) {
			if strings.Contains(text, `"half"`) {
				left = text
			}
		}
		if time.Now().After(end) {
			t.Fatal("it is not written while it is under way")
		}
	}
	rs.Close()
	for _, killed := range []bool{false, true} {
		if killed {
			for path := range files(t, dir) {
				ok(t, os.WriteFile(path, []byte(left), 0o600))
			}
		}
		_, back := enter(t, Config{Dir: dir}, m)
		if a := back.Snapshot().Find(id).Turns[0].Answers[0]; a.State != Interrupted || a.Text != "half" {
			t.Errorf("killed %v: %+v", killed, a)
		}
	}
}

// A file that can't be read is set aside, as it was, and said to be; the others are
// read, and one of a write that was killed is no conversation.
func TestBrokenFile(t *testing.T) {
	dir := t.TempDir()
	m := says(t, "data: [DONE]\n\n")
	rs, r := enter(t, Config{Dir: dir}, m)
	for _, q := range []string{"one", "two"} {
		id := begin(t, r)
		ok(t, r.Ask(id, q))
		answered(t, r, id)
	}
	rs.Close()
	own := filepath.Dir(rs.rooms["alice"].store.path("x"))
	broken := map[string]string{
		"talk-20260101T000000.000-aa.json": `{"version":1,"id":"20260101T000000.000-aa","turns":[{`,
		"talk-b.json":                      `{"version":1,"id":"c"}`,
		"talk-d.json":                      `{"version":9,"id":"d"}`,
		"talk-e.json":                      `{"version":1,"id":"e","turns":[{"question":"q"}]}`,
		"talk-f.json":                      `{"version":1,"id":"f","settings":{"temperature":99}}`,
		"talk-g.json":                      "{\"version\":1,\"id\":\"g\",\"draft\":\"\xff\"}",
		"history.json":                     `[`,
	}
	for name, text := range broken {
		ok(t, os.WriteFile(filepath.Join(own, name), []byte(text), 0o600))
	}
	ok(t, os.WriteFile(filepath.Join(own, tempPrefix+"1"), []byte("{"), 0o600))
	ok(t, os.WriteFile(filepath.Join(own, "talk-b.json"+asideSuffix), []byte("older"), 0o600))

	_, back := enter(t, Config{Dir: dir}, m)
	s := back.Snapshot()
	if len(s.Conversations) != 2 || len(s.Notes) != len(broken) {
		t.Fatalf("%d conversations, notes %q", len(s.Conversations), s.Notes)
	}
	now := files(t, own)
	for name, text := range broken {
		to := name + asideSuffix
		if name == "talk-b.json" {
			to += ".2"
		}
		if now[filepath.Join(own, to)] != text {
			t.Errorf("%s is not set aside as it was: %q", name, now[filepath.Join(own, to)])
		}
		if !strings.Contains(strings.Join(s.Notes, "\n"), to) {
			t.Errorf("nothing is said of %s: %q", name, s.Notes)
		}
	}
	if _, err := os.Lstat(filepath.Join(own, tempPrefix+"1")); err == nil {
		t.Error("the file of a killed write is still there")
	}
}

// What can't be written is said, kept in memory, and written when it can be.
func TestWriteFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not a folder")
	ok(t, os.WriteFile(dir, nil, 0o600))
	rs, r := enter(t, Config{Dir: dir, Save: time.Millisecond}, says(t, "data: [DONE]\n\n"))
	id := begin(t, r)
	ok(t, r.SetDraft(id, "dear"))
	until(t, r, "the failure is told", func(s *Snapshot) bool {
		return strings.Contains(strings.Join(s.Notes, "\n"), "can't be written")
	})
	ok(t, os.Remove(dir))
	until(t, r, "it is written", func(s *Snapshot) bool { return !strings.Contains(strings.Join(s.Notes, "\n"), "can't be written") })
	rs.Close()
	if len(files(t, dir)) != 1 {
		t.Errorf("files: %v", files(t, dir))
	}
}

// Operators have folders of their own, whatever they are called.
func TestFolders(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"alice", "Alice", "../../etc", "a/b", "a_b", "", ".", "\x00", strings.Repeat("é", 300)} {
		s := newStore("/d", name)
		if filepath.Dir(s.dir) != "/d" || seen[s.dir] || len(filepath.Base(s.dir)) > 60 || strings.ContainsAny(s.dir, "\x00.") {
			t.Errorf("%q has the folder %q", name, s.dir)
		}
		seen[s.dir] = true
	}
}

func TestExport(t *testing.T) {
	_, r := enter(t, Config{}, says(t, `data: {"choices":[{"delta":{"content":"**yes**"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n"))
	id := begin(t, r)
	few := 5
	ok(t, r.Set(id, Settings{Model: "m", System: "be\nshort", MaxTokens: &few, Stop: []string{"\n"}}))
	ok(t, r.Ask(id, "is it?"))
	answered(t, r, id)
	c := r.Snapshot().Find(id)
	text := c.Markdown()
	for _, want := range []string{"# is it?\n", "Model: m.", `max_tokens 5, stop "\n"`, "## System\n\nbe\nshort\n", "## Question 1\n\nis it?\n",
		"## Answer 1, gateway\n\n**yes**\n", "> done, first token ", "3 prompt tokens, 1 completion tokens", "finish reason stop"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	var back Conversation
	if err := json.Unmarshal(c.JSON(), &back); err != nil || back.Turns[0].Answers[0].Text != "**yes**" {
		t.Errorf("JSON: %v %+v", err, back)
	}
}
