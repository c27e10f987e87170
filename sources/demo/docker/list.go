package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources/demo/world"
)

// maxSpec bounds the body of a create or an update, in bytes.
const maxSpec = 4 << 20

func modeOf(m *swarm.ServiceMode) string {
	switch {
	case m.Global != nil:
		return "global"
	case m.ReplicatedJob != nil:
		return "replicated-job"
	case m.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}

func (s *Server) services(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "name", "label", "mode", "runtime")
	if err != nil {
		return err
	}
	withStatus, _ := strconv.ParseBool(r.URL.Query().Get("status"))
	var status map[string]swarm.ServiceStatus
	if withStatus {
		status = s.w.Status()
	}
	out := []swarm.Service{}
	for _, svc := range s.w.Services() {
		if !f.starts("id", svc.ID) || !f.starts("name", svc.Spec.Name) || !f.labels("label", svc.Spec.Labels) || !f.is("mode", modeOf(&svc.Spec.Mode)) {
			continue
		}
		if st, ok := status[svc.ID]; ok {
			svc.ServiceStatus = &st
		}
		out = append(out, svc)
	}
	return answer(rw, out)
}

func (s *Server) service(rw http.ResponseWriter, r *http.Request) error {
	svc, err := s.w.Service(r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(rw, svc)
}

// readBody reads the JSON of a create or an update.
func readBody[T any](r *http.Request) (spec T, err error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSpec+1))
	switch {
	case err != nil:
		return spec, problem{http.StatusBadRequest, "unexpected EOF"}
	case len(body) > maxSpec:
		return spec, problem{http.StatusRequestEntityTooLarge, "http: request body too large"}
	case len(body) == 0:
		return spec, problem{http.StatusBadRequest, "invalid JSON: got EOF while reading request body"}
	}
	if err := json.Unmarshal(body, &spec); err != nil {
		return spec, problem{http.StatusBadRequest, "invalid JSON: " + err.Error()}
	}
	return spec, nil
}

func (s *Server) update(rw http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	version, err := strconv.ParseUint(q.Get("version"), 10, 64)
	if err != nil {
		return problem{http.StatusBadRequest, fmt.Sprintf("invalid service version '%s': %v", q.Get("version"), err)}
	}
	spec, err := readBody[swarm.ServiceSpec](r) // a rollback must bring one, too
	if err != nil {
		return err
	}
	if q.Get("rollback") == "previous" {
		err = s.w.Rollback(r.PathValue("id"), version)
	} else {
		err = s.w.Update(r.PathValue("id"), version, spec)
	}
	if err != nil {
		return err
	}
	return answer(rw, swarm.ServiceUpdateResponse{})
}

func (s *Server) create(rw http.ResponseWriter, r *http.Request) error {
	spec, err := readBody[swarm.ServiceSpec](r)
	if err != nil {
		return err
	}
	if spec.Name == "" {
		return problem{http.StatusBadRequest, "rpc error: code = InvalidArgument desc = meta: name must be provided"}
	}
	id, err := s.w.Create(spec)
	if err != nil {
		return err
	}
	return answerStatus(rw, http.StatusCreated, swarm.ServiceCreateResponse{ID: id})
}

func (s *Server) remove(rw http.ResponseWriter, r *http.Request) error {
	if err := s.w.Remove(r.PathValue("id")); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) tasks(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "service", "node", "desired-state", "name", "label", "runtime", "_up-to-date")
	if err != nil {
		return err
	}
	for _, st := range f["desired-state"] {
		if st != "running" && st != "shutdown" && st != "accepted" && st != "ready" && st != "remove" {
			return problem{http.StatusInternalServerError, "invalid desired-state filter: '" + st + "'"}
		}
	}
	for _, ref := range f["service"] {
		if _, err := s.w.Service(ref); err != nil {
			return err
		}
	}
	out := []swarm.Task{}
	for _, t := range s.w.TasksOf(func(id, name string) bool { return f.is("service", id, name) }) {
		upToDate := "false"
		if t.UpToDate {
			upToDate = "1"
		}
		if !f.starts("id", t.ID) || !f.is("node", t.NodeID, t.NodeName) ||
			!f.is("desired-state", string(t.DesiredState)) || !f.starts("name", t.Name) || !f.labels("label", t.ServiceLabels) {
			continue
		}
		if len(f["_up-to-date"]) > 0 && !f.is("_up-to-date", upToDate, strconv.FormatBool(t.UpToDate)) {
			continue
		}
		out = append(out, t.Task)
	}
	return answer(rw, out)
}

func (s *Server) findTask(ref string) (world.TaskView, error) {
	var hits []world.TaskView
	for _, t := range s.w.Tasks() {
		if t.ID == ref || t.Name == ref {
			return t, nil
		}
		if strings.HasPrefix(t.ID, ref) {
			hits = append(hits, t)
		}
	}
	if len(hits) == 1 {
		return hits[0], nil
	}
	return world.TaskView{}, problem{http.StatusNotFound, "task " + ref + " not found"}
}

func (s *Server) task(rw http.ResponseWriter, r *http.Request) error {
	t, err := s.findTask(r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(rw, t.Task)
}

func (s *Server) nodes(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "name", "label", "node.label", "role", "membership")
	if err != nil {
		return err
	}
	out := []swarm.Node{}
	for _, n := range s.w.Nodes() {
		if f.starts("id", n.ID) && f.starts("name", n.Description.Hostname) && f.labels("label", n.Description.Engine.Labels) && f.labels("node.label", n.Spec.Labels) && f.is("role", string(n.Spec.Role)) {
			out = append(out, n)
		}
	}
	return answer(rw, out)
}

func (s *Server) node(rw http.ResponseWriter, r *http.Request) error {
	ref := r.PathValue("id")
	if ref == "self" {
		return answer(rw, s.w.Manager(s.self))
	}
	for _, n := range s.w.Nodes() {
		if n.ID == ref || n.Description.Hostname == ref || len(ref) >= 4 && strings.HasPrefix(n.ID, ref) {
			return answer(rw, n)
		}
	}
	return problem{http.StatusNotFound, "node " + ref + " not found"}
}

func (s *Server) updateNode(rw http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query().Get("version")
	version, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return problem{http.StatusBadRequest, fmt.Sprintf("invalid node version '%s': %v", v, err)}
	}
	spec, err := readBody[swarm.NodeSpec](r)
	if err != nil {
		return err
	}
	if err := s.w.UpdateNode(r.PathValue("id"), version, spec); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusOK)
	return nil
}
