package ui

import (
	"errors"
	"io"
	"os"
)

// ErrLost is what Run returns when its terminal went away: the line was cut,
// the window closed. What serves in the same process may go on.
var ErrLost = errors.New("the terminal is gone")

// ErrStuck is what Run returns when it had to end and its terminal took no more
// output, so that it could not be put back.
var ErrStuck = errors.New("the terminal takes no output")

// watch tells lost when reading the terminal ends. The terminal library takes
// the end of its input for silence, and would draw on into nothing.
func watch(in io.Reader, lost func()) io.Reader {
	if f, ok := in.(*os.File); ok {
		return &watchedFile{File: f, lost: lost}
	}
	return &watchedReader{in: in, lost: lost}
}

type watchedReader struct {
	in   io.Reader
	lost func()
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err != nil {
		r.lost()
	}
	return n, err
}

// watchedFile stays a file to the terminal library, which asks it for its
// descriptor to set the terminal's modes.
type watchedFile struct {
	*os.File
	lost func()
}

func (f *watchedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err != nil {
		f.lost()
	}
	return n, err
}
