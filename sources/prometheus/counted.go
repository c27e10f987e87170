package prometheus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

var _ sources.RequestCounter = (*Client)(nil)

// mostReadings bounds how many readings of one counter are asked for: at a scrape of 15 s those of three hours. Of a longer time they are
// taken further apart, and the bounds are as much wider.
const mostReadings = 720

// begunWithin is how long after the beginning of the time the first reading must be for its source to have begun meanwhile: before that it may
// be the usual reading. It is the longest scrape interval that is in use (Prometheus' own default).
const begunWithin = time.Minute

// RequestsIn counts a service's requests from the counters' own readings. increase() would guess: it stretches what it saw to the edges of
// the window, and leaves out the first reading of a series that is new, as that of a status that was never answered before is.
func (c *Client) RequestsIn(ctx context.Context, service string, start, end time.Time) (sources.RequestCount, error) {
	const op = "count requests"
	var out sources.RequestCount
	if service == "" || !end.After(start) {
		return out, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "name a service, and a time that ends after it begins", Err: errors.New("nothing to be counted")}
	}
	label, _, err := c.ServiceLabel(ctx)
	if err != nil && sources.KindOf(err) != sources.NotFound {
		return out, err
	}
	found, err := c.webMetrics(ctx, label)
	if err != nil {
		return out, err
	}
	src, ok := found.webSource(service, label, c.servicesIn(ctx, found, asked{label: label}))
	switch {
	case !ok:
		var e *sources.Error
		if errors.As(c.noRequests(found, asked{service: service}), &e) {
			out.Reason = fmt.Sprintf("%v: %s", e.Err, e.Next)
		}
		return out, nil
	case src.counter == "":
		out.Reason = src.any() + " is a histogram without a counter of requests beside it"
		return out, nil
	case src.code == "":
		out.Reason = src.counter + " carries no HTTP status, so errors cannot be told"
		return out, nil
	}
	scrape := c.scrapeInterval(ctx)
	out.At, out.How = end.Add(2*scrape), src.words(src.counter)
	window := out.At.Sub(start) + 2*scrape
	step := ""
	if window/mostReadings > scrape {
		step = ":" + promDuration((window / mostReadings).Round(time.Second))
	} else if window < time.Minute {
		window = time.Minute
	}
	out.Query = fmt.Sprintf("%s{%s}[%s%s]", src.counter, src.matchers, promDuration(window.Round(time.Second)), step)
	v, _, _, err := c.api.Query(ctx, out.Query, out.At, c.serverTimeout())
	if err != nil {
		return out, c.failed(op, err)
	}
	matrix, _ := v.(model.Matrix)
	countRequests(&out, matrix, src.code, start, end)
	return out, nil
}

// countRequests adds up how far the counters of a service rose.
func countRequests(out *sources.RequestCount, matrix model.Matrix, code string, start, end time.Time) {
	matrix = slices.DeleteFunc(matrix, func(s *model.SampleStream) bool { return s == nil || len(s.Values) == 0 })
	read := map[model.LabelValue][]time.Time{} // by what was read
	for _, s := range matrix {
		of := s.Metric[model.InstanceLabel]
		for _, p := range s.Values {
			t := p.Timestamp.Time().UTC()
			read[of] = append(read[of], t)
			if t.Before(start) || t.After(end) {
				continue
			}
			if out.From.IsZero() || t.Before(out.From) {
				out.From = t
			}
			if t.After(out.To) {
				out.To = t
			}
		}
	}
	for _, list := range read {
		slices.SortFunc(list, time.Time.Compare)
	}
	if out.From.IsZero() {
		out.Reason = "its requests were not counted at any moment of this time"
		return
	}
	for _, s := range matrix {
		n := risen(s.Values, read[s.Metric[model.InstanceLabel]], start, end)
		out.All.Least += n.Least
		out.All.Most += n.Most
		if strings.HasPrefix(string(s.Metric[model.LabelName(code)]), "5") {
			out.Failed.Least += n.Least
			out.Failed.Most += n.Most
		}
	}
}

// risen is by how much one counter rose from start to end: what rose between two readings that are both within is in both bounds, what rose
// between readings of which one is outside in the upper alone. A counter that fell was begun anew, and has risen by what it shows. The first
// reading of a series that is not there in the readings before it has risen from nothing; of what was never read before, that it has is in the upper
// bound alone.
func risen(values []model.SamplePair, readings []time.Time, start, end time.Time) sources.Counted {
	var n sources.Counted
	add := func(from, to time.Time, by float64) {
		if by <= 0 || !to.After(start) || !from.Before(end) {
			return
		}
		n.Most += by
		if !from.Before(start) && !to.After(end) {
			n.Least += by
		}
	}
	first := values[0].Timestamp.Time()
	switch i, _ := slices.BinarySearchFunc(readings, first, time.Time.Compare); {
	case i > 0:
		add(readings[i-1], first, float64(values[0].Value))
	case first.After(start.Add(begunWithin)) && !first.After(end):
		n.Most += float64(values[0].Value)
	}
	for i := 1; i < len(values); i++ {
		by := float64(values[i].Value - values[i-1].Value)
		if by < 0 {
			by = float64(values[i].Value)
		}
		add(values[i-1].Timestamp.Time(), values[i].Timestamp.Time(), by)
	}
	return n
}
