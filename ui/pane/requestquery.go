package pane

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// query is a filter of requests: words that all have to match.
type query struct {
	text  string
	words []word
}

// word is one of them.
type word struct {
	not   bool
	field string // "": several
	want  string // in lower case
}

// FilterHelp says what can be filtered by, a line for each form.
func (p *Requests) FilterHelp() string {
	return `acme 429      org, key, model, backend, phase, status, code, id or client has each word
!acme         has it not
org:acme      also key: model: backend: phase: status: code: id: client: replica: route:
phase:queued  admitted, queued, sending, prefill, decode, ended
5xx           also 2xx, 3xx, 4xx; status:5xx and status:50 do too
live          in flight; also ended, failed, marked`
}

// queryFields are those that a word can ask for by name, and whether words
// without a name are looked for there.
var queryFields = map[string]bool{
	"org": true, "key": true, "model": true, "backend": true, "phase": true, "status": true,
	"code": true, "id": true, "client": true, "replica": false, "route": false,
}

func parseQuery(text string) query {
	q := query{text: text}
	for _, s := range strings.Fields(strings.ToLower(text)) {
		var w word
		if len(s) > 1 && s[0] == '!' {
			w.not, s = true, s[1:]
		}
		w.want = s
		if name, rest, ok := strings.Cut(s, ":"); ok {
			if _, known := queryFields[name]; known {
				w.field, w.want = name, rest
			}
		}
		if class(w.want) > 0 && w.field == "" {
			w.field = "status"
		}
		q.words = append(q.words, w)
	}
	return q
}

// class is 5 for 5xx; 0: it is none.
func class(s string) int {
	if len(s) == 3 && s[1:] == "xx" && s[0] >= '1' && s[0] <= '5' {
		return int(s[0] - '0')
	}
	return 0
}

func (q *query) matches(r *request) bool {
	for i := range q.words {
		if w := &q.words[i]; w.matches(r) == w.not {
			return false
		}
	}
	return true
}

func (w *word) matches(r *request) bool {
	switch w.field {
	case "org":
		return holds(r.Org, w.want)
	case "key":
		return holds(r.KeyName, w.want)
	case "model":
		return holds(r.Model, w.want)
	case "backend":
		return holds(r.Backend, w.want)
	case "phase":
		return strings.HasPrefix(r.Phase.String(), w.want)
	case "status":
		return w.matchesStatus(r)
	case "code":
		return holds(r.Code, w.want)
	case "id":
		return holds(r.ID, w.want)
	case "client":
		return holds(r.Client, w.want)
	case "replica":
		return holds(r.Replica, w.want)
	case "route":
		return holds(r.Route, w.want)
	}
	switch w.want {
	case "live":
		return r.inFlight()
	case "ended":
		return !r.inFlight()
	case "failed":
		return r.failed()
	case "marked":
		return r.worry() != noWorry
	}
	return w.matchesAny(r)
}

// matchesAny looks in all that words without a field are looked for in.
func (w *word) matchesAny(r *request) bool {
	if org, key, ok := strings.Cut(w.want, "/"); ok && strings.HasSuffix(strings.ToLower(r.Org), org) && strings.HasPrefix(strings.ToLower(r.KeyName), key) {
		return true // as they are shown
	}
	for _, s := range [...]string{r.Org, r.KeyName, r.Model, r.Backend, r.Code, r.ID, r.Client} {
		if holds(s, w.want) {
			return true
		}
	}
	return r.inFlight() && strings.HasPrefix(r.Phase.String(), w.want) || w.matchesStatus(r)
}

// matchesStatus compares with the beginning of the status, its class, or the word
// for how the request ended.
func (w *word) matchesStatus(r *request) bool {
	if r.inFlight() {
		return false
	}
	if n := class(w.want); n > 0 {
		return r.Status/100 == n
	}
	ended, _ := ending(r.Record)
	return r.Status != 0 && strings.HasPrefix(strconv.Itoa(r.Status), w.want) || strings.HasPrefix(ended, w.want)
}

// sought is how much of a name is looked through: they may be of any size.
const sought = 1 << 10

// holds tells whether s has a word in it that is in lower case, whatever case s is in.
func holds(s, lower string) bool {
	if len(s) > sought {
		s = s[:sought]
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.Contains(strings.ToLower(s), lower)
		}
	}
	if lower == "" {
		return true
	}
	low, up := lower[0], lower[0]
	if low >= 'a' && low <= 'z' {
		up -= 'a' - 'A'
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		if (s[i] == low || s[i] == up) && begins(s[i:], lower) {
			return true
		}
	}
	return false
}

// begins tells whether ASCII text begins with a word in lower case.
func begins(s, lower string) bool {
	for i := range len(lower) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
