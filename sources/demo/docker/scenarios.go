package docker

import (
	"net/http"

	"quarterdeck/sources/demo/world"
)

// The demo's own paths, beside the engine's: what a rehearsal's leader does without being seen in the console.

type scenario struct {
	Name, Title, Description string
	Running                  bool
}

func (s *Server) scenarios(rw http.ResponseWriter, _ *http.Request) error {
	running := map[string]bool{}
	for _, name := range s.w.Running() {
		running[name] = true
	}
	out := []scenario{}
	for _, x := range world.Scenarios() {
		out = append(out, scenario{x.Name, x.Title, x.Description, running[x.Name]})
	}
	return answer(rw, out)
}

func (s *Server) startScenario(rw http.ResponseWriter, r *http.Request) error {
	if err := s.w.StartScenario(r.PathValue("name")); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) stopScenario(rw http.ResponseWriter, r *http.Request) error {
	if err := s.w.StopScenario(r.PathValue("name")); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}
