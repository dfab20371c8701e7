package ask

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an operator had is there again after a restart, for them alone.
func TestKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ask")
	src, other := shop(t), lite(t, "other", "CREATE TABLE things (id INTEGER)")
	const odd = "Ánna/../x"
	for _, operator := range []string{"anna", odd} {
		all := testSheets(t, dir, src, other)
		s := all.Enter(operator, nil, nil)
		rest(t, s)
		s.Use("other")
		rest(t, s)
		s.SetQuestion("How many " + operator)
		s.SetSQL("SELECT 1")
		s.Run(false)
		rest(t, s)
		s.Save("mine")
		s.SetSQL("SELECT 2")
		if err := all.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("the files are %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 || strings.HasSuffix(f.Name(), "~") {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	all := testSheets(t, dir, src, other)
	for _, operator := range []string{"anna", odd} {
		is := rest(t, all.Enter(operator, nil, nil))
		if is.Err != nil || is.Source != "other" || is.Schema == nil || is.Question != "How many "+operator || is.SQL != "SELECT 2" || len(is.History) != 1 || is.History[0].Rows != 1 ||
			len(is.Saved) != 1 || is.Saved[0].SQL != "SELECT 1" || is.Result != nil {
			t.Errorf("%s finds %+v", operator, is)
		}
	}
	if is := rest(t, all.Enter("ben", nil, nil)); is.Question != "" || is.Source != "shop" || len(is.History) != 0 {
		t.Errorf("another one finds %+v", is)
	}
	without := testSheets(t, dir, src)
	if is := rest(t, without.Enter("anna", nil, nil)); is.Source != "shop" || is.SQL != "SELECT 2" {
		t.Errorf("without the source there is %+v", is)
	}
}

// What is typed is in the file soon, without an end of the process.
func TestKeptSoon(t *testing.T) {
	dir := t.TempDir()
	s := testSheets(t, dir, shop(t)).Enter("anna", nil, nil)
	s.SetQuestion("How many?")
	within(t, "file", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "anna.json"))
		return strings.Contains(string(text), "How many?")
	})
}

// What Close ends is in the history, and what is typed just before it is kept.
func TestKeptLast(t *testing.T) {
	for range 5 {
		dir, src := t.TempDir(), shop(t)
		all := testSheets(t, dir, src)
		s := all.Enter("anna", nil, nil)
		rest(t, s)
		s.SetSQL("SELECT 1")
		src.mu.Lock()
		src.hold, src.holds = make(chan struct{}), "run"
		src.mu.Unlock()
		s.Run(false)
		<-src.held
		s.SetSQL("SELECT 2")
		if err := all.Close(); err != nil {
			t.Fatal(err)
		}
		is := rest(t, testSheets(t, dir, shop(t)).Enter("anna", nil, nil))
		if len(is.History) != 1 || is.History[0].SQL != "SELECT 1" || is.History[0].Failed != "cancelled" || is.SQL != "SELECT 2" {
			t.Fatalf("it is %q after %+v", is.SQL, is.History)
		}
	}
}

// A file that can't be used is set aside and told of, and is not written over.
func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":      `{"Operator": "anna", "SQL": "SEL`,
		"nothing":      "",
		"another's":    `{"Operator": "ben", "SQL": "SELECT 1"}`,
		"too long":     `{"Operator": "anna", "SQL": "` + strings.Repeat("x", maxFile) + `"}`,
		"another type": `{"Operator": 7}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "anna.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			all := testSheets(t, dir, shop(t))
			s := all.Enter("anna", nil, nil)
			is := rest(t, s)
			if is.Err == nil || !strings.Contains(is.Err.Error(), path+".broken") || is.SQL != "" || is.Schema == nil {
				t.Fatalf("it is %+v", is)
			}
			s.SetSQL("SELECT 2")
			if err := all.Close(); err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(path + ".broken"); err != nil || string(kept) != text {
				t.Errorf("what was set aside is %q, %v", clip(string(kept), 50), err)
			}
			if fresh, err := os.ReadFile(path); err != nil || !strings.Contains(string(fresh), "SELECT 2") {
				t.Errorf("what is kept now is %q, %v", fresh, err)
			}
		})
	}
}

// A directory that can't be written is told of, once, and keeps nobody from working.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all := New(Options{Dir: filepath.Join(file, "ask")})
	s := all.Enter("anna", nil, nil)
	s.SetQuestion("How many?")
	within(t, "error", func() bool {
		err := s.Snapshot().Err
		return err != nil && strings.Contains(err.Error(), "keep questions and queries")
	})
	if err := all.Close(); err == nil {
		t.Error("Close tells of no error")
	}
}

// A bounded sheet's file is read again, however its text is escaped.
func TestKeptLargest(t *testing.T) {
	dir := t.TempDir()
	all := testSheets(t, dir, shop(t))
	s := all.Enter("anna", nil, nil)
	rest(t, s)
	evil := strings.Repeat("\x01", maxSQL)
	s.SetQuestion(evil)
	s.SetSQL(evil)
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		s.Save(n)
	}
	s.mu.Lock()
	for range 10 {
		s.remember(Entry{SQL: evil})
	}
	s.mu.Unlock()
	s.change(func(*Snapshot) {})
	if err := all.Close(); err != nil {
		t.Fatal(err)
	}
	is := rest(t, testSheets(t, dir, shop(t)).Enter("anna", nil, nil))
	if is.Err != nil || is.SQL != evil || len(is.History) == 0 || len(is.Saved) == 0 {
		t.Errorf("it is %v with %d and %d", is.Err, len(is.History), len(is.Saved))
	}
}
