package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/sources/demo/world"
)

// Version is the Prometheus that the demo says it is.
const Version = "3.1.0"

// queryTimeout and maxSamples are Prometheus' defaults.
const (
	queryTimeout = 2 * time.Minute
	maxSamples   = 50_000_000
)

// Server is Prometheus' HTTP API as an http.Handler. Safe for concurrent use.
type Server struct {
	w      *world.World
	store  *Storage
	engine *promql.Engine
	parser parser.Parser
	rules  *Rules
	mux    *http.ServeMux
}

// New makes a server of a world. Its Rules must be run by the caller.
func New(w *world.World, log *slog.Logger) *Server {
	s := &Server{w: w, parser: parser.NewParser(parser.Options{})}
	s.engine = NewEngine(log)
	s.rules = newRules(w)
	s.store = &Storage{w: w, rules: s.rules}
	s.rules.eval = func(ctx context.Context, q string, at time.Time) (promql.Vector, error) {
		query, err := s.engine.NewInstantQuery(ctx, s.store, nil, q, at)
		if err != nil {
			return nil, err
		}
		defer query.Close()
		return query.Exec(ctx).Vector()
	}
	s.mux = http.NewServeMux()
	for path, h := range map[string]func(*http.Request) (any, error){
		"/api/v1/query":               s.query,
		"/api/v1/query_range":         s.queryRange,
		"/api/v1/series":              s.series,
		"/api/v1/labels":              s.labelNames,
		"/api/v1/label/{name}/values": s.labelValues,
		"/api/v1/targets":             s.targets,
		"/api/v1/rules":               s.listRules,
		"/api/v1/alerts":              s.alerts,
		"/api/v1/metadata":            s.metadata,
		"/api/v1/status/buildinfo":    s.buildInfo,
		"/api/v1/status/config":       s.config,
		"/api/v1/status/runtimeinfo":  s.runtimeInfo,
		"/api/v1/status/flags":        s.flags,
	} {
		s.mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) { s.serve(rw, r, h) })
	}
	s.mux.HandleFunc("/-/ready", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte("Prometheus Server is Ready.\n"))
	})
	s.mux.HandleFunc("/-/healthy", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte("Prometheus Server is Healthy.\n"))
	})
	return s
}

// NewEngine is the PromQL engine with Prometheus' defaults.
func NewEngine(log *slog.Logger) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: log, MaxSamples: maxSamples, Timeout: queryTimeout, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() }, Parser: parser.NewParser(parser.Options{}),
	})
}

// Rules are the alerting rules.
func (s *Server) Rules() *Rules { return s.rules }

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(rw, r) }

// apiError is Prometheus' error: its type decides the status.
type apiError struct {
	kind string
	err  error
}

// Error is the message that the client sees.
func (e apiError) Error() string { return e.err.Error() }

func badData(format string, args ...any) error {
	return apiError{"bad_data", fmt.Errorf(format, args...)}
}

type envelope struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
}

// answered is a query's result with what the engine remarked.
type answered struct {
	data            any
	warnings, infos []string
}

func (s *Server) serve(rw http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		rw.Header().Set("Allow", "GET, OPTIONS, POST")
		http.Error(rw, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, 10<<20)
	out, status := envelope{Status: "success"}, http.StatusOK
	err := r.ParseForm()
	if err != nil {
		err = badData("error parsing form values: %w", err)
	} else {
		out.Data, err = h(r)
	}
	if a, ok := out.Data.(answered); ok {
		out.Data, out.Warnings, out.Infos = a.data, a.warnings, a.infos
	}
	if err != nil {
		out, status = errorOf(err)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(out)
}

func errorOf(err error) (envelope, int) {
	var e apiError
	if !errors.As(err, &e) {
		e = apiError{"execution", err}
		var canceled promql.ErrQueryCanceled
		var timeout promql.ErrQueryTimeout
		switch {
		case errors.As(err, &canceled):
			e.kind = "canceled"
		case errors.As(err, &timeout):
			e.kind = "timeout"
		}
	}
	status := map[string]int{"bad_data": 400, "execution": 422, "canceled": 499, "timeout": 503, "not_found": 404}[e.kind]
	return envelope{Status: "error", ErrorType: e.kind, Error: e.Error()}, status
}

func parseTime(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	v := r.Form.Get(name)
	if v == "" {
		return otherwise, nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(f) && math.Abs(f) < 1e12 {
		sec, ns := math.Modf(f)
		return time.Unix(int64(sec), int64(math.Round(ns*1000)/1000*1e9)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return t, nil
	}
	return time.Time{}, badData("invalid parameter %q: Invalid time value for '%s': cannot parse %q to a valid timestamp", name, name, v)
}

func parseDuration(v string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		if math.IsNaN(f) || math.Abs(f) > 9e9 {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", v)
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	if d, err := model.ParseDuration(v); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", v)
}

func (s *Server) context(r *http.Request) (context.Context, context.CancelFunc, error) {
	d := queryTimeout
	if v := r.Form.Get("timeout"); v != "" {
		asked, err := parseDuration(v)
		if err != nil {
			return nil, nil, badData("invalid parameter %q: %w", "timeout", err)
		}
		d = min(d, asked)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

func (s *Server) query(r *http.Request) (any, error) {
	at, err := parseTime(r, "time", s.w.Now())
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := s.context(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	q, err := s.engine.NewInstantQuery(ctx, s.store, nil, r.Form.Get("query"), at)
	if err != nil {
		return nil, badData("invalid parameter %q: %w", "query", err)
	}
	defer q.Close()
	return result(q, q.Exec(ctx))
}

func (s *Server) queryRange(r *http.Request) (any, error) {
	start, err := parseTime(r, "start", time.Time{})
	if err != nil || start.IsZero() {
		return nil, badData("invalid parameter %q: cannot parse %q to a valid timestamp", "start", r.Form.Get("start"))
	}
	end, err := parseTime(r, "end", time.Time{})
	if err != nil || end.IsZero() {
		return nil, badData("invalid parameter %q: cannot parse %q to a valid timestamp", "end", r.Form.Get("end"))
	}
	if end.Before(start) {
		return nil, badData("invalid parameter %q: end timestamp must not be before start time", "end")
	}
	step, err := parseDuration(r.Form.Get("step"))
	if err != nil {
		return nil, badData("invalid parameter %q: %w", "step", err)
	}
	if step <= 0 {
		return nil, badData("invalid parameter %q: zero or negative query resolution step widths are not accepted. Try a positive integer", "step")
	}
	if end.Sub(start)/step > 11000 {
		return nil, apiError{"bad_data", errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	ctx, cancel, err := s.context(r)
	if err != nil {
		return nil, err
	}
	defer cancel()
	q, err := s.engine.NewRangeQuery(ctx, s.store, nil, r.Form.Get("query"), start, end, step)
	if err != nil {
		return nil, badData("invalid parameter %q: %w", "query", err)
	}
	defer q.Close()
	return result(q, q.Exec(ctx))
}

// result is {"resultType": …, "result": …}: the engine's values marshal themselves.
func result(q promql.Query, res *promql.Result) (any, error) {
	if res.Err != nil {
		return nil, res.Err
	}
	warnings, infos := res.Warnings.AsStrings(q.String(), 10, 10)
	// Written out here, before the query is closed: the engine then reuses its points for others.
	body, err := json.Marshal(queryData{res.Value.Type(), plain(res.Value)})
	if err != nil {
		return nil, err
	}
	return answered{json.RawMessage(body), warnings, infos}, nil
}

type queryData struct {
	Type   parser.ValueType `json:"resultType"`
	Result any              `json:"result"`
}

// plain is a PromQL value with lists where the engine has nil: Prometheus answers [].
func plain(v parser.Value) any {
	switch x := v.(type) {
	case promql.Vector:
		if x == nil {
			return promql.Vector{}
		}
	case promql.Matrix:
		if x == nil {
			return promql.Matrix{}
		}
	case promql.Scalar:
		return pair(x.T, x.V)
	case promql.String:
		return [2]any{float64(x.T) / 1000, x.V}
	}
	return v
}

func pair(t int64, v float64) [2]any {
	return [2]any{float64(t) / 1000, strconv.FormatFloat(v, 'f', -1, 64)}
}
