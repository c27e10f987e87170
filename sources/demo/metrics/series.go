package metrics

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// matchSets reads match[]; required says what Prometheus says where there is none.
func (s *Server) matchSets(r *http.Request, required bool) ([][]*labels.Matcher, error) {
	if required && len(r.Form["match[]"]) == 0 {
		return nil, badData("no match[] parameter provided")
	}
	var out [][]*labels.Matcher
	for _, m := range r.Form["match[]"] {
		ms, err := s.parser.ParseMetricSelector(m)
		if err != nil {
			return nil, badData("invalid parameter %q: %w", "match[]", err)
		}
		out = append(out, ms)
	}
	return out, nil
}

// overview opens a querier on the asked window; where none is asked, on the last 15 minutes: what there is
// changes slowly, and a big fleet's series are too many to go through fifteen days.
func (s *Server) overview(r *http.Request) (storage.Querier, error) {
	now := s.w.Now()
	start, err := parseTime(r, "start", now.Add(-15*time.Minute))
	if err != nil {
		return nil, err
	}
	end, err := parseTime(r, "end", now)
	if err != nil {
		return nil, err
	}
	return s.store.Querier(start.UnixMilli(), end.UnixMilli())
}

func limitOf(r *http.Request) int {
	n, err := strconv.Atoi(r.Form.Get("limit"))
	if err != nil || n <= 0 {
		return math.MaxInt
	}
	return n
}

func (s *Server) series(r *http.Request) (any, error) {
	sets, err := s.matchSets(r, true)
	if err != nil {
		return nil, err
	}
	q, err := s.overview(r)
	if err != nil {
		return nil, err
	}
	out, seen := []labels.Labels{}, map[string]bool{}
	for _, ms := range sets {
		for set := q.Select(r.Context(), true, nil, ms...); set.Next(); {
			if l := set.At().Labels(); !seen[l.String()] && len(out) < limitOf(r) {
				seen[l.String()] = true
				out = append(out, l)
			}
		}
	}
	return out, nil
}

func (s *Server) labelNames(r *http.Request) (any, error) {
	return s.names(r, func(q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		v, _, err := q.LabelNames(r.Context(), nil, ms...)
		return v, err
	})
}

func (s *Server) labelValues(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if !model.UTF8Validation.IsValidLabelName(name) {
		return nil, badData("invalid label name: %q", name)
	}
	if name == model.MetricNameLabel && len(r.Form["match[]"]) == 0 { // known without computing a sample
		var all []string
		for _, f := range families {
			all = append(all, f.name)
		}
		slices.Sort(all)
		return all, nil
	}
	return s.names(r, func(q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		v, _, err := q.LabelValues(r.Context(), name, nil, ms...)
		return v, err
	})
}

func (s *Server) names(r *http.Request, get func(storage.Querier, []*labels.Matcher) ([]string, error)) (any, error) {
	sets, err := s.matchSets(r, false)
	if err != nil {
		return nil, err
	}
	q, err := s.overview(r)
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		sets = append(sets, nil)
	}
	all := map[string]bool{}
	for _, ms := range sets {
		values, err := get(q, ms)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			all[v] = true
		}
	}
	out := keys(all)
	return out[:min(len(out), limitOf(r))], nil
}
