package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promparser "github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"quarterdeck/sources/demo/world"
)

// rangeFuncs are LogQL's functions over a log range, with PromQL's that does the same on samples. Where plain is
// empty the function needs an unwrap.
var rangeFuncs = map[string]struct {
	plain, unwrapped string
	bytes, perSecond bool
}{
	"count_over_time":    {plain: "sum_over_time"},
	"rate":               {plain: "sum_over_time", unwrapped: "sum_over_time", perSecond: true},
	"bytes_over_time":    {plain: "sum_over_time", bytes: true},
	"bytes_rate":         {plain: "sum_over_time", bytes: true, perSecond: true},
	"absent_over_time":   {plain: "absent_over_time", unwrapped: "absent_over_time"},
	"sum_over_time":      {unwrapped: "sum_over_time"},
	"avg_over_time":      {unwrapped: "avg_over_time"},
	"min_over_time":      {unwrapped: "min_over_time"},
	"max_over_time":      {unwrapped: "max_over_time"},
	"first_over_time":    {unwrapped: "first_over_time"},
	"last_over_time":     {unwrapped: "last_over_time"},
	"stddev_over_time":   {unwrapped: "stddev_over_time"},
	"stdvar_over_time":   {unwrapped: "stdvar_over_time"},
	"quantile_over_time": {unwrapped: "quantile_over_time"},
}

// logRange is one log range of a metric query.
type logRange struct {
	q     *Query
	bytes bool
	by    []string // labels to keep, of an inner grouping
	keep  bool
}

// isMetric tells a metric query from a log query, which begins with its selector.
func isMetric(expr string) bool {
	expr = strings.TrimSpace(expr)
	return expr != "" && expr[0] != '{'
}

// rewrite turns a metric query into PromQL over the virtual series __l0, __l1, ….
func rewrite(in string) (string, []logRange, error) {
	toks, err := lex(in)
	if err != nil {
		return "", nil, err
	}
	p := &parser{in: in, toks: toks}
	var out strings.Builder
	var ranges []logRange
	for {
		t := p.peek()
		switch {
		case t.kind == tokEOF:
			if len(ranges) == 0 && !strings.Contains(in, "vector") {
				return "", nil, p.unexpected(t, "")
			}
			return out.String(), ranges, nil
		case t.kind == tokIdent && rangeFuncs[t.text] != (rangeFuncs[""]) && p.toks[p.i+1].text == "(" && p.toks[p.i+1].kind == tokOp:
			text, r, err := p.rangeAggregation(len(ranges))
			if err != nil {
				return "", nil, err
			}
			out.WriteString(" " + text + " ")
			ranges = append(ranges, r)
		case t.kind == tokOp && (t.text == "{" || t.text == "[" || t.text == "|" || t.text == "|=" || t.text == "|~" || t.text == ":"):
			return "", nil, p.unexpected(t, "")
		default:
			p.next()
			out.WriteString(" " + in[t.at:t.end])
		}
	}
}

// rangeAggregation reads f([number,] {…} … [range] [offset d]) [by (…)].
func (p *parser) rangeAggregation(n int) (string, logRange, error) {
	name := p.next()
	f, r := rangeFuncs[name.text], logRange{}
	p.next() // (
	param := ""
	if name.text == "quantile_over_time" {
		v := p.next()
		if v.kind != tokNumber {
			return "", r, p.unexpected(v, "NUMBER")
		}
		if _, err := p.expect(","); err != nil {
			return "", r, err
		}
		param = v.text + ", "
	}
	q := &Query{}
	if err := p.selector(q); err != nil {
		return "", r, err
	}
	width := time.Duration(0)
	for {
		if p.isOp("[") {
			d, err := p.rangeWidth()
			if err != nil {
				return "", r, err
			}
			width = d
			continue
		}
		more, err := p.stage(q)
		if err != nil {
			return "", r, err
		}
		if !more {
			break
		}
	}
	if width == 0 {
		return "", r, p.unexpected(p.peek(), "")
	}
	offset := ""
	if p.isWord("offset") {
		p.next()
		if p.isOp("-") {
			p.next()
			offset = "-"
		}
		offset = " offset " + offset + p.next().text
	}
	if _, err := p.expect(")"); err != nil {
		return "", r, err
	}
	if err := p.grouping(&r); err != nil {
		return "", r, err
	}
	fn := f.plain
	if q.Unwrap != "" {
		fn = f.unwrapped
	}
	if fn == "" {
		return "", r, &Error{fmt.Sprintf("parse error : invalid aggregation %s %s unwrap", name.text, map[bool]string{true: "without", false: "with"}[q.Unwrap == ""])}
	}
	r.q, r.bytes = q, f.bytes
	text := fmt.Sprintf("%s(%s__l%d[%dms]%s)", fn, param, n, width.Milliseconds(), offset)
	if f.perSecond {
		text = fmt.Sprintf("(%s / %g)", text, width.Seconds())
	}
	return text, r, nil
}

func (p *parser) rangeWidth() (time.Duration, error) {
	p.next() // [
	v := p.next()
	if v.kind != tokNumber {
		return 0, p.unexpected(v, "RANGE")
	}
	d, err := model.ParseDuration(v.text)
	if err != nil || d < model.Duration(time.Millisecond) {
		return 0, parseError(p.in, v.at, "not a valid duration string: %q", v.text)
	}
	_, err = p.expect("]")
	return time.Duration(d), err
}

func (p *parser) grouping(r *logRange) error {
	if !p.isWord("by") && !p.isWord("without") {
		return nil
	}
	r.keep = p.next().text == "by"
	r.by = []string{}
	if _, err := p.expect("("); err != nil {
		return err
	}
	for p.peek().kind == tokIdent {
		r.by = append(r.by, p.next().text)
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	_, err := p.expect(")")
	return err
}

// metric evaluates a metric query. step 0: at start only.
func (s *Server) metric(ctx context.Context, expr string, start, end time.Time, step time.Duration) (string, any, error) {
	text, ranges, err := rewrite(expr)
	if err != nil {
		return "", nil, err
	}
	store := storage.QueryableFunc(func(mint, maxt int64) (storage.Querier, error) {
		return &querier{s: s, ranges: ranges, mint: mint, maxt: maxt}, nil
	})
	var q promql.Query
	if step == 0 {
		q, err = s.engine.NewInstantQuery(ctx, store, nil, text, start)
	} else {
		q, err = s.engine.NewRangeQuery(ctx, store, nil, text, start, end, step)
	}
	if err != nil {
		var pe promparser.ParseErrors
		if errors.As(err, &pe) && len(pe) > 0 {
			err = pe[0].Err
		}
		return "", nil, &Error{fmt.Sprintf("parse error at line 1, col 1: syntax error: %v", err)}
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return "", nil, res.Err
	}
	var value any = res.Value
	switch v := res.Value.(type) {
	case promql.Vector:
		if v == nil {
			value = promql.Vector{}
		}
	case promql.Matrix:
		if v == nil {
			value = promql.Matrix{}
		}
	case promql.Scalar:
		value = [2]any{float64(v.T) / 1000, strconv.FormatFloat(v.V, 'f', -1, 64)}
	default:
		return "", nil, &Error{"the query has no value that can be shown"}
	}
	// Written out here, before the query is closed: the engine then reuses its points for others.
	body, err := json.Marshal(value)
	return string(res.Value.Type()), json.RawMessage(body), err
}

type querier struct {
	s          *Server
	ranges     []logRange
	mint, maxt int64
}

// Close is storage.Querier's.
func (q *querier) Close() error { return nil }

// LabelValues is not asked by the engine.
func (q *querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames is not asked by the engine.
func (q *querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Select counts the lines of one log range, a sample for each millisecond that has any.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	n := -1
	for _, m := range ms {
		if m.Name == model.MetricNameLabel {
			if _, err := fmt.Sscanf(m.Value, "__l%d", &n); err != nil {
				return storage.ErrSeriesSet(&Error{"parse error : unexpected identifier " + m.Value})
			}
		}
	}
	if n < 0 || n >= len(q.ranges) {
		return storage.EmptySeriesSet()
	}
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = hints.Start, hints.End
	}
	r := q.ranges[n]
	rd := newReader(r.q)
	rd.blind = len(r.q.stages) == 0 && !r.bytes && r.q.Unwrap == ""
	found, order := map[string]*lineSeries{}, []*lineSeries{}
	var fault error
	i := 0
	q.s.each(rd, (mint-1)*1e6+1, maxt*1e6+1, world.All, func(e *entry) bool {
		if i++; i%4096 == 0 && ctx.Err() != nil {
			return false
		}
		if kind := e.labels["__error__"]; kind != "" {
			fault = &Error{fmt.Sprintf("pipeline error: '%s' for series: '%s'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\nTo skip all potential errors you can match empty errors.(e.g __error__=\"\")\nThe label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )", kind, e.key, kind)}
			return false
		}
		v, ok := r.value(e)
		if !ok {
			return true
		}
		sr := found[e.key]
		if sr == nil {
			sr = r.seriesOf(e, found, &order)
		}
		sr.add((e.t+999_999)/1e6, v, r.q.Unwrap != "")
		return true
	})
	if fault == nil {
		fault = ctx.Err()
	}
	if fault != nil {
		return storage.ErrSeriesSet(fault)
	}
	out := &lineSet{i: -1}
	for _, sr := range order {
		sr.sort(r.q.Unwrap != "")
		out.series = append(out.series, sr)
	}
	return out
}

// value is what a line counts for.
func (r *logRange) value(e *entry) (float64, bool) {
	switch {
	case r.q.Unwrap != "":
		v, err := inUnit(e.labels[r.q.Unwrap], r.q.unit)
		return v, err == nil
	case r.bytes:
		return float64(len(e.line)), true
	}
	return 1, true
}

// seriesOf finds or makes the series of an entry's labels, after the inner grouping.
func (r *logRange) seriesOf(e *entry, found map[string]*lineSeries, order *[]*lineSeries) *lineSeries {
	b := labels.NewScratchBuilder(len(e.labels))
	for k, v := range e.labels {
		if k == r.q.Unwrap || r.by != nil && slices.Contains(r.by, k) != r.keep {
			continue
		}
		b.Add(k, v)
	}
	b.Sort()
	l := b.Labels()
	key := l.String()
	sr := found[key]
	if sr == nil {
		sr = &lineSeries{labels: l}
		found[key] = sr
		*order = append(*order, sr)
	}
	found[e.key] = sr
	return sr
}
