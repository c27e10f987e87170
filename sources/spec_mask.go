package sources

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// Values that look like credentials are masked before a spec is written down or shown. A mask made with a key tells whether two
// values are the same without saying what they are, so that a spec from the history can be put together again with the values in force.

// maskMark begins what stands in the place of a masked value.
const maskMark = "masked:"

// credentialName is a name of something whose value is nobody's business. Names that end in _FILE hold a path
// (STAGES.md, secrets-not-env).
var credentialName = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|apikey|privatekey|credential|basicauth|digestauth)|(^|[_\-.])(pass|pwd|pw|key|keys|auth|dsn|salt|cookie|jwt|cert)([_\-.]|$)`)

// credentialIn finds credentials inside a value: in a URL or a DSN, after "password=", and tokens of known makers.
var credentialIn = regexp.MustCompile(`(?i)(://[^\s/:@]*:)([^\s/@]+)(@)` +
	`|((?:^|\s)[^\s/:@=]+:)([^\s/@:]+)(@(?:tcp|unix|[a-z0-9.-]+(?::\d+)?/))` +
	`|((?:^|[\s;&?,"'-])(?:password|passwd|pwd|pass|secret|token|api[_-]?key|access[_-]?key|access_token)\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s;&,"']+)()`)

// credentialText is a value that is a credential by its own look: private keys, tokens of the well-known makers, JSON web tokens.
var credentialText = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\b(ghp|gho|ghu|ghs|github_pat|glpat|xox[abprs]|sk_live|rk_live)[_-][A-Za-z0-9_-]{10,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.`)

// flagOfCredential is an argument whose next argument, or whose value, is a credential.
var flagOfCredential = regexp.MustCompile(`(?i)^--?[a-z0-9._-]*(password|passwd|secret|token|api-?key|private-?key|access-?key|credentials?)(=|$)`)

// MaskText masks the credentials inside a line of text. With a nil key the mask says no more than that it is one.
func MaskText(text string, key []byte) string {
	if strings.Contains(text, maskMark) {
		return text
	}
	if credentialText.MatchString(text) {
		return maskOf(text, key)
	}
	if !strings.ContainsAny(text, "=:") {
		return text
	}
	return credentialIn.ReplaceAllStringFunc(text, func(hit string) string {
		m := credentialIn.FindStringSubmatch(hit)
		for i := 1; i+2 < len(m); i += 3 {
			if m[i+1] != "" {
				return m[i] + maskOf(m[i+1], key) + m[i+2]
			}
		}
		return hit
	})
}

func maskOf(value string, key []byte) string {
	if key == nil {
		return "masked"
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(value))
	return maskMark + hex.EncodeToString(h.Sum(nil)[:12])
}

// CredentialName tells whether a variable, label or option of this name holds a credential.
func CredentialName(name string) bool {
	return credentialName.MatchString(name) && !strings.HasSuffix(strings.ToUpper(name), "_FILE")
}

// Masked is the spec with every value that looks like a credential masked: environment, labels, options of drivers, arguments, health checks.
func (s Spec) Masked(key []byte) Spec {
	root := s.keyedTree()
	for _, l := range s.leaves() {
		if v, masked := maskLeaf(l, key); masked {
			put(root, l.path, v)
		}
	}
	return specOf(unkeyed(root).(map[string]any)) //nolint:forcetypeassert // an object stays one
}

// maskLeaf masks one value, and tells whether there was something to mask.
func maskLeaf(l leaf, key []byte) (any, bool) {
	name := l.path[len(l.path)-1]
	switch v := l.value.(type) {
	case string:
		if l.path[0] == "Name" || name == "Image" {
			return v, false
		}
		if len(l.path) > 1 && l.path[len(l.path)-2] == "Env" {
			return maskEnv(v, key)
		}
		if named(l.path) && CredentialName(name) && !strings.HasPrefix(v, maskMark) {
			return maskOf(v, key), true
		}
		m := MaskText(v, key)
		return m, m != v
	case []any:
		return maskArguments(v, key)
	}
	return l.value, false
}

// named tells whether the last part of a path is a name that a user has chosen (a label, an option of a driver), not the API's.
func named(path []string) bool {
	return len(path) > 1 && (path[len(path)-2] == "Labels" || path[len(path)-2] == "Options")
}

func maskEnv(entry string, key []byte) (any, bool) {
	name, value, ok := strings.Cut(entry, "=")
	if !ok || value == "" {
		return entry, false
	}
	if CredentialName(name) && !strings.HasPrefix(value, maskMark) {
		return name + "=" + maskOf(value, key), true
	}
	m := MaskText(value, key)
	return name + "=" + m, m != value
}

func maskArguments(list []any, key []byte) (any, bool) {
	out := make([]any, len(list))
	masked, next := false, false
	for i, e := range list {
		text, ok := e.(string)
		out[i] = e
		if !ok {
			continue
		}
		switch flag := flagOfCredential.FindString(text); {
		case next && !strings.HasPrefix(text, maskMark):
			out[i], masked, next = maskOf(text, key), true, false
			continue
		case strings.HasSuffix(flag, "=") && !strings.HasPrefix(text[len(flag):], maskMark):
			out[i], masked = flag+maskOf(text[len(flag):], key), true
			continue
		default:
			next = flag != "" && !strings.HasSuffix(flag, "=")
		}
		if m := MaskText(text, key); m != text {
			out[i], masked = m, true
		}
	}
	return out, masked
}

// Unmasked puts the values of now in the place of the masks of s, where now has the field. changed are fields whose value of today is
// another than the masked one was: today's is taken. lost are fields that now does not have: their value is gone.
func (s Spec) Unmasked(now Spec, key []byte) (out Spec, changed, lost []string) {
	root := s.keyedTree()
	today := now.leaves()
	for path, l := range s.leaves() {
		if !hasMask(l.value) {
			continue
		}
		t, ok := today[path]
		if !ok {
			lost = append(lost, fieldName(l.path))
			continue
		}
		if m, _ := maskLeaf(t, key); !same(m, l.value) {
			changed = append(changed, fieldName(l.path))
		}
		put(root, l.path, t.value)
	}
	return specOf(unkeyed(root).(map[string]any)), changed, lost //nolint:forcetypeassert // an object stays one
}

func hasMask(v any) bool {
	switch x := v.(type) {
	case string:
		return strings.Contains(x, maskMark)
	case []any:
		for _, e := range x {
			if hasMask(e) {
				return true
			}
		}
	}
	return false
}
