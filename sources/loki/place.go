package loki

import "strings"

// placeKind says what may stand at the cursor of a LogQL query.
type placeKind uint8

const (
	placeNone  placeKind = iota
	placeStart           // nothing is there yet
	placeLabel           // a label's name in the selector
	placeMatch           // = != =~ !~ behind it
	placeValue           // its value
	placePipe            // a line filter or a stage
	placeStage           // the stage's name, or a field's
	placeField           // a field's value
)

// place is what stands around the cursor.
type place struct {
	kind     placeKind
	from, to int    // the word under the cursor
	word     string // its part before the cursor
	label    string // whose value is written
	selector string // what is complete of the selector, "" where nothing is
}

// placeIn finds out what is being written at a byte of a query. It takes any text.
func placeIn(query string, at int) place {
	at = min(max(at, 0), len(query))
	p := place{from: at, to: at}
	open := strings.IndexByte(query[:at], '{')
	if open < 0 {
		if strings.TrimSpace(query[:at]) == "" {
			p.kind = placeStart
		}
		return p
	}
	if end := selectorEnd(query[open:]); end >= 0 && open+end <= at {
		p.selector = query[open : open+end]
		p.pipeline(query, open+end, at)
		return p
	}
	p.matchers(query, open, at)
	return p
}

// matchers reads the selector up to the cursor.
func (p *place) matchers(query string, open, at int) {
	lastWhole := open + 1 // behind the last whole matcher
	i := open + 1
	for {
		i = skipBlank(query, i, at)
		from := i
		for i < at && isNameByte(query[i]) {
			i++
		}
		name := query[from:i]
		if i == at {
			p.kind = placeLabel
			p.setWord(query, from, at)
			break
		}
		i = skipBlank(query, i, at)
		opFrom := i
		for i < at && strings.IndexByte("=!~", query[i]) >= 0 {
			i++
		}
		if i == at {
			p.kind, p.label = placeMatch, name
			p.from, p.word = opFrom, query[opFrom:at]
			break
		}
		i = skipBlank(query, i, at)
		if i >= at || query[i] != '"' && query[i] != '`' {
			break
		}
		n := stringEnd(query[i:at])
		if n < 0 {
			p.kind, p.label = placeValue, name
			p.inString(query, i+1, at)
			break
		}
		i += n
		lastWhole = i
		i = skipBlank(query, i, at)
		if i >= at || query[i] != ',' {
			break
		}
		i++
	}
	if whole := strings.TrimRight(query[open+1:lastWhole], " ,"); whole != "" {
		p.selector = "{" + whole + "}"
	}
	if p.kind == placeValue && !labelName.MatchString(p.label) {
		p.kind = placeNone
	}
}

// pipeline reads what stands behind the selector.
func (p *place) pipeline(query string, i, at int) {
	p.kind = placePipe
	for i < at {
		switch c := query[i]; {
		case c == '"' || c == '`':
			n := stringEnd(query[i:at])
			if n < 0 {
				p.kind = placeNone
				if name := fieldBefore(query[:i]); name != "" && labelName.MatchString(name) {
					p.kind, p.label = placeField, name
					p.inString(query, i+1, at)
				}
				return
			}
			i += n
			p.kind, p.from, p.word = placePipe, at, ""
		case c == '|' && i+1 < at && strings.IndexByte("=~>", query[i+1]) >= 0, c == '!' && i+1 < at && strings.IndexByte("=~>", query[i+1]) >= 0:
			i += 2
			p.kind = placeNone
		case c == '|':
			i = skipBlank(query, i+1, at)
			from := i
			for i < at && isNameByte(query[i]) {
				i++
			}
			if i == at {
				p.kind = placeStage
				p.setWord(query, from, at)
				return
			}
			p.kind, p.from, p.word = placePipe, at, ""
		case c == ' ' || c == '\t' || c == '\n':
			i++
		default:
			p.kind = placeNone
			i++
		}
	}
}

// fieldBefore is the name before a comparison's sign at the end of s, "" where there is none.
func fieldBefore(s string) string {
	s = strings.TrimRight(s, " ")
	cut := strings.TrimRight(s, "=!~")
	if cut == s || strings.HasSuffix(cut, "|") {
		return ""
	}
	cut = strings.TrimRight(cut, " ")
	i := len(cut)
	for i > 0 && isNameByte(cut[i-1]) {
		i--
	}
	return cut[i:]
}

// inString makes the word all of the string under the cursor.
func (p *place) inString(query string, from, at int) {
	p.from, p.word = from, query[from:at]
	for p.to < len(query) && query[p.to] != '"' && query[p.to] != '`' && query[p.to] != '\n' {
		p.to++
	}
	if p.to == len(query) { // the string has no end: what follows is not part of it
		p.to = at
	}
}

func (p *place) setWord(query string, from, at int) {
	p.from, p.word = from, query[from:at]
	for p.to < len(query) && isNameByte(query[p.to]) {
		p.to++
	}
}

func skipBlank(s string, i, end int) int {
	for i < end && strings.IndexByte(" \t\r\n", s[i]) >= 0 {
		i++
	}
	return i
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
