package past

import (
	"regexp"
	"slices"
	"strings"
)

// Logs are others' words: an engine may be set to log requests, with prompts and
// keys in them. What looks like one is left out.
var (
	prompts = regexp.MustCompile(`(?i)\b(prompts?|prompt_token_ids|messages|input|content|body)["']?\s*[:=]\s*["'\[{].*`)
	secrets = regexp.MustCompile(`(?i)\b((?:authorization|api[-_]?keys?|password|passwd|secret|[a-z0-9_]+_(?:key|token|secret|password))["']?\s*[:=]\s*["'\[]*\s*(?:bearer\s+)?)[^\s"',;&)\]}]{6,}`)
	bearers = regexp.MustCompile(`(?i)\b(bearer\s+)[^\s"',;\[]+`)
	keys    = regexp.MustCompile(`\b(sk-|ph_|hf_|ghp_|xox[a-z]-)[A-Za-z0-9_-]{8,}`)
	logins  = regexp.MustCompile(`(://)[^/\s"'@]*@`)
)

const leftOut = "[left out]"

// scrub leaves out of a line of a log what looks like a key, a prompt or a body.
func scrub(line string) string {
	if hints(strings.ToLower(line), "prompt", "messages", "input", "content", "body") {
		line = prompts.ReplaceAllString(line, "$1: "+leftOut)
	}
	return scrubKeys(line)
}

// scrubKeys leaves out of a text what looks like a key. Most have no word that a
// search, which takes its time, would find.
func scrubKeys(text string) string {
	lower := strings.ToLower(text)
	if hints(lower, "authorization", "key", "passw", "secret", "token") {
		text = secrets.ReplaceAllString(text, "${1}"+leftOut)
	}
	if hints(lower, "bearer") {
		text = bearers.ReplaceAllString(text, "${1}"+leftOut)
	}
	if hints(lower, "sk-", "ph_", "hf_", "ghp_", "xox") {
		text = keys.ReplaceAllString(text, leftOut)
	}
	if hints(lower, "://") {
		text = logins.ReplaceAllString(text, "${1}"+leftOut+"@")
	}
	return text
}

func hints(lower string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
}

// fileName makes a name that is safe in an archive and on any disk: letters,
// digits, dots, dashes and underscores, at most 80 of them, and no leading dot.
func fileName(s string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
	safe = strings.TrimLeft(safe[:min(len(safe), 80)], ".")
	if safe == "" {
		return "_"
	}
	return safe
}
