// Package chat holds the conversations that operators have with the models, to see
// whether a model answers, how fast, and whether the answer is right.
//
// [Rooms] is made once in a process. [Rooms.Enter] gives an operator's [Room]: the
// conversations with their drafts, what was typed before, and the last burst of
// load. A Room lives on when the screen goes: an answer that is under way goes on,
// and whoever enters again finds it. Conversations are files below Config.Dir, one
// each, and are there again after a restart.
//
// # What it guarantees
//
// Methods of a Room do no input or output and wait for nobody: requests and files
// are the work of goroutines that belong to the Rooms. [Room.Snapshot] is immutable,
// and costs a pointer's load when nothing happened since the last.
//
// Everything is bounded: conversations, their turns and bytes, an answer, what is
// kept of a raw request and response, what was typed before, answers under way, a
// burst. What would be over a bound is refused in words, and nothing is dropped
// to make room for it.
//
// A file is replaced whole and is its owner's alone to read (0600). One that can't
// be read is set aside under another name, and the snapshot says so.
//
// Cancel, Close and the end of a burst close the response bodies, so that engines
// stop to generate.
//
// # What it refuses
//
// It knows no key and no address: requests go out through [Models], which is asked
// in the operator's name and may refuse for its role. No text of a conversation is
// logged.
//
// # Concurrency
//
// Rooms and Room may be used by many goroutines at once. Rooms.Close ends all that
// is under way, writes what isn't written, and returns after the last goroutine has.
package chat
