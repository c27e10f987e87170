package incident

import (
	"slices"

	"quarterdeck/sources/fleet"
)

// whose is the source that the query of a person's row is of, where it is not the record's: somebody has taken what a source proposed.
func (g *gatherer) whose(x *Row) string {
	if x.Kind != "incident" {
		return ""
	}
	for _, p := range g.proposals {
		if p.Query == x.Query {
			return p.Source
		}
	}
	for i := range g.rows {
		if o := &g.rows[i]; o.Kind != "incident" && o.Query == x.Query {
			return o.Source
		}
	}
	return ""
}

// listQueries names what proves the rows, each once.
func (g *gatherer) listQueries() {
	r := g.r
	add := func(source, query, what string) {
		if query != "" && !slices.ContainsFunc(r.Queries, func(q Query) bool { return q.Query == query }) {
			r.Queries = append(r.Queries, Query{Source: source, Query: query, For: what})
		}
	}
	for i := range r.Timeline {
		x := &r.Timeline[i]
		source, what := x.Source, x.Kind+" "+x.Service
		if of := g.whose(x); of != "" {
			source, what = of, "when the impact on "+x.Service+" began"
		}
		add(source, x.Query, what)
	}
	for _, p := range r.Start.Proposed {
		add(p.Source, p.Query, p.Text)
	}
	for i := range r.Causes {
		for _, p := range r.Causes[i].Evidence {
			add(p.Source, p.Query, r.Causes[i].ID)
		}
	}
	for _, x := range r.Proposed {
		add(fleet.SwarmName, x.Query, "what is proposed")
	}
	for i := range r.Charts {
		if r.Charts[i].drawn(r) {
			add(r.Charts[i].Source, r.Charts[i].Query, r.Charts[i].Name+" of "+r.Charts[i].Service)
		}
	}
	for i := range r.Lines {
		if r.Lines[i].Reason == noErrorLine {
			continue
		}
		add(g.Logs.Name(), r.Lines[i].Query, "error lines of "+r.Lines[i].Service)
	}
}
