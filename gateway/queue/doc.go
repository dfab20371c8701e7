// Package queue is the line in front of a backend: requests that find no room
// there wait in it, where they can be ordered and cancelled, and not in the
// engine, where they could not.
//
// # Order
//
// Within an organisation, first come is first served. Between organisations it
// is deficit round robin on tokens: in each turn an organisation earns its
// weight's worth of tokens and spends them on what its requests weigh, so that
// over any while the tokens that organisations get are in the proportion of
// their weights, whoever sends many requests, or large ones. Who has the turn
// and finds no room is waited for: a large request is not starved by small
// ones.
//
// An organisation that has something under way is over its share while it has
// more than its weight's part, among the organisations that were active within
// the last seconds, of all that the backend has room for (of all that is under
// way, where nobody knows that). Take is told so, and is to leave
// some room then. While one that is over its share has the turn and waits,
// those who are not may pass it by: so whoever comes seldom is served at once.
//
// # Bounds
//
// The line holds so many requests and no more. Once it is full, a newcomer takes
// the place of the youngest of the organisation that has most in it for its
// weight, or is refused where that is its own. A refusal tells when to ask again:
// by what stands in line, and how fast that went lately. There is no time-out
// here: a caller that has waited long enough calls [Ticket.Abort].
//
// # Concurrency
//
// Everything may be called by any goroutines at once. A [Ticket] belongs to one
// request: Enter, Wait and Done are its own goroutine's, in this order; Abort is
// anybody's.
package queue
