package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// certificate is read from its files anew when they change. While the new ones
// can't be used, say because only one of the two was replaced yet, the old one
// stays in force.
type certificate struct {
	files TLS
	log   *slog.Logger
	cert  atomic.Pointer[tls.Certificate]
	seen  [2]fileMark
}

type fileMark struct {
	mod  time.Time
	size int64
}

func loadCertificate(files TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log}
	c.seen = c.marks()
	return c, c.load()
}

func (c *certificate) load() error {
	cert, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("read the certificate %q and its key %q: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	c.cert.Store(&cert)
	return nil
}

func (c *certificate) marks() (m [2]fileMark) {
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		if st, err := os.Stat(name); err == nil {
			m[i] = fileMark{st.ModTime(), st.Size()}
		}
	}
	return m
}

// refresh looks whether the files changed; called by one goroutine.
func (c *certificate) refresh() {
	m := c.marks()
	if m == c.seen {
		return
	}
	c.seen = m
	if err := c.load(); err != nil {
		c.log.Error("the certificate changed and can't be used; the old one stays", "error", err)
		return
	}
	c.log.Info("certificate reloaded", "file", c.files.CertFile)
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.cert.Load(), nil
		},
	}
}

// redirect answers everything with the same address under https.
func redirect(httpsAddr string) *http.Server {
	_, port, _ := net.SplitHostPort(httpsAddr)
	return &http.Server{
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			host, uri := req.Host, req.URL.RequestURI()
			if h, _, err := net.SplitHostPort(host); err == nil {
				host = h
			}
			host = strings.Trim(host, "[]")
			if host == "" || !strings.HasPrefix(uri, "/") { // HTTP/1.0, OPTIONS *
				http.Error(w, "This is the address of https://; ask there.", http.StatusBadRequest)
				return
			}
			if port != "443" {
				host = net.JoinHostPort(host, port)
			} else if strings.Contains(host, ":") {
				host = "[" + host + "]"
			}
			http.Redirect(w, req, "https://"+host+uri, http.StatusPermanentRedirect)
		}),
	}
}
