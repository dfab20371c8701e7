package sim

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TrafficConfig is a mixture of clients.
type TrafficConfig struct {
	BaseURL string         // of the gateway, with no path
	Orgs    []TrafficOrg   // at least one
	Models  []TrafficModel // at least one
	Rate    float64        // requests a second in the long run
	Seed    uint64
}

// TrafficOrg is an organisation that sends requests.
type TrafficOrg struct {
	Key    string
	Weight float64 // its share, beside the others'; above 0
}

// TrafficModel is a model to ask.
type TrafficModel struct {
	Name string
	Kind Kind // a Text2SQL one is also asked at /text2sql
}

// TrafficStats count requests since the start.
type TrafficStats struct {
	Sent     uint64
	Answered uint64 // 2xx, to the end
	Refused  uint64 // any other status
	Left     uint64 // given up by the client on purpose
	Failed   uint64 // no answer, or one that broke off
	Skipped  uint64 // not sent, since too many were under way
}

// Traffic sends requests as people and programs do: streams and whole answers,
// clients that leave in the middle, bursts and lulls on a slow wave, a few
// mistakes. A Traffic logs nothing and keeps its keys to itself.
type Traffic struct {
	config TrafficConfig
	client *http.Client
	weight float64 // of all organisations

	sent, answered, refused, left, failed, skipped atomic.Uint64
}

// mostUnderWay bounds the requests at once, should the gateway stop answering.
const mostUnderWay = 64

// NewTraffic makes traffic that doesn't flow yet.
func NewTraffic(c TrafficConfig) (*Traffic, error) {
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Scheme == "" || base.Host == "":
		return nil, errors.New("make traffic: the base URL is none")
	case len(c.Orgs) == 0 || len(c.Models) == 0:
		return nil, errors.New("make traffic: it needs an organisation and a model")
	case !(c.Rate > 0 && c.Rate <= 1000):
		return nil, fmt.Errorf("make traffic: rate is %v, want above 0, to 1000 requests/s", c.Rate)
	}
	t := &Traffic{config: c}
	for _, o := range c.Orgs {
		if !(o.Weight > 0) {
			return nil, fmt.Errorf("make traffic: weight is %v, want above 0", o.Weight)
		}
		t.weight += o.Weight
	}
	t.config.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	t.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: mostUnderWay, IdleConnTimeout: 30 * time.Second}}
	return t, nil
}

// Stats may be called at any time.
func (t *Traffic) Stats() TrafficStats {
	return TrafficStats{
		Sent: t.sent.Load(), Answered: t.answered.Load(), Refused: t.refused.Load(),
		Left: t.left.Load(), Failed: t.failed.Load(), Skipped: t.skipped.Load(),
	}
}

// Run sends requests until the context ends, and returns nil after the last of
// them has.
func (t *Traffic) Run(ctx context.Context) error {
	random := rand.New(rand.NewPCG(t.config.Seed, 0xd1342543de82ef95))
	tide := newTide(random)
	var under sync.WaitGroup
	slots := make(chan struct{}, mostUnderWay)
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			under.Wait()
			t.client.CloseIdleConnections()
			return nil
		}
		rate := t.config.Rate * tide.level(time.Since(began))
		timer.Reset(time.Duration(random.ExpFloat64() / rate * float64(time.Second)))
		visit := t.visit(random)
		select {
		case slots <- struct{}{}:
			under.Go(func() {
				t.send(ctx, visit)
				<-slots
			})
		default:
			t.skipped.Add(1)
		}
	}
}

// visit is one request as its client means it.
type visit struct {
	path, key string
	body      []byte
	leaves    int           // after so many events; 0: it stays
	patience  time.Duration // for a whole answer; 0: all that it takes
}

// send makes a request and takes its answer.
func (t *Traffic) send(ctx context.Context, v visit) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.config.BaseURL+v.path, bytes.NewReader(v.body))
	if err != nil {
		t.failed.Add(1) // not possible: the URL was parsed before
		return
	}
	r.Header.Set("Authorization", "Bearer "+v.key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "pilothouse-traffic")
	var lost atomic.Bool
	if v.patience > 0 {
		timer := time.AfterFunc(v.patience, func() { lost.Store(true); leave() })
		defer timer.Stop()
	}
	t.sent.Add(1)
	answer, err := t.client.Do(r)
	if err == nil {
		err = t.read(answer, v.leaves)
	}
	switch {
	case errors.Is(err, errLeft) || lost.Load():
		t.left.Add(1)
	case err != nil:
		t.failed.Add(1)
	case answer.StatusCode >= 300:
		t.refused.Add(1)
	default:
		t.answered.Add(1)
	}
}

// errLeft is a client's own decision to go.
var errLeft = errors.New("left")

// read takes an answer to its end, or to where its client leaves. A stream
// without its last event has broken off.
func (t *Traffic) read(answer *http.Response, leaves int) error {
	defer answer.Body.Close()
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		_, err := io.Copy(io.Discard, answer.Body)
		return err
	}
	lines := bufio.NewReaderSize(answer.Body, 16<<10)
	for seen, whole := 0, false; ; {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull): // the rest of a long line follows
		case errors.Is(err, io.EOF) && whole:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case bytes.HasPrefix(line, []byte("data:")):
			whole = bytes.HasPrefix(line, []byte("data: [DONE]"))
			if seen++; leaves > 0 && seen >= leaves {
				return errLeft
			}
		}
	}
}

// tide is how much traffic there is over time: a wave of some minutes, with
// bursts and lulls on it.
type tide struct {
	random  *rand.Rand
	factor  float64       // of the spell that lasts
	until   time.Duration // when it ends
	unusual bool
}

func newTide(random *rand.Rand) *tide { return &tide{random: random, factor: 1} }

// level is the factor on the rate at a time since the start; its mean is about
// 1. Times must not go back.
func (t *tide) level(at time.Duration) float64 {
	const wave = 4 * time.Minute
	for at >= t.until {
		t.unusual = !t.unusual && t.until > 0
		switch {
		case !t.unusual: // as usual, for most of the time
			t.factor, t.until = 1, t.until+t.between(25*time.Second, 70*time.Second)
		case t.random.IntN(2) == 0: // a burst
			t.factor, t.until = 4, t.until+t.between(2*time.Second, 6*time.Second)
		default: // a lull
			t.factor, t.until = 0.15, t.until+t.between(8*time.Second, 16*time.Second)
		}
	}
	return t.factor * (1 + 0.6*math.Sin(2*math.Pi*at.Seconds()/wave.Seconds()))
}

func (t *tide) between(from, to time.Duration) time.Duration {
	return from + time.Duration(t.random.Int64N(int64(to-from)))
}
