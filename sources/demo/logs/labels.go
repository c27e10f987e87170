package logs

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/demo/world"
)

// streams is the label sets with lines in a window, without the level.
func (s *Server) streams(from, to int64, qs []*Query) []map[string]string {
	out, seen := []map[string]string{}, map[string]bool{}
	add := func(l map[string]string) {
		ok := len(qs) == 0
		for _, q := range qs {
			ok = ok || matchAll(q.Matchers, l)
		}
		if key := keyOf(l); ok && !seen[key] {
			seen[key] = true
			out = append(out, l)
		}
	}
	for _, c := range s.w.Boxes(float64(from)/1e9, float64(to)/1e9, func(c *world.Container) bool { return !c.Unshipped }) {
		add(streamLabels(&c, false))
		add(streamLabels(&c, true))
	}
	for pushed := range s.w.Stored(0, world.All, from, to, func(*world.Container) bool { return false }) {
		add(pushed)
	}
	return out
}

func (s *Server) selectors(r *http.Request, name string) ([]*Query, error) {
	var out []*Query
	for _, v := range r.Form[name] {
		if v == "" {
			continue
		}
		q, err := ParseQuery(v)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

func (s *Server) labelSet(r *http.Request, f func(l map[string]string, add func(string))) (any, error) {
	start, end, err := s.bounds(r, 6*time.Hour)
	if err != nil {
		return nil, err
	}
	qs, err := s.selectors(r, "query")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range s.streams(start.UnixNano(), end.UnixNano(), qs) {
		f(l, func(v string) { seen[v] = true })
	}
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	return envelope{"success", out}, nil
}

func (s *Server) labelNames(r *http.Request) (any, error) {
	return s.labelSet(r, func(l map[string]string, add func(string)) {
		for k := range l {
			add(k)
		}
	})
}

func (s *Server) labelValues(r *http.Request) (any, error) {
	name := r.PathValue("name")
	return s.labelSet(r, func(l map[string]string, add func(string)) {
		if v := l[name]; v != "" {
			add(v)
		}
	})
}

func (s *Server) series(r *http.Request) (any, error) {
	start, end, err := s.bounds(r, 6*time.Hour)
	if err != nil {
		return nil, err
	}
	qs, err := s.selectors(r, "match[]")
	if err != nil {
		return nil, err
	}
	more, err := s.selectors(r, "match")
	if err != nil {
		return nil, err
	}
	if qs = append(qs, more...); len(qs) == 0 {
		return nil, &Error{"0 matcher groups supplied"}
	}
	return envelope{"success", s.streams(start.UnixNano(), end.UnixNano(), qs)}, nil
}

func (s *Server) buildInfo(*http.Request) (any, error) {
	return map[string]string{"version": Version, "revision": "demo", "branch": "demo", "buildUser": "quarterdeck", "buildDate": "", "goVersion": "go1.26"}, nil
}

func (s *Server) detectedLabels(r *http.Request) (any, error) {
	start, end, err := s.bounds(r, defaultSince)
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]bool{}
	qs, err := s.selectors(r, "query")
	if err != nil {
		return nil, err
	}
	for _, l := range s.streams(start.UnixNano(), end.UnixNano(), qs) {
		for k, v := range l {
			if values[k] == nil {
				values[k] = map[string]bool{}
			}
			values[k][v] = true
		}
	}
	type detected struct {
		Label       string `json:"label"`
		Cardinality int    `json:"cardinality"`
	}
	out := []detected{}
	for k, v := range values {
		out = append(out, detected{k, len(v)})
	}
	slices.SortFunc(out, func(a, b detected) int { return strings.Compare(a.Label, b.Label) })
	return map[string]any{"detectedLabels": out}, nil
}
