package prometheus

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/sources"
)

// Complete implements [sources.Metrics]. What needs no server is offered even where the server does not answer: then
// the error comes together with the offers.
func (c *Client) Complete(ctx context.Context, query string, at int) (sources.Completion, error) {
	p := placeIn(query, at)
	out := sources.Completion{From: p.from, To: p.to}
	r := newRanking(p.word)
	var err error
	switch p.kind {
	case placeOperand:
		err = c.operands(ctx, p, r)
	case placeOperator:
		r.add(operatorOffers...)
	case placeAfterAgg:
		r.add(aggregateOffers...)
	case placeAt:
		r.add(atOffers...)
	case placeDuration:
		r.add(durations(p)...)
	case placeLabel:
		err = c.labels(ctx, p, r)
	case placeBy:
		err = c.listed(ctx, query, r)
	case placeValue:
		err = c.values(ctx, p, r)
	}
	if err != nil && ctx.Err() != nil {
		return out, ctx.Err()
	}
	out.Offers, out.More = r.best()
	switch {
	case err != nil:
		out.Reason = err.Error()
	case r.all == 0 && p.kind == placeValue:
		out.Reason = "no series of the last hour has a value of " + p.label
		if p.selector != "" {
			out.Reason += " with " + p.selector
		}
	case r.all == 0 && (p.kind == placeLabel || p.kind == placeBy):
		out.Reason = "no series of the last hour matches, so there are no labels"
	}
	return out, err
}

// ranking takes offers and keeps the best that fit a word: those that begin with it, then those with a part that does,
// then those that hold it anywhere; of equals as they came. It goes through a server's names at each key.
type ranking struct {
	word  string
	ranks [3][]sources.Offer
	all   int // that were there to choose from
	fit   int
}

func newRanking(word string) *ranking { return &ranking{word: strings.ToLower(word)} }

// rank tells how well a text fits; 3: not at all.
func (r *ranking) rank(text string) int {
	text = strings.ToLower(text)
	switch at := strings.Index(text, r.word); {
	case at < 0:
		return 3
	case at == 0:
		return 0
	case !isWord(text[at-1]) || text[at-1] == '_' || text[at-1] == ':':
		return 1
	}
	return 2
}

// full tells whether one more of this rank is of no use.
func (r *ranking) full(rank int) bool { return len(r.ranks[rank]) >= sources.MaxOffers }

func (r *ranking) add(offers ...sources.Offer) {
	for _, o := range offers {
		r.all++
		if rank := r.rank(strings.TrimLeft(o.Text, "\"")); rank < 3 {
			r.fit++
			if !r.full(rank) {
				r.ranks[rank] = append(r.ranks[rank], o)
			}
		}
	}
}

func (r *ranking) best() (best []sources.Offer, more int) {
	for _, offers := range r.ranks {
		best = append(best, offers...)
	}
	best = best[:min(len(best), sources.MaxOffers)]
	return best, r.fit - len(best)
}

// growing are the functions that make sense on what only grows.
var growing = []string{"rate", "irate", "increase", "resets"}

// operands are functions and the names of metrics; words first where one has been begun, since they are few.
func (c *Client) operands(ctx context.Context, p place, r *ranking) error {
	f, err := c.metricNames(ctx)
	words := func() {
		if p.compares {
			r.add(sources.Offer{Text: "bool ", Kind: sources.OfferKeyword, Note: "0 or 1 in place of leaving out"})
		}
		if p.binary {
			r.add(binaryOffers...)
		}
		r.add(functionOffers...)
	}
	if p.word != "" {
		words()
	}
	counters := slices.Contains(growing, p.function)
	if counters {
		r.addMetrics(f, f.counts)
		r.addMetrics(f, func(name string) bool { return !f.counts(name) })
	} else {
		r.addMetrics(f, nil)
	}
	if p.word == "" {
		words()
	}
	return err
}

// addMetrics is add for the names that are wanted (nil: all), which may be very many.
func (r *ranking) addMetrics(f namesFinding, wanted func(string) bool) {
	for _, n := range f.names {
		rank := r.rank(n)
		if rank == 3 || wanted != nil && !wanted(n) {
			continue
		}
		r.all++
		r.fit++
		if !r.full(rank) {
			r.ranks[rank] = append(r.ranks[rank], sources.Offer{Text: metricText(n), Kind: sources.OfferMetric, Note: f.noteOf(n)})
		}
	}
}

// metricText is a metric's name as it stands in a query: one that is not of the old alphabet goes into quotes and braces.
func metricText(n string) string {
	if model.LegacyValidation.IsValidMetricName(n) {
		return n
	}
	return "{" + strconv.Quote(n) + "}"
}

func labelText(n string) string {
	if model.LegacyValidation.IsValidLabelName(n) {
		return n
	}
	return strconv.Quote(n)
}

func (c *Client) labels(ctx context.Context, p place, r *ranking) error {
	var selectors []string
	if p.selector != "" {
		selectors = []string{p.selector}
	}
	names, err := c.labelNames(ctx, selectors)
	for _, n := range names {
		o := sources.Offer{Text: labelText(n), Kind: sources.OfferLabel}
		if !p.matched {
			o.Text, o.Back = o.Text+`=""`, 1
		}
		r.add(o)
	}
	return err
}

// listed are the labels of the metrics of the whole query, for by and on.
func (c *Client) listed(ctx context.Context, query string, r *ranking) error {
	names, err := c.labelNames(ctx, metricsIn(query))
	for _, n := range names {
		r.add(sources.Offer{Text: labelText(n), Kind: sources.OfferLabel})
	}
	return err
}

func (c *Client) values(ctx context.Context, p place, r *ranking) error {
	var values []string
	var err error
	if p.label == model.MetricNameLabel && p.selector == "" {
		var f namesFinding
		f, err = c.metricNames(ctx)
		values = f.names
	} else {
		values, err = c.valuesOf(ctx, p.label, p.selector)
	}
	for _, v := range values {
		if v != "" {
			r.add(sources.Offer{Text: p.valueText(v), Kind: sources.OfferValue})
		}
	}
	return err
}

// valueText is a value as it stands in the quotes that are open, or in its own.
func (p place) valueText(v string) string {
	if p.regex {
		v = regexp.QuoteMeta(v)
	}
	switch p.quote {
	case 0:
		return strconv.Quote(v)
	case '`':
		return strings.ReplaceAll(v, "`", "")
	}
	q := strconv.Quote(v)
	q = q[1 : len(q)-1]
	if p.quote == '\'' {
		q = strings.ReplaceAll(strings.ReplaceAll(q, `\"`, `"`), `'`, `\'`)
	}
	return q
}

// durations are the usual ones; a number that has been begun comes in its units.
func durations(p place) []sources.Offer {
	var out []sources.Offer
	add := func(text, note string) {
		out = append(out, sources.Offer{Text: text, Kind: sources.OfferDuration, Note: note})
	}
	if _, err := strconv.Atoi(p.word); err == nil {
		for _, u := range []string{"m", "h", "d", "s", "w"} {
			add(p.word+u, "")
		}
		return out
	}
	if p.kind == placeDuration {
		add("$__rate_interval", "as wide as the step needs")
	}
	for _, d := range []string{"1m", "5m", "10m", "15m", "30m", "1h", "3h", "6h", "12h", "1d", "7d"} {
		add(d, "")
	}
	return out
}

var (
	operatorOffers  = words(sources.OfferOperator, "and ", "or ", "unless ", "offset ", "by ()", "without ()")
	aggregateOffers = words(sources.OfferKeyword, "by ()", "without ()")
	binaryOffers    = words(sources.OfferKeyword, "on ()", "ignoring ()")
	atOffers        = words(sources.OfferFunction, "start()", "end()")
	functionOffers  = functions()
)

func words(kind sources.OfferKind, texts ...string) []sources.Offer {
	out := make([]sources.Offer, 0, len(texts))
	for _, t := range texts {
		o := sources.Offer{Text: t, Kind: kind}
		if strings.HasSuffix(t, " ()") {
			o.Back = 1
		}
		out = append(out, o)
	}
	return out
}

// functions are PromQL's own aggregations and functions but for experimental ones, with what they take.
func functions() []sources.Offer {
	var out []sources.Offer
	for it, t := range parser.ItemTypeStr {
		if it.IsAggregator() && !it.IsExperimentalAggregator() {
			out = append(out, sources.Offer{Text: t + "()", Kind: sources.OfferAggregate, Back: 1})
		}
	}
	takes := map[parser.ValueType]string{parser.ValueTypeVector: "vector", parser.ValueTypeMatrix: "range[…]", parser.ValueTypeScalar: "number", parser.ValueTypeString: "text"}
	for name, f := range parser.Functions {
		if f.Experimental {
			continue
		}
		args := make([]string, len(f.ArgTypes))
		for i, a := range f.ArgTypes {
			args[i] = takes[a]
		}
		out = append(out, sources.Offer{Text: name + "()", Kind: sources.OfferFunction, Note: strings.Join(args, ", "), Back: 1})
	}
	slices.SortFunc(out, func(a, b sources.Offer) int { return cmp.Compare(a.Text, b.Text) })
	return out
}

// errorPlace is where Prometheus' parser says that a query is wrong: "1:8: parse error: …".
var errorPlace = sources.LazyRegexp(`(\d{1,6}):(\d{1,6}): parse error`)

// placed takes the place of the mistake out of what the server says.
func placed(e *sources.Error, msg string) {
	if m := errorPlace().FindStringSubmatch(msg); m != nil && e.Kind == sources.BadQuestion {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
	}
}
