package diagnosis

import (
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// healthcheckFailing: the engine says 'unhealthy container'. A program that ends with 0 on SIGTERM leaves its task complete without a word
// (seen on 20.10): then that it was told to stop, and has a check, tells.
func healthcheckFailing(s *Scene, wide *Wide) *Cause {
	said := s.said(unhealthyWords)
	if len(said) > 0 {
		c := &Cause{Title: "its health check fails", Grade: Signature, Confidence: 0.95, Why: "the engine says that the container is unhealthy"}
		c.shows(s, said)
		c.aboutCheck(s, said)
		return c
	}
	if s.Service.Healthcheck == "none" || s.Service.Mode.Job() {
		return nil
	}
	return quietlyUnhealthy(s, wide)
}

// checks is what is known of the health checks of tasks that have ended.
type checks struct {
	ill, well, none int     // as the exporter last saw them: starting or unhealthy; passed; there is no check
	failed          float64 // on the node of the newest, as its engine counts
	node            string
}

func (s *Scene) checksOf(tasks []sources.Task, wide *Wide) checks {
	k := checks{node: s.node(tasks[0].NodeID)}
	if wide != nil {
		k.failed = wide.HealthFails[k.node]
	}
	for i := range tasks {
		if s.Metrics == nil {
			break
		}
		switch v, known := s.Metrics.Health[tasks[i].ID]; {
		case !known:
		case v == 0:
			k.ill++
		case v < 0:
			k.none++
		default:
			k.well++
		}
	}
	return k
}

// quietlyUnhealthy: the tasks ended well. That they were told to stop, though the swarm would call that shutdown where it was its own wish, and that they
// have a check, tells; so does the engine's count of failed checks. That count has only checks that could not be run, and neither those
// that ran and said no nor those that took too long (moby daemon/health.go, monitor: HealthChecksFailedCounter; seen on 20.10): none counted says nothing.
func quietlyUnhealthy(s *Scene, wide *Wide) *Cause {
	quiet := s.since(func(t *sources.Task) bool {
		return t.State == sources.TaskComplete && t.ExitCode == 0 && !s.wentWithNode(t)
	})
	if len(quiet) == 0 {
		return nil
	}
	k, told := s.checksOf(quiet, wide), s.toldToStop(quiet)
	if k.none > 0 || !told && k.failed == 0 {
		return nil
	}
	c := &Cause{Title: "its health check fails", Grade: Signature, Confidence: 0.45,
		Why: "its tasks end without an error, and the engine there counts failed health checks: a program that ends well on SIGTERM hides the word"}
	c.shows(s, quiet)
	checked := s.Service.Healthcheck != "" || k.ill+k.well > 0
	switch {
	case told && (k.failed > 0 || k.ill > 0 || checked && len(quiet) > 1):
		c.Confidence = 0.85
		c.Why = "its tasks were told to stop by a signal, again and again, and neither a deploy nor a scaling has done that: the swarm calls those shutdown; so it ends a container whose health check fails"
	case told && checked:
		c.Confidence = 0.65
		c.Why = "its task was told to stop by a signal, and neither a deploy nor a scaling has done that: the swarm calls those shutdown; a failing health check does"
	case told && len(quiet) > 1:
		c.Confidence = 0.6
		c.Why = "its tasks were told to stop by a signal, again and again, and neither a deploy nor a scaling has done that: the swarm calls those shutdown; a failing health check of the image does"
	case told && k.failed == 0:
		c.Why = "its task was told to stop by a signal, and neither a deploy nor a scaling has done that; a failing health check of the image would, or a hand on the node"
	case k.ill > 0:
		c.Confidence = 0.85
		c.Why = "its tasks end without an error, but their health checks were not passed before, and the engine there counts failed ones"
	}
	c.showChecks(s, k, len(quiet))
	if told && !checked && k.failed == 0 {
		c.objects(fleet.SwarmName, "docker service inspect "+s.Service.Name, "its specification has no health check: whether its image has one is not known")
	}
	c.aboutCheck(s, quiet)
	return c
}

// showChecks adds what the engine and the exporter tell of the checks of n tasks.
func (c *Cause) showChecks(s *Scene, k checks, n int) {
	if k.failed > 0 {
		c.proves(fleet.PrometheusName, healthFailsQuery, c.Since, "health checks failed on %s: %.0f within %s", k.node, k.failed, short(Recent))
	}
	switch {
	case k.ill > 0:
		c.proves(fleet.PrometheusName, s.Metrics.HealthQuery, c.Since, "of %d such tasks the health check of %d was starting or unhealthy at the end", n, k.ill)
	case k.well > 0:
		c.objects(fleet.PrometheusName, s.Metrics.HealthQuery, "the exporter last saw its checks passed; that is so until the last of its retries has failed")
	case k.failed > 0:
		c.objects(fleet.PrometheusName, "", "whose checks they were is not known: no exporter tells")
	}
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
	c.showLives(s, tasks)
	c.lastWords(s, tasks, 3)
	c.step("see what was changed, the check and its start period too", "change", s.Service.Name)
	c.step("see its lines from then", "logs", s.Service.Name)
	c.outside("try the check by hand on the node of a task", "docker inspect --format '{{json .State.Health}}' $(docker ps -lq --filter label=com.docker.swarm.service.name=%s)", s.Service.Name)
}

// showLives says how long tasks have lived, where that is so regular that it is a clock's work: start period, interval and retries.
func (c *Cause) showLives(s *Scene, tasks []sources.Task) {
	least, most := time.Duration(0), time.Duration(0)
	for i := range tasks {
		d := tasks[i].Since.Sub(tasks[i].Created)
		if i == 0 || d < least {
			least = d
		}
		most = max(most, d)
	}
	if len(tasks) > 1 && least > 0 && most <= least*5/4 {
		lived := short(least)
		if m := short(most); m != lived {
			lived = "between " + lived + " and " + m
		}
		c.proves(fleet.SwarmName, s.tasksQuery(), tasks[0].Since, "%d tasks lived %s each: as regular as a check's intervals and retries", len(tasks), lived)
	}
}
