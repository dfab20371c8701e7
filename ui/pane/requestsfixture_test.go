package pane

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pilothouse/gateway"
)

var tenants = [...][2]string{{"acme", "etl-nightly"}, {"globex", "web"}, {"initech", "ci"}, {"acme", "dash"}, {"umbrella", "batch"}}

// traded is the i-th request of a night, ended well.
func traded(i int) gateway.Record {
	who := tenants[i%len(tenants)]
	r := gateway.Record{ID: fmt.Sprintf("7f3a%04x", i*2531), Start: noon.Add(time.Duration(-i) * time.Second), Org: who[0], KeyName: who[1], Client: "203.0.113.9", Route: "/v1/chat/completions",
		Model: "Qwen/Qwen2.5-7B-Instruct", Backend: "chat", Replica: "http://chat:8000", Stream: true, Phase: gateway.PhaseEnded, Status: 200, End: gateway.EndDone,
		First: time.Duration(180+i%40*7) * time.Millisecond, Duration: time.Duration(1200+i%50*90) * time.Millisecond, Prompt: 60 + i%300*41, Output: 30 + i%50*11}
	if i%4 == 1 {
		r.Model, r.Backend, r.Replica, r.Route, r.Stream = "Snowflake/Arctic-Text2SQL-R1-7B", "text2sql", "http://text2sql:8000", "/text2sql", false
	}
	return r
}

// flying is the i-th in flight.
func flying(i int, phase gateway.Phase) gateway.Record {
	r := traded(i)
	r.Phase, r.Status, r.End = phase, 0, gateway.EndNone
	r.Duration = time.Duration(14-i%14) * time.Second
	r.Start = noon.Add(-r.Duration)
	r.Output = 29 * int(r.Duration/time.Second)
	if phase != gateway.PhaseDecode {
		r.First, r.Output = 0, 0
	}
	if phase == gateway.PhaseQueued {
		r.Replica = ""
		r.Duration /= 4
	}
	return r
}

// calmRequests is a good night: five in flight, forty that ended well but for two.
func calmRequests() *gateway.Snapshot {
	s := &gateway.Snapshot{At: noon, Started: noon.Add(-217 * time.Hour), InFlight: 5}
	for i := range 5 {
		phase := gateway.PhaseDecode
		if i == 3 {
			phase = gateway.PhasePrefill
		}
		s.Live = append(s.Live, flying(i, phase))
	}
	for i := 5; i < 45; i++ {
		r := traded(i)
		switch i {
		case 8:
			refuse(&r, 429, "rate_limit_exceeded")
		case 11:
			r.End = gateway.EndClientLeft
		}
		s.Recent = append(s.Recent, r)
	}
	return s
}

func refuse(r *gateway.Record, status int, code string) {
	r.Status, r.Code, r.End, r.Stream = status, code, gateway.EndRefused, true
	r.First, r.Duration, r.Output, r.Replica = 0, 240*time.Microsecond, 0, ""
}

// badRequests is a bad night: some wait in the queue, one runs away, one
// generates for minutes, one stands still since a snapshot before, and an
// organisation storms against its quota.
func badRequests() (before, now *gateway.Snapshot) {
	s := &gateway.Snapshot{At: noon, Started: noon.Add(-217 * time.Hour)}
	for i := range 15 {
		phase := gateway.PhaseDecode
		switch {
		case i >= 11:
			phase = gateway.PhaseQueued
		case i >= 9:
			phase = gateway.PhasePrefill
		}
		r := flying(i, phase)
		switch i {
		case 0: // a runaway
			r.Duration, r.Output = 154*time.Second, 5012
		case 2: // long
			r.Duration, r.Output = 131*time.Second, 1204
		case 4: // it stands still
			r.Duration, r.Output = 19*time.Second, 151
		case 11:
			r.Duration = 31 * time.Second
		}
		r.Start = noon.Add(-r.Duration)
		s.Live = append(s.Live, r)
	}
	for i := 15; i < 60; i++ {
		r := traded(i)
		switch {
		case i%3 != 0:
			r.Org, r.KeyName = "acme", "etl-nightly"
			refuse(&r, 429, "quota_exceeded")
		case i == 18:
			r.Status, r.Code, r.End = 502, "backend_error", gateway.EndBackendFailed
		case i == 24:
			refuse(&r, 503, "overloaded")
			r.Duration = 30 * time.Second
		case i == 27:
			r.Org, r.KeyName, r.Model, r.Backend = "", "", "", ""
			refuse(&r, 401, "invalid_api_key")
		case i == 30:
			r.End = gateway.EndClientLeft
		}
		s.Recent = append(s.Recent, r)
	}
	s.InFlight = len(s.Live)
	before = &gateway.Snapshot{At: noon.Add(-12 * time.Second)}
	for i, r := range s.Live {
		if r.Duration > 12*time.Second {
			r.Duration -= 12 * time.Second
			if i != 4 { // that one stands still
				r.Output = max(0, r.Output-12*(25+i))
			}
			before.Live = append(before.Live, r)
		}
	}
	return before, s
}

// manyRequests is more than a gateway lists.
func manyRequests(n int) *gateway.Snapshot {
	s := &gateway.Snapshot{At: noon, Started: noon.Add(-time.Hour), InFlight: n}
	for i := range n / 2 {
		s.Live = append(s.Live, flying(i, gateway.Phase(i%5)))
	}
	for i := n / 2; i < n; i++ {
		s.Recent = append(s.Recent, traded(i))
	}
	return s
}

// nasty are names as an attacker would choose them.
var nasty = []string{
	"", "acme", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\u009b31m", "\x9b2J", "a\nb\r\nc\td", "\u202egnp.exe", "z\u200be\u200dr\ufeffo",
	"東京都庁舎第一本庁舎", "e\u0301\u0302", "\u0301", "👩\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "क्षि", "\xff\xfe", "\x00", "\u2028", strings.Repeat("長", 300),
	strings.Repeat("x", 5000), "─│╭", "org:acme", "!", ":", "ﷺ",
}

// nastyRecords makes n requests of a random kind.
func nastyRecords(r *rand.Rand, n int) *gateway.Snapshot {
	name := func() string { return nasty[r.IntN(len(nasty))] + nasty[r.IntN(len(nasty))] }
	dur := func() time.Duration { return time.Duration(r.Int64N(1<<62) >> r.IntN(62)) }
	s := &gateway.Snapshot{At: noon.Add(-dur() % (10 * time.Second)), Started: noon.Add(-dur()), InFlight: r.IntN(1 << r.IntN(30))}
	for i := range n {
		rec := gateway.Record{ID: name(), Start: noon.Add(-dur()), Org: name(), KeyName: name(), Client: name(), Route: name(), Model: name(), Backend: name(), Replica: name(), Code: name(),
			Stream: r.IntN(2) == 0, Phase: gateway.Phase(r.IntN(6)), Status: r.IntN(600) - 1, End: gateway.EndState(r.IntN(6)), First: dur(), Duration: dur(), Prompt: int(r.Uint64() >> r.IntN(64)), Output: int(r.Uint64() >> r.IntN(64))}
		if i%2 == 0 {
			s.Live = append(s.Live, rec)
		} else {
			s.Recent = append(s.Recent, rec)
		}
	}
	return s
}
