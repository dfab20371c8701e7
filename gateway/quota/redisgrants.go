package quota

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const grantsKey = prefix + "grants"

// SharedGrant is a grant as gateways pass it on. What it says is theirs alone.
type SharedGrant struct {
	ID      string          `json:"-"`
	Revoked bool            `json:"revoked,omitempty"` // which stays
	Ends    time.Time       `json:"ends"`              // nobody cares for it after that
	Text    json.RawMessage `json:"text"`
}

// GrantBook is where one gateway keeps grants.
type GrantBook interface {
	// Local returns those that have not ended, revoked ones too.
	Local() ([]SharedGrant, error)
	// Merge takes what other gateways have: new ones, and revocations.
	Merge([]SharedGrant) error
}

// ShareGrants has Run share the grants in a book. Call it before Run.
func (r *Redis) ShareGrants(b GrantBook) { r.grants = b }

// shareGrants makes the book and the store the union of both, in which a
// revocation wins. So it is the same in whatever order gateways do it, and a
// store that was emptied is filled again.
func (r *Redis) shareGrants(ctx context.Context) error {
	there, err := r.client.HGetAll(ctx, grantsKey).Result()
	if err != nil {
		return fmt.Errorf("read grants from Redis: %w", err)
	}
	local, err := r.grants.Local()
	if err != nil {
		return err
	}
	here := make(map[string]bool, len(local)) // id → revoked
	for _, g := range local {
		here[g.ID] = g.Revoked
	}
	var fresh []SharedGrant
	known := make(map[string]bool, len(there))
	now := time.Now()
	for id, text := range there {
		g := SharedGrant{ID: id}
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			return fmt.Errorf("read grant %q from Redis: %w", id, err)
		}
		if g.Ends.Before(now) {
			if err := r.client.HDel(ctx, grantsKey, id).Err(); err != nil {
				return fmt.Errorf("remove grant %q from Redis: %w", id, err)
			}
			continue
		}
		known[id] = g.Revoked
		if revoked, ok := here[id]; !ok || g.Revoked && !revoked {
			fresh = append(fresh, g)
		}
	}
	for _, g := range local {
		if revoked, ok := known[g.ID]; ok && (revoked || !g.Revoked) {
			continue
		}
		if err := r.tellGrant(ctx, &g); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return r.grants.Merge(fresh)
}

func (r *Redis) tellGrant(ctx context.Context, g *SharedGrant) error {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	pipe := r.client.TxPipeline()
	pipe.HSet(ctx, grantsKey, g.ID, text)
	pipe.ExpireNX(ctx, grantsKey, time.Until(g.Ends)+outlive)
	pipe.ExpireGT(ctx, grantsKey, time.Until(g.Ends)+outlive)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write grant %q to Redis: %w", g.ID, err)
	}
	return nil
}
