// Package openai is the dialect that clients and engines speak: it inspects
// and rewrites request bodies, filters streams of events, reads usage and
// writes errors and model lists. It does no input or output of its own and
// imports nothing of the project.
//
// A request goes through a [Request]: Inspect reads the client's body once,
// Check holds it against what one backend allows, AppendBody writes what that
// backend is to get. A stream goes through a [Stream]: Write takes the
// backend's bytes, Chunk gives what the client is to get, as one chunk of
// HTTP/1.1 ready for its socket.
//
// # What it guarantees
//
// A body that Inspect accepts is one JSON object (RFC 8259) in valid UTF-8,
// nested at most [MaxDepth] deep, in which no name occurs twice at the top
// level or in stream_options. So no engine, whichever of two equal members it
// reads and however it decodes names, can see a model, a stream flag or a
// token limit other than the one that was checked. What the package has no
// reason to change it hands on byte for byte.
//
// The work is linear in the length of the input, whatever the input, and in
// the steady state allocates nothing.
//
// # What it refuses
//
// Every refusal is an [*Error]. Its message says what was wrong and what is
// accepted, and never quotes what a client wrote, but for the names of
// parameters.
//
// # Concurrency
//
// A Request and a Stream belong to one goroutine at a time. [Target] and
// [Error] are not changed by the package and may be shared. [Buffers] may be
// used by all at once. There are no goroutines here and no state outside the
// values.
package openai
