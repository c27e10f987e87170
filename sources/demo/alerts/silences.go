package alerts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

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

func (x *silence) state(now time.Time) string {
	switch {
	case !now.Before(x.EndsAt):
		return "expired"
	case now.Before(x.StartsAt):
		return "pending"
	}
	return "active"
}

func (s *Server) shown(x *silence) silence {
	c := *x
	c.Status = map[string]string{"state": x.state(s.w.Now())}
	return c
}

func (s *Server) silences(rw http.ResponseWriter, r *http.Request) {
	filter, err := parseFilters(r)
	if err != nil {
		refuse(rw, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	out := make([]silence, 0, len(s.kept))
	for _, x := range s.kept {
		if x.concerns(filter) {
			out = append(out, s.shown(x))
		}
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
	s.forget(now)
	old := s.kept[in.ID]
	if in.ID != "" && old == nil {
		refuse(rw, http.StatusNotFound, "silence not found")
		return
	}
	if old != nil && !old.becomes(&in, now) { // what is changed too much ends, and a new one follows
		s.end(old, now)
		in.ID = ""
	}
	if in.ID == "" && len(s.kept) >= maxSilences {
		refuse(rw, http.StatusBadRequest, "exceeded maximum number of silences: "+strconv.Itoa(maxSilences))
		return
	}
	if in.ID == "" {
		in.ID = newID()
	}
	if in.StartsAt.Before(now) && (old == nil || in.ID == "") {
		in.StartsAt = now
	}
	in.UpdatedAt = now
	s.kept[in.ID] = &in
	answer(rw, map[string]string{"silenceID": in.ID})
}

// invalid answers as the generated server does to a body or path that is not of the schema: the codes from 600 on are
// the schema's own and go with status 422.
func invalid(rw http.ResponseWriter, code int, message string) {
	status := code
	if code >= 600 {
		status = http.StatusUnprocessableEntity
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
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
	now := s.w.Now().UTC()
	if x.state(now) == "expired" {
		refuse(rw, http.StatusInternalServerError, "silence "+x.ID+" already expired")
		return
	}
	s.end(x, now)
	rw.WriteHeader(http.StatusOK)
}

// end expires a silence that has not ended yet. The lock must be held.
func (s *Server) end(x *silence, now time.Time) {
	if x.state(now) == "expired" {
		return
	}
	c := *x
	c.EndsAt, c.UpdatedAt = now, now
	if c.StartsAt.After(now) {
		c.StartsAt = now
	}
	s.kept[c.ID] = &c
}

// retention is how long Alertmanager keeps expired silences.
const retention = 120 * time.Hour

// forget drops the silences that expired long ago. The lock must be held.
func (s *Server) forget(now time.Time) {
	maps.DeleteFunc(s.kept, func(_ string, x *silence) bool { return x.EndsAt.Before(now.Add(-retention)) })
}

// becomes tells whether a silence can be changed into another in place (Alertmanager's canUpdate).
func (x *silence) becomes(y *silence, now time.Time) bool {
	if !sameMatchers(x.Matchers, y.Matchers) {
		return false
	}
	switch x.state(now) {
	case "active":
		return y.StartsAt.Unix() == x.StartsAt.Unix() && !y.EndsAt.Before(now)
	case "pending":
		return !y.StartsAt.Before(now)
	}
	return false
}
