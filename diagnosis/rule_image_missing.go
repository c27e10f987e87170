package diagnosis

import (
	"fmt"

	"quarterdeck/sources"
)

// imageWords are the engine's and the registries' for an image that cannot be had.
var imageWords = []string{"no such image", "pull access denied", "manifest unknown", "manifest for ", "repository does not exist", "no basic auth credentials",
	"unauthorized: authentication required", "toomanyrequests", "image operating system", "no matching manifest", "failed to pull", "error pulling image"}

// imageMissing: rejected with 'No such image', or a pull error.
func imageMissing(s *Scene, _ *Wide) *Cause {
	said := s.said(imageWords...)
	if len(said) == 0 {
		return nil
	}
	c := &Cause{Title: "its image cannot be had", Grade: Signature, Confidence: 0.95, Why: "the engine says so in words"}
	c.shows(s, said)
	c.proves("swarm", "docker service inspect "+s.Service.Name, said[0].Since, "the image that is wanted: %s", orWord(said[0].Image, s.Service.Image))
	hit := map[string]bool{}
	for _, t := range said {
		hit[t.NodeID] = true
	}
	for i := range s.Tasks {
		if t := &s.Tasks[i]; t.Image == said[0].Image && t.State == sources.TaskRunning && !hit[t.NodeID] {
			c.objects("swarm", s.tasksQuery(), "the same image runs on %s: it is the node's access to the registry, or its copy", s.node(t.NodeID))
			break
		}
	}
	c.step(fmt.Sprintf("redeploy it with an image that is there, in place of %s", clip(s.Service.Image, 80)), "redeploy", s.Service.Name)
	c.outside("where the registry refuses the nodes, hand them your credentials", "docker service update --with-registry-auth --image %s %s", shell(s.Service.Image), s.Service.Name)
	return c
}
