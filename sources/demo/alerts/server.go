package alerts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
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

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual,omitempty"`
	re      *regexp.Regexp
}

type silence struct {
	ID        string            `json:"id"`
	Matchers  []matcher         `json:"matchers"`
	StartsAt  time.Time         `json:"startsAt"`
	EndsAt    time.Time         `json:"endsAt"`
	UpdatedAt time.Time         `json:"updatedAt"`
	CreatedBy string            `json:"createdBy"`
	Comment   string            `json:"comment"`
	Status    map[string]string `json:"status"`
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

func (x *silence) state(now time.Time) string {
	switch {
	case !now.Before(x.EndsAt):
		return "expired"
	case now.Before(x.StartsAt):
		return "pending"
	}
	return "active"
}

func (m *matcher) matches(v string) bool {
	hit := v == m.Value
	if m.IsRegex && m.re != nil {
		hit = m.re.MatchString(v)
	}
	return hit == (m.IsEqual == nil || *m.IsEqual)
}

func matchesAll(ms []matcher, l map[string]string) bool {
	for i := range ms {
		if !ms[i].matches(l[ms[i].Name]) {
			return false
		}
	}
	return true
}

var filterForm = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$`)

// parseFilters reads filter=name="value".
func parseFilters(r *http.Request) ([]matcher, error) {
	var out []matcher
	for _, f := range r.URL.Query()["filter"] {
		f = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(f), "{"), "}")
		p := filterForm.FindStringSubmatch(f)
		if p == nil {
			return nil, fmt.Errorf("bad matcher format: %s", f)
		}
		equal := p[2][0] == '='
		m := matcher{Name: p[1], Value: p[3], IsRegex: strings.HasSuffix(p[2], "~"), IsEqual: &equal}
		if v, err := strconv.Unquote(p[3]); err == nil {
			m.Value = v
		}
		if err := m.compile(); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (m *matcher) compile() (err error) {
	if m.IsRegex {
		m.re, err = regexp.Compile("^(?:" + m.Value + ")$")
	}
	return err
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

func (s *Server) shown(x *silence) silence {
	c := *x
	c.Status = map[string]string{"state": x.state(s.w.Now())}
	return c
}

func (s *Server) silences(rw http.ResponseWriter, r *http.Request) {
	if _, err := parseFilters(r); err != nil {
		refuse(rw, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	out := make([]silence, 0, len(s.kept))
	for _, x := range s.kept {
		out = append(out, s.shown(x))
	}
	s.mu.Unlock()
	order := map[string]int{"active": 0, "pending": 1, "expired": 2}
	slices.SortFunc(out, func(a, b silence) int {
		if d := order[a.Status["state"]] - order[b.Status["state"]]; d != 0 {
			return d
		}
		return a.EndsAt.Compare(b.EndsAt)
	})
	answer(rw, out)
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (s *Server) post(rw http.ResponseWriter, r *http.Request) {
	var in silence
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		refuse(rw, http.StatusBadRequest, "parsing silence body from \"\" failed, because "+err.Error())
		return
	}
	if code, missing := in.incomplete(); code != 0 {
		invalid(rw, code, missing)
		return
	}
	now := s.w.Now().UTC()
	if problem := in.check(now); problem != "" {
		refuse(rw, http.StatusBadRequest, problem)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.ID != "" && s.kept[in.ID] == nil {
		refuse(rw, http.StatusNotFound, "silence not found")
		return
	}
	if len(s.kept) >= maxSilences {
		refuse(rw, http.StatusBadRequest, "exceeded maximum number of silences: "+strconv.Itoa(maxSilences))
		return
	}
	if in.ID == "" {
		in.ID = newID()
	}
	if in.StartsAt.Before(now) {
		in.StartsAt = now
	}
	in.UpdatedAt = now
	s.kept[in.ID] = &in
	answer(rw, map[string]string{"silenceID": in.ID})
}

// invalid answers as the generated server does to a body or path that is not of the schema.
func invalid(rw http.ResponseWriter, code int, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(rw).Encode(map[string]any{"code": code, "message": message})
}

// incomplete is the schema's complaint about a silence, or 0.
func (x *silence) incomplete() (code int, message string) {
	switch {
	case x.Comment == "":
		return 602, "comment in body is required"
	case x.CreatedBy == "":
		return 602, "createdBy in body is required"
	case x.EndsAt.IsZero():
		return 602, "endsAt in body is required"
	case x.StartsAt.IsZero():
		return 602, "startsAt in body is required"
	case len(x.Matchers) == 0:
		return 612, "matchers in body should have at least 1 items"
	}
	return 0, ""
}

var uuidForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// id is the path's silence, or an answer that it is none.
func id(rw http.ResponseWriter, r *http.Request) (string, bool) {
	v := r.PathValue("id")
	if !uuidForm.MatchString(v) {
		invalid(rw, 601, fmt.Sprintf("silenceID in path must be of type uuid: %q", v))
		return "", false
	}
	return v, true
}

// check is what Alertmanager says of a silence that it does not take, or "".
func (x *silence) check(now time.Time) string {
	switch {
	case x.EndsAt.Before(x.StartsAt) || x.EndsAt.Equal(x.StartsAt):
		return "Failed to create silence: start time must be before end time"
	case x.EndsAt.Before(now):
		return "Failed to create silence: end time can't be in the past"
	}
	empty := true
	for i := range x.Matchers {
		m := &x.Matchers[i]
		if err := m.compile(); err != nil {
			return "invalid silence: invalid label matcher " + strconv.Itoa(i) + ": " + err.Error()
		}
		if m.IsEqual == nil {
			yes := true
			m.IsEqual = &yes
		}
		empty = empty && m.matches("")
	}
	if empty {
		return "invalid silence: at least one matcher must not match the empty string"
	}
	return ""
}

func (s *Server) get(rw http.ResponseWriter, r *http.Request) {
	ref, ok := id(rw, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.kept[ref]; x != nil {
		answer(rw, s.shown(x))
		return
	}
	rw.WriteHeader(http.StatusNotFound)
}

func (s *Server) expire(rw http.ResponseWriter, r *http.Request) {
	ref, ok := id(rw, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.kept[ref]
	if x == nil {
		rw.WriteHeader(http.StatusNotFound)
		return
	}
	c := *x
	now := s.w.Now().UTC()
	if c.state(now) == "expired" {
		refuse(rw, http.StatusInternalServerError, "silence "+c.ID+" already expired")
		return
	}
	c.EndsAt, c.UpdatedAt = now, now
	if c.StartsAt.After(now) {
		c.StartsAt = now
	}
	s.kept[c.ID] = &c
	rw.WriteHeader(http.StatusOK)
}

func (s *Server) status(rw http.ResponseWriter, _ *http.Request) {
	answer(rw, map[string]any{
		"cluster":     map[string]any{"name": "demo", "status": "ready", "peers": []map[string]string{{"name": "demo", "address": "10.20.0.11:9094"}}},
		"config":      map[string]string{"original": "route:\n  receiver: on-call\n  group_by: [alertname]\nreceivers:\n- name: on-call\n"},
		"uptime":      s.w.Began().UTC(),
		"versionInfo": map[string]string{"version": Version, "revision": "demo", "branch": "demo", "buildUser": "quarterdeck", "buildDate": "", "goVersion": "go1.26"},
	})
}
