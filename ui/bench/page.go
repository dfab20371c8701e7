package main

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/vt"
)

// page is what a terminal shows. It is there because the bytes which come first after
// a key need not be the key's: both programs draw by themselves once a second.
type page struct{ *vt.Emulator }

// newPage makes an empty one, to be closed.
func newPage(w, h int) *page {
	p := &page{vt.NewEmulator(w, h)}
	go io.Copy(io.Discard, p.Emulator) // its answers to what the program asks, until it is closed
	return p
}

// Close ends the answers, which is all that goes on. The emulator's own Close is none
// that may be called while they are read.
func (p *page) Close() error { return p.InputPipe().(io.Closer).Close() }

// shows is whether a text stands in a row.
func (p *page) shows(text string) bool { return strings.Contains(p.String(), text) }
