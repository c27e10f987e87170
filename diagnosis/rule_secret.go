package diagnosis

import (
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// secretMissing: a secret or a config that the service refers to is not there.
func secretMissing(s *Scene, _ *Wide) *Cause {
	var said []sources.Task
	for _, t := range s.said("secret reference", "config reference", "secret", "config") {
		text := strings.ToLower(t.Err + " " + t.Message)
		about := strings.Contains(text, "secret") || strings.Contains(text, "config reference") || strings.Contains(text, "unable to get config")
		if about && has(text, "not found", "does not exist", "invalid", "unable to get", "missing") && !has(text, "invalid mount config") {
			said = append(said, t)
		}
	}
	gone := s.missingMaterial()
	if len(said) == 0 && (len(gone) == 0 || s.well()) {
		return nil
	}
	c := &Cause{Title: "a secret or config that it needs is missing", Grade: Signature, Confidence: 0.95, Why: "the engine says so in words"}
	c.shows(s, said)
	if len(said) == 0 {
		c.Confidence, c.Grade, c.Why = 0.75, Scope, "it refers to what the swarm no longer has, and it is not well"
	}
	for _, g := range gone {
		c.proves(fleet.SwarmName, "docker secret ls; docker config ls", s.At, "the swarm has no %s", g)
	}
	c.step("see what was changed, its secrets and configs too", "change", s.Service.Name)
	for _, g := range gone {
		kind, name, _ := strings.Cut(g, " ")
		c.outside("make it again, from where its value is kept, then redeploy", "docker %s create %s FILE && docker service update --%s-rm %s --%s-add %s %s", kind, name, kind, name, kind, name, s.Service.Name)
	}
	return c
}

// missingMaterial are the secrets and configs that a service names and the swarm has not; empty where the lists could not be read.
func (s *Scene) missingMaterial() []string {
	var out []string
	look := func(kind string, names []string, have []sources.Reference) {
		if have == nil {
			return
		}
		for _, n := range names {
			if !slices.ContainsFunc(have, func(r sources.Reference) bool { return r.Name == n }) {
				out = append(out, kind+" "+n)
			}
		}
	}
	look("secret", s.Service.Secrets, s.Snap.Secrets)
	look("config", s.Service.Configs, s.Snap.Configs)
	return out
}
