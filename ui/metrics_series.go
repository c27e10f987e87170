package ui

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"quarterdeck/sources"
)

// topSeries are the n series with the highest last values, the highest first. Their points are their own, so that the rest
// of the answer can go.
func topSeries(series []sources.Series, n int) []sources.Series {
	type ranked struct {
		s    sources.Series
		last float64
	}
	all := make([]ranked, len(series))
	for i, s := range series {
		all[i] = ranked{s, lastFinite(s.Points)}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(b.last, a.last) }) // NaN is below all numbers
	out := make([]sources.Series, 0, min(n, len(all)))
	for _, r := range all[:min(n, len(all))] {
		out = append(out, r.s)
	}
	return out
}

func lastFinite(points []sources.Point) float64 {
	for i := len(points) - 1; i >= 0; i-- {
		if v := points[i].V; !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	return math.NaN()
}

// leastMost are the smallest and the largest value, NaN where there is none.
func leastMost(points []sources.Point) (least, most float64) {
	least, most = math.NaN(), math.NaN()
	for _, p := range points {
		if math.IsNaN(p.V) || math.IsInf(p.V, 0) {
			continue
		}
		if !(p.V >= least) {
			least = p.V
		}
		if !(p.V <= most) {
			most = p.V
		}
	}
	return least, most
}

// commonLabels are those that all of several series have alike: they tell nothing apart.
func commonLabels(series []sources.Series) map[string]string {
	if len(series) < 2 {
		return nil
	}
	out := maps.Clone(series[0].Labels)
	for _, s := range series[1:] {
		maps.DeleteFunc(out, func(k, v string) bool { return s.Labels[k] != v })
	}
	return out
}

// labelsWord names a series by its labels but for the common ones: a single label by its value alone.
func labelsWord(labels, common map[string]string) string {
	var names []string
	for k := range labels {
		if _, all := common[k]; !all && k != "__name__" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	metric := labels["__name__"]
	if _, all := common["__name__"]; all {
		metric = ""
	}
	if len(names) == 1 && metric == "" {
		return labels[names[0]]
	}
	var parts []string
	if metric != "" {
		parts = append(parts, metric)
	}
	for _, k := range names {
		parts = append(parts, k+"="+labels[k])
	}
	if len(parts) == 0 {
		return "value"
	}
	return strings.Join(parts, " ")
}

// guessedUnit is the unit that a query's metric names speak of; "1" where they do not, or where it is more than a guess.
func guessedUnit(query string) string {
	rate := strings.Contains(query, "rate(")
	switch {
	case strings.Contains(query, "histogram_quantile") && strings.Contains(query, "_seconds"):
		return "s"
	case strings.Contains(query, "/") || strings.Contains(query, "count") && !strings.Contains(query, "_count"):
		return "1"
	case strings.Contains(query, "_bytes") && rate:
		return "bytes/s"
	case strings.Contains(query, "_bytes"):
		return "bytes"
	case strings.Contains(query, "cpu") && strings.Contains(query, "_seconds_total") && rate:
		return "cores"
	case rate && strings.Contains(query, "_total"):
		return "1/s"
	}
	return "1"
}
