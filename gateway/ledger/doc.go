// Package ledger keeps one row for each request, and loses none.
//
// # What it promises
//
// A request is announced with [Ledger.Begin] before it goes to a backend and
// closed with [Ledger.End] before its client gets the last byte. What either
// of them returned nil for survives the process, however it dies: an ended
// request is in the ledger exactly once, and one that had begun and not ended
// appears at the next [Open] as [Interrupted], with what was known at its last
// checkpoint. With Options.Sync it survives the machine's power too.
//
// # How
//
// Begin, End and the checkpoints of live requests are frames in a journal: files
// named journal-0000000000000001 and so on, each frame with its length and a
// checksum. Whoever finds nobody writing writes everything that has gathered
// with one write, then hands the pen to one of those that have gathered
// meanwhile; nobody writes for others twice, and a lone request waits for
// nobody. [Ledger.Run] reads the journal back and moves ended requests into
// SQLite in batches. A batch's transaction also says how far the journal has
// been taken in, so that a batch is in whole, once, or not at all. A start is
// the same reading, from where the database says it had come to.
//
// A segment of the journal has its room on the disk from its beginning. It
// begins with where the one before it ended and with copies of the requests
// that are open, so older segments go as soon as they are drained and the
// database is on the disk. A start therefore reads what one segment holds or so,
// whatever the ledger's age.
//
// # When the disk is full or fails
//
// Begin fails with an [Unavailable] and has changed nothing. Requests that have
// begun can end: Begin leaves room in the segment for the end of each of them.
// Where even that can't be written, End fails with an Unavailable too, and the
// row is kept in memory (10,000 of them, of which those that count for nobody take
// no more than half; [Status].Lost counts the rest) and is the first thing written
// once writing works again, which is tried each 100 ms. A database that can't be
// written does not stop Begin and End: the journal keeps the rows until it can.
//
// # Concurrency
//
// All methods may be called at once by any number of goroutines, with these
// exceptions: Run is called at most once, Close after Run has returned, and one
// Entry belongs to one request: its Progress may be called by any goroutine
// until its End is called, and never after.
package ledger
