package logs

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
	"quarterdeck/sources/demo/world"
	"quarterdeck/sources/patterns"
)

// What Loki finds out about lines by itself: fields in a sample of them, and patterns.

const (
	// defaultSample is line_limit's default.
	defaultSample = 100
	// patternAge is how much the pattern ingester keeps (pattern_ingester.retain_for, 3 h), patternLines bounds what
	// the demo looks through for it.
	patternAge   = 3 * time.Hour
	patternLines = 200_000
	// Of patterns Loki tells those alone that have so many lines, and at most so many (pkg/pattern/ingester_querier.go, 3.7.8).
	leastPattern, mostPatterns = 30, 300
)

type detectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"`
	JSONPath    []string `json:"jsonPath,omitempty"`
	values      map[string]bool
}

// fields reads the fields out of a sample of lines.
func (s *Server) fields(r *http.Request) (map[string]*detectedField, error) {
	start, end, err := s.bounds(r, defaultSince)
	if err != nil {
		return nil, err
	}
	q, err := ParseQuery(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	lines, err := natural(r, "line_limit", defaultSample)
	if err != nil {
		return nil, err
	}
	out := map[string]*detectedField{}
	see := func(label, value, parser string, path []string) {
		f := out[label]
		if f == nil {
			f = &detectedField{Label: label, Type: typeOf(value), values: map[string]bool{}}
			out[label] = f
		}
		if parser != "" && !slices.Contains(f.Parsers, parser) {
			f.Parsers = append(f.Parsers, parser)
			slices.Sort(f.Parsers)
		}
		if path != nil {
			f.JSONPath = path
		}
		f.values[value] = true
		f.Cardinality = len(f.values)
	}
	for _, e := range s.page(q, start.UnixNano(), end.UnixNano(), world.All, lines, false) {
		if v := e.labels["detected_level"]; v != "" {
			see("detected_level", v, "", nil)
		}
		if strings.HasPrefix(e.line, "{") {
			_ = jsonFields(e.line, func(k, v string) { see(k, v, "json", strings.Split(k, "\x00")) })
			continue
		}
		_ = logfmtFields(e.line, func(k, v string) { see(k, v, "logfmt", nil) })
	}
	return out, nil
}

func (s *Server) detectedFields(r *http.Request) (any, error) {
	limit, err := natural(r, "limit", 1000)
	if err != nil {
		return nil, err
	}
	found, err := s.fields(r)
	if err != nil {
		return nil, err
	}
	list := make([]*detectedField, 0, len(found))
	for _, f := range found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *detectedField) int { return cmp.Compare(a.Label, b.Label) })
	if len(list) == 0 {
		return map[string]any{}, nil
	}
	return map[string]any{"fields": list[:min(len(list), limit)], "limit": limit}, nil
}

func (s *Server) detectedValues(r *http.Request) (any, error) {
	limit, err := natural(r, "limit", 1000)
	if err != nil {
		return nil, err
	}
	found, err := s.fields(r)
	if err != nil {
		return nil, err
	}
	f := found[r.PathValue("name")]
	if f == nil {
		return map[string]any{}, nil
	}
	var out []string
	for v := range f.values {
		out = append(out, v)
	}
	slices.Sort(out)
	return map[string]any{"values": out[:min(len(out), limit)], "limit": limit}, nil
}

// natural reads a parameter that is a number above 0.
func natural(r *http.Request, name string, otherwise int) (int, error) {
	v := r.Form.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, &Error{err.Error()}
	}
	if n <= 0 {
		return 0, &Error{"limit must be a positive value"}
	}
	return n, nil
}

// typeOf names what a value looks like as Loki does.
func typeOf(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if _, err := strconv.ParseBool(v); err == nil {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if _, err := model.ParseDuration(v); err == nil {
		return "duration"
	}
	return "string"
}

type patternJSON struct {
	Pattern string     `json:"pattern"`
	Level   string     `json:"level"`
	Samples [][2]int64 `json:"samples"`
}

// patterns answers what the pattern ingester would: mined from the lines of the last three hours.
func (s *Server) patterns(r *http.Request) (any, error) {
	start, end, err := s.bounds(r, defaultSince)
	if err != nil {
		return nil, err
	}
	step, err := stepOf(r, start, end)
	if err != nil {
		return nil, err
	}
	q, err := ParseQuery(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	if len(q.stages) > 0 {
		return nil, &Error{"parse error : only label matchers are supported"}
	}
	if old := s.w.Now().Add(-patternAge); start.Before(old) {
		start = old
	}
	step = max(step, 10*time.Second)
	from := start.Truncate(step)
	m := patterns.NewMiner(patterns.Options{From: from, Step: step})
	left := patternLines
	s.each(newReader(q), start.UnixNano(), end.UnixNano(), world.All, func(e *entry) bool {
		m.Add(&sources.Entry{Time: time.Unix(0, e.t), Line: e.line, Level: sources.ParseLevel(e.labels["detected_level"])})
		left--
		return left > 0
	})
	out := []patternJSON{}
	for _, p := range m.Patterns() {
		if p.Count < leastPattern || len(out) == mostPatterns {
			break
		}
		j := patternJSON{Pattern: p.Text, Level: p.Level.String()}
		for _, x := range p.Points {
			j.Samples = append(j.Samples, [2]int64{x.Time.Unix(), int64(x.Count)})
		}
		out = append(out, j)
	}
	return envelope{"success", out}, nil
}
