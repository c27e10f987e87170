package diagnosis

import (
	"fmt"
	"slices"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// badDeploy: an update that was paused or rolled back, or whatever is wrong began just after a change of the service.
func badDeploy(s *Scene, wide *Wide) *Cause {
	v := s.Service
	switch v.UpdateState {
	case "paused", "rollback_paused", "rollback_completed", "rollback_started":
		if c := failedUpdate(s); c != nil {
			return c
		}
	}
	onset, sign := s.troubleSince(wide)
	if onset.IsZero() {
		return nil
	}
	d := s.changeBefore(onset)
	if d == nil || scaledOnly(d) {
		return nil
	}
	c := &Cause{Title: "it began with a deploy", Grade: ChangeBefore, Since: onset}
	after := onset.Sub(d.At)
	c.Confidence = 0.85 - 0.3*min(max(after.Seconds(), 0)/JustBefore.Seconds(), 1)
	c.Why = fmt.Sprintf("%s %s after the service was changed, and not before", sign, short(max(after, 0)))
	c.add(d.proof(onset))
	c.showTrouble(s, wide)
	if young := s.At.Sub(d.At); sign == slowSign && young < slowAtFirst {
		c.Confidence = min(c.Confidence, 0.6)
		c.objects(fleet.SwarmName, "", "the change was made %s ago: what has just started is often slow at first", short(young))
	}
	if after < 0 {
		c.Confidence = min(c.Confidence, 0.6)
		c.objects(fleet.SwarmName, "", "the first sign came %s before the change, by the clocks of both", short(-after))
	}
	if sign == burstSign { // users need not notice
		c.Confidence = min(c.Confidence, 0.7)
		if _, before, _ := wide.lines(v.Name); before == 0 {
			c.Confidence = min(c.Confidence, 0.5)
		}
		c.showBurst(s, wide)
	}
	if s.before(d.At) {
		c.Confidence -= 0.35
		c.objects(orWord(s.logsName(), "loki"), "", "errors of the same kind were there before the deploy as well")
	}
	c.step("see what was changed", "change", v.Name)
	c.step("go back to before it", "rollback", v.Name)
	return c
}

// scaledOnly tells a change of nothing but the number of replicas.
func scaledOnly(d *Change) bool { return len(d.Fields) == 1 && d.Fields[0].Field == "replicas" }

func (s *Scene) logsName() string {
	if s.Logs == nil {
		return ""
	}
	return s.Logs.Source
}

// failedUpdates are the orchestrator's words for an update that failed: what to call it, and what it means.
var failedUpdates = map[string]struct{ title, means string }{
	"paused": {"the deploy failed and stands half way",
		"tasks of the new version failed and it stopped there; the rest runs the version before, and nothing goes on until somebody goes back or deploys again"},
	"rollback_started": {"the deploy failed and is being taken back by the swarm",
		"tasks of the new version failed, and it puts the version before back; wait for that, then see why they failed"},
	"rollback_completed": {"the deploy failed and was taken back by the swarm",
		"tasks of the new version failed, and it put the version before back; the new one must be mended and deployed again"},
	"rollback_paused": {"the deploy failed, and so did going back",
		"tasks of the new version failed, it tried to put the version before back, and tasks of that failed as well; it does nothing more by itself: mend what both lack, or go back to a version that is known to run"},
}

// failedUpdate is an update that the orchestrator itself gave up.
func failedUpdate(s *Scene) *Cause {
	v := s.Service
	when := v.UpdateStarted
	if v.UpdateCompleted.After(when) {
		when = v.UpdateCompleted
	}
	if when.Before(s.At.Add(-Span)) || when.After(s.At.Add(clockSlack)) {
		if s.well() || when.After(s.At) {
			return nil
		}
	}
	words := failedUpdates[v.UpdateState]
	c := &Cause{Title: words.title, Grade: Signature, Confidence: 0.9, Why: "the orchestrator says so: " + words.means, Since: v.UpdateStarted}
	c.proves(fleet.SwarmName, "docker service inspect --format '{{json .UpdateStatus}}' "+v.Name, when, "%s (update state %s: %s)", words.title, v.UpdateState, v.UpdateMessage)
	if len(s.Changes) > 0 {
		for i := range s.Changes {
			if d := &s.Changes[i]; !d.harmless() && !d.At.After(when.Add(clockSlack)) && len(d.Fields) > 0 {
				c.add(d.proof(when))
				break
			}
		}
	}
	dead := s.since(bad)
	c.shows(s, dead)
	if s.Onset.After(v.UpdateStarted) || c.Since.Before(v.UpdateStarted) {
		c.Since = v.UpdateStarted
	}
	c.lastWords(s, dead, 3)
	if v.UpdateState == "rollback_completed" && v.Running >= v.Want {
		c.objects(fleet.SwarmName, s.tasksQuery(), "what ran before runs again: users are served, the new version is not")
	}
	c.step("see what was changed", "change", v.Name)
	if v.UpdateState != "rollback_started" && v.UpdateState != "rollback_completed" { // there the swarm has gone back itself
		c.step("go back to what is known to have run", "rollback", v.Name)
	}
	c.step("see its tasks", "tasks", v.Name)
	return c
}

// slowSign alone is weak for the first slowAtFirst after a start: caches are cold, connections are not made yet, and the old tasks end beside it.
const (
	slowSign    = "it became slow"
	slowAtFirst = 45 * time.Second
)

// burstSign is the one sign of a deploy's trouble that harms nobody by itself.
const burstSign = "it began to write many times its usual lines"

// troubleSince is when the first sign of trouble came that a deploy can bring about, and which; zero: there is none.
func (s *Scene) troubleSince(wide *Wide) (time.Time, string) {
	var onset time.Time
	sign := ""
	take := func(t time.Time, what string) {
		if !t.IsZero() && (onset.IsZero() || t.Before(onset)) {
			onset, sign = t, what
		}
	}
	if s.Metrics != nil {
		for _, j := range s.Metrics.jumps() {
			words := map[string]string{"errors": "requests began to fail", "p95": slowSign}[j.Name]
			take(j.From, words) // a value is of the time up to it: no step to look into
		}
	}
	if s.Logs != nil && s.Logs.Jump.Found {
		take(s.errorsBegan(), "its error lines rose")
	}
	if dead := s.since(func(t *sources.Task) bool { return crashed(t) || t.State == sources.TaskRejected }); len(dead) > 0 {
		take(dead[len(dead)-1].Since, "its tasks began to fail")
	}
	if onset.IsZero() && s.bursts() {
		take(s.inStep(s.Logs.Burst.Jump.From), burstSign)
	}
	if onset.IsZero() && wide.errorsJumped(s.Service.Name) {
		take(s.atLeastSince(s.At.Add(-errorsWindow)), "its error lines rose within the last minute,")
	}
	for i := range s.Snap.Alerts {
		if a := &s.Snap.Alerts[i]; onset.IsZero() && a.Service == s.Service.Name && a.State == sources.Firing && s.recent(a.Since) {
			take(a.Since, "alert "+a.Name+" fired")
		}
	}
	return onset, sign
}

// atLeastSince is a moment, or the newest change after it: what is only known to have begun in a stretch of time may have begun with that.
func (s *Scene) atLeastSince(t time.Time) time.Time {
	for i := range s.Changes {
		if c := &s.Changes[i]; !c.harmless() && c.At.After(t) && !c.At.After(s.At) {
			return c.At
		}
	}
	return t
}

// inStep is when a figure rose whose step begins at t: a change within the step may be what it rose with.
func (s *Scene) inStep(t time.Time) time.Time {
	for i := range s.Changes {
		if c := &s.Changes[i]; !c.harmless() && c.At.After(t) && c.At.Before(t.Add(figuresStep)) {
			return c.At
		}
	}
	return t
}

// errorsBegan is when its error lines rose: with the first of them, where a change stands just before that and none is known of before the change. The
// figure's own jump comes late where the service is so young that there is little of before to hold it against, and slides on with time.
func (s *Scene) errorsBegan() time.Time {
	rose := s.inStep(s.Logs.Jump.From)
	if s.Logs.Headless {
		return rose
	}
	i := slices.IndexFunc(s.Logs.Errors, func(e sources.Entry) bool { return e.Level >= sources.LevelError })
	if i < 0 || !s.Logs.Errors[i].Time.Before(rose) {
		return rose
	}
	first := s.Logs.Errors[i].Time
	for i := range s.Changes {
		if c := &s.Changes[i]; !c.harmless() && !scaledOnly(c) && !c.At.After(first) && first.Sub(c.At) <= JustBefore && !c.At.Before(s.Logs.From) {
			return first
		}
	}
	return rose
}

// showTrouble adds what a deploy has brought about.
func (c *Cause) showTrouble(s *Scene, wide *Wide) {
	if s.Metrics != nil {
		for _, j := range s.Metrics.jumps() {
			c.proves(fleet.PrometheusName, j.Query, j.From, "%s", j.words())
		}
	}
	if s.Logs != nil {
		if j := s.Logs.Jump; j.Found {
			c.proves(s.Logs.Source, j.Query, j.From, "%s", j.words())
		}
		for _, e := range lastErrors(s.Logs.Errors, 2) {
			c.proves(s.Logs.Source, s.Logs.ErrorsQuery, e.Time, "it says: %s", clip(e.Line, 240))
		}
	}
	if s.Logs == nil && wide.errorsJumped(s.Service.Name) {
		source, query := wide.errorsProof(s.Service.Name)
		c.proves(source, query, s.At, "error lines a second: %.2f, before %.2f", wide.ErrorsNow[s.Service.Name], wide.ErrorsBefore[s.Service.Name])
	}
	for i := range s.Snap.Alerts {
		if a := &s.Snap.Alerts[i]; a.Service == s.Service.Name && a.State == sources.Firing {
			c.proves(s.Snap.AlertsBy(), "", a.Since, "alert %s fires: %s", a.Name, a.Summary)
		}
	}
	if dead := s.since(bad); len(dead) > 0 {
		since := c.Since
		c.shows(s, dead)
		c.Since = since
		c.lastWords(s, dead, 3)
	}
}

// words are a jump in figures.
func (j Jump) words() string {
	switch j.Unit {
	case "ratio":
		return fmt.Sprintf("%s of requests: %.1f%%, before %.1f%%", j.Name, 100*j.Now, 100*j.Before)
	case "s":
		return fmt.Sprintf("%s: %.3f s, before %.3f s", j.Name, j.Now, j.Before)
	}
	return fmt.Sprintf("%s: %.1f, before %.1f", j.Name, j.Now, j.Before)
}

// lastErrors are the newest lines of level error and above.
func lastErrors(lines []sources.Entry, n int) []sources.Entry {
	var out []sources.Entry
	for i := len(lines) - 1; i >= 0 && len(out) < n; i-- {
		if lines[i].Level >= sources.LevelError {
			out = append(out, lines[i])
		}
	}
	return out
}

// before tells whether what is wrong was wrong before a moment already: tasks that failed then, in the same way.
func (s *Scene) before(at time.Time) bool {
	old := 0
	for i := range s.Tasks {
		if t := &s.Tasks[i]; crashed(t) && t.Since.Before(at.Add(-clockSlack)) && t.Since.After(at.Add(-Recent)) {
			old++
		}
	}
	return old >= 2
}
