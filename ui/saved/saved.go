// Package saved is what operators save off a dashboard: incident bundles and texts,
// as files below the state directory that nobody else may read.
package saved

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"pilothouse/ui/desk"
	"pilothouse/ui/past"
)

// Where the files lie, below the state directory.
const (
	incidents = "incidents"
	texts     = "saved"
)

// Files is where dashboards save. All fields are required. Its methods may be called
// by many at once.
type Files struct {
	StateDir string // the directories in it are made when they are needed
	Past     *past.Recorder
	Log      *past.Log     // the gateway's own
	Version  string        // of this program
	Config   func() []byte // the text of the configuration in force, secrets and all
}

// Incident saves what is known of the quarter of an hour before a moment, zero: now,
// and returns the file's path. The operator's role may refuse it, with a
// [desk.RefusedError]; that it was done is in the audit.
func (f *Files) Incident(ctx context.Context, s *desk.Seat, at time.Time) (path string, err error) {
	if err := s.Permit(ctx, desk.Hand, "incident", ""); err != nil {
		return "", err
	}
	config, err := past.Redact(f.Config())
	if err != nil {
		return "", err
	}
	path, err = f.Past.SaveBundle(ctx, filepath.Join(f.StateDir, incidents), past.BundleOptions{
		At: at, By: s.Operator().Author(), Version: f.Version, Logs: s.Platform().Logs, Log: f.Log, Config: config})
	if err == nil {
		s.Note(ctx, "incident", path, "")
	}
	return path, err
}

// Text writes text to a file with a name, over one that has it, and returns its path.
func (f *Files) Text(name, text string) (path string, err error) {
	dir := filepath.Join(f.StateDir, texts)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, filepath.Base(name))
	return path, os.WriteFile(path, []byte(text), 0o600)
}
