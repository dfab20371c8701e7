// Package play has the panes of the two playgrounds.
package play

import "pilothouse/ui/pane"

// Playground is a pane in which is typed.
type Playground interface {
	pane.Pane
	// Typing tells whether printable keys are text.
	Typing() bool
	// Busy tells whether something is under way that esc cancels.
	Busy() bool
	// Paste takes text in that the terminal says was pasted.
	Paste(string)
	// Wants is what the pane wants of the dashboard since it was last asked.
	Wants() []Want
}

// Want is something that a pane can't do itself. What is set is wanted.
type Want struct {
	Explain   pane.Ref                    // a request's explanation
	Clipboard string                      // to the terminal's clipboard
	File      struct{ Name, Text string } // to a file on the gateway's host
	Say       string                      // on the flash line
}
