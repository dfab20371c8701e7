package pane

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pilothouse/gateway"
)

func TestRequestFilter(t *testing.T) {
	ended := func(status int, end gateway.EndState, code string) gateway.Record {
		return gateway.Record{ID: "id-1", Org: "acme", KeyName: "etl-nightly", Model: "Qwen/Qwen2.5-7B-Instruct", Backend: "chat", Replica: "http://chat-1:8000", Route: "/v1/chat/completions", Client: "203.0.113.9",
			Phase: gateway.PhaseEnded, Status: status, End: end, Code: code}
	}
	done, refused, broken := ended(200, gateway.EndDone, ""), ended(429, gateway.EndRefused, "quota_exceeded"), ended(503, gateway.EndRefused, "overloaded")
	queued := gateway.Record{ID: "id-2", Org: "Globex", KeyName: "web", Backend: "text2sql", Phase: gateway.PhaseQueued, Duration: time.Minute}
	other := gateway.Record{ID: "live-1", Org: "Żółw", Client: "fe80::1", Phase: gateway.PhaseDecode}
	all := map[string]*gateway.Record{"done": &done, "refused": &refused, "broken": &broken, "queued": &queued, "other": &other}
	for filter, want := range map[string]string{
		"":                 "done refused broken queued other",
		"acme":             "done refused broken",
		"ACME":             "done refused broken",
		"acme !429":        "done broken",
		"acme/etl":         "done refused broken",
		"acme/web":         "",
		"globex":           "queued",
		"żółw":             "other",
		"7b-instruct":      "done refused broken",
		"org:acme":         "done refused broken",
		"org:chat":         "",
		"key:web":          "queued",
		"backend:chat":     "done refused broken",
		"backend:CHAT 200": "done",
		"model:qwen":       "done refused broken",
		"replica:chat-1":   "done refused broken",
		"chat-1":           "", // replicas only by name
		"route:v1":         "done refused broken",
		"client:203":       "done refused broken",
		"client:fe80::1":   "other",
		"fe80::1":          "other",
		"id:id-2":          "queued",
		"code:quota":       "refused",
		"overloaded":       "broken",
		"429":              "refused",
		"42":               "refused",
		"29":               "", // a status is read from its beginning
		"status:429":       "refused",
		"status:4xx":       "refused",
		"5xx":              "broken",
		"!5xx":             "done refused queued other",
		"status:refused":   "refused broken",
		"refused":          "refused broken",
		"phase:queued":     "queued",
		"phase:ended":      "done refused broken",
		"queued":           "queued",
		"decode":           "other",
		"live":             "queued other", // the word, not the id
		"!live":            "done refused broken",
		"ended":            "done refused broken",
		"failed":           "refused broken",
		"marked":           "queued",
		"org:":             "done refused broken queued other",
		"!":                "",
		"status:":          "done refused broken",
	} {
		q := parseQuery(filter)
		var got []string
		for _, name := range []string{"done", "refused", "broken", "queued", "other"} {
			if q.matches(&request{Record: all[name]}) {
				got = append(got, name)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("/%s shows %q, want %q", filter, s, want)
		}
	}
}

// Every form in the help is one that there is.
func TestFilterHelp(t *testing.T) {
	help := NewRequests(theme(), NewScrolling()).FilterHelp()
	for name := range queryFields {
		if !strings.Contains(help, name+":") {
			t.Errorf("the help leaves %s: out", name)
		}
	}
	for l := range strings.SplitSeq(help, "\n") {
		if len(l) > 96 {
			t.Errorf("%d characters: %q", len(l), l)
		}
	}
}

// Words are found as the standard library finds them.
func TestHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "abAB.Äß長"
	word := func(n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteRune([]rune(letters)[r.IntN(8)])
		}
		return b.String()
	}
	for range 20000 {
		s, want := word(8), strings.ToLower(word(4))
		if got := holds(s, want); got != strings.Contains(strings.ToLower(s), want) {
			t.Fatalf("holds(%q, %q) = %v", s, want, got)
		}
	}
	if huge := strings.Repeat("x", 1<<20) + "acme"; holds(huge, "acme") {
		t.Error("a name of a megabyte is looked through")
	}
}

func TestRequestSorts(t *testing.T) {
	at := func(org string, phase gateway.Phase, first, took time.Duration, out int) gateway.Record {
		return gateway.Record{ID: org, Org: org, Start: noon, Phase: phase, First: first * time.Second, Duration: took * time.Second, Output: out, Stream: true}
	}
	s := &gateway.Snapshot{At: noon,
		Live:   []gateway.Record{at("org4", gateway.PhaseDecode, 2, 30, 100), at("org2", gateway.PhasePrefill, 0, 9, 0)},
		Recent: []gateway.Record{at("org3", gateway.PhaseEnded, 1, 5, 900), at("org1", gateway.PhaseEnded, 4, 70, 90), at("org5", gateway.PhaseEnded, 0, 1, 0)}}
	p := showing(theme(), s)
	if got := strings.Join(p.Sorts(), ", "); got != "in flight, newest, longest running, most tokens, slowest first token, org" {
		t.Errorf("sorts are %s", got)
	}
	for i, want := range []string{"4 2 3 1 5", "4 2 1 3 5", "3 4 1 2 5", "2 1 4 3 5", "1 2 3 4 5", "4 2 3 1 5"} {
		p.SetSort(i)
		if got := shownOrgs(p, 8); got != want {
			t.Errorf("sort %d shows %s, want %s", i, got, want)
		}
	}
	if p.Sort() != 0 {
		t.Errorf("a sort that there isn't is %d", p.Sort())
	}
}
