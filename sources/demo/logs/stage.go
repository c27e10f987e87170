package logs

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-logfmt/logfmt"
)

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
		r.cut = r.cut || len(stream) < len(r.stream)
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
