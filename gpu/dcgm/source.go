package dcgm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"pilothouse/gpu"
)

// bodyMost bounds an answer. With every field switched on, a GPU has 60 KB.
const bodyMost = 8 << 20

// Source reads the GPUs of a host with a DCGM exporter. Its readings have the
// time of the scrape that they came with; how old the exporter's own are is not
// to be seen (it measures every 30 s unless it is told otherwise).
//
// A device that was listed and is not shown any more, while others are, is
// reported as [gpu.ErrLost]: DCGM ceases to report what has fallen off the bus.
// So is one in whose place another has come. It is judged anew at each scrape.
type Source struct {
	remote Remote
	client *http.Client

	mu     sync.Mutex
	flight *flight
	listed map[int]string // UUIDs of all that ever were
}

var _ gpu.Source = (*Source)(nil)

// flight is one scrape, under way or done.
type flight struct {
	began time.Time
	done  chan struct{}
	// Set before done is closed.
	scrape *scrape
	err    error
	void   bool // who made it has gone before it ended: it says nothing of the exporter
}

// New makes a source of a remote that is filled and valid. An error is a
// *SettingError about its certificates. Proxies that the environment names are
// not for hosts of one's own, and are not used.
func New(r Remote) (*Source, error) {
	config, err := r.tls()
	if err != nil {
		return nil, err
	}
	return &Source{remote: r, listed: make(map[int]string), client: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        config,
			DisableKeepAlives:      true, // one request in seconds; and no goroutine stays for it
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name is "dcgm".
func (s *Source) Name() string { return "dcgm" }

// Simulated is false.
func (s *Source) Simulated() bool { return false }

// Devices lists what the exporter shows.
func (s *Source) Devices(ctx context.Context) (gpu.Listing, error) {
	x, err := s.newest(ctx)
	if err != nil {
		return gpu.Listing{}, err
	}
	var list gpu.Listing
	listed := make(map[int]string)
	for _, index := range slices.Sorted(maps.Keys(x.gpus)) {
		g := x.gpus[index]
		listed[index] = g.uuid
		list.Devices = append(list.Devices, gpu.Device{Index: index, Name: g.name, UUID: g.uuid, PCI: g.pci, Serves: g.serves})
		if list.Driver == "" {
			list.Driver = g.driver
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.listed, listed) // what is lost stays
	return list, nil
}

// Read is what the newest scrape has of a device, which it makes if it is time.
func (s *Source) Read(ctx context.Context, index int, due gpu.Group) (gpu.Sample, error) {
	x, err := s.newest(ctx)
	if err != nil {
		return gpu.Sample{}, err
	}
	s.mu.Lock()
	uuid, listed := s.listed[index]
	s.mu.Unlock()
	g := x.gpus[index]
	switch {
	case !listed:
		return gpu.Sample{}, fmt.Errorf("read gpu %d of %q: it is not one of those that were listed", index, s.remote.Name)
	case g == nil:
		return gpu.Sample{}, fmt.Errorf("read gpu %d of %q: its DCGM exporter shows others, and this one no more: %w", index, s.remote.Name, gpu.ErrLost)
	case uuid != "" && g.uuid != "" && g.uuid != uuid:
		return gpu.Sample{}, fmt.Errorf("read gpu %d of %q: another one has its number now: %w", index, s.remote.Name, gpu.ErrLost)
	}
	return g.sample(x.at, due), nil
}

// newest is the newest scrape. Of those who want one when it is time, one makes
// it, and the others wait for it.
func (s *Source) newest(ctx context.Context) (*scrape, error) {
	for {
		s.mu.Lock()
		f := s.flight
		if f == nil || f.over(time.Duration(s.remote.Interval)) {
			f = &flight{began: time.Now(), done: make(chan struct{})}
			s.flight = f
			s.mu.Unlock()
			f.scrape, f.err = s.fetch(ctx)
			f.void = ctx.Err() != nil
			close(f.done)
			return f.scrape, f.err
		}
		s.mu.Unlock()
		select {
		case <-f.done:
			if !f.void {
				return f.scrape, f.err
			}
		case <-ctx.Done():
			return nil, s.says(ctx.Err())
		}
	}
}

// over tells whether it is time for another.
func (f *flight) over(interval time.Duration) bool {
	select {
	case <-f.done:
		return f.void || time.Since(f.began) >= interval
	default:
		return false
	}
}

// fetch asks the exporter.
func (s *Source) fetch(ctx context.Context) (*scrape, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.remote.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.remote.URL, nil)
	if err != nil {
		return nil, s.says(err)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.says(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, s.says(fmt.Errorf("%w %d", errStatus, resp.StatusCode))
	case resp.Header.Get("Content-Encoding") != "":
		return nil, s.says(errCoded)
	}
	body := &io.LimitedReader{R: resp.Body, N: bodyMost + 1}
	x, err := parse(body, began)
	if body.N == 0 {
		err = errLarge
	}
	if err != nil {
		return nil, s.says(err)
	}
	return x, nil
}

var (
	errStatus = errors.New("it answers with status")
	errCoded  = errors.New("it answers in an encoding that was not asked for")
	errLarge  = fmt.Errorf("its answer is larger than %d MiB", bodyMost>>20)
)

// says puts in words why there is no scrape. Other errors' texts may hold what
// the other side sent, so they are not used.
func (s *Source) says(err error) error {
	var no syscall.Errno
	var host *net.DNSError
	var certificate *tls.CertificateVerificationError
	words := "it gives no answer in HTTP"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		words = fmt.Sprintf("no answer within %v", s.remote.Timeout)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("read DCGM exporter %q: %w", s.remote.Name, context.Canceled)
	case errors.Is(err, errStatus), errors.Is(err, errCoded), errors.Is(err, errLarge), errors.Is(err, errNone), errors.Is(err, errMixed):
		words = err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF):
		words = "its answer was cut short"
	case errors.As(err, &certificate):
		words = "its certificate is not of those that ca_file, or else the system, trusts, or is another host's"
	case errors.As(err, &host):
		words = "the host's name is not known"
	case errors.As(err, &no):
		words = no.Error()
	}
	return fmt.Errorf("read DCGM exporter %q: %s", s.remote.Name, words)
}
