package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A command's answer goes over the control socket as frames: one JSON object a
// line, with one member each. Output is in base64, since it need not be valid
// UTF-8; the exit code comes last.
type frame struct {
	Out  []byte `json:"out,omitempty"` // for standard output
	Err  []byte `json:"err,omitempty"` // for standard error
	Code *int   `json:"code,omitempty"`
}

const (
	frameData = 32 << 10 // bytes of output in one frame, at most
	frameLine = 64 << 10 // bytes of one line, at most: what frameData is in base64, with room to spare
	maxCode   = 255      // of exit codes
)

// frameWriter writes frames. Its outputs may be used by any number of
// goroutines at once.
type frameWriter struct {
	mu    sync.Mutex
	w     io.Writer
	flush func() error // sends what was written on its way
}

// output is one of the two outputs of a command.
type output struct {
	to   *frameWriter
	make func([]byte) frame
}

func (f *frameWriter) stdout() io.Writer {
	return output{f, func(p []byte) frame { return frame{Out: p} }}
}
func (f *frameWriter) stderr() io.Writer {
	return output{f, func(p []byte) frame { return frame{Err: p} }}
}

func (o output) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		piece := p[n:min(len(p), n+frameData)]
		if err := o.to.write(o.make(piece)); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return len(p), nil
}

// end writes the exit code.
func (f *frameWriter) end(code int) error { return f.write(frame{Code: &code}) }

func (f *frameWriter) write(fr frame) error {
	line, err := json.Marshal(fr)
	if err != nil {
		return fmt.Errorf("write a frame: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write a frame: %w", err)
	}
	return f.flush()
}

var errCutShort = errors.New("the answer ended before the command's exit code came")

// readFrames copies output from r until the exit code comes, and returns that.
func readFrames(r io.Reader, out, errOut io.Writer) (int, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), frameLine)
	for lines.Scan() {
		f, err := parseFrame(lines.Bytes())
		switch {
		case err != nil:
			return 0, err
		case f.Code != nil:
			return *f.Code, nil
		case f.Out != nil:
			_, err = out.Write(f.Out)
		default:
			_, err = errOut.Write(f.Err)
		}
		if err != nil {
			return 0, fmt.Errorf("print the command's output: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read the command's output: %w", err)
	}
	return 0, errCutShort
}

func parseFrame(line []byte) (frame, error) {
	var f frame
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("read a frame of the answer: %w", err)
	}
	members := 0
	for _, has := range []bool{f.Out != nil, f.Err != nil, f.Code != nil} {
		if has {
			members++
		}
	}
	if members != 1 || d.More() {
		return f, fmt.Errorf("read a frame of the answer: %d members, want one", members)
	}
	if f.Code != nil && (*f.Code < 0 || *f.Code > maxCode) {
		return f, fmt.Errorf("read a frame of the answer: exit code %d, want 0 to %d", *f.Code, maxCode)
	}
	return f, nil
}
