package openai

// Codes of the gateway's own errors, as clients get them. The comment is the
// status and the type that [Refuse] gives each.
const (
	CodeInvalidRequest   = "invalid_request"        // 400 invalid_request_error
	CodeInvalidAPIKey    = "invalid_api_key"        // 401 authentication_error
	CodeNotAllowed       = "not_allowed"            // 403 permission_error
	CodeModelNotFound    = "model_not_found"        // 404 invalid_request_error
	CodeNotFound         = "not_found"              // 404 invalid_request_error
	CodeMethodNotAllowed = "method_not_allowed"     // 405 invalid_request_error
	CodeBodyTooLarge     = "body_too_large"         // 413 invalid_request_error
	CodeUnsupportedMedia = "unsupported_media_type" // 415 invalid_request_error
	CodeHeadersTooLarge  = "headers_too_large"      // 431 invalid_request_error
	CodeRateLimited      = "rate_limit_exceeded"    // 429 rate_limit_error
	CodeQuotaExceeded    = "quota_exceeded"         // 429 insufficient_quota
	CodeInternal         = "internal_error"         // 500 server_error
	CodeBackendError     = "backend_error"          // 502 server_error
	CodeNoHealthyBackend = "no_healthy_backend"     // 503 server_error
	CodeOverloaded       = "overloaded"             // 503 server_error
	CodeLedgerDown       = "ledger_unavailable"     // 503 server_error
	CodeQuotaDown        = "quota_unavailable"      // 503 server_error
	CodeCancelled        = "cancelled"              // 503 server_error
	CodeBackendTimeout   = "backend_timeout"        // 504 server_error
)

// Error is an error as a client gets it. Status is the HTTP status and not
// part of the body.
type Error struct {
	Status  int
	Type    string
	Code    string // "" is null
	Message string
	Param   string // the offending parameter; "" is null
}

// Refuse makes the gateway's own error of a code. The status and the type
// follow from the code; a code that is not in the table is an internal error.
func Refuse(code, message string) *Error {
	status, kind := 500, "server_error"
	switch code {
	case CodeInvalidRequest:
		status, kind = 400, "invalid_request_error"
	case CodeInvalidAPIKey:
		status, kind = 401, "authentication_error"
	case CodeNotAllowed:
		status, kind = 403, "permission_error"
	case CodeModelNotFound, CodeNotFound:
		status, kind = 404, "invalid_request_error"
	case CodeMethodNotAllowed:
		status, kind = 405, "invalid_request_error"
	case CodeBodyTooLarge:
		status, kind = 413, "invalid_request_error"
	case CodeUnsupportedMedia:
		status, kind = 415, "invalid_request_error"
	case CodeHeadersTooLarge:
		status, kind = 431, "invalid_request_error"
	case CodeRateLimited:
		status, kind = 429, "rate_limit_error"
	case CodeQuotaExceeded:
		status, kind = 429, "insufficient_quota"
	case CodeBackendError:
		status, kind = 502, "server_error"
	case CodeNoHealthyBackend, CodeOverloaded, CodeLedgerDown, CodeQuotaDown, CodeCancelled:
		status, kind = 503, "server_error"
	case CodeBackendTimeout:
		status, kind = 504, "server_error"
	}
	return &Error{Status: status, Type: kind, Code: code, Message: message}
}

// Error gives the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AppendJSON appends the body of the answer, on one line and without a line
// end: {"error":{"message":"…","type":"…","param":null,"code":"…"}}.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = appendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, e.Type)
	dst = append(dst, `,"param":`...)
	dst = appendNullable(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendNullable(dst, e.Code)
	return append(dst, "}}"...)
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, s)
}
