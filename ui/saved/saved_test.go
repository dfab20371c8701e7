package saved

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pilothouse/ui/desk"
	"pilothouse/ui/past"
)

// A text lies where it belongs, whatever its name says, and is its owner's alone.
func TestText(t *testing.T) {
	f := &Files{StateDir: t.TempDir()}
	for _, text := range []string{"one", "two"} {
		path, err := f.Text("../../chat.log", text)
		if err != nil || path != filepath.Join(f.StateDir, "saved", "chat.log") {
			t.Fatalf("%q, %v", path, err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
		for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
			}
		}
	}
}

// Who only looks saves no bundle, and nothing is written.
func TestIncidentAsksForTheRole(t *testing.T) {
	f := &Files{StateDir: t.TempDir(), Past: past.New(past.Sources{}, past.Options{}), Log: &past.Log{}, Config: func() []byte { return nil }}
	seat := desk.New(desk.Platform{}, desk.Options{}).Seat(desk.Operator{Name: "ana", Role: desk.Viewer})
	var refused *desk.RefusedError
	if path, err := f.Incident(t.Context(), seat, time.Time{}); !errors.As(err, &refused) || path != "" {
		t.Errorf("%q, %v", path, err)
	}
	if left, err := os.ReadDir(f.StateDir); err != nil || len(left) > 0 {
		t.Errorf("it wrote %v, %v", left, err)
	}
}
