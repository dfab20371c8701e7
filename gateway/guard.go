package gateway

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"pilothouse/backends/openai"
)

// guard refuses requests that two HTTP parsers could read differently, or that
// no honest client sends, beyond what fasthttp refuses already. Such a request
// ends its connection. It reads the headers as they came, once.
func guard(h *fasthttp.RequestHeader) *refusal {
	raw := h.RawHeaders()
	if len(raw) == 0 || !known(h.Protocol()) {
		return malformed("The request is not HTTP/1.1.")
	}
	var seen [6]bool // of the headers that may come only once
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\n')
		if i < 1 || raw[i-1] != '\r' {
			return malformed("A header line ends without a carriage return.")
		}
		line := raw[:i-1]
		raw = raw[i+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return malformed("A header line is folded or has no name.")
		}
		name, value := line[:colon], line[colon+1:]
		for _, c := range name {
			if c <= ' ' || c >= 0x7f {
				return malformed("A header's name has a space or a control character.")
			}
		}
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return malformed("A header's value has a control character.")
			}
		}
		once := -1
		switch len(name) {
		case len("Host"):
			once = match(once, 0, name, "Host")
		case len("Content-Type"):
			once = match(once, 1, name, "Content-Type")
		case len("Authorization"):
			once = match(once, 2, name, "Authorization")
		case len("Content-Length"):
			once = match(once, 3, name, "Content-Length")
		case len("Transfer-Encoding"):
			once = match(once, 4, name, "Transfer-Encoding")
			if once == 4 && !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return malformed("The Transfer-Encoding is not chunked.")
			}
		case len("Content-Encoding"):
			once = match(once, 5, name, "Content-Encoding")
		case len("Expect"):
			if bytes.EqualFold(name, []byte("Expect")) && !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("100-continue")) {
				r := malformed("The only expectation that can be met is 100-continue.")
				r.Status = fasthttp.StatusExpectationFailed
				return r
			}
		}
		if once >= 0 {
			if seen[once] {
				return malformed("The header " + string(name) + " came twice.")
			}
			seen[once] = true
		}
	}
	if seen[3] && seen[4] {
		return malformed("Content-Length and Transfer-Encoding came together.")
	}
	return nil
}

func known(protocol []byte) bool {
	return string(protocol) == "HTTP/1.1" || string(protocol) == "HTTP/1.0"
}

func match(not, yes int, name []byte, want string) int {
	if bytes.EqualFold(name, []byte(want)) {
		return yes
	}
	return not
}

func malformed(message string) *refusal {
	return &refusal{apiError: openai.Refuse(openai.CodeInvalidRequest, message), close: true}
}

// bearer takes the key out of an Authorization header; nil where there is none
// of that kind.
func bearer(header []byte) []byte {
	const scheme = "Bearer "
	if len(header) <= len(scheme) || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil
	}
	key := bytes.TrimLeft(header[len(scheme):], " ")
	for _, c := range key {
		if c <= ' ' || c >= 0x7f {
			return nil
		}
	}
	return key
}

// target finds the path in a request's target as it came: an absolute form's
// scheme and authority and a query are cut off, nothing is decoded. So a path
// with an escape or a dot segment matches nothing that it could be mistaken for.
func target(uri []byte) []byte {
	for _, scheme := range []string{"http://", "https://"} {
		if len(uri) > len(scheme) && bytes.EqualFold(uri[:len(scheme)], []byte(scheme)) {
			uri = uri[len(scheme):]
			i := bytes.IndexAny(uri, "/?#")
			if i < 0 || uri[i] != '/' {
				return []byte("/")
			}
			uri = uri[i:]
			break
		}
	}
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		uri = uri[:i]
	}
	return uri
}
