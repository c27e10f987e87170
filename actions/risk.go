package actions

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// rolloutWarnings says what the service's own rollout settings risk.
func (d *Deck) rolloutWarnings(p *Plan, s *sources.Service, c *Change) {
	if !c.Rolls() {
		return
	}
	u := s.Update
	if u.Order != "start-first" {
		d.warnOfOutage(p, s)
	}
	switch u.FailureAction {
	case "continue":
		p.warn("%s: update failure action continue: a bad image replaces every task", s.Name)
	case "pause":
		p.warn("%s: update failure action pause: a bad image stops half way and stays there until somebody acts", s.Name)
	}
	if s.Healthcheck == "none" {
		p.warn("%s: its health check is switched off: a task counts as well once it runs", s.Name)
	}
	if u.Order == "start-first" {
		for _, port := range s.Ports {
			if port.Mode == "host" && port.Published > 0 {
				p.warn("%s: start-first with host port %d: a new task finds the port taken on the node of the old one", s.Name, port.Published)
				break
			}
		}
	}
}

// warnOfOutage says how long a service is away where its old tasks stop before the new ones run.
func (d *Deck) warnOfOutage(p *Plan, s *sources.Service) {
	away := "until the new task is healthy"
	if took := startTime(d.Fleet.Snapshot().Service(s.ID)); took > 0 {
		away = fmt.Sprintf("for about %s, as long as its tasks took to start", took.Round(time.Second))
	}
	switch all := s.Update.Parallelism == 0 || s.Update.Parallelism >= s.Desired; {
	case s.Mode == sources.Global:
		p.warn("%s: update order stop-first: on each node in turn it is away %s", s.Name, away)
	case s.Desired == 1:
		p.warn("%s: update order stop-first: with one replica it is away %s", s.Name, away)
	case all && s.Desired > 1:
		p.warn("%s: all %d tasks are stopped at once (update parallelism %d, stop-first): it is away %s", s.Name, s.Desired, s.Update.Parallelism, away)
	}
}

// startTime is the median of how long the running tasks took from their making until they ran, the pull of the image with it; 0: not known.
func startTime(s *fleet.Service) time.Duration {
	if s == nil {
		return 0
	}
	var took []time.Duration
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if d := t.Since.Sub(t.Created); t.State == sources.TaskRunning && d > 0 {
			took = append(took, max(d, time.Second))
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.SortFunc(took, cmp.Compare[time.Duration])
	return took[len(took)/2]
}
