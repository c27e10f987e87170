package logs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

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
