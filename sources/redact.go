package sources

import (
	"regexp"
	"strings"
)

// Redacted is one credential that was taken out of a text: what it looked like, never what it was.
type Redacted struct{ Kind string }

// The kinds of what is taken out.
const (
	RedactedKey      = "private key"
	RedactedToken    = "token" // of a well-known maker, or a JSON web token
	RedactedURL      = "password in a URL"
	RedactedHeader   = "authorization header"
	RedactedVariable = "value of a name that says credential"
)

const redactMark = "[redacted]"

var (
	// wholeKey runs to the key's own end, or to the text's where that is not there.
	wholeKey = LazyRegexp(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	// wholeToken is credentialText with the token's rest.
	wholeToken = LazyRegexp(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\b(?:ghp|gho|ghu|ghs|github_pat|glpat|xox[abprs]|sk_live|rk_live)[_-][A-Za-z0-9_-]{10,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.?[A-Za-z0-9_-]*`)
	// inURL is what stands between a user's name and the @ of an authority, or of a DSN.
	inURL = LazyRegexp(`(?i)(://[^\s/:@"']*:)([^\s/@"']+)(@)|((?:^|[\s="'])[^\s/:@="']+:)([^\s/@:"']+)(@(?:tcp|unix)\()`)
	// scheme is a header's value: RFC 9110, 11.4, with a token68 or anything else that has no blank.
	scheme = LazyRegexp(`(?i)\b(bearer|basic)(\s+)([^\s"',;]{6,})`)
	// pair is a name with a value, as logfmt, JSON, YAML, query strings, headers and shells write it.
	pair = LazyRegexp(`([A-Za-z][A-Za-z0-9_.-]*)(\\?["']?\s*(?:=|:)\s*)(\\?"(?:[^"\\]|\\.)*\\?"?|'[^']*'?|[^\s;&,"']+)`)
	// header is the header itself, whatever its scheme.
	header = LazyRegexp(`(?i)((?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?)((?:[a-z0-9-]+\s+)?)([^\s"',;\\]+)`)
	// flagPair is an option with its value behind it.
	flagPair = LazyRegexp(`(--?[A-Za-z][A-Za-z0-9_.-]*)(\s+)("[^"]*"?|'[^']*'?|[^\s-][^\s]*)`)
)

// Redact takes the credentials out of a text that is to be shown to others: a log line, a note. It has the rules of [MaskText], and is stricter:
// each value of a name that says credential goes, however the text writes it. What is found is told by its kind.
func Redact(text string) (string, []Redacted) {
	var found []Redacted
	hit := func(kind string) string {
		found = append(found, Redacted{kind})
		return redactMark
	}
	text = wholeKey().ReplaceAllStringFunc(text, func(string) string { return hit(RedactedKey) })
	text = wholeToken().ReplaceAllStringFunc(text, func(string) string { return hit(RedactedToken) })
	text = replace(inURL(), text, func(m []string) string {
		if m[2] != "" {
			return m[1] + once(m[2], RedactedURL, hit) + m[3]
		}
		return m[4] + once(m[5], RedactedURL, hit) + m[6]
	})
	text = replace(header(), text, func(m []string) string { return m[1] + m[2] + once(m[3], RedactedHeader, hit) })
	text = replace(scheme(), text, func(m []string) string {
		if !random(m[3]) {
			return m[0]
		}
		return m[1] + m[2] + once(m[3], RedactedHeader, hit)
	})
	text = replace(pair(), text, func(m []string) string {
		if !CredentialName(m[1]) {
			return m[1] + m[2] + nested(m[3], hit)
		}
		return m[1] + m[2] + quoted(m[3], hit)
	})
	text = replace(flagPair(), text, func(m []string) string {
		if !flagOfCredential.MatchString(m[1]) {
			return m[0]
		}
		return m[1] + m[2] + quoted(m[3], hit)
	})
	return text, found
}

func replace(re *regexp.Regexp, text string, with func(m []string) string) string {
	return re.ReplaceAllStringFunc(text, func(s string) string { return with(re.FindStringSubmatch(s)) })
}

// once takes a value out, unless it has been already.
func once(value, kind string, hit func(string) string) string {
	if strings.Contains(value, redactMark) || value == "masked" || strings.HasPrefix(value, maskMark) {
		return value
	}
	return hit(kind)
}

// quoted takes a value out and leaves its quotation marks.
func quoted(value string, hit func(string) string) string {
	for _, q := range []string{`\"`, `"`, `'`} {
		if rest, ok := strings.CutPrefix(value, q); ok {
			body, closed := strings.CutSuffix(rest, q)
			if body == "" {
				return value
			}
			out := q + once(body, RedactedVariable, hit)
			if closed {
				out += q
			}
			return out
		}
	}
	bare := strings.TrimRight(value, ")]}")
	if bare == "" || strings.Contains(value, redactMark) {
		return value
	}
	return once(bare, RedactedVariable, hit) + value[len(bare):]
}

// random tells a token from a word: basic settings are no credential.
func random(s string) bool {
	return strings.ContainsAny(s, "0123456789=") || strings.ToLower(s[1:]) != s[1:]
}

// nested looks into a quoted value: msg="login with password=x failed".
func nested(value string, hit func(string) string) string {
	if len(value) < 2 || !strings.ContainsAny(value[1:], "=:") {
		return value
	}
	q := value[:1]
	if q != `"` && q != `'` {
		return value
	}
	inner, found := Redact(value[1:])
	for _, f := range found {
		hit(f.Kind)
	}
	return q + inner
}
