// Package quota decides how much a client may ask for: how often one address
// may knock, and how many requests and tokens an organisation may use in a day
// and in a month.
//
// # Addresses
//
// [Addresses] holds each client address to a rate with a burst. It never lets
// more through than the rate allows, in any interval, while the table has
// room; see its documentation for what happens to a flood of addresses.
// [ClientAddr] says which address a request counts for when proxies stand
// before the gateway.
//
// # Windows
//
// [Windows] counts requests and tokens, per day and per month, for each
// organisation and each of its keys, all in UTC. Nobody knows beforehand what a
// request will use, so an estimate is reserved before it goes to a backend and
// replaced with the truth when it ends:
//
//	r, err := windows.Reserve(who, arrival, estimate)
//	if err != nil {
//		return err // an *Exceeded: which window, and when it begins anew
//	}
//	defer r.Release() // does nothing once it is settled
//	…
//	r.Settle(used)
//
// What is reserved counts as used until then. So parallel requests cannot pass
// a limit together, and the most by which a window can be overdrawn is the sum
// of what its requests in flight used beyond their own estimates.
//
// A reservation is settled or released once; whatever comes after that changes
// nothing, whoever calls it. It settles in the windows that it was made in, even
// when midnight has passed since.
//
// Counts are held in memory, of the current day and month and of those before
// them: a clock that is set back over midnight forgets nothing. They outlive the
// process in the gateway's ledger, from which [Windows.Restore] takes those of
// the current periods. A limit of 0 is no limit; use is counted all the same. A
// [Grant] adds to a limit for a time.
//
// # Fleets
//
// Several gateways share one set of limits through a [Lessor]. Each leases room
// ahead, in blocks that get smaller as less is left, so that a request seldom
// waits for a round trip and the sum of all leases never passes the limit. It
// tells, about once a second, what it has used: an absolute number, so that
// telling it twice changes nothing, and a store that has lost everything is
// told all of it again.
//
// While the store is away, the leases in hand are used up, or run out; then
// reservations are refused with a *[StoreLost], or, with Options.AllowOnLoss,
// each gateway goes by its own counts and by what it knew last of the others'.
//
// Everything here may be used by any number of goroutines at once.
package quota
