package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"

	"quarterdeck/sources/demo/world"
)

// Version is the Loki that the demo says it is.
const Version = "3.3.2"

// The limits that Loki has by default.
const (
	defaultLimit = 100
	maxLimit     = 5000
	maxLength    = 30*24*time.Hour + time.Hour
	maxAge       = int64(15 * 24 * time.Hour)
	defaultSince = time.Hour
)

// Server is Loki's HTTP API as an http.Handler. Safe for concurrent use.
type Server struct {
	w      *world.World
	log    *slog.Logger
	engine *promql.Engine
	mux    *http.ServeMux
	ended  context.Context //nolint:containedctx // ends all tails at Close
	stop   context.CancelFunc
	mu     sync.Mutex
	tails  map[*tail]struct{}
	wg     sync.WaitGroup
}

// New makes a server of a world; engine evaluates the metric part of queries.
func New(w *world.World, engine *promql.Engine, log *slog.Logger) *Server {
	s := &Server{w: w, engine: engine, log: log, mux: http.NewServeMux(), tails: map[*tail]struct{}{}}
	s.ended, s.stop = context.WithCancel(context.Background())
	for path, h := range map[string]func(*http.Request) (any, error){
		"/loki/api/v1/query":               s.query,
		"/loki/api/v1/query_range":         s.queryRange,
		"/loki/api/v1/labels":              s.labelNames,
		"/loki/api/v1/label":               s.labelNames,
		"/loki/api/v1/label/{name}/values": s.labelValues,
		"/loki/api/v1/series":              s.series,
		"/loki/api/v1/index/stats":         s.stats,
		"/loki/api/v1/index/volume":        s.volume,
		"/loki/api/v1/index/volume_range":  s.volumeRange,
		"/loki/api/v1/detected_labels":     s.detectedLabels,
		"/loki/api/v1/detected_fields":     s.detectedFields,
		"/loki/api/v1/patterns":            s.patterns,

		"/loki/api/v1/detected_field/{name}/values": s.detectedValues,
		"/loki/api/v1/status/buildinfo":             s.buildInfo,
	} {
		s.mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) { serve(rw, r, h) })
	}
	s.mux.HandleFunc("GET /loki/api/v1/tail", s.tail)
	s.mux.HandleFunc("POST /loki/api/v1/push", s.push)
	s.mux.HandleFunc("GET /ready", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("ready\n")) })
	s.mux.HandleFunc("GET /config", config)
	return s
}

// config tells what of Loki's configuration says how far back it can be asked. The demo's version has no drilldown-limits yet.
func config(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(rw, `target: all
schema_config:
  configs:
    - from: "2024-01-01"
      store: tsdb
      object_store: filesystem
      schema: v13
limits_config:
  max_entries_limit_per_query: %d
  max_query_length: %s
  max_query_lookback: 0s
  retention_period: %s
compactor:
  retention_enabled: true
`, maxLimit, model.Duration(maxLength), model.Duration(maxAge))
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(rw, r) }

// Close ends all tails for good and waits for them.
func (s *Server) Close() {
	s.stop()
	s.wg.Wait()
}

// serve answers JSON, or an error as Loki does: the text alone, status 400 unless it is ours.
func serve(rw http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		http.Error(rw, "", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, 10<<20)
	var out any
	err := r.ParseForm()
	if err == nil {
		out, err = h(r)
	}
	if err != nil {
		status := http.StatusBadRequest
		var timeout promql.ErrQueryTimeout
		if errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		plainError(rw, status, err)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(rw).Encode(out)
}

// plainError answers an error's text alone.
func plainError(rw http.ResponseWriter, status int, err error) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.WriteHeader(status)
	_, _ = rw.Write([]byte(err.Error()))
}

// parseTime reads Unix seconds with a fraction, Unix nanoseconds, or RFC 3339.
func parseTime(v string, otherwise time.Time) (time.Time, error) {
	if v == "" {
		return otherwise, nil
	}
	if strings.Contains(v, ".") {
		if f, err := strconv.ParseFloat(v, 64); err == nil && math.Abs(f) < 1e11 {
			sec, ns := math.Modf(f)
			return time.Unix(int64(sec), int64(math.Round(ns*1000)/1000*1e9)), nil
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t, nil
		}
		return time.Time{}, &Error{err.Error()}
	}
	if len(v) <= 10 {
		return time.Unix(n, 0), nil
	}
	return time.Unix(0, n), nil
}

func parseDuration(v string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(v, 64); err == nil && math.Abs(f) < 9e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(v)
	if err != nil {
		return 0, &Error{fmt.Sprintf("cannot parse %q to a valid duration", v)}
	}
	return time.Duration(d), nil
}

// bounds reads start, end and since.
func (s *Server) bounds(r *http.Request, since time.Duration) (start, end time.Time, err error) {
	now := s.w.Now()
	if end, err = parseTime(r.Form.Get("end"), now); err != nil {
		return start, end, &Error{"could not parse 'end' parameter: " + err.Error()}
	}
	if v := r.Form.Get("since"); v != "" {
		d, err := model.ParseDuration(v)
		if err != nil {
			return start, end, &Error{"could not parse 'since' parameter: " + err.Error()}
		}
		since = time.Duration(d)
	}
	until := end
	if until.After(now) {
		until = now
	}
	if start, err = parseTime(r.Form.Get("start"), until.Add(-since)); err != nil {
		return start, end, &Error{"could not parse 'start' parameter: " + err.Error()}
	}
	if end.Before(start) {
		return start, end, &Error{"end timestamp must not be before or equal to start time"}
	}
	if d := end.Sub(start); d > maxLength {
		return start, end, &Error{fmt.Sprintf("the query time range exceeds the limit (query length: %s, limit: %s)", model.Duration(d), "30d1h")}
	}
	return start, end, nil
}

func (s *Server) limit(r *http.Request) (int, error) {
	v := r.Form.Get("limit")
	if v == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(v)
	switch {
	case err != nil:
		return 0, &Error{err.Error()}
	case n <= 0:
		return 0, &Error{"limit must be a positive value"}
	case n > maxLimit:
		return 0, &Error{fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", n, maxLimit)}
	}
	return n, nil
}

func forward(r *http.Request) (bool, error) {
	switch v := r.Form.Get("direction"); strings.ToLower(v) {
	case "", "backward":
		return false, nil
	case "forward":
		return true, nil
	default:
		return false, &Error{fmt.Sprintf("invalid direction '%s'", v)}
	}
}

type streamJSON struct {
	Stream map[string]string `json:"stream"`
	Values [][2]string       `json:"values"`
}

type envelope struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

type dataJSON struct {
	ResultType string `json:"resultType"`
	Result     any    `json:"result"`
	Stats      any    `json:"stats"`
}

func success(kind string, result any, began time.Time, lines int) any {
	took := time.Since(began).Seconds()
	return envelope{"success", dataJSON{kind, result, map[string]any{
		"summary": map[string]any{"execTime": took, "totalEntriesReturned": lines, "totalLinesProcessed": lines, "totalBytesProcessed": lines * 150, "queueTime": 0, "subqueries": 0, "splits": 1, "shards": 1, "bytesProcessedPerSecond": 0, "linesProcessedPerSecond": 0, "totalPostFilterLines": lines, "totalStructuredMetadataBytesProcessed": 0},
		"querier": map[string]any{}, "ingester": map[string]any{}, "cache": map[string]any{},
	}}}
}

// group puts entries of the same labels together, in the order of their first.
func group(entries []entry) []streamJSON {
	out, index := []streamJSON{}, map[string]int{}
	for i := range entries {
		e := &entries[i]
		n, ok := index[e.key]
		if !ok {
			n = len(out)
			index[e.key] = n
			out = append(out, streamJSON{Stream: e.labels})
		}
		out[n].Values = append(out[n].Values, [2]string{strconv.FormatInt(e.t, 10), e.line})
	}
	return out
}

// stepOf reads step and interval. They are checked of log queries, too, which do not use them.
func stepOf(r *http.Request, start, end time.Time) (time.Duration, error) {
	step := time.Duration(max(math.Floor(end.Sub(start).Seconds()/250), 1)) * time.Second
	var err error
	if v := r.Form.Get("step"); v != "" {
		if step, err = parseDuration(v); err != nil {
			return 0, err
		}
	}
	if step <= 0 {
		return 0, &Error{"zero or negative query resolution step widths are not accepted. Try a positive integer"}
	}
	if end.Sub(start)/step > 11000 {
		return 0, &Error{"exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter"}
	}
	if v := r.Form.Get("interval"); v != "" {
		interval, err := parseDuration(v)
		if err != nil {
			return 0, err
		}
		if interval < 0 {
			return 0, &Error{"interval must be >= 0"}
		}
	}
	return step, nil
}

func (s *Server) queryRange(r *http.Request) (any, error) {
	began := time.Now()
	start, end, err := s.bounds(r, defaultSince)
	if err != nil {
		return nil, err
	}
	limit, err := s.limit(r)
	if err != nil {
		return nil, err
	}
	fwd, err := forward(r)
	if err != nil {
		return nil, err
	}
	step, err := stepOf(r, start, end)
	if err != nil {
		return nil, err
	}
	expr := r.Form.Get("query")
	if !isMetric(expr) {
		q, err := ParseQuery(expr)
		if err != nil {
			return nil, err
		}
		entries := s.page(q, start.UnixNano(), end.UnixNano(), world.All, limit, fwd)
		return success("streams", group(entries), began, len(entries)), nil
	}
	kind, value, err := s.metric(r.Context(), expr, start, end, step)
	if err != nil {
		return nil, err
	}
	return success(kind, value, began, 0), nil
}

func (s *Server) query(r *http.Request) (any, error) {
	began := time.Now()
	at, err := parseTime(r.Form.Get("time"), s.w.Now())
	if err != nil {
		return nil, err
	}
	limit, err := s.limit(r)
	if err != nil {
		return nil, err
	}
	fwd, err := forward(r)
	if err != nil {
		return nil, err
	}
	expr := r.Form.Get("query")
	if !isMetric(expr) {
		q, err := ParseQuery(expr)
		if err != nil {
			return nil, err
		}
		if r.Form.Get("direction") == "" {
			return nil, &Error{"log queries are not supported as an instant query type, please change your query to a range query type"}
		}
		entries := s.page(q, at.Add(-defaultSince).UnixNano(), at.UnixNano(), world.All, limit, fwd)
		return success("streams", group(entries), began, len(entries)), nil
	}
	kind, value, err := s.metric(r.Context(), expr, at, at, 0)
	if err != nil {
		return nil, err
	}
	return success(kind, value, began, 0), nil
}
