package gateway_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backends"
)

// The requests below are raw bytes with these words in them:
//
//	KEY, OTHER  keys of acme and of globex
//	HELLO       a chat body of 91 bytes, which the engine is to get
//	EVIL        a whole request with a key and a body of its own, which the
//	            engine must never get; EVILLEN and EVILHEX are its length
const (
	hello = `{"model":"test-model","messages":[{"role":"user","content":"meant for the engine, this"}]}` + "\n"
	evil  = head + "Content-Length: 78\r\n\r\n" + `{"model":"test-model","messages":[{"role":"user","content":"it is smuggled"}]}`
	head  = "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\n"
	get   = "GET /v1/models HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer KEY\r\n"
)

// words puts them in.
func words(s *service) *strings.Replacer {
	evil := strings.ReplaceAll(evil, "KEY", s.Key("acme"))
	return strings.NewReplacer("KEY", s.Key("acme"), "OTHER", s.Key("globex"), "HELLO", hello,
		"EVILLEN", strconv.Itoa(len(evil)), "EVILHEX", strconv.FormatInt(int64(len(evil)), 16), "EVIL", evil)
}

// A hostile is a request, or several on one connection, that two parsers could
// read differently or that is none at all.
type hostile struct {
	name   string
	send   string
	want   []int  // the answers' statuses
	code   string // of the last answer's error
	open   bool   // the connection stays open and in step
	engine int    // requests that reach the engine: HELLO, and nothing else
}

var framing = []hostile{
	{"honest", head + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"honest, chunked", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{200}, "", true, 1},
	{"honest, chunked, coding in capitals", head + "Transfer-Encoding: Chunked\r\n\r\n5B\r\nHELLO\r\n0\r\n\r\n", []int{200}, "", true, 1},
	{"two equal lengths", head + "Content-Length: 91\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"two lengths", head + "Content-Length: 91\r\nContent-Length: 0\r\n\r\nHELLOEVIL", []int{400}, "invalid_request", false, 0},
	{"list of lengths", head + "Content-Length: 91, 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"negative length", head + "Content-Length: -1\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length with a plus", head + "Content-Length: +91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length in hex", head + "Content-Length: 0x5b\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length with a space in it", head + "Content-Length: 9 1\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length with a fraction", head + "Content-Length: 91.0\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"empty length", head + "Content-Length:\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length of no digits", head + "Content-Length: ninety\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length beyond 64 bits", head + "Content-Length: 18446744073709551707\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length of 64 bits", head + "Content-Length: 9223372036854775807\r\n\r\nHELLO", []int{413}, "body_too_large", false, 0},
	{"length of underscores", head + "Content-Length: 9_1\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"length in other digits", head + "Content-Length: ９１\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"body without a length", head + "\r\n" + get + "\r\n", []int{400, 200}, "", true, 0},

	{"length and chunked", head + "Content-Length: 91\r\nTransfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"CL.TE", head + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL", []int{400}, "invalid_request", false, 0},
	{"TE.CL", head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nEVIL\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"identity and length", head + "Transfer-Encoding: identity\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"identity", head + "Transfer-Encoding: identity\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"gzip, chunked", head + "Transfer-Encoding: gzip, chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunked, chunked", head + "Transfer-Encoding: chunked, chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunked twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunked and identity", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"xchunked", head + "Transfer-Encoding: xchunked\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"chunked in quotes", head + "Transfer-Encoding: \"chunked\"\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunked with a parameter", head + "Transfer-Encoding: chunked;a=b\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunked behind a tab", head + "Transfer-Encoding:\tchunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{200}, "", true, 1},
	{"chunked behind a vertical tab", head + "Transfer-Encoding: \x0bchunked\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"empty coding", head + "Transfer-Encoding:\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"coding before a space", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nEVIL", []int{400}, "invalid_request", false, 0},
	{"coding on a folded line", head + "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"coding behind a bare CR", head + "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"coding with an underscore", head + "Transfer_Encoding: chunked\r\nContent-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"chunked in HTTP/1.0", strings.Replace(head, "/1.1", "/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},

	{"chunk extension", head + "Transfer-Encoding: chunked\r\n\r\n5b;a=b\r\nHELLO\r\n0;c\r\n\r\n", []int{200}, "", true, 1},
	{"chunk extension with a line feed", head + "Transfer-Encoding: chunked\r\n\r\n5b;a\nb\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"trailer", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\nX-After: 1\r\n\r\n", []int{200}, "", true, 1},
	{"trailer that frames", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\nContent-Length: 5\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"key in a trailer", strings.Replace(head, "Authorization: Bearer KEY\r\n", "", 1) + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\nAuthorization: Bearer KEY\r\n\r\n", []int{401}, "invalid_api_key", false, 0},
	{"chunk size in 0x", head + "Transfer-Encoding: chunked\r\n\r\n0x5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"negative chunk", head + "Transfer-Encoding: chunked\r\n\r\n-5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunk with a plus", head + "Transfer-Encoding: chunked\r\n\r\n+5b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"huge chunk", head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunk beyond 64 bits", head + "Transfer-Encoding: chunked\r\n\r\n1000000000000005b\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"empty chunk size", head + "Transfer-Encoding: chunked\r\n\r\n\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunk too short", head + "Transfer-Encoding: chunked\r\n\r\n5a\r\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunk too long", head + "Transfer-Encoding: chunked\r\n\r\n5d\r\nHELLO\r\n0\r\n\r\nEVIL", []int{400}, "invalid_request", false, 0},
	{"chunk line with a bare LF", head + "Transfer-Encoding: chunked\r\n\r\n5b\nHELLO\r\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunk ended by a bare LF", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\n0\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"chunks and a second request", head + "Transfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n" + get + "\r\n", []int{200, 200}, "", true, 1},

	{"length in a GET, with a request in it", get + "Content-Length: EVILLEN\r\n\r\nEVIL", []int{200}, "", true, 0},
	{"chunked GET, with a request in it", get + "Transfer-Encoding: chunked\r\n\r\nEVILHEX\r\nEVIL\r\n0\r\n\r\n", []int{200}, "", true, 0},
	{"length in a HEAD, with a request in it", strings.Replace(get, "GET", "HEAD", 1) + "Content-Length: EVILLEN\r\n\r\nEVIL", []int{405}, "", true, 0},
	{"body shorter than a request behind it", head + "Content-Length: 91\r\n\r\nHELLO" + get + "\r\n", []int{200, 200}, "", true, 1},
}

var lines = []hostile{
	{"bare LF in the headers", strings.Replace(head, "\r\nHost", "\nHost", 1) + "X: y\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"bare LF at the head's end", head + "Content-Length: 91\r\n\nHELLO", []int{408}, "request_timeout", false, 0},
	{"bare LF everywhere", strings.ReplaceAll(get+"\r\n", "\r\n", "\n"), []int{408}, "request_timeout", false, 0},
	{"bare CR in a value", get + "X: a\rb\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"bare CR in a name", get + "X\ra: b\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"folded line", get + "X: a\r\n b\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"folded line with a tab", get + "X: a\r\n\tb\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"folded first line", "GET /v1/models HTTP/1.1\r\n Host: gateway\r\nAuthorization: Bearer KEY\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"space before the colon", get + "X : a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"tab before the colon", get + "X\t: a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"no name", get + ": a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"no colon", get + "X\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"space in a name", get + "X Y: a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"separator in a name", get + "X(Y): a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"letter beyond ASCII in a name", get + "Xé: a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"NUL in a value", get + "X: a\x00b\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"NUL in a name", get + "X\x00: a\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"DEL in a value", get + "X: a\x7fb\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"escape in a value", get + "X: \x1b[2J\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"letter beyond ASCII in a value", get + "X: é\r\n\r\n", []int{200}, "", true, 0},
	{"empty value", get + "X:\r\n\r\n", []int{200}, "", true, 0},

	{"no host", "GET /v1/models HTTP/1.1\r\nAuthorization: Bearer KEY\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"no header at all", "GET /health HTTP/1.1\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"two hosts", get + "Host: other\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"two keys", get + "Authorization: Bearer OTHER\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"two content types", head + "Content-Type: text/plain\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
	{"HTTP/1.0", "GET /v1/models HTTP/1.0\r\nAuthorization: Bearer KEY\r\n\r\n", []int{200}, "", false, 0},
	{"HTTP/1.0, kept alive", "GET /v1/models HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer KEY\r\n\r\n", []int{200}, "", true, 0},
	{"HTTP/0.9", "GET /health\r\n", []int{400}, "invalid_request", false, 0},
	{"HTTP/1.2", strings.Replace(get, "1.1", "1.2", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"HTTP/2.0", strings.Replace(get, "1.1", "2.0", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"http/1.1", strings.Replace(get, "HTTP/1.1", "http/1.1", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"HTTP/1.10", strings.Replace(get, "1.1", "1.10", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"two spaces in the first line", strings.Replace(get, "GET ", "GET  ", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"tabs in the first line", strings.Replace(get, "GET ", "GET\t", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"space in the target", strings.Replace(get, "/v1/models", "/v1/models /x", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"space before the method", " " + get + "\r\n", []int{400}, "invalid_request", false, 0},
	{"NUL in the target", strings.Replace(get, "/v1/models", "/v1/models\x00", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"lines before the request", "\r\n\r\n" + get + "\r\n", []int{200}, "", true, 0},
	{"headers over the limit", get + "X: " + strings.Repeat("x", 9<<10) + "\r\n\r\n", []int{431}, "headers_too_large", false, 0},
	{"many headers over the limit", get + strings.Repeat("X: y\r\n", 2<<10) + "\r\n", []int{431}, "headers_too_large", false, 0},
	{"target over the limit", strings.Replace(get, "/v1/models", "/"+strings.Repeat("x", 9<<10), 1) + "\r\n", []int{431}, "headers_too_large", false, 0},
	{"long target", strings.Replace(get, "/v1/models", "/"+strings.Repeat("x", 6<<10), 1) + "\r\n", []int{404}, "not_found", true, 0},
}

var targets = []hostile{
	{"lower-case method", "post" + head[4:] + "Content-Length: 91\r\n\r\nHELLO", []int{405}, "method_not_allowed", true, 0},
	{"unknown method", "BREW" + head[4:] + "Content-Length: 91\r\n\r\nHELLO", []int{405}, "method_not_allowed", true, 0},
	{"PUT", "PUT" + head[4:] + "Content-Length: 91\r\n\r\nHELLO", []int{405}, "method_not_allowed", true, 0},
	{"GET of a POST path", "GET" + head[4:] + "\r\n", []int{405}, "method_not_allowed", true, 0},
	{"POST of a GET path", "POST" + get[3:] + "Content-Length: 0\r\n\r\n", []int{405}, "method_not_allowed", true, 0},
	{"TRACE", "TRACE" + get[3:] + "\r\n", []int{405}, "method_not_allowed", true, 0},
	{"OPTIONS", "OPTIONS" + get[3:] + "\r\n", []int{405}, "method_not_allowed", true, 0},
	{"OPTIONS *", strings.Replace(get, "GET /v1/models", "OPTIONS *", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"GET *", strings.Replace(get, "/v1/models", "*", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"CONNECT", strings.Replace(get, "GET /v1/models", "CONNECT engine:8000", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"CONNECT to a path", "CONNECT" + head[4:] + "\r\n", []int{405}, "method_not_allowed", true, 0},
	{"HEAD", "HEAD" + get[3:] + "\r\n", []int{405}, "", true, 0},
	{"absolute form", strings.Replace(head, " /", " http://gateway/", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"absolute form of another host", strings.Replace(head, " /", " http://engine:8000/", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"absolute form with the path in the query", strings.Replace(get, "/v1/models", "http://gateway?/v1/models", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"absolute form of another scheme", strings.Replace(get, "/v1/models", "ftp://gateway/v1/models", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"authority form", strings.Replace(get, "/v1/models", "gateway:80", 1) + "\r\n", []int{400}, "invalid_request", false, 0},
	{"dot segments to metrics", strings.Replace(get, "/v1/models", "/v1/../metrics", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"dot segments to a real path", strings.Replace(get, "/v1/models", "/v1/x/../models", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"dot segments behind models", strings.Replace(get, "/v1/models", "/v1/models/../../metrics", 1) + "\r\n", []int{404}, "model_not_found", true, 0},
	{"dot segments in a POST", strings.Replace(head, "/v1/", "/v1/./", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"encoded slash", strings.Replace(head, "/v1/chat/", "/v1/chat%2f", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"encoded letter", strings.Replace(head, "/v1/chat/", "/v1/ch%61t/", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"encoded dots", strings.Replace(get, "/v1/models", "/v1/%2e%2e/metrics", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"double slash", strings.Replace(head, "/v1/", "//v1//", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"slash at the end", strings.Replace(head, "completions", "completions/", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"capitals", strings.Replace(head, "/v1/", "/V1/", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"query", strings.Replace(head, "completions", "completions?a=/../metrics", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"fragment", strings.Replace(head, "completions", "completions#x", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"backslash", strings.Replace(head, "/chat/", "\\chat\\", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{404}, "not_found", true, 0},
	{"metrics", strings.Replace(get, "/v1/models", "/metrics", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"profiling", strings.Replace(get, "/v1/models", "/debug/pprof/", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"an engine's own path", strings.Replace(get, "/v1/models", "/version", 1) + "\r\n", []int{404}, "not_found", true, 0},
	{"a template's path", strings.Replace(get, "/v1/models", "/v1/models/{id}", 1) + "\r\n", []int{404}, "model_not_found", true, 0},
	{"unknown path without a key", "GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n", []int{401}, "invalid_api_key", true, 0},
	{"wrong method on health", "POST /health HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n", []int{405}, "method_not_allowed", true, 0},

	{"upgrade to h2c", head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"upgrade to websocket", get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n", []int{200}, "", true, 0},
	{"connection close", get + "Connection: close\r\n\r\n", []int{200}, "", false, 0},
	{"connection close in a list", get + "Connection: TE, close\r\n\r\n", []int{200}, "", false, 0},
	{"headers that proxies believe", head + "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nVia: 1.1 x\r\nCookie: a=b\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nContent-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"wrong content type", strings.Replace(head, "application/json", "text/plain", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{415}, "unsupported_media_type", true, 0},
	{"no content type", strings.Replace(head, "Content-Type: application/json\r\n", "", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{415}, "unsupported_media_type", true, 0},
	{"a form", strings.Replace(head, "application/json", "multipart/form-data; boundary=x", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{415}, "unsupported_media_type", true, 0},
	{"content type with a parameter", strings.Replace(head, "application/json", "Application/JSON; charset=utf-8", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"gzip", head + "Content-Encoding: gzip\r\nContent-Length: 91\r\n\r\nHELLO", []int{415}, "unsupported_media_type", true, 0},
	{"identity content", head + "Content-Encoding: identity\r\nContent-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"identity and gzip", head + "Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 91\r\n\r\nHELLO", []int{400}, "invalid_request", false, 0},
}

var credentials = []hostile{
	{"no key", strings.Replace(head, "Authorization: Bearer KEY\r\n", "", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"unknown key", strings.Replace(head, "KEY", "unknown-key-made-for-this-test", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"empty key", strings.Replace(head, "KEY", "", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"key and more", strings.Replace(head, "KEY", "KEY, KEY", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"basic", strings.Replace(head, "Bearer KEY", "Basic KEY", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"key without a scheme", strings.Replace(head, "Bearer KEY", "KEY", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"scheme in lower case", strings.Replace(head, "Bearer", "bearer", 1) + "Content-Length: 91\r\n\r\nHELLO", []int{200}, "", true, 1},
	{"the backend's key", strings.Replace(head, "KEY", backendKey, 1) + "Content-Length: 91\r\n\r\nHELLO", []int{401}, "invalid_api_key", true, 0},
	{"key in the query", strings.Replace(strings.Replace(get, "Authorization: Bearer KEY\r\n", "", 1), "/v1/models", "/v1/models?api_key=KEY", 1) + "\r\n", []int{401}, "invalid_api_key", true, 0},
	{"refused between two", get + "\r\n" + strings.Replace(get, "KEY", "bad", 1) + "\r\n" + get + "\r\n", []int{200, 401, 200}, "", true, 0},
	{"malformed before another", head + "Content-Length: 91\r\nX : y\r\n\r\nHELLOEVIL", []int{400}, "invalid_request", false, 0},
	{"large body without a key", strings.Replace(head, "KEY", "bad", 1) + "Content-Length: 9000000\r\n\r\n", []int{401}, "invalid_api_key", false, 0},
	{"large chunked body without a key", strings.Replace(head, "KEY", "bad", 1) + "Transfer-Encoding: chunked\r\n\r\n", []int{401}, "invalid_api_key", false, 0},
	{"a request in a body without a key", strings.Replace(head, "KEY", "bad", 1) + "Content-Length: EVILLEN\r\n\r\nEVIL", []int{401}, "invalid_api_key", true, 0},
	{"a request in a chunked body without a key", strings.Replace(head, "KEY", "bad", 1) + "Transfer-Encoding: chunked\r\n\r\nEVILHEX\r\nEVIL\r\n0\r\n\r\n", []int{401}, "invalid_api_key", false, 0},

	{"expectation", head + "Expect: 100-continue\r\nContent-Length: 91\r\n\r\nHELLO", []int{100, 200}, "", true, 1},
	{"expectation in capitals", head + "Expect: 100-Continue\r\nContent-Length: 91\r\n\r\nHELLO", []int{100, 200}, "", true, 1},
	{"expectation, chunked", head + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5b\r\nHELLO\r\n0\r\n\r\n", []int{100, 200}, "", true, 1},
	{"unknown expectation", head + "Expect: 200-ok\r\nContent-Length: 91\r\n\r\nHELLO", []int{417}, "invalid_request", false, 0},
	{"two expectations", head + "Expect: 100-continue, x\r\nContent-Length: 91\r\n\r\nHELLO", []int{417}, "invalid_request", false, 0},
	{"expectation without a key", strings.Replace(head, "KEY", "bad", 1) + "Expect: 100-continue\r\nContent-Length: 91\r\n\r\n", []int{401}, "invalid_api_key", false, 0},
	{"expectation without a key, body sent all the same", strings.Replace(head, "KEY", "bad", 1) + "Expect: 100-continue\r\nContent-Length: EVILLEN\r\n\r\nEVIL", []int{401}, "invalid_api_key", false, 0},
	{"expectation with too large a body", head + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", []int{413}, "body_too_large", false, 0},
	{"expectation that is no request", head + "Expect: 100-continue\r\nX : y\r\nContent-Length: 91\r\n\r\n", []int{400}, "invalid_request", false, 0},
	{"expectation of nothing", get + "Expect: 100-continue\r\n\r\n", []int{100, 200}, "", true, 0},
	{"expectation in HTTP/1.0", strings.Replace(head, "1.1", "1.0", 1) + "Expect: 100-continue\r\nContent-Length: 91\r\n\r\nHELLO", []int{200}, "", false, 1},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	if len(hello) != 91 {
		t.Fatalf("HELLO has %d bytes", len(hello))
	}
	s := serve(t, func(set *setup) { set.Config.Server.ReadTimeout = backends.Duration(3 * time.Second) })
	fill := words(s)
	for _, table := range [][]hostile{framing, lines, targets, credentials} {
		for _, h := range table {
			t.Run(h.name, func(t *testing.T) { s.try(t, &h, fill.Replace(h.send)) })
		}
	}
	s.Idle("acme")
}

// try sends a hostile and holds what comes of it against what should.
func (s *service) try(t *testing.T, h *hostile, send string) {
	before := len(s.Engine.Requests())
	c := s.Dial()
	c.t = t
	c.Send(send)
	method, _, _ := strings.Cut(h.send, " ")
	var a *answer
	for i, want := range h.want {
		if i > 0 && h.want[i-1] != 100 {
			method = "GET"
		}
		var err error
		if a, err = c.TryAnswer(method); err != nil {
			t.Fatalf("answer %d: %v, want %d", i+1, err, want)
		}
		if a.StatusCode != want {
			t.Fatalf("answer %d is %d %q, want %d", i+1, a.StatusCode, a.Body, want)
		}
		if want >= 400 && method != "HEAD" {
			checkError(t, a)
		}
	}
	if h.code != "" && (a.Err == nil || a.Err.Code != h.code) {
		t.Errorf("the error is %q, want code %q", a.Body, h.code)
	}
	if h.open {
		c.Send(words(s).Replace(get + "\r\n"))
		if a, err := c.TryAnswer("GET"); err != nil {
			t.Errorf("the connection is not open: %v", err)
		} else if a.StatusCode != 200 || !strings.Contains(a.Body, testModel) {
			t.Errorf("the connection is out of step: %d %q", a.StatusCode, a.Body)
		}
	} else if err := c.Ended(); err != nil {
		t.Errorf("the connection should have been closed: %v", err)
	}
	got := s.Engine.Requests()[before:]
	if len(got) != h.engine {
		t.Errorf("the engine got %d requests, want %d", len(got), h.engine)
	}
	for _, r := range got {
		checkMeant(t, s, r)
	}
}

var headMeant = regexp.MustCompile(`^POST /v1/chat/completions HTTP/1\.1\r
Host: 127\.0\.0\.1:\d+\r
Authorization: Bearer ` + backendKey + `\r
X-Request-Id: [0-9a-v]{20}\r
Accept: application/json\r
Content-Type: application/json\r
Content-Length: \d+\r
\r
$`)

// checkMeant holds what the engine got against what it was meant to get, to the
// byte: none of the client's headers, and the body that the client meant.
func checkMeant(t *testing.T, s *service, r *engineRequest) {
	t.Helper()
	if !headMeant.MatchString(r.Head) {
		t.Errorf("the engine got the head %q", r.Head)
	}
	if strings.Contains(r.Head, s.Key("acme")) {
		t.Error("the engine got the client's key")
	}
	var body struct {
		Model    string
		Messages []struct{ Role, Content string }
	}
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		t.Errorf("the engine got the body %q: %v", r.Body, err)
	} else if len(body.Messages) != 1 || body.Messages[0].Content != "meant for the engine, this" {
		t.Errorf("the engine got the body %q", r.Body)
	}
}

// checkError holds an error against the contract's shape.
func checkError(t *testing.T, a *answer) {
	t.Helper()
	if a.Err == nil || a.Err.Message == "" || a.Err.Type == "" || a.Err.Code == "" {
		t.Errorf("no error in the contract's shape: %q", a.Body)
	}
	if strings.Count(a.Body, "\n") != 1 || !strings.HasSuffix(a.Body, "\n") {
		t.Errorf("an error of more than one line: %q", a.Body)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type of an error: %q", got)
	}
	if a.Header.Get("X-Request-Id") == "" {
		t.Error("an error without X-Request-Id")
	}
	for name, status := range map[string]int{"Www-Authenticate": 401, "Allow": 405} {
		if (a.Header.Get(name) != "") != (a.StatusCode == status) {
			t.Errorf("%s: %q with status %d", name, a.Header.Get(name), a.StatusCode)
		}
	}
}
