package sources

import (
	"context"
	"fmt"
	"time"
)

// What the primary may know beside [Logs]; the second, Docker's own logs, never does.

func (f *fallback) lacks(what string) error {
	return &Error{Source: f.Name(), Op: what, Kind: NotFound, Err: fmt.Errorf("%s does not know them", f.Name())}
}

// Patterns are the primary's. See [Patterner].
func (f *fallback) Patterns(ctx context.Context, q LogQuery, step time.Duration) ([]Pattern, error) {
	if p, ok := f.Logs.(Patterner); ok {
		return p.Patterns(ctx, q, step)
	}
	return nil, f.lacks("read patterns")
}

// Facets are the primary's. See [Faceter].
func (f *fallback) Facets(ctx context.Context, q LogQuery) ([]Facet, error) {
	if p, ok := f.Logs.(Faceter); ok {
		return p.Facets(ctx, q)
	}
	return nil, f.lacks("list fields")
}

// FacetValues are the primary's. See [Faceter].
func (f *fallback) FacetValues(ctx context.Context, q LogQuery, facet Facet, n int) ([]FacetValue, error) {
	if p, ok := f.Logs.(Faceter); ok {
		return p.FacetValues(ctx, q, facet, n)
	}
	return nil, f.lacks("count values")
}

// Complete is the primary's. See [LogCompleter].
func (f *fallback) Complete(ctx context.Context, query string, at int, since, until time.Time) (Completion, error) {
	if p, ok := f.Logs.(LogCompleter); ok {
		return p.Complete(ctx, query, at, since, until)
	}
	return Completion{From: at, To: at}, f.lacks("complete a query")
}

// Explain is the primary's query for q in its own language, "" where it has none.
func (f *fallback) Explain(q LogQuery) string {
	if p, ok := f.Logs.(interface{ Explain(LogQuery) string }); ok {
		return p.Explain(q)
	}
	return ""
}

// Horizon is the primary's: how far back its lines can be had. See [Horizoner].
func (f *fallback) Horizon(ctx context.Context) Horizon {
	if h, ok := f.Logs.(Horizoner); ok {
		return h.Horizon(ctx)
	}
	return Horizon{Why: "how far back " + f.Logs.Name() + "'s lines go is not known"}
}
