package quota

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// RedisOptions are what a [Redis] is made of.
type RedisOptions struct {
	URL     string        // redis://[user:password@]host:port[/db], or rediss:// for TLS
	Gateway string        // this gateway's name among those that share; the same after a restart
	TTL     time.Duration // how long a lease lasts; 0: 30 s
	Log     *slog.Logger  // nil: none
}

// Redis shares quotas between gateways through a Redis or a Valkey server. It
// is a [Lessor].
//
// Each counter is a hash with one field for each gateway: what that gateway has
// used in all, what its requests in flight hold, how far it may go, and until
// when. The sum is what counts. A gateway only ever writes its own field, and
// absolute numbers into it: what is told twice changes nothing, a gateway that
// comes back tells what its ledger says, and the lease of one that is gone
// returns when its time is up. All keys expire, two days after what they count.
//
// A server that may have lost something (restarted, emptied, failed over to a
// replica, replaced) is known by its epoch. Each gateway then tells it what it
// knew last, of itself and of the others, has its [Windows] tell all of their own
// again, and takes no new lease for the first two seconds, so that the others can
// do the same. A store that has never been used begins like that, too.
//
// One server is meant, or one address behind which one server at a time answers:
// not a Redis Cluster.
type Redis struct {
	client  *redis.Client
	gateway string
	ttl     time.Duration
	log     *slog.Logger

	grants    GrantBook
	addresses func() *Addresses

	settling time.Duration // of a new epoch, in which nothing is leased

	mu    sync.Mutex // one conversation at a time: its order is the order of calls
	word  string     // the epoch; "": none yet
	known map[string]*known
	epoch atomic.Uint64
}

// known is what the server knew last of a counter.
type known struct {
	ends   time.Time
	fields []any  // pairs of a gateway and its field
	word   string // the epoch that has been told of it
}

const (
	prefix      = "pilothouse:"
	epochKey    = prefix + "epoch"
	leaseTTL    = 30 * time.Second
	callTimeout = time.Second
	settling    = 2 * roundEvery
	retellAt    = 500              // counters in one round trip
	outlive     = 48 * time.Hour   // that a key stays after what it counts
	mostCount   = int64(1)<<53 - 1 // Lua's numbers are exact up to here
)

var (
	//go:embed lease.lua
	leaseSource string
	//go:embed restore.lua
	restoreSource string
	//go:embed epoch.lua
	epochSource string

	leaseScript   = redis.NewScript(leaseSource)
	restoreScript = redis.NewScript(restoreSource)
	epochScript   = redis.NewScript(epochSource)
)

// ErrSettling is that the store has just begun anew, and not every gateway may
// have told it yet what it has used.
var ErrSettling = errors.New("the store has begun anew; gateways tell it what they have used")

// NewRedis makes a Redis. It does not connect. From then on the client library
// writes nothing to standard error, which may be a screen: what matters of what
// it says comes back as errors.
func NewRedis(o RedisOptions) (*Redis, error) {
	opts, err := redis.ParseURL(o.URL)
	if err != nil { // its text may hold the password
		return nil, errors.New("no Redis URL")
	}
	logging.Disable()
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = callTimeout/2, callTimeout/2, callTimeout/2
	opts.MaxRetries, opts.ContextTimeoutEnabled, opts.PoolSize = -1, true, 4
	opts.ClientName, opts.DisableIdentity, opts.DialerRetries = "pilothouse", true, 1
	if o.TTL == 0 {
		o.TTL = leaseTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Redis{client: redis.NewClient(opts), gateway: o.Gateway, ttl: o.TTL, log: o.Log, settling: settling, known: make(map[string]*known)}, nil
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Epoch is another number once the store has lost what it was told. Run keeps
// it up to date.
func (r *Redis) Epoch() uint64 { return r.epoch.Load() }

// Lease asks for room in counters, all in one round trip.
func (r *Redis) Lease(asks []Ask) ([]Lease, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil { // spent on waiting for others, who got no answer
			return nil, fmt.Errorf("ask Redis: %w", err)
		}
		before := time.Now()
		leases, again, err := r.lease(ctx, asks, before)
		if err != nil || !again {
			return leases, err
		}
		if try > 1 {
			return nil, errors.New("the store begins anew again and again")
		}
	}
}

// lease is one round trip. It is to be made again where the server lacks the
// scripts, or is another one than before.
func (r *Redis) lease(ctx context.Context, asks []Ask, before time.Time) (leases []Lease, again bool, err error) {
	// The epoch comes first, so that a server that has been restarted leases
	// nothing on the word of what it has saved, and last: answers of one that was
	// emptied in between are never used.
	pipe := r.client.Pipeline()
	epochScript.EvalSha(ctx, pipe, []string{epochKey}, newWord())
	cmds := make([]*redis.Cmd, len(asks))
	for i := range asks {
		a := &asks[i]
		cmds[i] = leaseScript.EvalSha(ctx, pipe, []string{a.name(), epochKey}, r.gateway, bound(a.Limit), bound(a.Used), bound(a.Held),
			bound(a.Need), bound(a.Want), r.ttl.Milliseconds(), a.Ends.Add(outlive).Unix(), r.settling.Milliseconds())
	}
	epoch := epochScript.EvalSha(ctx, pipe, []string{epochKey}, newWord())
	if _, err := pipe.Exec(ctx); err != nil {
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			return nil, true, r.load(ctx)
		}
		return nil, false, fmt.Errorf("ask Redis: %w", err)
	}
	if changed, err := r.meet(ctx, epoch); err != nil || changed {
		return nil, changed, err
	}
	unsettled := false
	leases = make([]Lease, len(asks))
	for i := range asks {
		settled, err := r.answer(cmds[i], &asks[i], &leases[i])
		if err != nil {
			return nil, false, err
		}
		leases[i].Until = before.Add(r.ttl - r.ttl/50) // clocks may run at different rates
		unsettled = unsettled || !settled && asks[i].Limit > 0 && leases[i].Ceiling < asks[i].Need
	}
	if unsettled {
		return nil, false, ErrSettling
	}
	return leases, false, nil
}

func (r *Redis) load(ctx context.Context) error {
	for _, s := range []*redis.Script{leaseScript, restoreScript, epochScript} {
		if err := s.Load(ctx, r.client).Err(); err != nil {
			return fmt.Errorf("load a script into Redis: %w", err)
		}
	}
	return nil
}

// meet looks at the server's epoch. A new one is told what was known.
func (r *Redis) meet(ctx context.Context, answer *redis.Cmd) (changed bool, err error) {
	word, err := answer.Text()
	if err != nil {
		return false, fmt.Errorf("read Redis's epoch: %w", err)
	}
	if word == r.word {
		return false, nil
	}
	first := r.word == ""
	if !first {
		r.log.Warn("the quota store has begun anew; it is told again what was used")
		if err := r.retell(ctx, word); err != nil {
			return false, err
		}
	}
	r.word = word
	r.epoch.Store(maphash.String(epochSeed, word) | 1)
	return !first, nil
}

var (
	epochSeed = maphash.MakeSeed()
	errAnswer = errors.New("Redis answered something else than it was asked for")
)

// retell tells the server what is known. What it had no time for, the next call
// goes on with.
func (r *Redis) retell(ctx context.Context, word string) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	pipe := r.client.Pipeline()
	var told []*known
	flush := func() error {
		if _, err := pipe.Exec(ctx); err != nil && len(told) > 0 {
			return fmt.Errorf("tell Redis what it has lost: %w", err)
		}
		for _, k := range told {
			k.word = word
		}
		told = told[:0]
		return nil
	}
	for name, k := range r.known {
		if k.word == word {
			continue
		}
		restoreScript.EvalSha(ctx, pipe, []string{name}, append([]any{k.ends.Add(outlive).Unix()}, k.fields...)...)
		if told = append(told, k); len(told) == retellAt {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// forget drops what is known of periods that have ended.
func (r *Redis) forget(now time.Time) {
	for name, k := range r.known {
		if k.ends.Before(now) {
			delete(r.known, name)
		}
	}
}

// answer reads what lease.lua returns into l, and whether new leases are given.
func (r *Redis) answer(cmd *redis.Cmd, asked *Ask, l *Lease) (settled bool, err error) {
	s, err := cmd.Slice()
	if err != nil || len(s) < 4 {
		return false, fmt.Errorf("read Redis's lease: %w", errors.Join(err, errAnswer))
	}
	var flag int64
	for i, n := range []*int64{&l.Ceiling, &l.Others, &l.OthersUsed, &flag} {
		text, _ := s[i].(string)
		if *n, err = strconv.ParseInt(text, 10, 64); err != nil {
			return false, errAnswer
		}
	}
	r.known[asked.name()] = &known{asked.Ends, s[4:], r.word}
	return flag == 1, nil
}

// name is a counter's key in Redis. An organisation's name may hold anything.
func (c *Counter) name() string {
	return prefix + "quota:{" + c.Window + ":" + c.Begins.UTC().Format(time.DateOnly) + ":" + strconv.Itoa(len(c.Org)) + ":" + c.Org + ":" + c.Key + "}"
}

func bound(n int64) int64 { return min(max(n, 0), mostCount) }

func newWord() string { return strings.ToLower(rand.Text()) }

// Run keeps an eye on the server's epoch, and passes grants and addresses'
// rates between gateways, until ctx ends.
func (r *Redis) Run(ctx context.Context) error {
	var work sync.WaitGroup
	if r.addresses != nil {
		work.Go(func() { r.shareAddresses(ctx) })
	}
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	failing := false
	for ctx.Err() == nil {
		err := r.round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.Warn("grants are not shared", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	work.Wait()
	return nil
}

func (r *Redis) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r.mu.Lock()
	_, err := r.meet(ctx, epochScript.Run(ctx, r.client, []string{epochKey}, newWord()))
	r.forget(time.Now())
	r.mu.Unlock()
	if err != nil || r.grants == nil {
		return err
	}
	return r.shareGrants(ctx)
}
