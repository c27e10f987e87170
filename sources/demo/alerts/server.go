package alerts

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources/demo/metrics"
	"quarterdeck/sources/demo/world"
)

// Version is the Alertmanager that the demo says it is.
const Version = "0.27.0"

// maxSilences bounds what clients can make us keep.
const maxSilences = 1000

// resolveAfter is how long after its last sight an alert ends by itself: 4 evaluations of Prometheus.
const resolveAfter = 4 * time.Minute

// Server is the API as an http.Handler. Safe for concurrent use.
type Server struct {
	w     *world.World
	rules *metrics.Rules
	mux   *http.ServeMux
	mu    sync.Mutex
	kept  map[string]*silence
}

// New makes a server of what the rules say.
func New(w *world.World, rules *metrics.Rules) *Server {
	s := &Server{w: w, rules: rules, mux: http.NewServeMux(), kept: map[string]*silence{}}
	s.mux.HandleFunc("GET /api/v2/alerts", s.list)
	s.mux.HandleFunc("GET /api/v2/alerts/groups", s.groups)
	s.mux.HandleFunc("GET /api/v2/silences", s.silences)
	s.mux.HandleFunc("POST /api/v2/silences", s.post)
	s.mux.HandleFunc("GET /api/v2/silence/{id}", s.get)
	s.mux.HandleFunc("DELETE /api/v2/silence/{id}", s.expire)
	s.mux.HandleFunc("GET /api/v2/status", s.status)
	s.mux.HandleFunc("GET /api/v2/receivers", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, []map[string]string{{"name": "on-call"}}) })
	s.mux.HandleFunc("POST /api/v2/alerts", func(rw http.ResponseWriter, _ *http.Request) {
		refuse(rw, http.StatusNotImplemented, "the demo's Alertmanager takes alerts from its own Prometheus alone")
	})
	s.mux.HandleFunc("/api/v2/", func(rw http.ResponseWriter, r *http.Request) {
		invalid(rw, http.StatusNotFound, "path "+r.URL.Path+" was not found")
	})
	ok := func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("OK")) }
	s.mux.HandleFunc("GET /-/ready", ok)
	s.mux.HandleFunc("GET /-/healthy", ok)
	return s
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(rw, r) }

func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
}

// refuse answers as the generated server does: a JSON string.
func refuse(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(text)
}

type alertStatus struct {
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
	SilencedBy  []string `json:"silencedBy"`
	State       string   `json:"state"`
}

type alertJSON struct {
	Annotations  map[string]string   `json:"annotations"`
	EndsAt       time.Time           `json:"endsAt"`
	Fingerprint  string              `json:"fingerprint"`
	Receivers    []map[string]string `json:"receivers"`
	StartsAt     time.Time           `json:"startsAt"`
	Status       alertStatus         `json:"status"`
	UpdatedAt    time.Time           `json:"updatedAt"`
	GeneratorURL string              `json:"generatorURL"`
	Labels       map[string]string   `json:"labels"`
}

// alerts are the firing ones; pending alerts are known to Prometheus alone.
func (s *Server) alerts() []alertJSON {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.w.Now()
	out := []alertJSON{}
	for _, a := range s.rules.Active() {
		if a.Firing.IsZero() {
			continue
		}
		j := alertJSON{
			Annotations: a.Annotations, Labels: a.Labels, Fingerprint: a.Fingerprint(), StartsAt: a.Firing.UTC(), EndsAt: now.Add(resolveAfter).UTC(), UpdatedAt: now.UTC(),
			Receivers: []map[string]string{{"name": "on-call"}}, GeneratorURL: "http://prometheus:9090/graph?g0.expr=" + url.QueryEscape(a.Rule.Query) + "&g0.tab=1",
			Status: alertStatus{InhibitedBy: []string{}, MutedBy: []string{}, SilencedBy: []string{}, State: "active"},
		}
		for _, x := range s.kept {
			if x.state(now) == "active" && matchesAll(x.Matchers, a.Labels) {
				j.Status.State = "suppressed"
				j.Status.SilencedBy = append(j.Status.SilencedBy, x.ID)
			}
		}
		slices.Sort(j.Status.SilencedBy)
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b alertJSON) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return out
}

func flag(r *http.Request, name string) bool {
	v, err := strconv.ParseBool(r.URL.Query().Get(name))
	return err != nil || v
}

func (s *Server) wanted(r *http.Request) ([]alertJSON, error) {
	ms, err := parseFilters(r)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.alerts(), func(a alertJSON) bool {
		silenced := len(a.Status.SilencedBy) > 0
		return !matchesAll(ms, a.Labels) || silenced && !flag(r, "silenced") || !silenced && !flag(r, "active")
	}), nil
}

func (s *Server) list(rw http.ResponseWriter, r *http.Request) {
	out, err := s.wanted(r)
	if err != nil {
		refuse(rw, http.StatusBadRequest, err.Error())
		return
	}
	answer(rw, out)
}

func (s *Server) groups(rw http.ResponseWriter, r *http.Request) {
	all, err := s.wanted(r)
	if err != nil {
		refuse(rw, http.StatusBadRequest, err.Error())
		return
	}
	type group struct {
		Alerts   []alertJSON       `json:"alerts"`
		Labels   map[string]string `json:"labels"`
		Receiver map[string]string `json:"receiver"`
	}
	by := map[string]*group{}
	for _, a := range all {
		name := a.Labels["alertname"]
		if by[name] == nil {
			by[name] = &group{Labels: map[string]string{"alertname": name}, Receiver: map[string]string{"name": "on-call"}}
		}
		by[name].Alerts = append(by[name].Alerts, a)
	}
	out := []*group{}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[name])
	}
	answer(rw, out)
}

func (s *Server) status(rw http.ResponseWriter, _ *http.Request) {
	answer(rw, map[string]any{
		"cluster":     map[string]any{"name": "demo", "status": "ready", "peers": []map[string]string{{"name": "demo", "address": "10.20.0.11:9094"}}},
		"config":      map[string]string{"original": "route:\n  receiver: on-call\n  group_by: [alertname]\nreceivers:\n- name: on-call\n"},
		"uptime":      s.w.Began().UTC(),
		"versionInfo": map[string]string{"version": Version, "revision": "demo", "branch": "demo", "buildUser": "quarterdeck", "buildDate": "", "goVersion": "go1.26"},
	})
}
