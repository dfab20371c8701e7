package gateway

import (
	"bufio"
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

var plainLine = regexp.MustCompile(`^([!-9;-~]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n$`)

// plainGuard is guard as its rules read, without a thought of speed: the
// status of the refusal, 0 for none.
func plainGuard(protocol, raw string) int {
	if protocol != "HTTP/1.1" && protocol != "HTTP/1.0" || raw == "" {
		return 400
	}
	seen := map[string]int{}
	for line := range strings.SplitAfterSeq(raw, "\n") {
		if line == "\r\n" || line == "" {
			break
		}
		m := plainLine.FindStringSubmatch(line)
		if m == nil {
			return 400
		}
		name, value := strings.ToLower(m[1]), strings.ToLower(strings.Trim(m[2], " \t"))
		seen[name]++
		switch {
		case name == "transfer-encoding" && value != "chunked":
			return 400
		case name == "expect" && value != "100-continue":
			return 417
		}
		for _, once := range []string{"host", "content-type", "content-encoding", "authorization", "content-length", "transfer-encoding"} {
			if seen[once] > 1 {
				return 400
			}
		}
	}
	if seen["content-length"] > 0 && seen["transfer-encoding"] > 0 {
		return 400
	}
	return 0
}

// FuzzGuard: guard agrees with plainGuard, and a request that it lets through
// means to net/http, where that takes it, what it means to fasthttp.
func FuzzGuard(f *testing.F) {
	for _, head := range []string{
		"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\nContent-Length: 5\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\r\nX: y\n z\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \ty\x00\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET http://b/x HTTP/1.1\r\nHost: a\r\nX:\r\n y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var h fasthttp.RequestHeader
		br := bufio.NewReaderSize(bytes.NewReader(in), 8<<10)
		if h.Read(br) != nil {
			return
		}
		raw := slices.Clone(h.RawHeaders())
		refusal := guard(&h)
		status := 0
		if refusal != nil {
			status = refusal.Status
		}
		if want := plainGuard(string(h.Protocol()), string(raw)); status != want {
			t.Fatalf("%d, want %d for %q", status, want, raw)
		}
		if !bytes.Equal(raw, h.RawHeaders()) {
			t.Fatal("the headers were changed")
		}
		if refusal != nil {
			if !refusal.close {
				t.Fatal("the connection would stay open")
			}
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		if req.Method != string(h.Method()) || req.RequestURI != string(h.RequestURI()) {
			t.Errorf("%s %q, net/http reads %s %q", h.Method(), h.RequestURI(), req.Method, req.RequestURI)
		}
		if chunked := slices.Equal(req.TransferEncoding, []string{"chunked"}); chunked != (h.ContentLength() == -1) {
			t.Errorf("length %d, net/http reads %v", h.ContentLength(), req.TransferEncoding)
		} else if want := max(int64(h.ContentLength()), 0); !chunked && req.ContentLength != want {
			t.Errorf("length %d, net/http reads %d", h.ContentLength(), req.ContentLength)
		}
		if got := h.Peek("Authorization"); req.Header.Get("Authorization") != string(got) || len(req.Header.Values("Authorization")) > 1 {
			t.Errorf("authorization %q, net/http reads %q", got, req.Header.Values("Authorization"))
		}
		if got := h.ContentType(); req.Header.Get("Content-Type") != string(got) {
			t.Errorf("content type %q, net/http reads %q", got, req.Header.Values("Content-Type"))
		}
	})
}

func TestTarget(t *testing.T) {
	for uri, want := range map[string]string{
		"/v1/models":                      "/v1/models",
		"/v1/models?x":                    "/v1/models",
		"/v1/models?a=/b?c":               "/v1/models",
		"/v1/models#x":                    "/v1/models#x",
		"/v1/../metrics":                  "/v1/../metrics",
		"/v1/%6dodels":                    "/v1/%6dodels",
		"//v1/models":                     "//v1/models",
		"http://host/v1/models?x":         "/v1/models",
		"HTTPS://host:1/v1/models":        "/v1/models",
		"http://host":                     "/",
		"http://host?/v1/models":          "/",
		"http://host#/v1/models":          "/",
		"http://":                         "http://",
		"/http://host/v1/models":          "/http://host/v1/models",
		"http://host/http://h/v1/models":  "/http://h/v1/models",
		"ftp://host/v1/models":            "ftp://host/v1/models",
		"*":                               "*",
		"":                                "",
		"host:80":                         "host:80",
		"http://user:pass@host/v1/models": "/v1/models",
	} {
		if got := string(target([]byte(uri))); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc":      "abc",
		"bearer abc":      "abc",
		"BEARER  abc":     "abc",
		"Bearer":          "",
		"Bearer ":         "",
		"Bearer   ":       "",
		"Bearer a b":      "",
		"Bearer a\tb":     "",
		"Bearer\tabc":     "",
		"Bearer abc, abc": "",
		"Bearer ab\x80":   "",
		"Basic abc":       "",
		"abc":             "",
		"":                "",
	} {
		if got := string(bearer([]byte(header))); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	for _, ok := range []string{"a", "Z-9_.:", strings.Repeat("x", 128)} {
		if got := requestID([]byte(ok)); got != ok {
			t.Errorf("%q became %q", ok, got)
		}
	}
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", "a\r\nX: y", "é", `"`, strings.Repeat("x", 129), "a/b"} {
		got := requestID([]byte(bad))
		if got == bad || !regexp.MustCompile(`^[0-9a-v]{20}$`).MatchString(got) || seen[got] {
			t.Errorf("%q became %q", bad, got)
		}
		seen[got] = true
	}
}
