package past

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// keptBundles is how many bundles stay in a directory: the newest.
const keptBundles = 20

var bundleName = regexp.MustCompile(`^incident-\d{8}T\d{6}Z(-\d+)?\.tar\.gz$`)

// unfinished is how the name of a bundle begins that is being written.
const unfinished = ".incident-"

// SaveBundle writes a bundle to dir/incident-20060102T150405Z.tar.gz, the moment
// in UTC, and returns its path. The directory is made if need be. The file is there
// whole or not at all, for its owner alone; of such files the twenty newest stay.
func (r *Recorder) SaveBundle(ctx context.Context, dir string, o BundleOptions) (path string, err error) {
	r.saving.Lock()
	defer r.saving.Unlock()
	if o.At.IsZero() {
		o.At = r.o.Now()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("save an incident bundle: %w", err)
	}
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return "", fmt.Errorf("save an incident bundle: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close() // it may be closed already
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := r.Bundle(ctx, w, o); err != nil {
		return "", err
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("save an incident bundle: %w", err)
	}
	path, err = settle(f.Name(), filepath.Join(dir, "incident-"+o.At.UTC().Format("20060102T150405Z")))
	if err != nil {
		return "", fmt.Errorf("save an incident bundle: %w", err)
	}
	if err := prune(dir, r.o.Now()); err != nil {
		r.o.Log.Warn("old incident bundles could not be removed", "error", err)
	}
	return path, nil
}

// settle gives a file its name, or one like it where that is taken. Two that save
// at once wait for each other.
func settle(from, to string) (string, error) {
	path := to + ".tar.gz"
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, os.Rename(from, path)
		} else if err != nil {
			return "", err
		}
		path = fmt.Sprintf("%s-%d.tar.gz", to, n)
	}
}

// prune removes all bundles but the newest, and what others have left unfinished.
func prune(dir string, now time.Time) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type file struct {
		name string
		at   time.Time
	}
	var bundles []file
	var errs []error
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch {
		case bundleName.MatchString(e.Name()):
			bundles = append(bundles, file{e.Name(), info.ModTime()})
		case strings.HasPrefix(e.Name(), unfinished) && now.Sub(info.ModTime()) > time.Hour:
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	slices.SortFunc(bundles, func(a, b file) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(b.name, a.name)) })
	for _, b := range bundles[min(keptBundles, len(bundles)):] {
		errs = append(errs, os.Remove(filepath.Join(dir, b.name)))
	}
	return errors.Join(errs...)
}
