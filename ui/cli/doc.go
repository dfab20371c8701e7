// Package cli holds the commands that do one thing and end, the same whether
// they come from a shell or over SSH.
//
// A command is made of three parts: options that main fills in, a constructor
// that turns them into a cobra command, and a run. Runs read from the command's
// input and write to its outputs, never to those of the process. What another program would
// want goes to standard output and nothing else does; hints go to standard error.
// Text that came from a file or a client is cleaned before a person sees it.
//
// Runs return errors and print none. A wrong call is a [UsageError], which main
// turns into exit code 2.
package cli
