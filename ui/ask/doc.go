// Package ask turns questions into SQL with a model of the platform's own, and runs
// that on the sources that are there to be read.
//
// A [Sheet] is one operator's work: a question, the SQL that a model wrote for it or
// that was typed, its plan, its rows, and what was run before. [Sheets] keeps one for
// each operator; what they started goes on when their line is cut, and questions,
// drafts, history and saved queries outlive the process in a file of each operator's.
// [Evaluate] asks many questions whose answers are known, and tells how many the model
// gets right.
//
// # Guarantees
//
// A Sheet's methods never block: what takes time is done by goroutines of its own,
// one thing at a time, and read in a [Snapshot]. Each thing that is done can be
// cancelled, which ends the model's work and the database's, and all of it ends before
// [Sheets.Close] returns.
//
// A prompt fits into the model's context: what of a schema finds no room is left out,
// the tables that the question seems to be about last, and it is told which.
//
// Results are in memory only, within the source's bounds. SQL, questions and rows are
// in no log and no audit.
//
// # What it refuses
//
// A statement whose plan is expensive does not run until whoever asked for it is sure.
// What may run at all is decided by [pilothouse/ui/query], which only reads.
//
// A model's answer is text from outside: it is cut into reasoning and SQL and never
// obeyed. Control characters don't get into the SQL; whoever draws the rest makes it
// harmless. Roles are not asked for here: whoever may not query gets no sheet.
//
// # Concurrency
//
// All exported functions, and all methods of Sheets and Sheet, may be called at once.
// Snapshots are not changed once they are out.
package ask
