// Package ui is the dashboard: one screen that tells the person on call
// whether something is wrong, what, and whom it hurts.
//
// Run draws it on a terminal until its user quits or its context ends. The
// dashboard reads the snapshots that the gateway, the pool and the GPU sampler
// publish, once a second, and pushes nothing: nobody waits for a screen, and
// a terminal that stops reading holds up itself alone. It writes to its
// output only, never logs, and installs no signal handlers.
//
// # The screen
//
//	row 1      status: name, verdict, rates, clock, operator
//	row 2      attention: the most urgent finding, in plain words; without one
//	           the demo's address and key; without either the row is the view's
//	between    panes, arranged for the size, one of them focused
//	last row   the keys that work here, now
//
// arrange chooses among three tiers whenever the size changes: below 100
// columns or 30 rows, up to 180 by 50, and above. Nothing is refused below
// 80 by 24: panes go in order of worth, and the verdict is the last to go. No
// line is ever wider and no screen ever higher than the terminal.
//
// # The parts
//
// Model has the size, the tick, the global keys, the focus, the stack of
// dialogs and the routing of messages. Panes (package pane) draw what is
// in a box; dialogs are drawn over them and have the keys while they are open.
// Findings and the verdict are computed from the snapshots alone (finding.go).
//
// Everything named by a client, a file or an engine goes through
// widget.Canvas, which makes it harmless to a terminal. The dashboard is given
// one key, the demo's own, and shows it.
package ui
