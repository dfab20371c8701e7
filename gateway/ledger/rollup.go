package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The roll-ups' columns of sums, as they are in [Sum] and the tables.
var sumColumns = [...]string{"requests", "counted", "refused", "failed", "client_left", "estimated", "suspect",
	"prompt_tokens", "completion_tokens", "cached_tokens", "counted_tokens", "bytes_in", "bytes_out"}

type sums [len(sumColumns)]int64

// upsert adds sums to those that a roll-up has.
func upsert(table, period string) string {
	var set []string
	for _, c := range sumColumns {
		set = append(set, c+" = "+c+" + excluded."+c)
	}
	return fmt.Sprintf("INSERT INTO %s (%s, org, key, model, backend, replica, %s) VALUES (%s?) ON CONFLICT DO UPDATE SET %s",
		table, period, strings.Join(sumColumns[:], ", "), strings.Repeat("?,", 5+len(sumColumns)), strings.Join(set, ", "))
}

// sumKey is what sums are told apart by.
type sumKey struct {
	period                              int64 // seconds since 1970 at which it begins
	org, key, model, backend, replicaID string
}

// rollups add up one batch of rows, so that it costs one statement for each
// sum that it changes and not for each row.
type rollups struct {
	hours, days map[sumKey]*sums
	replicas    map[string]*Totals
	starts      map[string]int64 // of replicas: the newest that there is a baseline of
	args        []any
}

func newRollups() rollups {
	return rollups{hours: map[sumKey]*sums{}, days: map[sumKey]*sums{}, replicas: map[string]*Totals{}, starts: map[string]int64{}}
}

const (
	anHour = int64(time.Hour / time.Second)
	aDay   = 24 * anHour
)

// add adds a row to a batch.
func (u *rollups) add(r *Row) {
	tokens := int64(0)
	if r.Counted {
		tokens = r.Prompt + r.Completion
	}
	one := sums{1, truth(r.Counted), truth(r.End == Refused), truth(r.End == BackendFailed || r.End == Interrupted), truth(r.End == ClientLeft),
		truth(r.Estimated), truth(r.Suspect), r.Prompt, r.Completion, r.Cached, tokens, r.BytesIn, r.BytesOut}
	at := r.Arrived.Unix()
	k := sumKey{floor(at, anHour), r.Org, r.Key, r.Model, r.Backend, r.Replica}
	addTo(u.hours, k, &one)
	k.period = floor(at, aDay)
	addTo(u.days, k, &one)
	if r.Replica != "" && !r.Sent.IsZero() {
		t := u.replicas[r.Replica]
		if t == nil {
			t = new(Totals)
			u.replicas[r.Replica] = t
		}
		t.Prompt += r.Prompt
		t.Completion += r.Completion
	}
}

func addTo(m map[sumKey]*sums, k sumKey, one *sums) {
	s := m[k]
	if s == nil {
		s = new(sums)
		m[k] = s
	}
	for i := range s {
		s[i] += one[i]
	}
}

// floor rounds down to a multiple.
func floor(n, to int64) int64 {
	over := n % to
	if over < 0 {
		over += to
	}
	return n - over
}

// write adds the rows' sums to the database's.
func (u *rollups) write(ctx context.Context, s *store, rows []Row) error {
	clear(u.hours)
	clear(u.days)
	clear(u.replicas)
	for i := range rows {
		u.add(&rows[i])
	}
	for k, n := range u.hours {
		if _, err := s.hourly.ExecContext(ctx, u.row(k, n)...); err != nil {
			return err
		}
	}
	for k, n := range u.days {
		if _, err := s.daily.ExecContext(ctx, u.row(k, n)...); err != nil {
			return err
		}
	}
	for replica, t := range u.replicas {
		if _, err := s.totals.ExecContext(ctx, replica, t.Prompt, t.Completion); err != nil {
			return err
		}
	}
	return s.takeOut(ctx, rows)
}

func (u *rollups) row(k sumKey, n *sums) []any {
	u.args = append(u.args[:0], k.period, k.org, k.key, k.model, k.backend, k.replicaID)
	for _, v := range n {
		u.args = append(u.args, v)
	}
	return u.args
}
