package docker

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources/demo/world"
)

// containers are those of the engine that we speak for, running ones only unless all is asked for.
func (s *Server) containers(rw http.ResponseWriter, r *http.Request) error {
	now := seconds(s.w)
	from := now
	if all, _ := strconv.ParseBool(r.URL.Query().Get("all")); all {
		from = 0
	}
	boxes := s.own(from, now)
	slices.SortFunc(boxes, func(a, b world.Container) int { return cmp.Compare(b.Start, a.Start) })
	type summary struct {
		ID            string `json:"Id"`
		Names         []string
		Image         string
		Command       string
		Created       int64
		State, Status string
		Labels        map[string]string
		Ports         []string
	}
	out := []summary{}
	for i := range boxes {
		c := &boxes[i]
		state, status := standing(c, now)
		out = append(out, summary{ID: c.ID, Names: []string{"/" + c.Name}, Image: c.Image, Command: "/app/serve", Created: int64(c.Start), State: state, Status: status, Labels: boxLabels(c), Ports: []string{}})
	}
	return answer(rw, out)
}

// own is the containers of the engine that we speak for that still have a task, as the engine removes the others.
func (s *Server) own(from, to float64) []world.Container {
	self := s.w.Manager(s.self)
	tasks := map[string]bool{}
	for _, t := range s.w.Tasks() {
		tasks[t.ID] = true
	}
	return s.w.Boxes(from, to, func(c *world.Container) bool { return c.NodeID == self.ID && tasks[c.TaskID] })
}

// standing is the state and status that docker ps shows.
func standing(c *world.Container, now float64) (state, status string) {
	if c.End <= now {
		return "exited", fmt.Sprintf("Exited (%d) %s ago", c.ExitCode, about(now-c.End))
	}
	status = "Up " + about(now-c.Start)
	switch {
	case c.Sick:
		status += " (health: starting)"
	case c.Checked:
		status += " (healthy)"
	}
	return "running", status
}

// about is a duration in one unit, as the engine words it.
func about(s float64) string {
	switch {
	case s < 1:
		return "Less than a second"
	case s < 60:
		return fmt.Sprintf("%d seconds", int(s))
	case s < 120:
		return "About a minute"
	case s < 3600:
		return fmt.Sprintf("%d minutes", int(s/60))
	case s < 2*3600:
		return "About an hour"
	case s < 48*3600:
		return fmt.Sprintf("%d hours", int(s/3600))
	}
	return fmt.Sprintf("%d days", int(s/86400))
}

func boxLabels(c *world.Container) map[string]string {
	l := map[string]string{
		"com.docker.swarm.node.id": c.NodeID, "com.docker.swarm.service.id": c.ServiceID, "com.docker.swarm.service.name": c.Service,
		"com.docker.swarm.task": "", "com.docker.swarm.task.id": c.TaskID, "com.docker.swarm.task.name": c.TaskName,
	}
	if c.Stack != "" {
		l["com.docker.stack.namespace"] = c.Stack
	}
	return l
}

func (s *Server) container(rw http.ResponseWriter, r *http.Request) error {
	ref, now := r.PathValue("id"), seconds(s.w)
	for _, c := range s.own(0, now) {
		if c.Name == ref || len(ref) >= 4 && strings.HasPrefix(c.ID, ref) {
			state, _ := standing(&c, now)
			ended := "0001-01-01T00:00:00Z"
			if state == "exited" {
				ended = stamp(c.End)
			}
			return answer(rw, map[string]any{
				"Id": c.ID, "Name": "/" + c.Name, "Image": c.Image, "Created": stamp(c.Start),
				"State":  map[string]any{"Running": state == "running", "Status": state, "ExitCode": c.ExitCode, "OOMKilled": c.OOM, "StartedAt": stamp(c.Start), "FinishedAt": ended},
				"Config": map[string]any{"Image": c.Image, "Labels": boxLabels(&c), "Tty": false}, "HostConfig": map[string]any{"Memory": c.Limit},
			})
		}
	}
	return problem{http.StatusNotFound, "No such container: " + ref}
}

func stamp(s float64) string {
	return time.Unix(0, int64(s*1e9)).UTC().Format(time.RFC3339Nano)
}
