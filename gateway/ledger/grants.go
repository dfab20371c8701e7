package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// GrantError is a grant that can't be made.
type GrantError struct{ Field, Got, Want string }

func (e *GrantError) Error() string {
	return fmt.Sprintf("grant: %s: got %s, want %s", e.Field, e.Got, e.Want)
}

// NoGrantError says that there is no grant of an id.
type NoGrantError struct{ ID string }

func (e *NoGrantError) Error() string { return fmt.Sprintf("there is no grant %q", e.ID) }

// AddGrant writes a grant, and that it was made, and returns it as it is kept:
// with an id, the time, and times in whole microseconds. What can't be granted
// is a [GrantError].
func (l *Ledger) AddGrant(ctx context.Context, g Grant) (Grant, error) {
	now := whole(l.o.Clock())
	if g.ID == "" {
		g.ID = "g" + strings.ToLower(rand.Text())[:7]
	}
	if g.Made.IsZero() {
		g.Made = now
	}
	g.Made, g.Until = whole(g.Made), whole(g.Until)
	g.Revoked, g.Revoker = time.Time{}, ""
	switch {
	case g.Org == "":
		return g, &GrantError{"organisation", "none", "its name"}
	case g.Window == "":
		return g, &GrantError{"window", "none", "its name"}
	case g.Amount <= 0:
		return g, &GrantError{"amount", fmt.Sprint(g.Amount), "more than 0"}
	case !g.Until.After(now):
		return g, &GrantError{"until", g.Until.Format(time.RFC3339), "a time to come"}
	case g.Reason == "":
		return g, &GrantError{"reason", "none", "why it is granted"}
	case g.Author == "":
		return g, &GrantError{"author", "none", "who grants it"}
	}
	taken := false
	err := l.store.write(ctx, func(ctx context.Context) error {
		fresh, err := l.store.putGrant(ctx, &g)
		if taken = !fresh; err != nil || taken {
			return err
		}
		return l.store.note(ctx, Event{now, g.Author, "grant", g.ID,
			fmt.Sprintf("%s %s +%d until %s: %s", g.Org, g.Window, g.Amount, g.Until.Format(time.RFC3339), g.Reason)})
	})
	if err == nil && taken {
		err = &GrantError{"id", strconv.Quote(g.ID), "one that no grant has"}
	}
	return g, err
}

// whole is a time as the database can keep it.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// RevokeGrant ends a grant before its time, and notes who did. One that was
// revoked before stays as it is. An unknown id is a [NoGrantError].
func (l *Ledger) RevokeGrant(ctx context.Context, id, by string) (g Grant, err error) {
	known := true
	err = l.store.write(ctx, func(ctx context.Context) (err error) {
		g, err = scanGrant(l.store.conn.QueryRowContext(ctx, grantQuery+"WHERE id = ?", id))
		if errors.Is(err, sql.ErrNoRows) {
			known = false
			return nil
		}
		if err != nil || !g.Revoked.IsZero() {
			return err
		}
		g.Revoked, g.Revoker = whole(l.o.Clock()), by
		if _, err = l.store.putGrant(ctx, &g); err != nil {
			return err
		}
		return l.store.note(ctx, Event{g.Revoked, by, "revoke", g.ID, fmt.Sprintf("%s %s +%d", g.Org, g.Window, g.Amount)})
	})
	switch {
	case err != nil:
		return Grant{}, err
	case !known:
		return Grant{}, &NoGrantError{id}
	}
	return g, nil
}

// MergeGrants takes what other gateways have: grants that are new here, and
// revocations. It tells whether anything was. Gateways that hear the same come
// to the same, in whatever order they hear it: what is revoked stays so, and of
// two revocations the earlier counts.
func (l *Ledger) MergeGrants(ctx context.Context, in []Grant) (changed bool, err error) {
	if len(in) == 0 {
		return false, nil
	}
	err = l.store.write(ctx, func(ctx context.Context) error {
		for i := range in {
			fresh, err := l.store.putGrant(ctx, &in[i])
			if err != nil {
				return err
			}
			changed = changed || fresh
		}
		return nil
	})
	return changed && err == nil, err
}

// Grants returns the grants that are in force, or all there ever were, oldest
// first.
func (l *Ledger) Grants(ctx context.Context, all bool) ([]Grant, error) {
	rows, err := l.store.reads.QueryContext(ctx, grantQuery+"WHERE ? OR revoked IS NULL AND until > ? ORDER BY made, id", all, l.o.Clock().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	var out []Grant
	for rows.Next() {
		g, err := scanGrant(rows)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		out = append(out, g)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return out, nil
}

const grantQuery = "SELECT id, org, window, amount, made, until, reason, author, revoked, revoker FROM grants "

// scanGrant reads a row of grantQuery.
func scanGrant(row interface{ Scan(...any) error }) (g Grant, err error) {
	var made, until, revoked sql.NullInt64
	err = row.Scan(&g.ID, &g.Org, &g.Window, &g.Amount, &made, &until, &g.Reason, &g.Author, &revoked, &g.Revoker)
	g.Made, g.Until, g.Revoked = fromMicro(made), fromMicro(until), fromMicro(revoked)
	return g, err
}

// putGrant writes a grant that is new, or that was revoked, or earlier than is
// known, and tells whether it was one.
func (s *store) putGrant(ctx context.Context, g *Grant) (fresh bool, err error) {
	done, err := s.conn.ExecContext(ctx, `INSERT INTO grants VALUES (?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT DO UPDATE SET revoked = excluded.revoked, revoker = excluded.revoker WHERE excluded.revoked IS NOT NULL
			AND (grants.revoked IS NULL OR (excluded.revoked, excluded.revoker) < (grants.revoked, grants.revoker))`,
		g.ID, g.Org, g.Window, g.Amount, micro(g.Made), micro(g.Until), g.Reason, g.Author, micro(g.Revoked), g.Revoker)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}
