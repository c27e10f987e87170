package prometheus

import (
	"context"
	"strings"
	"sync"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Bounds of what is remembered for completion. A name is some 60 bytes with its description: all together stay below
// 4 MB, and a server with a million names does not fill the console.
const (
	maxNames    = 20_000 // names of metrics
	maxValues   = 2_000  // names or values of one label
	maxShelves  = 24     // selectors whose labels or values are remembered
	maxMetadata = 5_000  // metrics with type and description
	noteBytes   = 72     // of a description
)

// How long names hold, and how far back they are looked for.
const (
	holdNames  = 2 * time.Minute
	holdValues = 30 * time.Second
	lookBack   = time.Hour
)

// catalog remembers the names that completion offers. Safe for concurrent use.
type catalog struct {
	names memo[namesFinding]

	mu      sync.Mutex
	shelves map[string]memo[[]string]
	order   []string // of the shelves, the longest unused first
}

type namesFinding struct {
	names []string          // as the server sorts them
	notes map[string]string // by name: type and description
	more  bool              // there are more than are kept
}

func newCatalog() *catalog {
	return &catalog{names: newMemo[namesFinding](), shelves: map[string]memo[[]string]{}}
}

// shelf is the memory of one question; the longest unused gives way.
func (k *catalog) shelf(key string) memo[[]string] {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.shelves[key]
	if !ok {
		if len(k.order) >= maxShelves {
			delete(k.shelves, k.order[0])
			k.order = k.order[1:]
		}
		m = newMemo[[]string]()
		k.shelves[key] = m
	} else {
		for i, o := range k.order {
			if o == key {
				k.order = append(k.order[:i], k.order[i+1:]...)
				break
			}
		}
	}
	k.order = append(k.order, key)
	return m
}

// metricNames are the names of the metrics of the last hour, with what the targets say of them where that can be had.
func (c *Client) metricNames(ctx context.Context) (namesFinding, error) {
	return c.catalog.names.get(ctx, func(ctx context.Context) (namesFinding, time.Duration, error) {
		var notes map[string]string
		var wg sync.WaitGroup
		wg.Go(func() { notes = c.notes(ctx) })
		values, err := c.labelValues(ctx, model.MetricNameLabel, nil, maxNames)
		wg.Wait()
		if err != nil {
			return namesFinding{}, 0, err
		}
		f := namesFinding{names: values, notes: notes, more: len(values) > maxNames}
		f.names = f.names[:min(len(f.names), maxNames)]
		return f, holdNames, nil
	})
}

// notes are type and description by metric; servers that do not know them (Thanos, VictoriaMetrics) give none.
func (c *Client) notes(ctx context.Context) map[string]string {
	meta, err := c.api.Metadata(ctx, "", "")
	if err != nil {
		return nil
	}
	out := make(map[string]string, min(len(meta), maxMetadata))
	for name, m := range meta {
		if len(m) == 0 || len(out) >= maxMetadata {
			continue
		}
		out[name] = strings.TrimSpace(string(m[0].Type) + " " + clipped(m[0].Help))
	}
	return out
}

func clipped(s string) string {
	if len(s) > noteBytes {
		return strings.ToValidUTF8(s[:noteBytes], "") + "…"
	}
	return strings.Clone(s) // not a piece of the whole answer
}

// noteOf is what is known of a metric; a histogram's parts have their family's.
func (f namesFinding) noteOf(name string) string {
	if n, ok := f.notes[name]; ok {
		return n
	}
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, part); ok && f.notes[base] != "" {
			return f.notes[base]
		}
	}
	return ""
}

// counts tells whether a metric only grows, by what is said of it or by its name.
func (f namesFinding) counts(name string) bool {
	note := f.noteOf(name)
	for _, end := range []string{"_total", "_bucket", "_count", "_sum"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(note, string(v1.MetricTypeCounter))
}

// labelNames are the labels of the series that match any of the selectors.
func (c *Client) labelNames(ctx context.Context, selectors []string) ([]string, error) {
	return c.catalog.shelf("names\x00"+strings.Join(selectors, "\x00")).get(ctx, func(ctx context.Context) ([]string, time.Duration, error) {
		now := time.Now()
		names, _, _, err := c.api.LabelNames(ctx, selectors, now.Add(-lookBack), now, v1.WithLimit(maxValues))
		if err != nil {
			return nil, 0, c.failed("list labels", err)
		}
		out := make([]string, 0, min(len(names), maxValues))
		for _, n := range names {
			if n != model.MetricNameLabel && len(out) < maxValues {
				out = append(out, strings.Clone(string(n)))
			}
		}
		return out, holdValues, nil
	})
}

// valuesOf are the values of a label on the series that match the selector.
func (c *Client) valuesOf(ctx context.Context, label, selector string) ([]string, error) {
	return c.catalog.shelf("values\x00"+label+"\x00"+selector).get(ctx, func(ctx context.Context) ([]string, time.Duration, error) {
		var selectors []string
		if selector != "" {
			selectors = []string{selector}
		}
		out, err := c.labelValues(ctx, label, selectors, maxValues)
		return out, holdValues, err
	})
}

// labelValues asks for one more than the limit at most: servers before 2.54 give all there are.
func (c *Client) labelValues(ctx context.Context, label string, selectors []string, limit int) ([]string, error) {
	now := time.Now()
	values, _, _, err := c.api.LabelValues(ctx, label, selectors, now.Add(-lookBack), now, v1.WithLimit(uint64(limit)+1))
	if err != nil {
		return nil, c.failed("list the values of "+label, err)
	}
	out := make([]string, 0, min(len(values), limit+1))
	for _, v := range values[:min(len(values), limit+1)] {
		out = append(out, strings.Clone(string(v)))
	}
	return out, nil
}
