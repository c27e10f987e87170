package grafana

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"quarterdeck/sources/demo/world"
)

// Version is the Grafana that the demo says it is.
const Version = "11.3.0"

// Bounds of what clients can make us keep: annotations, and the bytes of one.
const (
	maxKept = 1000
	maxBody = 64 << 10
)

// Server is the API as an http.Handler. Safe for concurrent use.
type Server struct {
	w    *world.World
	mux  *http.ServeMux
	mu   sync.Mutex
	last int64
	kept []annotation // the newest last
}

type annotation struct {
	ID      int64    `json:"id"`
	Time    int64    `json:"time"` // Unix milliseconds
	TimeEnd int64    `json:"timeEnd"`
	Tags    []string `json:"tags"`
	Text    string   `json:"text"`
}

// New makes a server of what the world has.
func New(w *world.World) *Server {
	s := &Server{w: w, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /api/health", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, map[string]string{"commit": "demo", "database": "ok", "version": Version})
	})
	s.mux.HandleFunc("GET /api/search", s.search)
	s.mux.HandleFunc("GET /api/annotations", s.list)
	s.mux.HandleFunc("POST /api/annotations", s.annotate)
	s.mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusNotFound, map[string]string{"message": "Not found"})
	})
	return s
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(rw, r) }

func answer(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}

// search lists the dashboards: one a service that has one, in the folder of its stack.
func (s *Server) search(rw http.ResponseWriter, r *http.Request) {
	type hit struct {
		UID         string   `json:"uid"`
		Title       string   `json:"title"`
		URL         string   `json:"url"`
		Type        string   `json:"type"`
		Tags        []string `json:"tags"`
		FolderTitle string   `json:"folderTitle"`
	}
	q := r.URL.Query()
	out := []hit{}
	for _, name := range s.w.Dashboards() {
		stack, _, _ := strings.Cut(name, "_")
		uid := strings.ReplaceAll(name, "_", "-")
		out = append(out, hit{uid, name, "/d/" + uid + "/" + uid, "dash-db", []string{name}, stack})
	}
	switch page := number(q.Get("page"), 1); {
	case q.Get("type") != "" && q.Get("type") != "dash-db", page > 1: // a page holds them all
		out = out[:0]
	default:
		out = out[:min(len(out), number(q.Get("limit"), 1000))]
	}
	answer(rw, http.StatusOK, out)
}

// number is a parameter that is one from 1 on, or its default.
func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}

func (s *Server) annotate(rw http.ResponseWriter, r *http.Request) {
	var a annotation
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxBody)).Decode(&a); err != nil || a.Text == "" {
		answer(rw, http.StatusBadRequest, map[string]string{"message": "bad request data"})
		return
	}
	if a.Time == 0 {
		a.Time = s.w.Now().UnixMilli()
	}
	a.TimeEnd = max(a.TimeEnd, a.Time)
	s.mu.Lock()
	s.last++
	a.ID = s.last
	s.kept = append(s.kept[max(len(s.kept)-maxKept+1, 0):], a)
	s.mu.Unlock()
	answer(rw, http.StatusOK, map[string]any{"message": "Annotation added", "id": a.ID})
}

// list is the annotations that touch a window, the newest first as Grafana lists them.
func (s *Server) list(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, to := int64(number(q.Get("from"), 0)), int64(number(q.Get("to"), 1<<62))
	out := []annotation{}
	s.mu.Lock()
	for _, a := range slices.Backward(s.kept) {
		if a.TimeEnd >= from && a.Time <= to && len(out) < number(q.Get("limit"), 100) {
			out = append(out, a)
		}
	}
	s.mu.Unlock()
	answer(rw, http.StatusOK, out)
}
