package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-logfmt/logfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
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

// token is a lexeme of LogQL.
type token struct {
	kind tokenKind
	text string // of a string: its value
	at   int    // byte offset
	end  int
}

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokString
	tokNumber // also durations and bytes: 5m, 1.5s, 10KB
	tokOp
)

var operators = []string{"|=", "|~", "!=", "!~", "=~", "==", ">=", "<=", "|>", "!>", "|", "{", "}", "(", ")", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/", "%", "^", "@", ":"}

// lex cuts a query into tokens, the last of which is tokEOF.
func lex(in string) ([]token, error) {
	var out []token
	for i := 0; i < len(in); {
		c, size := utf8.DecodeRuneInString(in[i:])
		switch {
		case unicode.IsSpace(c):
			i += size
		case c == '#':
			for i < len(in) && in[i] != '\n' {
				i++
			}
		case c == '"' || c == '`':
			end, value, err := lexString(in, i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{tokString, value, i, end})
			i = end
		case c == '_' || unicode.IsLetter(c):
			end := i
			for end < len(in) {
				r, n := utf8.DecodeRuneInString(in[end:])
				if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					break
				}
				end += n
			}
			out = append(out, token{tokIdent, in[i:end], i, end})
			i = end
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(in) && in[i+1] >= '0' && in[i+1] <= '9':
			end := i
			for end < len(in) && (in[end] == '.' || in[end] >= '0' && in[end] <= '9' || in[end] >= 'a' && in[end] <= 'z' || in[end] >= 'A' && in[end] <= 'Z' || strings.HasPrefix(in[end:], "µ")) {
				_, n := utf8.DecodeRuneInString(in[end:])
				end += n
			}
			out = append(out, token{tokNumber, in[i:end], i, end})
			i = end
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(in[i:], o) {
					op = o
					break
				}
			}
			if op == "" {
				return nil, parseError(in, i, "syntax error: unexpected character %q", c)
			}
			out = append(out, token{tokOp, op, i, i + len(op)})
			i += len(op)
		}
	}
	return append(out, token{kind: tokEOF, at: len(in), end: len(in)}), nil
}

func lexString(in string, i int) (int, string, error) {
	quote := in[i]
	for end := i + 1; end < len(in); end++ {
		switch {
		case in[end] == '\\' && quote == '"':
			end++
		case in[end] == quote:
			value, err := strconv.Unquote(in[i : end+1])
			if err != nil {
				return 0, "", parseError(in, i, "invalid char escape")
			}
			return end + 1, value, nil
		}
	}
	return 0, "", parseError(in, i, "literal not terminated")
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
	case "|=", "!=", "|~", "!~":
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
		if op == "|=" || op == "!=" {
			tests = append(tests, func(line string) bool { return strings.Contains(line, v.text) })
		} else {
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

func (p *parser) pipe(q *Query) error {
	t := p.peek()
	if t.kind == tokOp && t.text != "(" {
		return p.unexpected(t, "IDENTIFIER")
	}
	switch t.text {
	case "json":
		p.next()
		q.parses = true
		return p.fieldsStage(q, jsonFields)
	case "logfmt":
		p.next()
		q.parses = true
		for p.isOp("-") { // --strict, --keep-empty
			p.next()
			if p.isOp("-") {
				p.next()
				p.next()
				if p.isOp("-") {
					p.next()
					p.next()
				}
			}
		}
		return p.fieldsStage(q, logfmtFields)
	case "regexp":
		p.next()
		return p.regexpStage(q)
	case "unwrap":
		p.next()
		return p.unwrap(q)
	case "drop", "keep":
		p.next()
		return p.dropStage(q, t.text == "keep")
	case "line_format", "label_format", "pattern", "unpack", "decolorize", "distinct":
		return &Error{"the demo's Loki does not run the stage " + t.text + ": it knows line filters, json, logfmt, regexp, label filters, drop, keep and unwrap"}
	}
	f, err := p.labelFilter(0)
	if err != nil {
		return err
	}
	q.stages = append(q.stages, f)
	return nil
}

// fieldsStage extracts a line's fields; named ones only, where the query names them.
func (p *parser) fieldsStage(q *Query, extract func(line string, put func(k, v string)) error) error {
	only := map[string]string{}
	for p.peek().kind == tokIdent {
		name := p.next().text
		from := name
		if p.isOp("=") {
			p.next()
			v := p.next()
			if v.kind != tokString {
				return p.unexpected(v, "STRING")
			}
			from = v.text
		}
		only[strings.ReplaceAll(from, ".", "_")] = name
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	kind := "JSONParserErr"
	q.stages = append(q.stages, func(r *row) bool {
		err := extract(r.line, func(k, v string) {
			if len(only) > 0 {
				k = only[k]
			}
			if k != "" {
				r.put(k, v)
			}
		})
		if err != nil {
			k := kind
			if !errors.Is(err, errJSON) {
				k = "LogfmtParserErr"
			}
			r.put("__error__", k)
			r.put("__error_details__", err.Error())
		}
		return true
	})
	return nil
}

var errJSON = errors.New("expecting json object, but it is not")

func jsonFields(line string, put func(k, v string)) error {
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return errJSON
	}
	flatten("", m, put)
	return nil
}

func flatten(prefix string, m map[string]any, put func(k, v string)) {
	for k, v := range m {
		k = prefix + sanitise(k)
		switch x := v.(type) {
		case string:
			put(k, x)
		case json.Number:
			put(k, x.String())
		case bool:
			put(k, strconv.FormatBool(x))
		case map[string]any:
			flatten(k+"_", x, put)
		}
	}
}

func sanitise(k string) string {
	out := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, k)
	if out != "" && out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	return out
}

func logfmtFields(line string, put func(k, v string)) error {
	d := logfmt.NewDecoder(strings.NewReader(line))
	for d.ScanRecord() {
		for d.ScanKeyval() {
			if k := sanitise(string(d.Key())); k != "" && len(d.Value()) > 0 {
				put(k, string(d.Value()))
			}
		}
	}
	return d.Err()
}

func (p *parser) regexpStage(q *Query) error {
	v := p.next()
	if v.kind != tokString {
		return p.unexpected(v, "STRING")
	}
	re, err := regexp.Compile(v.text)
	if err != nil {
		return parseError(p.in, v.at, "%v", err)
	}
	names := re.SubexpNames()
	if !slices.ContainsFunc(names, func(n string) bool { return n != "" }) {
		return parseError(p.in, v.at, "at least one named capture must be supplied")
	}
	q.parses = true
	q.stages = append(q.stages, func(r *row) bool {
		for i, m := range re.FindStringSubmatch(r.line) {
			if names[i] != "" {
				r.put(names[i], m)
			}
		}
		return true
	})
	return nil
}

func (p *parser) unwrap(q *Query) error {
	name := p.next()
	if name.kind != tokIdent {
		return p.unexpected(name, "IDENTIFIER")
	}
	if p.isOp("(") {
		p.next()
		q.unit = name.text
		if q.unit == "duration_seconds" {
			q.unit = "duration"
		}
		if q.unit != "duration" && q.unit != "bytes" {
			return p.unexpected(name, "bytes or duration or duration_seconds")
		}
		if name = p.next(); name.kind != tokIdent {
			return p.unexpected(name, "IDENTIFIER")
		}
		if _, err := p.expect(")"); err != nil {
			return err
		}
	}
	q.Unwrap = name.text
	return nil
}

func (p *parser) dropStage(q *Query, keep bool) error {
	names := map[string]bool{}
	for p.peek().kind == tokIdent {
		names[p.next().text] = true
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	q.stages = append(q.stages, func(r *row) bool {
		stream := map[string]string{}
		for k, v := range r.stream {
			if names[k] == keep {
				stream[k] = v
			}
		}
		r.stream = stream
		for k := range r.extra {
			if names[k] != keep {
				delete(r.extra, k)
			}
		}
		return true
	})
	return nil
}

// maxDepth bounds nested parentheses in a label filter.
const maxDepth = 100

// labelFilter reads a or b, a and b, a, b, parentheses.
func (p *parser) labelFilter(depth int) (stage, error) {
	left, err := p.labelAnd(depth)
	for err == nil && p.isWord("or") {
		p.next()
		var right stage
		if right, err = p.labelAnd(depth); err == nil {
			l := left
			left = func(r *row) bool { return l(r) || right(r) }
		}
	}
	return left, err
}

func (p *parser) labelAnd(depth int) (stage, error) {
	left, err := p.labelTerm(depth)
	for err == nil && (p.isWord("and") || p.isOp(",") || p.peek().kind == tokIdent && !p.isWord("or")) {
		if p.peek().kind == tokOp || p.isWord("and") {
			p.next()
		}
		var right stage
		if right, err = p.labelTerm(depth); err == nil {
			l := left
			left = func(r *row) bool { return l(r) && right(r) }
		}
	}
	return left, err
}

func (p *parser) labelTerm(depth int) (stage, error) {
	if depth > maxDepth {
		return nil, parseError(p.in, p.peek().at, "expression is nested too deeply")
	}
	if p.isOp("(") {
		p.next()
		f, err := p.labelFilter(depth + 1)
		if err != nil {
			return nil, err
		}
		_, err = p.expect(")")
		return f, err
	}
	name := p.next()
	if name.kind != tokIdent {
		return nil, p.unexpected(name, "IDENTIFIER or (")
	}
	op := p.next()
	if op.kind != tokOp {
		return nil, p.unexpected(op, "")
	}
	v := p.next()
	if v.kind == tokString {
		typ, ok := matchOps[op.text]
		if op.text == "==" {
			typ, ok = labels.MatchEqual, true
		}
		if !ok {
			return nil, p.unexpected(op, "= or != or =~ or !~")
		}
		m, err := labels.NewMatcher(typ, name.text, v.text)
		if err != nil {
			return nil, parseError(p.in, v.at, "%v", err)
		}
		return func(r *row) bool { return m.Matches(r.get(m.Name)) }, nil
	}
	sign := 1.0
	if v.kind == tokOp && v.text == "-" {
		sign, v = -1, p.next()
	}
	if v.kind != tokNumber {
		return nil, p.unexpected(v, "STRING or NUMBER or DURATION or BYTES")
	}
	want, unit, err := quantity(v.text)
	if err != nil {
		return nil, parseError(p.in, v.at, "%v", err)
	}
	return compare(p, name.text, op, sign*want, unit)
}

func compare(p *parser, name string, op token, want float64, unit string) (stage, error) {
	test, ok := map[string]func(a, b float64) bool{
		"=": func(a, b float64) bool { return a == b }, "==": func(a, b float64) bool { return a == b }, "!=": func(a, b float64) bool { return a != b },
		">": func(a, b float64) bool { return a > b }, ">=": func(a, b float64) bool { return a >= b }, "<": func(a, b float64) bool { return a < b }, "<=": func(a, b float64) bool { return a <= b },
	}[op.text]
	if !ok {
		return nil, p.unexpected(op, "a comparison")
	}
	return func(r *row) bool {
		have := r.get(name)
		if have == "" {
			return false
		}
		v, err := inUnit(have, unit)
		if err != nil {
			r.put("__error__", "LabelFilterErr")
			return true
		}
		return test(v, want)
	}, nil
}

// quantity reads 5, 1.5s, 10KB.
func quantity(s string) (v float64, unit string, err error) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return v, "", nil
	}
	for _, unit := range []string{"duration", "bytes"} {
		if v, err := inUnit(s, unit); err == nil {
			return v, unit, nil
		}
	}
	return 0, "", fmt.Errorf("syntax error: %q is no number, duration or size", s)
}

func inUnit(s, unit string) (float64, error) {
	switch unit {
	case "duration":
		if d, err := time.ParseDuration(s); err == nil {
			return d.Seconds(), nil
		}
		d, err := model.ParseDuration(s)
		return time.Duration(d).Seconds(), err
	case "bytes":
		i := strings.IndexFunc(s, unicode.IsLetter)
		if i < 0 {
			return strconv.ParseFloat(s, 64)
		}
		v, err := strconv.ParseFloat(s[:i], 64)
		k, ok := map[string]float64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "K": 1e3, "M": 1e6, "G": 1e9}[strings.ToUpper(s[i:])]
		if err != nil || !ok {
			return 0, fmt.Errorf("%q is no size", s)
		}
		return v * k, nil
	}
	return strconv.ParseFloat(s, 64)
}
