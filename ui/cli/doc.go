// Package cli holds the commands that do one thing and end, the same whether
// they come from a shell or over SSH.
//
// A command is made of three parts: options that main fills in, a constructor
// that turns them into a cobra command, and a run. Runs read from the command's
// input and write to its outputs, never to those of the process. What another program would
// want goes to standard output and nothing else does; hints go to standard error.
// Text that came from a file or a client is cleaned before a person sees it.
//
// # Commands to a gateway that serves
//
// What usage and grant tell and change is in the process that serves, and so are
// the replicas and jobs that status, up, down, start, stop, restart, drain,
// undrain, logs and cancel are about; that is where they run. A command in a shell
// reads its flags, to say at once what is wrong with them, has its line run there
// ([Forward]), and ends with the exit code that the same command had there. A
// command ends when its client leaves, or reads nothing for a minute; a job that
// it began goes on.
//
// There they act from the seat of whoever gave them ([pilothouse/ui/desk.Seat]),
// which knows what that one may do and in whose name it is done, and with nothing
// else.
//
// Where nothing serves, what has happened is read from the ledger on the disk, and
// containers are seen and changed by the command itself; everything else is
// [desk.ErrNotServing].
//
// # Errors
//
// Runs return errors and print none. A wrong call is a [UsageError], which main
// turns into exit code 2; [desk.ErrNotServing] is exit code 3, a
// [desk.RefusedError] 4, and an [ExitError] has its own.
package cli
