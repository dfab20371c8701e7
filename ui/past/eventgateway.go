package past

import (
	"time"

	"pilothouse/gateway"
)

// seeGateway compares how the gateway and its books do.
func (w *watch) seeGateway(now time.Time, was, is *gateway.Snapshot) {
	if is.Draining && !was.Draining {
		w.tell(now, KindGateway, "gateway", Warn, "it takes no new requests: it is being stopped, with "+counted(is.InFlight, "request")+" in flight")
	}
	old, l := &was.Books.Ledger, &is.Books.Ledger
	switch {
	case l.Err != "" && old.Err == "":
		w.tell(recent(l.Since, now), KindGateway, "ledger", Bad, "it can't be written: "+l.Err+refusing(is))
	case l.Err == "" && old.Err != "":
		w.tell(now, KindGateway, "ledger", Good, "it is written again, after "+span(now.Sub(old.Since)))
	case l.Refusing && !old.Refusing:
		w.tell(now, KindGateway, "ledger", Bad, "it can't be written: "+l.Err+refusing(is))
	}
	if l.Lost > old.Lost {
		w.tell(now, KindGateway, "ledger", Bad, counted(int(l.Lost-old.Lost), "request")+" could not be kept: they are missing in it")
	}
	f, store := &is.Books.Fleet, &was.Books.Fleet
	switch {
	case f.Err != "" && store.Err == "":
		w.tell(recent(f.Since, now), KindGateway, "quota store", Bad, "it is away: "+f.Err)
	case f.Err == "" && store.Err != "":
		w.tell(now, KindGateway, "quota store", Good, "it is back, after "+span(now.Sub(store.Since)))
	}
}

// refusing says what becomes of requests that the ledger can't take.
func refusing(s *gateway.Snapshot) string {
	switch {
	case !s.Books.Ledger.Refusing:
		return ""
	case s.Books.Pass:
		return "; requests go on without it"
	}
	return "; every request gets 503"
}
