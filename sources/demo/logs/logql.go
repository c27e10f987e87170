package logs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"quarterdeck/sources/patterns"
)

// Query is the log part of a LogQL expression: a selector and a pipeline.
type Query struct {
	Matchers []*labels.Matcher
	stages   []stage
	Unwrap   string // label whose value is the sample, in a range
	unit     string // of Unwrap: "", duration, bytes
	parses   bool   // a stage reads the line's fields
}

// row is a line on its way through a pipeline.
type row struct {
	line   string
	stream map[string]string // shared, never written
	extra  map[string]string // parsed
	cut    bool              // stream has lost labels
}

func (r *row) get(name string) string {
	if v, ok := r.extra[name]; ok {
		return v
	}
	return r.stream[name]
}

func (r *row) put(name, value string) {
	if r.extra == nil {
		r.extra = map[string]string{}
	}
	if _, taken := r.stream[name]; taken {
		name += "_extracted"
	}
	r.extra[name] = value
}

// stage keeps or drops a row; it may add labels.
type stage func(*row) bool

// run applies the pipeline.
func (q *Query) run(r *row) bool {
	for _, s := range q.stages {
		if !s(r) {
			return false
		}
	}
	return true
}

// Error is what is wrong with a query, in Loki's words. It is answered with status 400.
type Error struct{ text string }

// Error is the text.
func (e *Error) Error() string { return e.text }

func parseError(in string, at int, format string, args ...any) error {
	at = min(at, len(in))
	line := 1 + strings.Count(in[:at], "\n")
	col := at - strings.LastIndexByte(in[:at], '\n')
	return &Error{fmt.Sprintf("parse error at line %d, col %d: %s", line, col, fmt.Sprintf(format, args...))}
}

// parser reads tokens.
type parser struct {
	in   string
	toks []token
	i    int
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

func (p *parser) isOp(op string) bool { t := p.peek(); return t.kind == tokOp && t.text == op }

func (p *parser) isWord(word string) bool { t := p.peek(); return t.kind == tokIdent && t.text == word }

func (p *parser) unexpected(t token, want string) error {
	name := map[tokenKind]string{tokEOF: "$end", tokIdent: "IDENTIFIER", tokString: "STRING", tokNumber: "NUMBER", tokOp: t.text}[t.kind]
	if want != "" {
		want = ", expecting " + want
	}
	return parseError(p.in, t.at, "syntax error: unexpected %s%s", name, want)
}

func (p *parser) expect(op string) (token, error) {
	t := p.next()
	if t.kind != tokOp || t.text != op {
		return t, p.unexpected(t, op)
	}
	return t, nil
}

// ParseQuery reads a log query: {…} and its pipeline, and nothing after them.
func ParseQuery(in string) (*Query, error) {
	toks, err := lex(in)
	if err != nil {
		return nil, err
	}
	if len(toks) == 1 {
		return nil, &Error{"parse error : syntax error: unexpected $end"}
	}
	p := &parser{in: in, toks: toks}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEOF {
		return nil, p.unexpected(t, "")
	}
	return q, nil
}

func (p *parser) query() (*Query, error) {
	q := &Query{}
	if err := p.selector(q); err != nil {
		return nil, err
	}
	for {
		more, err := p.stage(q)
		if err != nil {
			return nil, err
		}
		if !more {
			return q, nil
		}
	}
}

var matchOps = map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}

func (p *parser) selector(q *Query) error {
	if _, err := p.expect("{"); err != nil {
		return err
	}
	for !p.isOp("}") {
		name := p.next()
		if name.kind != tokIdent {
			return p.unexpected(name, "IDENTIFIER or }")
		}
		op := p.next()
		typ, ok := matchOps[op.text]
		if op.kind != tokOp || !ok {
			return p.unexpected(op, "= or != or =~ or !~")
		}
		value := p.next()
		if value.kind != tokString {
			return p.unexpected(value, "STRING")
		}
		m, err := labels.NewMatcher(typ, name.text, value.text)
		if err != nil {
			return parseError(p.in, value.at, "%v", err)
		}
		q.Matchers = append(q.Matchers, m)
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	if t := p.peek(); !p.isOp("}") {
		return p.unexpected(t, "} or ,")
	}
	p.next()
	for _, m := range q.Matchers {
		if (m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp) && !m.Matches("") {
			return nil
		}
	}
	return &Error{"parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will"}
}

// stage reads one more stage of the pipeline, if there is one.
func (p *parser) stage(q *Query) (bool, error) {
	t := p.peek()
	if t.kind != tokOp {
		return false, nil
	}
	switch t.text {
	case "|=", "!=", "|~", "!~", "|>", "!>":
		return true, p.lineFilter(q)
	case "|":
		p.next()
		return true, p.pipe(q)
	}
	return false, nil
}

func (p *parser) lineFilter(q *Query) error {
	op := p.next().text
	var tests []func(string) bool
	for {
		v := p.next()
		if v.kind != tokString {
			return p.unexpected(v, "STRING or ip")
		}
		switch op {
		case "|>", "!>":
			tests = append(tests, func(line string) bool { return patterns.Match(v.text, line) })
		case "|=", "!=":
			tests = append(tests, func(line string) bool { return strings.Contains(line, v.text) })
		default:
			re, err := regexp.Compile(v.text)
			if err != nil {
				return parseError(p.in, v.at, "%v", err)
			}
			tests = append(tests, re.MatchString)
		}
		if !p.isWord("or") {
			break
		}
		p.next()
	}
	want := op[0] == '|'
	q.stages = append(q.stages, func(r *row) bool {
		return slices.ContainsFunc(tests, func(f func(string) bool) bool { return f(r.line) }) == want
	})
	return nil
}
