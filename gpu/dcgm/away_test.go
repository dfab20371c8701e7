package dcgm

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAway: whatever is there instead of an exporter, Devices ends in time, in
// words, with nothing of the other side's.
func TestAway(t *testing.T) {
	var zeros bytes.Buffer
	zip := gzip.NewWriter(&zeros)
	_, _ = zip.Write(bytes.Repeat([]byte("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\n"), 1<<19))
	_ = zip.Close()
	const hostile = "\x1b[31mhostile"
	for _, c := range []struct {
		name, want string
		handler    http.HandlerFunc
	}{
		{"silent", "no answer within 300ms", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"silent in the middle", "no answer within 300ms", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
		{"500", "it answers with status 500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, hostile, 500) }},
		{"redirect", "it answers with status 302", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(302)
		}},
		{"html", "it shows no GPU: is a DCGM exporter there?", says("<html><body>" + hostile + "</body></html>")},
		{"nothing", "it shows no GPU: is a DCGM exporter there?", says("")},
		{"cut", "it shows no GPU: is a DCGM exporter there?", says(`DCGM_FI_DEV_GPU_TEMP{gpu="0"} 1`)},
		{"endless", "its answer is larger than 8 MiB", func(w http.ResponseWriter, _ *http.Request) {
			for line := bytes.Repeat([]byte("x"), 1<<16); ; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}},
		{"endless, readable", "its answer is larger than 8 MiB", func(w http.ResponseWriter, _ *http.Request) {
			for line := []byte("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\n" + strings.Repeat("x", 1<<14) + "\n"); ; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}},
		{"cut short", "its answer was cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 1\n")
		}},
		{"gzip bomb", "it answers in an encoding that was not asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zeros.Bytes())
		}},
		{"not http", "it gives no answer in HTTP", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, hostile+"\r\n\r\n")
			_ = c.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := remote(t, c.handler)
			if strings.HasPrefix(c.name, "silent") {
				s.remote.Timeout = Duration(300 * time.Millisecond)
			}
			began := time.Now()
			_, err := s.Devices(t.Context())
			if want := `read DCGM exporter "gpu2": ` + c.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	nobody := Remote{Name: "gpu2", URL: "http://127.0.0.1:1"}
	if _, err := source(t, nobody).Devices(t.Context()); err == nil || err.Error() != `read DCGM exporter "gpu2": connection refused` {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source(t, nobody).Devices(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the context has ended: %v", err)
	}
}

// TestLeaver: one whose context ends while it fetches for all takes nothing
// from the others, and leaves no goroutine.
func TestLeaver(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	arrived, first := make(chan struct{}), atomic.Bool{}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first.CompareAndSwap(false, true) {
			close(arrived)
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 40\n")
	})
	server.Start()
	s := source(t, Remote{Name: "gpu2", URL: server.URL})
	before := runtime.NumGoroutine()
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s.Devices(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
	})
	<-arrived
	for range 4 {
		all.Go(func() {
			if list, err := s.Devices(t.Context()); err != nil || len(list.Devices) != 1 {
				t.Errorf("who stayed got %v, %v", list, err)
			}
		})
	}
	leave()
	all.Wait()
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
	server.Close()
}

// TestTLS: the exporter's certificate is checked against ca_file.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(says("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 40\n"))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t, Remote{Name: "x", URL: server.URL, CAFile: ca}).Devices(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := source(t, Remote{Name: "x", URL: server.URL}).Devices(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
}
