package openai

import "bytes"

// Opening gives what the requests of one conversation begin with: its messages
// up to the first one of the user's or, of other requests, the first bytes of
// the prompt. An engine that has answered one of them has that in its cache. It is
// part of the body, for comparing or hashing.
func (r *Request) Opening(body []byte) []byte {
	if !r.work || r.endpoint == Embeddings {
		return nil
	}
	work := body[r.workStart:r.workEnd]
	if r.endpoint == Chat {
		at := scanSpace(work, 1)
		for range mostOpening {
			end, f := scanValue(work, at, 1)
			if f != fine { // Inspect has seen that it is fine
				return nil
			}
			if message := work[at:end]; !isSystem(message) {
				return work[:end]
			}
			at = scanSpace(work, end)
			if at >= len(work) || work[at] != ',' {
				return work[:end]
			}
			at = scanSpace(work, at+1)
		}
	}
	return work[:min(len(work), openingBytes)]
}

const (
	mostOpening  = 4    // messages that are looked at: instructions, and the first that is none
	openingBytes = 1024 // of a prompt that is no conversation
)

// isSystem tells whether a message is likely to be instructions and not a
// user's. It looks at how roles are usually written, for nothing depends on it but
// which requests are taken for one conversation.
func isSystem(message []byte) bool {
	head := message[:min(len(message), 64)]
	tail := message[max(0, len(message)-64):]
	for _, role := range [...]string{`"system"`, `"developer"`} {
		if bytes.Contains(head, []byte(role)) || bytes.Contains(tail, []byte(role)) {
			return true
		}
	}
	return false
}
