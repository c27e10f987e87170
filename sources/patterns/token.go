package patterns

import "strings"

// Wildcard stands for a part that varies, as in LogQL's pattern filter.
const Wildcard = "<_>"

const (
	maxTokens = 160
	maxLine   = 4 << 10 // bytes of a line that are looked at
)

// kinds of token.
const (
	word     uint8 = iota // may become a wildcard, and says how alike lines are
	message               // the same, of a structured line's message
	value                 // of a structured line's other field: may become a wildcard, and says nothing
	variable              // is one
	firm                  // a key, a status: lines that differ in it are of different patterns
)

// token is a word and what stands between the one before and it.
type token struct {
	pre, text string
	kind      uint8
}

// delimiters part words. What is left of a line is letters, digits, dots, dashes, underscores and bytes of UTF-8.
var delimiters = func() (d [256]bool) {
	for i := range d {
		d[i] = i <= ' ' || i == 0x7f
	}
	for _, c := range []byte(`,;:="'` + "`" + `()[]{}<>|&?!/\#@$*^~`) {
		d[c] = true
	}
	return d
}()

// scanner takes one line apart. Its slices are used again for the next.
type scanner struct {
	tokens     []token
	structured bool
	hasMessage bool
}

// scan fills s.tokens; the last one may be of nothing but delimiters.
func (s *scanner) scan(line string) {
	s.tokens, s.structured, s.hasMessage = s.tokens[:0], false, false
	cut := false
	if len(line) > maxLine {
		line, cut = line[:maxLine], true
	}
	if i := strings.IndexAny(line, "\r\n"); i >= 0 && strings.TrimRight(line[i:], "\r\n") == "" {
		line = line[:i]
	} else if i >= 0 {
		line, cut = line[:i], true
	}
	json := strings.HasPrefix(line, "{")
	s.structured = json || logfmt(line)
	field := plainField
	for at := 0; at < len(line); {
		from := at
		for at < len(line) && delimiters[line[at]] {
			at++
		}
		if len(s.tokens) == maxTokens {
			cut = true
			break
		}
		if at == len(line) {
			s.tokens = append(s.tokens, token{pre: line[from:], kind: firm})
			break
		}
		start := at
		for at < len(line) && !delimiters[line[at]] {
			at++
		}
		t := token{pre: line[from:start], text: line[start:at]}
		if s.structured {
			field = s.place(&t, field, line, start, &at, json)
		}
		s.push(t)
	}
	if cut {
		s.push(token{kind: variable})
	}
}

// push appends t; a varying part right after another, with no space between, is the same part: the time 10:22:31 and
// the address 10.0.0.1:80 are one.
func (s *scanner) push(t token) {
	if t.kind != firm && t.kind != variable && varies(t.text) {
		t.kind = variable
	}
	if n := len(s.tokens); t.kind == variable && n > 0 && s.tokens[n-1].kind == variable && joins(t.pre) {
		return
	}
	s.tokens = append(s.tokens, t)
}

// joins tells whether what stands between two varying parts is of the same thing.
func joins(pre string) bool {
	return len(pre) <= 1 && pre != " " && pre != "\t" && pre != "=" && pre != `"` && pre != ","
}

// what a value of a structured line is, by its key.
type fieldKind uint8

const (
	plainField fieldKind = iota
	messageField
	levelField
	statusField
)

// place says what a token of a structured line is. A quoted value that is no message is one token, spaces and all:
// at is moved behind it.
func (s *scanner) place(t *token, field fieldKind, line string, start int, at *int, json bool) fieldKind {
	if isKey(line, start, *at, json) {
		t.kind = firm
		return fieldOf(t.text)
	}
	switch field {
	case messageField:
		s.hasMessage = true
		t.kind = message
	case levelField, statusField:
		t.kind = firm
	default:
		t.kind = value
		if strings.HasSuffix(t.pre, `"`) {
			if end := quoteEnd(line, start); end > *at {
				t.text, *at = line[start:end], end
			}
		}
	}
	return field
}

// isKey tells whether line[start:end] is a key: before = in logfmt, in quotes before a colon in JSON.
func isKey(line string, start, end int, json bool) bool {
	if !json {
		return end < len(line) && line[end] == '=' && (start == 0 || line[start-1] == ' ')
	}
	return start > 0 && line[start-1] == '"' && end+1 < len(line) && line[end] == '"' &&
		strings.HasPrefix(strings.TrimLeft(line[end+1:], " "), ":")
}

// quoteEnd is the place of the quote that ends the value at i; len(line) where it is cut.
func quoteEnd(line string, i int) int {
	for ; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(line)
}

func fieldOf(key string) fieldKind {
	switch strings.ToLower(key) {
	case "msg", "message", "event", "log", "err", "error", "reason", "exception":
		return messageField
	case "level", "lvl", "severity", "levelname":
		return levelField
	case "status", "status_code", "statuscode", "code", "exit", "exit_code", "exitcode":
		return statusField
	}
	return plainField
}

// logfmt tells whether a line begins with key=value.
func logfmt(line string) bool {
	eq := strings.IndexByte(line, '=')
	return eq > 0 && eq < 64 && strings.IndexByte(line[:eq], ' ') < 0 && strings.IndexByte(line[eq:], ' ') > 0 &&
		strings.Contains(line[eq+1:], "=")
}

// varies tells of a word whether it is a number, a time, an address, an identifier: what differs from line to line.
func varies(w string) bool {
	if w == "" {
		return false
	}
	digits, hexes := 0, 0
	for i := range len(w) {
		switch c := w[i]; {
		case c >= '0' && c <= '9':
			digits++
			hexes++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == '-':
			hexes++
		}
	}
	switch first := w[0]; {
	case digits == 0:
		return false
	case first >= '0' && first <= '9', (first == '-' || first == '+' || first == '.') && len(w) > 1 && w[1] >= '0' && w[1] <= '9':
		return true
	case len(w) >= 8 && hexes == len(w), len(w) >= 20 && strings.IndexByte(w, '.') < 0:
		return true
	}
	return 2*digits > len(w)
}

func hasDigit(w string) bool { return strings.ContainsAny(w, "0123456789") }
