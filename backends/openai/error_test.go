package openai

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		code   string
		status int
		kind   string
	}{
		{CodeInvalidRequest, 400, "invalid_request_error"},
		{CodeInvalidAPIKey, 401, "authentication_error"},
		{CodeNotAllowed, 403, "permission_error"},
		{CodeModelNotFound, 404, "invalid_request_error"},
		{CodeNotFound, 404, "invalid_request_error"},
		{CodeMethodNotAllowed, 405, "invalid_request_error"},
		{CodeBodyTooLarge, 413, "invalid_request_error"},
		{CodeUnsupportedMedia, 415, "invalid_request_error"},
		{CodeRateLimited, 429, "rate_limit_error"},
		{CodeQuotaExceeded, 429, "insufficient_quota"},
		{CodeHeadersTooLarge, 431, "invalid_request_error"},
		{CodeInternal, 500, "server_error"},
		{CodeBackendError, 502, "server_error"},
		{CodeNoHealthyBackend, 503, "server_error"},
		{CodeOverloaded, 503, "server_error"},
		{CodeLedgerDown, 503, "server_error"},
		{CodeQuotaDown, 503, "server_error"},
		{CodeCancelled, 503, "server_error"},
		{CodeBackendTimeout, 504, "server_error"},
		{"unheard_of", 500, "server_error"},
	} {
		if e := Refuse(c.code, "m"); e.Status != c.status || e.Type != c.kind || e.Code != c.code || e.Message != "m" || e.Param != "" {
			t.Errorf("%s: %+v", c.code, e)
		}
	}
}

func TestErrorJSON(t *testing.T) {
	e := Refuse(CodeInvalidRequest, "a \"b\"\n\x01\xff\u2028é\\")
	want := `{"error":{"message":"a \"b\"\n\u0001\ufffd` + "\u2028" + `é\\","type":"invalid_request_error","param":null,"code":"invalid_request"}}`
	if got := string(e.AppendJSON([]byte("x"))); got != "x"+want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	e.Param, e.Code = "n", ""
	if got := string(e.AppendJSON(nil)); !strings.HasSuffix(got, `"param":"n","code":null}}`) {
		t.Errorf("got %s", got)
	}
	if got := Refuse(CodeNotFound, "m").Error(); got != "not_found: m" {
		t.Errorf("Error: %q", got)
	}
}

func TestParseError(t *testing.T) {
	long := strings.Repeat("é", maxMessage)
	for _, c := range []struct {
		body string
		want Error
		ok   bool
	}{
		{`{"error":{"message":"m","type":"BadRequestError","param":"n","code":400}}`, Error{400, "BadRequestError", "invalid_request", "m", "n"}, true},
		{`{"object":"error","message":"m","type":"NotFoundError","param":null,"code":404}`, Error{404, "NotFoundError", "not_found", "m", ""}, true},
		{`{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`, Error{0, "invalid_request_error", "context_length_exceeded", "m", ""}, true},
		{`{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, Error{503, "unavailable_error", "backend_error", "Loading model", ""}, true},
		{`{"error":{"message":"m","code":"422"}}`, Error{422, "", "invalid_request", "m", ""}, true},
		{`{"error":{"message":"m","code":413}}`, Error{413, "", "body_too_large", "m", ""}, true},
		{`{"error":{"message":"m","code":429}}`, Error{429, "", "rate_limit_exceeded", "m", ""}, true},
		{`{"error":{"message":"m","code":418}}`, Error{418, "", "", "m", ""}, true},
		{`{"error":{"message":"m","code":7}}`, Error{Message: "m"}, true},
		{`{"error":{"message":"m","code":{},"type":1,"param":[]}}`, Error{Message: "m"}, true},
		{`{"error":"model 'x' not found"}`, Error{Message: "model 'x' not found"}, true},
		{`{"error":"m","error_type":"validation"}`, Error{Type: "validation", Message: "m"}, true},
		{`{"detail":"Not Found"}`, Error{Message: "Not Found"}, true},
		{`{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required","input":{"secret":1}}]}`, Error{Message: "Field required", Param: "messages.0.role"}, true},
		{`{"message":"m"}`, Error{Message: "m"}, true},
		{`{"error":{"message":"` + long + `"}}`, Error{Message: long[:maxMessage]}, true},
		{`{"error":{"message":""}}`, Error{}, false},
		{`{"error":{"message":7}}`, Error{}, false},
		{`{"error":null}`, Error{}, false},
		{`{"detail":[]}`, Error{}, false}, {`{"detail":{}}`, Error{}, false}, {`{}`, Error{}, false}, {`[]`, Error{}, false}, {`oops`, Error{}, false}, {``, Error{}, false},
	} {
		if got, ok := ParseError([]byte(c.body)); got != c.want || ok != c.ok {
			t.Errorf("%.80s:\n got %+v %v\nwant %+v %v", c.body, got, ok, c.want, c.ok)
		}
	}
}

// Whatever a backend sends, what comes of it is an error in the gateway's
// shape, that reads back as the same.
func FuzzParseError(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"m","type":"t","param":"p","code":400}}`))
	f.Add([]byte(`{"detail":[{"loc":["body",1],"msg":"\ud800"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, ok := ParseError(body)
		if ok != (e.Message != "") || len(e.Message) > maxMessage {
			t.Fatalf("%v %d", ok, len(e.Message))
		}
		out := e.AppendJSON(nil)
		var back struct {
			Error struct {
				Message, Type string
				Param, Code   *string
			}
		}
		if err := json.Unmarshal(out, &back); err != nil || !utf8.Valid(out) {
			t.Fatalf("%v: %s", err, out)
		}
		if g := back.Error; g.Message != e.Message || g.Type != e.Type || (g.Param != nil) != (e.Param != "") || (g.Code != nil) != (e.Code != "") {
			t.Fatalf("%s is not %+v", out, e)
		}
	})
}
