package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
	"pilothouse/gateway"
)

// withTLS gives the gateway a certificate of its own making.
func (set *setup) withTLS(t testing.TB) {
	dir := t.TempDir()
	set.Config.Server.TLS.CertFile = filepath.Join(dir, "gateway.crt")
	set.Config.Server.TLS.KeyFile = filepath.Join(dir, "gateway.key")
	cert, key := newCertificate(t, "first")
	write(t, set.Config.Server.TLS.CertFile, cert)
	write(t, set.Config.Server.TLS.KeyFile, key)
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newCertificate makes a certificate for loopback that is signed by itself, and
// its key, both as PEM.
func newCertificate(t testing.TB, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// served is the name in the certificate that a new connection is shown.
func (s *service) served() string {
	s.t.Helper()
	c := s.DialTLS(&tls.Config{InsecureSkipVerify: true})
	defer c.Close()
	return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateReload(t *testing.T) {
	t.Parallel()
	var files gateway.TLS
	s := serve(t, func(set *setup) {
		set.withTLS(t)
		files = set.Config.Server.TLS
	})
	if got := s.served(); got != "first" {
		t.Fatalf("the certificate is %q", got)
	}
	old := s.DialTLS(&tls.Config{InsecureSkipVerify: true})
	cert, key := newCertificate(t, "second")

	// A new certificate whose key is not there yet is not used.
	write(t, files.CertFile, cert)
	eventually(t, "the log complains", func() bool { return strings.Contains(s.Log.String(), "can't be used") })
	if got := s.served(); got != "first" {
		t.Errorf("with the wrong key: %q", got)
	}
	write(t, files.KeyFile, key)
	eventually(t, "the new certificate is shown", func() bool { return s.served() == "second" })

	complaints := strings.Count(s.Log.String(), "can't be used")
	write(t, files.CertFile, []byte("-----BEGIN CERTIFICATE-----\nnone\n"))
	eventually(t, "the log complains again", func() bool { return strings.Count(s.Log.String(), "can't be used") > complaints })
	if got := s.served(); got != "second" {
		t.Errorf("with a broken file: %q", got)
	}
	if err := os.Remove(files.CertFile); err != nil {
		t.Fatal(err)
	}
	cert, key = newCertificate(t, "third")
	write(t, files.KeyFile, key)
	write(t, files.CertFile, cert)
	eventually(t, "the third certificate is shown", func() bool { return s.served() == "third" })

	old.Send(s.post("/v1/chat/completions", "acme", chat(true, "hi")))
	if a := old.Answer("POST"); a.StatusCode != 200 || strings.Count(a.Body, "data: ") != 4 {
		t.Errorf("on a connection from before: %d %q", a.StatusCode, a.Body)
	}
	if strings.Contains(s.Log.String(), "PRIVATE KEY") {
		t.Error("the log has a key")
	}
}

func TestTLSVersions(t *testing.T) {
	s := serve(t, func(set *setup) { set.withTLS(t) })
	for _, c := range []struct {
		version uint16
		ok      bool
	}{{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true}} {
		conn, err := tls.Dial("tcp", s.Addr, &tls.Config{InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version, NextProtos: []string{"h2", "http/1.1"}})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", tls.VersionName(c.version), err)
		}
		if err == nil {
			if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("%s: agreed on %q", tls.VersionName(c.version), got)
			}
			conn.Close()
		}
	}
	plain := s.Dial()
	plain.Send(words(s).Replace(get + "\r\n"))
	if a, err := plain.TryAnswer("GET"); err == nil && a.StatusCode < 400 {
		t.Errorf("plain HTTP was answered: %d", a.StatusCode)
	}
}

// A client that begins no handshake is cut as any slow one.
func TestSlowHandshakeIsCut(t *testing.T) {
	t.Parallel()
	s := serve(t, func(set *setup) {
		set.withTLS(t)
		set.Config.Server.ReadTimeout = backends.Duration(200 * time.Millisecond)
	})
	for name, sent := range map[string]string{"nothing": "", "the start of a record": "\x16\x03\x01"} {
		c := s.Dial()
		c.Send(sent)
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still open", name)
		}
	}
}

// A TLS connection is not held to the time-out of its handshake.
func TestTLSOutlivesItsHandshake(t *testing.T) {
	t.Parallel()
	s := serve(t, func(set *setup) {
		set.withTLS(t)
		set.Config.Server.ReadTimeout = backends.Duration(2 * time.Second)
	})
	c, more := s.begin()
	after := time.After(2500 * time.Millisecond)
	<-after
	more <- "two"
	close(more)
	if a := c.Answer("POST"); !strings.HasSuffix(a.Body, "data: [DONE]\n\n") || strings.Contains(a.Body, "error") {
		t.Errorf("%q", a.Body)
	}
}

func TestRedirect(t *testing.T) {
	addr := reserve(t)
	s := serve(t, func(set *setup) {
		set.withTLS(t)
		set.Config.Server.TLS.RedirectListen = addr
	})
	_, port, _ := net.SplitHostPort(s.Addr)
	for _, c := range []struct{ send, location string }{
		{"GET /v1/models?a=b HTTP/1.1\r\nHost: gateway\r\n\r\n", "https://gateway:" + port + "/v1/models?a=b"},
		{"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway:80\r\nContent-Length: 2\r\n\r\n{}", "https://gateway:" + port + "/v1/chat/completions"},
		{"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "https://[::1]:" + port + "/"},
		{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:" + port + "/"},
		{"GET http://other/x HTTP/1.1\r\nHost: gateway\r\n\r\n", "https://other:" + port + "/x"},
		{"GET //other/x HTTP/1.1\r\nHost: gateway\r\n\r\n", "https://gateway:" + port + "//other/x"},
		{"OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n", ""},
		{"GET / HTTP/1.0\r\n\r\n", ""},
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, conn)
		client.Send(c.send)
		method, _, _ := strings.Cut(c.send, " ")
		a := client.Answer(method)
		want := 308
		if c.location == "" {
			want = 400
		}
		if method == "OPTIONS" { // answered by net/http itself
			want = 200
		}
		if a.StatusCode != want || a.Header.Get("Location") != c.location {
			t.Errorf("%q: %d to %q, want %d to %q", c.send, a.StatusCode, a.Header.Get("Location"), want, c.location)
		}
	}
	s.Stop()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the redirect still listens")
	}
	noGoroutines(t)
}
