package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	_ "modernc.org/sqlite"
)

// BenchmarkDirect is what the journal is instead of: each request's end goes
// straight into SQLite, one transaction for all that wait at the moment, and
// the request waits for the commit. One write a request: beginnings, which this
// way would be a second one, are left out.
func BenchmarkDirect(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d", n), func(b *testing.B) {
			d := openDirect(b)
			rows := make([]Row, 1000)
			for i := range rows {
				rows[i] = sample(i)
			}
			inFlight(b, n, func(i int) error { return d.end(&rows[i%len(rows)]) }, func() {})
		})
	}
}

// direct commits groups: who finds nobody committing commits what has gathered.
type direct struct {
	conn   *sql.Conn
	insert *sql.Stmt

	mu      sync.Mutex
	turn    *sync.Cond
	waiting []*Row
	writing bool
	joined  uint64 // rows that were given
	done    uint64 // rows that are in
	err     error
}

func openDirect(b *testing.B) *direct {
	name := "file:" + filepath.Join(b.TempDir(), "direct.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	db, err := sql.Open("sqlite", name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	d := new(direct)
	d.turn = sync.NewCond(&d.mu)
	ctx := context.Background()
	if d.conn, err = db.Conn(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.conn.Close() })
	_, err = d.conn.ExecContext(ctx, `CREATE TABLE requests (
		id TEXT, arrived INTEGER, sent INTEGER, first_byte INTEGER, ended INTEGER, org TEXT, key TEXT, model TEXT,
		backend TEXT, replica TEXT, route TEXT, status INTEGER, code TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
		cached_tokens INTEGER, estimated INTEGER, suspect INTEGER, counted INTEGER, bytes_in INTEGER, bytes_out INTEGER,
		client TEXT, stream INTEGER, end_state INTEGER)`)
	if err != nil {
		b.Fatal(err)
	}
	d.insert, err = d.conn.PrepareContext(ctx, `INSERT INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func (d *direct) end(row *Row) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, row)
	d.joined++
	mine := d.joined
	for d.done < mine {
		if d.writing {
			d.turn.Wait()
			continue
		}
		group := d.waiting
		d.waiting, d.writing = nil, true
		d.mu.Unlock()
		err := d.commit(group)
		d.mu.Lock()
		d.done += uint64(len(group))
		d.writing = false
		if err != nil {
			d.err = err
		}
		d.turn.Broadcast()
	}
	return d.err
}

func (d *direct) commit(group []*Row) error {
	ctx := context.Background()
	if _, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range group {
		_, err := d.insert.ExecContext(ctx, r.ID, r.Arrived.UnixMicro(), r.Sent.UnixMicro(), r.First.UnixMicro(), r.Ended.UnixMicro(),
			r.Org, r.Key, r.Model, r.Backend, r.Replica, r.Route, r.Status, r.Code, r.Prompt, r.Completion, r.Cached,
			r.Estimated, r.Suspect, r.Counted, r.BytesIn, r.BytesOut, r.Client.String(), r.Stream, int(r.End))
		if err != nil {
			return err
		}
	}
	_, err := d.conn.ExecContext(ctx, "COMMIT")
	return err
}

// BenchmarkOpen opens a ledger with 4 MiB that no database has, as after a
// process that died at the worst moment.
func BenchmarkOpen(b *testing.B) {
	for range b.N {
		b.StopTimer()
		dir := b.TempDir()
		l := mustOpen(b, dir, usual)
		rows := 0
		for l.journal.w.at.Offset+4<<10 < 4<<20 {
			row := sample(rows)
			mustEnd(b, l, mustBegin(b, l, &row), &row)
			rows++
		}
		crash(b, l)
		b.StartTimer()
		l = mustOpen(b, dir, usual)
		b.StopTimer()
		b.ReportMetric(float64(rows), "rows")
		mustClose(b, l)
	}
}
