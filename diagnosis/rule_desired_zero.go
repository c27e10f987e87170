package diagnosis

import (
	"fmt"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// desiredZero: it has no task because somebody wants none. That is a finding where it was otherwise lately, or where it is asked about.
func desiredZero(s *Scene, _ *Wide) *Cause {
	v := s.Service
	if v.Mode != sources.Replicated || v.Desired != 0 {
		return nil
	}
	c := &Cause{Title: "it is scaled to 0", Grade: Signature, Confidence: 0.4,
		Why: "0 replicas are asked for; nothing is known of when and by whom, so it may be meant"}
	c.proves(fleet.SwarmName, "docker service inspect "+v.Name, v.Updated, "0 replicas are asked for")
	for i := range s.Changes {
		d := &s.Changes[i]
		for k := range d.Fields {
			if f := &d.Fields[k]; f.Field == "replicas" && fmt.Sprint(f.After) == "0" {
				c.Confidence, c.Since = 0.95, d.At
				c.Why = "0 replicas are asked for, and it was otherwise before"
				c.add(Proof{Text: fmt.Sprintf("scaled from %s to 0%s", value(f.Before), byWhom(d)), Source: sourceOf(d), Query: runQuery(d), At: d.At, Change: d})
				break
			}
		}
		if c.Confidence > 0.9 {
			break
		}
	}
	for _, h := range s.happened(Span*24, fleet.Scaled) {
		if c.Confidence < 0.9 {
			c.Confidence, c.Since = 0.95, h.Time
			c.Why = "0 replicas are asked for, and it was otherwise before"
			c.proves(fleet.SwarmName, "", h.Time, "scaled %s", h.Text)
		}
	}
	if ago := s.At.Sub(v.Updated); v.DesiredBefore > 0 && c.Confidence < 0.9 && ago < Span {
		c.Confidence, c.Since = 0.85, v.Updated
		c.Why = fmt.Sprintf("0 replicas are asked for, and the spec before the last change, %s ago, asked for %d", short(ago), v.DesiredBefore)
		c.proves(fleet.SwarmName, "docker service inspect --format '{{json .PreviousSpec.Mode}}' "+v.Name, v.Updated, "%d replicas were asked for before", v.DesiredBefore)
	}
	if dead := s.since(func(t *sources.Task) bool { return t.State == sources.TaskShutdown }); len(dead) > 0 && c.Confidence < 0.9 {
		c.Confidence, c.Why = 0.85, "0 replicas are asked for, and tasks of it were stopped just now"
		c.shows(s, dead)
	}
	if callers, lines := s.saying(""); callers > 0 && c.Confidence < 0.9 {
		c.Confidence, c.Why = 0.9, fmt.Sprintf("0 replicas are asked for, and %d error lines of %s name it", lines, services(callers))
	}
	since := c.Since
	c.quotes(s)
	if !since.IsZero() {
		c.Since = since
	}
	c.step("scale it up again", "scale", v.Name)
	c.step("see who scaled it", "change", v.Name)
	return c
}

func sourceOf(d *Change) string {
	if d.Run != "" {
		return "journal"
	}
	return fleet.SwarmName
}

func runQuery(d *Change) string {
	if d.Run == "" {
		return ""
	}
	return "quarterdeck journal --run " + d.Run
}

func byWhom(d *Change) string {
	if d.Actor == "" {
		return ", by whom is not known"
	}
	return " by " + d.Actor
}
