package cli

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"pilothouse/gateway/ledger"
	"pilothouse/ui/widget"
)

// name returns what of s a dimension tells apart.
func name(s *ledger.Sum, d ledger.Dimension) string {
	switch d {
	case ledger.ByOrg:
		return s.Org
	case ledger.ByKey:
		return s.Key
	case ledger.ByModel:
		return s.Model
	case ledger.ByBackend:
		return s.Backend
	case ledger.ByHour:
		return s.Time.UTC().Format("2006-01-02 15:04Z")
	case ledger.ByDay:
		return s.Time.UTC().Format(time.DateOnly)
	case ledger.ByMonth:
		return s.Time.UTC().Format("2006-01")
	}
	return ""
}

// writeSums writes a table for people, with a total below more than one line.
func writeSums(w io.Writer, by []ledger.Dimension, sums []ledger.Sum) error {
	var cols []column
	for _, d := range by {
		cols = append(cols, column{head: strings.ToUpper(string(d))})
	}
	if len(by) == 0 {
		cols = append(cols, column{})
	}
	for _, head := range []string{"REQUESTS", "REFUSED", "FAILED", "PROMPT", "CACHED", "COMPLETION", "TOKENS", "EST."} {
		cols = append(cols, column{head, true})
	}
	var rows [][]string
	var total ledger.Sum
	for i := range sums {
		s := &sums[i]
		var names []string
		for _, d := range by {
			names = append(names, cmp.Or(name(s, d), none))
		}
		rows = append(rows, append(names, figures(s)...))
		add(&total, s)
	}
	if len(by) == 0 {
		rows = nil // the total is all there is
	}
	if len(rows) != 1 {
		names := make([]string, max(1, len(by)))
		names[0] = "total"
		rows = append(rows, append(names, figures(&total)...))
	}
	return writeColumns(w, cols, rows)
}

func figures(s *ledger.Sum) []string {
	return []string{
		digits(s.Requests), digits(s.Refused), digits(s.Failed),
		digits(s.Prompt), share(s.Cached, s.Prompt), digits(s.Completion), digits(s.Prompt + s.Completion),
		share(s.Estimated, s.Requests),
	}
}

// digits writes a number with thousands set apart.
func digits(n int64) string {
	if n < 0 {
		return "-" + widget.Count(uint64(-n))
	}
	return widget.Count(uint64(n))
}

// share writes part of whole in percent; 0% and 100% are said only of what is
// exactly that.
func share(part, whole int64) string {
	switch percent := int64(100*float64(part)/float64(max(whole, 1)) + 0.5); {
	case whole <= 0:
		return none
	case part <= 0:
		return "0%"
	case part >= whole:
		return "100%"
	case percent < 1:
		return "<1%"
	case percent > 99:
		return ">99%"
	default:
		return strconv.FormatInt(percent, 10) + "%"
	}
}

func add(to, s *ledger.Sum) {
	to.Requests += s.Requests
	to.Refused += s.Refused
	to.Failed += s.Failed
	to.Estimated += s.Estimated
	to.Prompt += s.Prompt
	to.Completion += s.Completion
	to.Cached += s.Cached
}

// sumListing is what "usage --json" prints. What was not asked for is left out.
type sumListing struct {
	Since   time.Time          `json:"since"`
	Until   time.Time          `json:"until"` // not in it
	By      []ledger.Dimension `json:"by"`
	Org     string             `json:"org,omitempty"`
	Key     string             `json:"key,omitempty"`
	Model   string             `json:"model,omitempty"`
	Backend string             `json:"backend,omitempty"`
	Sums    []sumItem          `json:"sums"`
	Orgs    []orgItem          `json:"orgs,omitempty"` // the quotas as they are now; absent where nothing serves
}

type sumItem struct {
	Time    *time.Time `json:"time,omitempty"` // the beginning of the hour, day or month
	Org     *string    `json:"org,omitempty"`
	Key     *string    `json:"key,omitempty"`
	Model   *string    `json:"model,omitempty"`
	Backend *string    `json:"backend,omitempty"`

	Requests   int64 `json:"requests"`
	Counted    int64 `json:"counted"`
	Refused    int64 `json:"refused"`
	Failed     int64 `json:"failed"`
	Left       int64 `json:"client_left"`
	Estimated  int64 `json:"estimated"`
	Suspect    int64 `json:"suspect"`
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Cached     int64 `json:"cached_tokens"`
	Total      int64 `json:"total_tokens"`
	BytesIn    int64 `json:"bytes_in"`
	BytesOut   int64 `json:"bytes_out"`
}

func writeSumsJSON(w io.Writer, q ledger.Query, sums []ledger.Sum, orgs []orgItem) error {
	out := sumListing{Orgs: orgs, Since: q.Since.UTC(), Until: q.Until.UTC(), By: append([]ledger.Dimension{}, q.By...),
		Org: q.Org, Key: q.Key, Model: q.Model, Backend: q.Backend, Sums: make([]sumItem, len(sums))}
	for i := range sums {
		s := &sums[i]
		item := sumItem{
			Requests: s.Requests, Counted: s.Counted, Refused: s.Refused, Failed: s.Failed, Left: s.Left,
			Estimated: s.Estimated, Suspect: s.Suspect,
			Prompt: s.Prompt, Completion: s.Completion, Cached: s.Cached, Total: s.Prompt + s.Completion,
			BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		}
		for _, d := range q.By {
			switch d {
			case ledger.ByOrg:
				item.Org = &s.Org
			case ledger.ByKey:
				item.Key = &s.Key
			case ledger.ByModel:
				item.Model = &s.Model
			case ledger.ByBackend:
				item.Backend = &s.Backend
			default:
				item.Time = &s.Time
			}
		}
		out.Sums[i] = item
	}
	return encode(w, out)
}

// writeSumsCSV writes a line of headings and one for each sum.
func writeSumsCSV(w io.Writer, by []ledger.Dimension, sums []ledger.Sum) error {
	var head []string
	for _, d := range by {
		head = append(head, string(d))
	}
	lines := csv.NewWriter(w)
	records := [][]string{append(head, "requests", "counted", "refused", "failed", "client_left", "estimated", "suspect",
		"prompt_tokens", "completion_tokens", "cached_tokens", "total_tokens", "bytes_in", "bytes_out")}
	for i := range sums {
		s := &sums[i]
		var line []string
		for _, d := range by {
			if isSpan(d) {
				line = append(line, s.Time.UTC().Format(time.RFC3339))
			} else {
				line = append(line, safeCell(name(s, d)))
			}
		}
		for _, n := range []int64{s.Requests, s.Counted, s.Refused, s.Failed, s.Left, s.Estimated, s.Suspect,
			s.Prompt, s.Completion, s.Cached, s.Prompt + s.Completion, s.BytesIn, s.BytesOut} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		records = append(records, line)
	}
	if err := lines.WriteAll(records); err != nil {
		return fmt.Errorf("print CSV: %w", err)
	}
	return nil
}

// safeCell is a text that no spreadsheet takes for a formula, nor a terminal
// for a command (https://owasp.org/www-community/attacks/CSV_Injection).
func safeCell(s string) string {
	s = widget.Clean(s, false)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
