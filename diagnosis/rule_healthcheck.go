package diagnosis

import (
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// healthcheckFailing: the engine says 'unhealthy container'. A program that ends with 0 on SIGTERM leaves its task complete without a word
// (seen on 20.10): then the engine's own count of failed checks tells.
func healthcheckFailing(s *Scene, wide *Wide) *Cause {
	said := s.said(unhealthyWords)
	if len(said) > 0 {
		c := &Cause{Title: "its health check fails", Grade: Signature, Confidence: 0.95, Why: "the engine says that the container is unhealthy"}
		c.shows(s, said)
		c.aboutCheck(s, said)
		return c
	}
	if wide == nil || s.Service.Healthcheck == "none" || s.Service.Mode.Job() {
		return nil
	}
	return quietlyUnhealthy(s, wide)
}

// quietlyUnhealthy: the tasks ended well, but the engine counts failed checks, and the exporter saw the container's check not healthy at its end.
func quietlyUnhealthy(s *Scene, wide *Wide) *Cause {
	quiet := s.since(func(t *sources.Task) bool {
		return t.State == sources.TaskComplete && t.ExitCode == 0 && wide.HealthFails[s.node(t.NodeID)] > 0 && !s.wentWithNode(t)
	})
	ill, well, none := 0, 0, 0
	if s.Metrics != nil {
		for _, t := range quiet {
			switch v, known := s.Metrics.Health[t.ID]; {
			case !known:
			case v == 0:
				ill++
			case v < 0:
				none++
			default:
				well++
			}
		}
	}
	if len(quiet) == 0 || none > 0 {
		return nil
	}
	n := s.node(quiet[0].NodeID)
	c := &Cause{Title: "its health check fails", Grade: Signature, Confidence: 0.45,
		Why: "its tasks end without an error, and the engine there counts failed health checks: a program that ends well on SIGTERM hides the word"}
	c.shows(s, quiet)
	c.proves(fleet.PrometheusName, healthFailsQuery, quiet[0].Since, "health checks failed on %s: %.0f within %s", n, wide.HealthFails[n], short(Recent))
	if ill > 0 {
		c.Confidence = 0.85
		c.Why = "its tasks end without an error, but their health checks were not passed before, and the engine there counts failed ones"
		c.proves(fleet.PrometheusName, s.Metrics.HealthQuery, quiet[0].Since, "of %d such tasks the health check of %d was starting or unhealthy at the end", len(quiet), ill)
	} else if s.toldToStop(quiet) {
		c.Confidence = 0.85
		c.Why = "its tasks were told to stop by a signal though nobody scaled or deployed, and the engine there counts failed health checks"
	} else if well > 0 {
		c.objects(fleet.PrometheusName, s.Metrics.HealthQuery, "the exporter last saw its checks passed; that can be some seconds before the end")
	} else {
		c.objects(fleet.PrometheusName, "", "whose checks they were is not known: no exporter tells")
	}
	c.aboutCheck(s, quiet)
	return c
}

// wentWithNode tells whether nothing that runs on a task's node now ran there before the task's end: the engine was started again, or the node
// was, and took all along.
func (s *Scene) wentWithNode(t *sources.Task) bool {
	others := false
	for _, v := range s.Snap.Services {
		for i := range v.Tasks {
			o := &v.Tasks[i]
			if o.NodeID != t.NodeID || v.Name == s.Service.Name {
				continue
			}
			if o.State == sources.TaskRunning && o.Since.Before(t.Since.Add(-clockSlack)) {
				return false
			}
			others = true
		}
	}
	return others
}

func (c *Cause) aboutCheck(s *Scene, tasks []sources.Task) {
	if h := s.Service.Healthcheck; h != "" && h != "none" {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, tasks[0].Since, "the check is: %s", clip(h, 160))
	}
	c.lastWords(s, tasks, 3)
	c.step("see what was changed, the check and its start period too", "change", s.Service.Name)
	c.step("see its lines from then", "logs", s.Service.Name)
	c.outside("try the check by hand on the node of a task", "docker inspect --format '{{json .State.Health}}' $(docker ps -lq --filter label=com.docker.swarm.service.name=%s)", s.Service.Name)
}
