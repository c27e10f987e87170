package loki

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sort"

	"quarterdeck/sources"
)

// moment reads all lines of one nanosecond that fills a page. Loki's API has no way to go on within a
// moment, so the streams are split by their labels until each part fits. Where one stream alone does not
// fit, what cannot be had is a Gap. page is what was read of it so far.
func (c *Client) moment(ctx context.Context, q logql, t int64, page []row) ([]row, *sources.Gap, error) {
	sets, err := c.series(ctx, q.selector, t)
	if err != nil {
		return nil, nil, err
	}
	m := momentRead{c: c, t: t}
	rows, err := m.split(ctx, q, sets, page)
	if err != nil {
		return nil, nil, err
	}
	sortRows(rows)
	if m.lost == "" {
		return rows, nil, nil
	}
	g := gapOf(t, t+1, "more than "+m.lost+" at one nanosecond: loki has no way to ask for the rest")
	return rows, &g, nil
}

type momentRead struct {
	c    *Client
	t    int64
	lost string
}

// split reads q at the moment by halves of the values of a label in which sets differ; page is full.
func (m *momentRead) split(ctx context.Context, q logql, sets []map[string]string, page []row) ([]row, error) {
	label, values := differing(sets)
	if label == "" {
		m.lost = fmt.Sprintf("%d lines of one stream", len(page))
		return page, nil
	}
	var all []row
	for _, half := range [][]string{values[:len(values)/2], values[len(values)/2:]} {
		part := q.and(label + "=~" + quote(alternatives(half)))
		rows, n, err := m.c.fetch(ctx, part.String(), m.t, m.t+1, int(m.c.pageMax.Load()), true, tries)
		if err != nil {
			return nil, err
		}
		if len(rows) >= n {
			in := slices.DeleteFunc(slices.Clone(sets), func(s map[string]string) bool { return !slices.Contains(half, s[label]) })
			if rows, err = m.split(ctx, part, in, rows); err != nil {
				return nil, err
			}
		}
		all = append(all, rows...)
	}
	return all, nil
}

// differing is the label with the most values among sets, and its values; "" where all sets are equal.
// An absent label is the value "", as LogQL has it.
func differing(sets []map[string]string) (string, []string) {
	names := map[string]bool{}
	for _, s := range sets {
		for k := range s {
			names[k] = true
		}
	}
	best, values := "", map[string]bool{}
	for k := range names {
		v := map[string]bool{}
		for _, s := range sets {
			v[s[k]] = true
		}
		if len(v) > 1 && (len(v) > len(values) || len(v) == len(values) && k < best) {
			best, values = k, v
		}
	}
	out := make([]string, 0, len(values))
	for v := range values {
		out = append(out, v)
	}
	sort.Strings(out)
	return best, out
}

// series are the label sets of the streams around a moment.
func (c *Client) series(ctx context.Context, selector string, t int64) ([]map[string]string, error) {
	const around = int64(60e9)
	var out []map[string]string
	err := c.getJSON(ctx, "list streams", "/loki/api/v1/series",
		url.Values{"match[]": {selector}, "start": {nano(t - around)}, "end": {nano(t + around)}}, &out)
	return out, err
}
