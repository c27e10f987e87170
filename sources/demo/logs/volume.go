package logs

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources/demo/world"
)

// sizes adds up the bytes of the matching lines in a window, by target labels.
func (s *Server) sizes(q *Query, targets []string, from, to time.Time, visit func(key string, metric map[string]string, at int64, bytes int)) {
	rd := newReader(q)
	metrics := map[string]map[string]string{}
	names := map[string]string{}
	s.each(rd, from.UnixNano(), to.UnixNano(), world.All, func(e *entry) bool {
		key, ok := names[e.key]
		if !ok {
			metric := map[string]string{}
			for _, t := range targets {
				if v := e.labels[t]; v != "" {
					metric[t] = v
				}
			}
			key = keyOf(metric)
			names[e.key] = key
			metrics[key] = metric
		}
		visit(key, metrics[key], e.t, len(e.line))
		return true
	})
}

type volumeArgs struct {
	q          *Query
	targets    []string
	start, end time.Time
	limit      int
}

func (s *Server) volumeArgs(r *http.Request) (volumeArgs, error) {
	var a volumeArgs
	var err error
	if a.start, a.end, err = s.bounds(r, defaultSince); err != nil {
		return a, err
	}
	if a.q, err = ParseQuery(r.Form.Get("query")); err != nil {
		return a, err
	}
	a.q.stages = nil // the index knows nothing of line filters
	if t := r.Form.Get("targetLabels"); t != "" {
		a.targets = strings.Split(t, ",")
	} else {
		for _, m := range a.q.Matchers {
			a.targets = append(a.targets, m.Name)
		}
	}
	a.limit, err = s.limit(r)
	return a, err
}

type total struct {
	metric map[string]string
	bytes  int
}

func largest(totals map[string]*total, limit int) []*total {
	out := make([]*total, 0, len(totals))
	for _, t := range totals {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *total) int {
		if c := cmp.Compare(b.bytes, a.bytes); c != 0 {
			return c
		}
		return strings.Compare(keyOf(a.metric), keyOf(b.metric))
	})
	return out[:min(len(out), limit)]
}

func (s *Server) volume(r *http.Request) (any, error) {
	began := time.Now()
	a, err := s.volumeArgs(r)
	if err != nil {
		return nil, err
	}
	totals := map[string]*total{}
	s.sizes(a.q, a.targets, a.start, a.end, func(key string, metric map[string]string, _ int64, bytes int) {
		if totals[key] == nil {
			totals[key] = &total{metric: metric}
		}
		totals[key].bytes += bytes
	})
	out := []any{}
	for _, t := range largest(totals, a.limit) {
		out = append(out, map[string]any{"metric": t.metric, "value": [2]any{float64(a.end.UnixMilli()) / 1000, strconv.Itoa(t.bytes)}})
	}
	return success("vector", out, began, 0), nil
}

func (s *Server) volumeRange(r *http.Request) (any, error) {
	began := time.Now()
	a, err := s.volumeArgs(r)
	if err != nil {
		return nil, err
	}
	step := a.end.Sub(a.start) / 30
	if v := r.Form.Get("step"); v != "" {
		if step, err = parseDuration(v); err != nil {
			return nil, err
		}
	}
	if step = max(step, time.Second); a.end.Sub(a.start)/step > 11000 {
		return nil, &Error{"exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter"}
	}
	n := int(a.end.Sub(a.start)/step) + 1
	totals, cells := map[string]*total{}, map[string][]int{}
	s.sizes(a.q, a.targets, a.start, a.end, func(key string, metric map[string]string, at int64, bytes int) {
		if totals[key] == nil {
			totals[key], cells[key] = &total{metric: metric}, make([]int, n)
		}
		totals[key].bytes += bytes
		if i := int(time.Duration(at-a.start.UnixNano()) / step); i >= 0 && i < n {
			cells[key][i] += bytes
		}
	})
	out := []any{}
	for _, t := range largest(totals, a.limit) {
		values := [][2]any{}
		for i, b := range cells[keyOf(t.metric)] {
			if b > 0 {
				values = append(values, [2]any{float64(a.start.Add(time.Duration(i)*step).UnixMilli()) / 1000, strconv.Itoa(b)})
			}
		}
		out = append(out, map[string]any{"metric": t.metric, "values": values})
	}
	return success("matrix", out, began, 0), nil
}

func (s *Server) stats(r *http.Request) (any, error) {
	start, end, err := s.bounds(r, defaultSince)
	if err != nil {
		return nil, err
	}
	q, err := ParseQuery(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	q.stages = nil
	streams, entries, bytes := map[string]bool{}, 0, 0
	s.each(newReader(q), start.UnixNano(), end.UnixNano(), world.All, func(e *entry) bool {
		streams[e.key] = true
		entries++
		bytes += len(e.line)
		return true
	})
	return map[string]int{"streams": len(streams), "chunks": len(streams), "entries": entries, "bytes": bytes}, nil
}

// levelOf is what Loki detects in a pushed line, from its labels or its text.
func levelOf(l map[string]string, line string) world.Level {
	text := l["level"]
	if text == "" {
		fields := func(k, v string) {
			switch strings.ToLower(k) {
			case "level", "lvl", "severity":
				text = v
			}
		}
		if strings.HasPrefix(strings.TrimSpace(line), "{") {
			_ = jsonFields(line, fields)
		} else {
			_ = logfmtFields(line, fields)
		}
	}
	if text == "" {
		text = line
	}
	text = strings.ToLower(text)
	for _, w := range []struct {
		word  string
		level world.Level
	}{{"error", world.Error}, {"fatal", world.Error}, {"critical", world.Error}, {"warn", world.Warn}, {"debug", world.Debug}, {"info", world.Info}} {
		if strings.Contains(text, w.word) {
			return w.level
		}
	}
	return world.Unknown
}
