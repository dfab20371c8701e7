package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open writes a keys file and opens it, under a clock that stands at noon.
func open(t testing.TB, text string) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.toml")
	write(t, path, text)
	s, err := Open(path, Options{Clock: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return s, path
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// table writes a key's table, with more settings.
func table(id, secret, more string) string {
	if more != "" {
		more += "\n"
	}
	return fmt.Sprintf("[[org.key]]\nid = %q\nname = \"n\"\nsha256 = %q\n%s", id, digits(secret), more)
}

func TestLookup(t *testing.T) {
	s, _ := open(t, "[[org]]\nname = \"acme\"\n"+
		table("for-ever", "test-key-for-ever", "")+
		table("later", "test-key-later", "expires = 2026-11-22T12:00:01Z")+
		table("now", "test-key-now", "expires = 2026-11-22T12:00:00Z")+
		table("past", "test-key-past", "expires = 2026-11-22T11:59:59Z")+
		"[[org]]\nname = \"beta\"\n"+
		table("long", strings.Repeat("x", maxSecret), ""))
	for _, tc := range []struct {
		presented, id, org string
		err                error
	}{
		{"test-key-for-ever", "for-ever", "acme", nil},
		{"test-key-later", "later", "acme", nil},
		{"test-key-now", "", "", ErrExpired},
		{"test-key-past", "", "", ErrExpired},
		{strings.Repeat("x", maxSecret), "long", "beta", nil},
		{"test-key-for-eve", "", "", ErrUnknown},
		{"test-key-for-ever ", "", "", ErrUnknown},
		{"TEST-KEY-FOR-EVER", "", "", ErrUnknown},
		{"", "", "", ErrUnknown},
		{digits("test-key-for-ever"), "", "", ErrUnknown},
		{strings.Repeat("\x00", 1<<20), "", "", ErrUnknown},
	} {
		k, err := s.Lookup([]byte(tc.presented))
		if err != tc.err {
			t.Errorf("%.20q: %v, want %v", tc.presented, err, tc.err)
			continue
		}
		if (k == nil) != (tc.err != nil) || k != nil && (k.ID != tc.id || k.Org.Name != tc.org) {
			t.Errorf("%.20q: key %+v, want %q of %q", tc.presented, k, tc.id, tc.org)
		}
	}
}

// Two hashes that begin alike are told apart.
func TestLookupComparesAll(t *testing.T) {
	s, _ := open(t, oneKey)
	right := s.Orgs()[0].Keys[0]
	near := *right
	near.ID = "near"
	near.hash[len(near.hash)-1] ^= 1
	for _, keys := range [][]*Key{{right, &near}, {&near, right}} {
		s.live.Store(newLive([]*Org{{Name: "acme", Keys: keys}}))
		if k, err := s.Lookup([]byte("test-key-number-1")); k != right {
			t.Errorf("got %+v, %v, want the key whose whole hash fits", k, err)
		}
	}
	s.live.Store(newLive([]*Org{{Name: "acme", Keys: []*Key{&near}}}))
	if k, err := s.Lookup([]byte("test-key-number-1")); err != ErrUnknown {
		t.Errorf("got %+v, %v, want ErrUnknown: only the beginning of the hash fits", k, err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("bad"), "x")
	write(t, path("open"), oneKey)
	if err := os.Chmod(path("open"), 0o606); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, path("large"), "")
	if err := os.Truncate(path("large"), maxFile+1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, says string }{
		{"missing", "pilothouse key new"},
		{"bad", "want valid TOML"},
		{"open", "mode 0606: everybody may write it; want mode 0600; run: chmod 600"},
		{"pipe", "not a regular file"},
		{"large", "bytes; want at most"},
		{".", "not a regular file"},
	} {
		s, err := Open(path(tc.name), Options{})
		var got *FileError
		if s != nil || !errors.As(err, &got) || got.File != path(tc.name) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want a *FileError that says %q", tc.name, err, tc.says)
		}
		if errors.Is(err, fs.ErrNotExist) != (tc.name == "missing") {
			t.Errorf("%s: errors.Is(%v, ErrNotExist) is wrong", tc.name, err)
		}
	}
}

func TestReload(t *testing.T) {
	s, path := open(t, "[[org]]\nname = \"acme\"\n"+
		table("stays", "test-key-stays", "")+
		table("goes", "test-key-goes", "")+
		table("changes", "test-key-changes", ""))
	old, err := s.Lookup([]byte("test-key-stays"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "[[org]]\nname = \"acme\"\nweight = 5\n"+
		table("changes", "test-key-changes", "scopes = [\"chat\"]")+
		table("stays", "test-key-stays", "")+
		"[[org]]\nname = \"beta\"\n"+
		table("comes", "test-key-comes", ""))
	got, err := s.Reload()
	want := Change{Orgs: 2, Keys: 3, Added: []string{"comes"}, Removed: []string{"goes"}, Changed: []string{"changes"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Reload = %+v, %v, want %+v", got, err, want)
	}
	if _, err := s.Lookup([]byte("test-key-goes")); err != ErrUnknown {
		t.Errorf("revoked key: %v, want ErrUnknown", err)
	}
	k, err := s.Lookup([]byte("test-key-stays"))
	if err != nil || k.Org.Weight != 5 || old.Org.Weight != 1 {
		t.Errorf("after the reload %+v, %v; the key from before it must not change", k, err)
	}

	write(t, path, "nonsense")
	if _, err := s.Reload(); err == nil {
		t.Error("a bad file was taken")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if again, err := s.Lookup([]byte("test-key-stays")); again != k || err != nil {
		t.Errorf("after bad reloads: %v, %v; the keys in force must stay", again, err)
	}
	if len(s.Orgs()) != 2 || s.Orgs()[1].Name != "beta" {
		t.Errorf("after bad reloads: organisations %v", s.Orgs())
	}
}

// logText is what was logged since it was last taken.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// logged runs a store in a bubble, in which seconds pass when everything waits,
// and gives the test what was logged since the last time it asked.
func logged(t *testing.T, text string, test func(s *Store, path string, lines func() string)) {
	path := filepath.Join(t.TempDir(), "keys.toml")
	write(t, path, text)
	synctest.Test(t, func(t *testing.T) {
		var out logText
		s, err := Open(path, Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		test(s, path, func() string {
			time.Sleep(2*pollInterval + time.Millisecond) // of the bubble's time
			synctest.Wait()
			return out.take()
		})
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v, want nil when its context ends", err)
		}
	})
}

func TestRunNoticesChanges(t *testing.T) {
	logged(t, oneKey, func(s *Store, path string, lines func() string) {
		if got := lines(); got != "" {
			t.Errorf("an unchanged file: %s", got)
		}
		_, key, err := New(path, Entry{Org: "beta", Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(); !strings.Contains(got, `msg="keys reloaded"`) || !strings.Contains(got, "added=["+key.ID+"]") ||
			!strings.Contains(got, "orgs=2 keys=2") {
			t.Errorf("a new key: %s", got)
		}
		if _, err := Revoke(path, key.ID); err != nil {
			t.Fatal(err)
		}
		if got := lines(); !strings.Contains(got, "removed=["+key.ID+"]") {
			t.Errorf("a revoked key: %s", got)
		}
		write(t, path, oneKey+"# written in place\n")
		if got := lines(); !strings.Contains(got, `msg="keys reloaded"`) {
			t.Errorf("a file written in place: %s", got)
		}
	})
}

func TestRunKeepsKeysOfABadFile(t *testing.T) {
	logged(t, oneKey, func(s *Store, path string, lines func() string) {
		look := func() error { _, err := s.Lookup([]byte("test-key-number-1")); return err }
		write(t, path, oneKey+"scope = 1\n")
		if got := lines(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, `unknown setting`) {
			t.Errorf("a bad file: %s", got)
		}
		if got := lines(); got != "" {
			t.Errorf("said more than once: %s", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := lines(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "no such file") {
			t.Errorf("a missing file: %s", got)
		}
		if err := look(); err != nil {
			t.Errorf("the keys from before: %v", err)
		}
		write(t, path, oneKey)
		if got := lines(); !strings.Contains(got, `msg="keys reloaded"`) {
			t.Errorf("a mended file: %s", got)
		}
		if err := os.Chmod(path, 0o602); err != nil {
			t.Fatal(err)
		}
		if got := lines(); !strings.Contains(got, "chmod 600") {
			t.Errorf("a file that everybody may write: %s", got)
		}
	})
}

// A file that is still being written is left alone until it stands still.
func TestRunWaitsForTheEnd(t *testing.T) {
	logged(t, oneKey, func(s *Store, path string, lines func() string) {
		for i := range 6 {
			write(t, path, "# begun anew "+strings.Repeat(".", i))
			time.Sleep(pollInterval * 9 / 10)
			synctest.Wait()
			if _, err := s.Lookup([]byte("test-key-number-1")); err != nil {
				t.Fatalf("write %d: %v: half a file was taken", i, err)
			}
		}
		if got := lines(); !strings.Contains(got, "removed=[k1]") {
			t.Errorf("the file at rest: %s", got)
		}
	})
}

func TestLookupDuringReloads(t *testing.T) {
	s, path := open(t, oneKey)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				if k, err := s.Lookup([]byte("test-key-number-1")); err != nil || k.Org.Name != "acme" {
					t.Errorf("Lookup = %v, %v", k, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 50 {
		write(t, path, oneKey+strings.Repeat("# again\n", i))
		if _, err := s.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestLookupAllocatesNothing(t *testing.T) {
	s, _ := open(t, oneKey)
	known, unknown := []byte("test-key-number-1"), []byte("test-key-number-2")
	if n := testing.AllocsPerRun(1000, func() {
		s.Lookup(known)
		s.Lookup(unknown)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	orgs := make([]*Org, 100)
	for i := range orgs {
		orgs[i] = &Org{Name: fmt.Sprint("org ", i)}
		for j := range 100 {
			k := &Key{ID: fmt.Sprint(i, "-", j), Org: orgs[i], hash: hashOf(fmt.Appendf(nil, "test-key-%d-%d", i, j))}
			orgs[i].Keys = append(orgs[i].Keys, k)
		}
	}
	s := &Store{clock: time.Now}
	s.live.Store(newLive(orgs))
	secret := []byte("test-key-42-42")
	b.Run("known of 10000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Lookup(secret); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown of 43 characters", func(b *testing.B) {
		unknown := []byte(prefix + strings.Repeat("x", secretDigits))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Lookup(unknown); err == nil {
				b.Fatal("found")
			}
		}
	})
}
