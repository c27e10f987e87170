package docker

import (
	"net/http"
	"strconv"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources/demo/world"
)

func (s *Server) secrets(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "name", "names", "label")
	if err != nil {
		return err
	}
	out := []swarm.Secret{}
	for _, x := range s.w.Secrets() {
		if f.starts("id", x.ID) && f.starts("name", x.Spec.Name) && f.is("names", x.Spec.Name) && f.labels("label", x.Spec.Labels) {
			out = append(out, x)
		}
	}
	return answer(rw, out)
}

func (s *Server) secret(rw http.ResponseWriter, r *http.Request) error {
	ref := r.PathValue("id")
	for _, x := range s.w.Secrets() {
		if x.ID == ref || x.Spec.Name == ref {
			return answer(rw, x)
		}
	}
	return problem{http.StatusNotFound, "secret " + ref + " not found"}
}

func (s *Server) configs(rw http.ResponseWriter, r *http.Request) error {
	f, err := parseFilters(r.URL.Query(), "id", "name", "names", "label")
	if err != nil {
		return err
	}
	out := []swarm.Config{}
	for _, x := range s.w.Configs() {
		if f.starts("id", x.ID) && f.starts("name", x.Spec.Name) && f.is("names", x.Spec.Name) && f.labels("label", x.Spec.Labels) {
			out = append(out, x)
		}
	}
	return answer(rw, out)
}

func (s *Server) config(rw http.ResponseWriter, r *http.Request) error {
	ref := r.PathValue("id")
	for _, x := range s.w.Configs() {
		if x.ID == ref || x.Spec.Name == ref {
			return answer(rw, x)
		}
	}
	return problem{http.StatusNotFound, "config " + ref + " not found"}
}

func (s *Server) createSecret(rw http.ResponseWriter, r *http.Request) error {
	spec, err := readBody[swarm.SecretSpec](r)
	if err != nil {
		return err
	}
	id, err := s.w.CreateMaterial(world.SecretKind, spec.Annotations, spec.Data)
	if err != nil {
		return err
	}
	return answerStatus(rw, http.StatusCreated, swarm.SecretCreateResponse{ID: id})
}

func (s *Server) createConfig(rw http.ResponseWriter, r *http.Request) error {
	spec, err := readBody[swarm.ConfigSpec](r)
	if err != nil {
		return err
	}
	id, err := s.w.CreateMaterial(world.ConfigKind, spec.Annotations, spec.Data)
	if err != nil {
		return err
	}
	return answerStatus(rw, http.StatusCreated, swarm.ConfigCreateResponse{ID: id})
}

func (s *Server) labelSecret(_ http.ResponseWriter, r *http.Request) error {
	version, err := strconv.ParseUint(r.URL.Query().Get("version"), 10, 64)
	if err != nil {
		return problem{http.StatusBadRequest, "invalid secret version"}
	}
	spec, err := readBody[swarm.SecretSpec](r)
	if err != nil {
		return err
	}
	return s.w.LabelMaterial(world.SecretKind, r.PathValue("id"), version, spec.Annotations, spec.Data)
}

func (s *Server) labelConfig(_ http.ResponseWriter, r *http.Request) error {
	version, err := strconv.ParseUint(r.URL.Query().Get("version"), 10, 64)
	if err != nil {
		return problem{http.StatusBadRequest, "invalid config version"}
	}
	spec, err := readBody[swarm.ConfigSpec](r)
	if err != nil {
		return err
	}
	return s.w.LabelMaterial(world.ConfigKind, r.PathValue("id"), version, spec.Annotations, spec.Data)
}

func (s *Server) removeMaterial(kind world.Kind) func(http.ResponseWriter, *http.Request) error {
	return func(rw http.ResponseWriter, r *http.Request) error {
		if err := s.w.RemoveMaterial(kind, r.PathValue("id")); err != nil {
			return err
		}
		rw.WriteHeader(http.StatusNoContent)
		return nil
	}
}
