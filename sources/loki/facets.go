package loki

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

const (
	facetLines = "1000" // lines that Loki looks at to find fields
	facetMost  = "500"  // fields that it names
)

type detectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"`
}

type detectedLabel struct {
	Label       string `json:"label"`
	Cardinality int    `json:"cardinality"`
}

// Facets are the labels and fields that Loki detects in a sample of the lines (Loki 3.0 and above). See [sources.Faceter].
func (c *Client) Facets(ctx context.Context, q sources.LogQuery) ([]sources.Facet, error) {
	l, err := c.build(q)
	if err != nil {
		return nil, err
	}
	c.hello(ctx)
	from, to, err := c.window(q.Since, q.Until)
	if err != nil {
		return nil, err
	}
	var fields struct {
		Fields []detectedField `json:"fields"`
	}
	err = c.getPlain(ctx, "list fields", "/loki/api/v1/detected_fields", url.Values{
		"query": {l.String()}, "start": {nano(from)}, "end": {nano(to)}, "line_limit": {facetLines}, "limit": {facetMost},
	}, &fields)
	if err != nil {
		return nil, err
	}
	var labels struct {
		Labels []detectedLabel `json:"detectedLabels"`
	}
	err = c.getPlain(ctx, "list labels", "/loki/api/v1/detected_labels", url.Values{"query": {l.selector}, "start": {nano(from)}, "end": {nano(to)}}, &labels)
	if err != nil && sources.KindOf(err) != sources.NotFound {
		return nil, err
	}
	return facetsOf(labels.Labels, fields.Fields), nil
}

func facetsOf(labels []detectedLabel, fields []detectedField) []sources.Facet {
	var out []sources.Facet
	for _, x := range labels {
		if labelName.MatchString(x.Label) {
			out = append(out, sources.Facet{Name: x.Label, Kind: sources.FacetLabel, Values: x.Cardinality})
		}
	}
	for _, x := range fields {
		if !labelName.MatchString(x.Label) || strings.HasPrefix(x.Label, "__") {
			continue
		}
		f := sources.Facet{Name: x.Label, Kind: sources.FacetField, Type: x.Type, Values: x.Cardinality, Parsers: x.Parsers}
		if len(x.Parsers) == 0 {
			f.Kind = sources.FacetMeta
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b sources.Facet) int {
		if c := cmp.Compare(facetOrder(a.Kind), facetOrder(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

func facetOrder(k sources.FacetKind) int {
	return slices.Index([]sources.FacetKind{sources.FacetLabel, sources.FacetMeta, sources.FacetField}, k)
}

// FacetValues counts lines by value over the whole window. A field that both JSON and logfmt lines have is counted in
// both. See [sources.Faceter].
func (c *Client) FacetValues(ctx context.Context, q sources.LogQuery, f sources.Facet, n int) ([]sources.FacetValue, error) {
	if !labelName.MatchString(f.Name) {
		return nil, badQuestion("a field's name is letters, digits and _", errNoLabel(f.Name))
	}
	l, err := c.build(q)
	if err != nil {
		return nil, err
	}
	c.hello(ctx)
	from, to, err := c.window(q.Since, q.Until)
	if err != nil {
		return nil, err
	}
	window := time.Duration(to - from).Truncate(time.Millisecond)
	if window <= 0 || n <= 0 {
		return nil, nil
	}
	counts := map[string]float64{}
	for _, stages := range facetStages(l, f) {
		expr := fmt.Sprintf("topk(%d, sum by (%s) (count_over_time(%s %s [%dms] offset 1ms)))", n, f.Name, closed(l), stages, window.Milliseconds())
		list, err := c.instant(ctx, "count values of "+f.Name, expr, time.Unix(0, to))
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if v := s.Metric[f.Name]; v != "" {
				counts[v] += s.Value.v
			}
		}
	}
	out := make([]sources.FacetValue, 0, len(counts))
	for v, k := range counts {
		out = append(out, sources.FacetValue{Value: v, Count: k})
	}
	slices.SortFunc(out, func(a, b sources.FacetValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), n)], nil
}

// facetStages are the pipelines that make a facet a label; a line is of one parser alone.
func facetStages(l logql, f sources.Facet) []string {
	has := func(parser string) bool { return strings.Contains(l.pipeline, "| "+parser) }
	if f.Kind != sources.FacetField || has("json") || has("logfmt") {
		return []string{"| " + f.Name + `!=""`}
	}
	var out []string
	for _, parser := range []string{"json", "logfmt"} {
		if len(f.Parsers) == 0 || slices.Contains(f.Parsers, parser) {
			out = append(out, "| "+parser+` | __error__="" | `+f.Name+`!=""`)
		}
	}
	return out
}

// closed is a query that another stage can follow: a comment may end what the user wrote.
func closed(l logql) string {
	if strings.Contains(l.pipeline, "#") {
		return l.String() + "\n"
	}
	return l.String()
}
