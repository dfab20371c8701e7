package gateway_test

import (
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// booked is a row of the ledger: its columns, but for the times.
type booked struct {
	ID, Org, Key, Model, Backend, Replica, Route string
	Status                                       int
	Code, End                                    string
	Prompt, Completion, Cached                   int64
	Estimated, Suspect, Counted                  bool
	BytesIn, BytesOut                            int64
	Client                                       string
	Stream                                       bool
}

// moments are the times of a row, in microseconds.
type moments struct{ arrived, sent, first, ended sql.NullInt64 }

// row is one of the database's.
type row struct {
	booked
	moments
}

// rowsIn are the rows in a ledger's database, by request id.
func rowsIn(t testing.TB, dir string) map[string][]row {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query(`SELECT id, org, key, model, backend, replica, route, status, code, end_state, prompt_tokens, completion_tokens, cached_tokens,
		estimated, suspect, counted, bytes_in, bytes_out, client, stream, arrived, sent, first_byte, ended FROM requests`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	all := map[string][]row{}
	for found.Next() {
		var r row
		if err := found.Scan(&r.ID, &r.Org, &r.Key, &r.Model, &r.Backend, &r.Replica, &r.Route, &r.Status, &r.Code, &r.End, &r.Prompt, &r.Completion, &r.Cached,
			&r.Estimated, &r.Suspect, &r.Counted, &r.BytesIn, &r.BytesOut, &r.Client, &r.Stream, &r.arrived, &r.sent, &r.first, &r.ended); err != nil {
			t.Fatal(err)
		}
		all[r.ID] = append(all[r.ID], r)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Rows are the rows that the ledger has for requests by now, by their id.
func (s *service) Rows() map[string][]row {
	s.t.Helper()
	if err := s.Ledger.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return rowsIn(s.t, s.Dir)
}

// Row is the one row that the ledger has for a request by now.
func (s *service) Row(t testing.TB, id string) row {
	t.Helper()
	rows := s.Rows()[id]
	if len(rows) != 1 {
		t.Fatalf("request %q has %d rows: %+v", id, len(rows), rows)
	}
	return rows[0]
}

// Charged adds up what counts of the rows of an organisation, as its windows
// should have it.
func (s *service) Charged(org string) (requests, tokens int64) {
	s.t.Helper()
	for _, rows := range s.Rows() {
		for _, r := range rows {
			if r.Org == org && r.Counted {
				requests++
				tokens += r.Prompt + r.Completion
			}
		}
	}
	return requests, tokens
}

// WantCharged wants the windows of a key's organisation to say what the rows
// do, with nothing reserved. The rows are those of today.
func (s *service) WantCharged(t testing.TB, key, org string) {
	t.Helper()
	requests, tokens := s.Charged(org)
	for name, w := range s.Usage(key) {
		want := tokens
		if name == "requests_per_day" || name == "requests_per_month" {
			want = requests
		}
		if w.Used != want || w.Reserved != 0 {
			t.Errorf("%s: %d used and %d reserved, the ledger's rows add up to %d", name, w.Used, w.Reserved, want)
		}
	}
}

// KeyID is the id of the key of that name.
func (s *service) KeyID(name string) string {
	s.t.Helper()
	for _, o := range s.Keys.Orgs() {
		for _, k := range o.Keys {
			if k.Name == name {
				return k.ID
			}
		}
	}
	s.t.Fatalf("no key %q", name)
	return ""
}

// stage is how far a request has come: what of its row that follows from.
type stage int

const (
	keyed  stage = iota // its key is known
	routed              // so is its backend
	tried               // a replica was picked, and could not be reached
	sent                // it was with a replica
	begun               // a byte of the answer came
)

// check holds the times of a row against each other, against how far its request
// came, and against the clock.
func (m *moments) check(came stage) error {
	at := [...]struct {
		name string
		sql.NullInt64
		has bool
	}{{"arrived", m.arrived, true}, {"sent", m.sent, came >= sent}, {"first_byte", m.first, came >= begun}, {"ended", m.ended, true}}
	last := at[0]
	for _, a := range at {
		switch {
		case a.Valid != a.has:
			return fmt.Errorf("%s is %+v", a.name, a.NullInt64)
		case a.Valid && a.Int64 < last.Int64:
			return fmt.Errorf("%s is %d µs before %s", a.name, last.Int64-a.Int64, last.name)
		case a.Valid:
			last = a
		}
	}
	for _, us := range []int64{m.arrived.Int64, m.ended.Int64} {
		if off := time.Since(time.UnixMicro(us)); off < -time.Minute || off > time.Minute {
			return fmt.Errorf("it was %v ago", off)
		}
	}
	return nil
}

// TestNoRow are the requests that the ledger does not have: what the gateway
// answers itself, what nothing is there to answer, and what was turned away
// before its key counted.
func TestNoRow(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *setup) {
		s.Config.Server.TrustedProxies = []string{"127.0.0.1"}
		s.Config.Limits.RequestsPerSecond, s.Config.Limits.Burst = 0.001, 3
	})
	get := func(path, key string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " + key + "\r\n\r\n"
	}
	ask := s.post("/v1/chat/completions", "acme", chat(false, "hi"))
	for i, test := range []struct {
		name, request string
		status        int
	}{
		{"models", get("/v1/models", s.Key("acme")), 200},
		{"a model", get("/v1/models/"+testModel, s.Key("acme")), 200},
		{"usage", get("/v1/usage", s.Key("acme")), 200},
		{"health", get("/health", s.Key("acme")), 200},
		{"a method that usage does not have", strings.Replace(get("/v1/usage", s.Key("acme")), "GET", "PUT", 1), 405},
		{"no such path", get("/v1/nothing", s.Key("acme")), 404},
		{"no key", s.post("/v1/chat/completions", "", chat(false, "hi")), 401},
		{"unknown key", strings.Replace(ask, s.Key("acme"), "sk-nobody", 1), 401},
		{"malformed", strings.Replace(ask, "Host: ", "Host : ", 1), 400},
		{"too large", strings.Replace(ask, "Content-Length: ", "Content-Length: 99999999", 1), 413},
		{"the address's rate", ask, 429},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i)
			if test.status == 429 {
				for range 3 { // its burst
					c := s.Dial()
					c.Send(strings.Replace(get("/v1/models", s.Key("acme")), "\r\n\r\n", "\r\n"+address+"\r\n\r\n", 1))
					c.Answer("GET")
				}
			}
			c := s.Dial()
			io.WriteString(c, strings.Replace(test.request, "\r\n\r\n", "\r\n"+address+"\r\n\r\n", 1))
			if a := c.Answer(test.request[:strings.IndexByte(test.request, ' ')]); a.StatusCode != test.status {
				t.Errorf("%d %s, want %d", a.StatusCode, a.Body, test.status)
			}
		})
	}
	if rows := s.Rows(); len(rows) != 0 {
		t.Errorf("in the ledger: %+v", rows)
	}
	if n := len(s.Engine.Requests()); n != 0 {
		t.Errorf("the engine got %d requests", n)
	}
}
