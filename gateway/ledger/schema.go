package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite" // and the driver of that name
	sqlite3 "modernc.org/sqlite/lib"
)

// What marks a file as a ledger, and of which shape it is.
const (
	applicationID = 0x50484c47 // "PHLG"
	schemaVersion = 1
)

// schema is what operators may query, too: requests, the roll-ups, grants and
// the audit. Times are in microseconds since 1970 UTC, NULL where there was none;
// the hours and days of the roll-ups in seconds. requests is a view: names that
// come again and again are kept once, and rows hold their numbers.
const schema = `
CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE rows (
	number INTEGER PRIMARY KEY,
	arrived INTEGER NOT NULL, sent INTEGER, first_byte INTEGER, ended INTEGER NOT NULL,
	id TEXT NOT NULL, org INTEGER NOT NULL, key INTEGER NOT NULL, model INTEGER NOT NULL, backend INTEGER NOT NULL, replica INTEGER NOT NULL,
	route INTEGER NOT NULL, status INTEGER NOT NULL, code INTEGER NOT NULL, end_state INTEGER NOT NULL,
	prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, flags INTEGER NOT NULL,
	bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, client TEXT NOT NULL
);
CREATE VIEW requests AS SELECT
	r.number AS number, arrived, sent, first_byte, ended,
	id, o.name AS org, k.name AS key, m.name AS model, b.name AS backend, p.name AS replica,
	t.name AS route, status, c.name AS code, e.name AS end_state,
	prompt_tokens, completion_tokens, cached_tokens,
	flags & 1 AS estimated, flags >> 1 & 1 AS suspect, flags >> 2 & 1 AS counted,
	bytes_in, bytes_out, client, flags >> 3 & 1 AS stream
FROM rows r CROSS JOIN names o ON o.number = org CROSS JOIN names k ON k.number = key CROSS JOIN names m ON m.number = model
	CROSS JOIN names b ON b.number = backend CROSS JOIN names p ON p.number = replica CROSS JOIN names t ON t.number = route
	CROSS JOIN names c ON c.number = code CROSS JOIN names e ON e.number = end_state;
CREATE TABLE hourly (hour INTEGER NOT NULL, ` + sumSchema + `, PRIMARY KEY (hour, org, key, model, backend, replica)) WITHOUT ROWID;
CREATE TABLE daily (day INTEGER NOT NULL, ` + sumSchema + `, PRIMARY KEY (day, org, key, model, backend, replica)) WITHOUT ROWID;
CREATE TABLE totals (replica TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE baselines (
	replica TEXT NOT NULL, started INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
	PRIMARY KEY (replica, started)
) WITHOUT ROWID;
CREATE TABLE grants (
	id TEXT PRIMARY KEY, org TEXT NOT NULL, window TEXT NOT NULL, amount INTEGER NOT NULL, made INTEGER NOT NULL, until INTEGER NOT NULL,
	reason TEXT NOT NULL, author TEXT NOT NULL, revoked INTEGER, revoker TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE audit (at INTEGER NOT NULL, author TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE journal (one INTEGER PRIMARY KEY CHECK (one = 1), segment INTEGER NOT NULL, offset INTEGER NOT NULL);
CREATE TABLE gateway (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
`

const sumSchema = `org TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, backend TEXT NOT NULL, replica TEXT NOT NULL,
	requests INTEGER NOT NULL, counted INTEGER NOT NULL, refused INTEGER NOT NULL, failed INTEGER NOT NULL, client_left INTEGER NOT NULL,
	estimated INTEGER NOT NULL, suspect INTEGER NOT NULL,
	prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, counted_tokens INTEGER NOT NULL,
	bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL`

// dsn names the database for the driver.
func dsn(path string, readOnly bool) string {
	q := url.Values{"_busy_timeout": {"5000"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Set("_query_only", "1")
	} else {
		q.Set("_txlock", "immediate")
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// smallestPage is what the shortest database has.
const smallestPage = 512

// look tells whether there is no file yet, or an empty one, and fails if there
// is one that is no ledger of ours. It only reads: to open another's database
// for writing may change it at once, and a newer version's, too.
func look(ctx context.Context, path string) (fresh bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return true, nil
	case err != nil:
		return false, fmt.Errorf("open ledger: %w", err)
	case !info.Mode().IsRegular():
		return false, notOurs(path, errors.New("it is not a file"))
	case info.Size() < smallestPage: // which to SQLite is as good as empty
		return false, notOurs(path, errors.New("it is not a database"))
	}
	db, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return false, fmt.Errorf("open ledger: %w", err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, errors.Join(notOurs(path, err), db.Close())
	}
	_, err = identify(ctx, conn, path)
	return false, errors.Join(err, conn.Close(), db.Close())
}

// identify reads the gateway's id; it is "" where there are no tables yet.
func identify(ctx context.Context, db *sql.Conn, path string) (id string, err error) {
	var application, version, tables int
	for _, q := range []struct {
		text string
		n    *int
	}{{"PRAGMA application_id", &application}, {"PRAGMA user_version", &version}, {"SELECT count(*) FROM sqlite_schema", &tables}} {
		if err := db.QueryRowContext(ctx, q.text).Scan(q.n); err != nil {
			return "", notOurs(path, err)
		}
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return "", nil
	case application != applicationID:
		return "", notOurs(path, errors.New("it is another program's"))
	case version > schemaVersion:
		return "", fmt.Errorf("open ledger: %q was written by a newer version (schema %d, this one knows %d); install that version again, or name another state_dir", path, version, schemaVersion)
	}
	if err := db.QueryRowContext(ctx, "SELECT id FROM gateway").Scan(&id); err != nil {
		return "", notOurs(path, err)
	}
	return id, nil
}

// prepare makes the tables in a new file, or looks whether they are ours.
func prepare(ctx context.Context, db *sql.Conn, path string) (id string, err error) {
	if id, err = identify(ctx, db, path); id == "" && err == nil {
		id, err = create(ctx, db, path)
	}
	return id, err
}

// notOurs is an error about what the file is. Where SQLite failed for another
// reason, such as a full disk, it would help nobody to move the file away.
func notOurs(path string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT,
			sqlite3.SQLITE_ERROR,    // it has not our tables
			sqlite3.SQLITE_READONLY: // it has a transaction to roll back, which ours never has
		default:
			return fmt.Errorf("open ledger: %q: %w", path, err)
		}
	}
	return fmt.Errorf("open ledger: %q can't be used as one: %w; move it away to begin a new one", path, err)
}

func create(ctx context.Context, db *sql.Conn, path string) (id string, err error) {
	id = strings.ToLower(rand.Text())[:16]
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("make ledger %q: %w", path, err)
	}
	defer tx.Rollback() // does nothing after the commit
	for _, step := range []string{
		schema,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", schemaVersion),
		"INSERT INTO gateway VALUES (1, '" + id + "')",
	} {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return "", fmt.Errorf("make ledger %q: %w", path, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return "", fmt.Errorf("make ledger %q: %w", path, err)
	}
	return id, nil
}
