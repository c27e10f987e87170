package sources

import (
	"encoding/json"
	"slices"
	"strings"
)

// FileDiff is what a spec that runs would have to be changed in to be that of a stack file. What only the engine knows is left out: ids that the file does
// not have, the digest of an image that the file names by its tag, and what the engine fills in where a file says nothing. Paths that begin with one of
// but (dotted) are not compared.
func FileDiff(runs, file Spec, but ...string) []FieldChange {
	return slices.DeleteFunc(Diff(runs, file), func(c FieldChange) bool {
		dotted := strings.Join(c.Path, ".")
		return slices.ContainsFunc(but, func(p string) bool { return strings.HasPrefix(dotted, p) }) || ofTheEngine(c, dotted)
	})
}

// spoken are the fields that differ too where they are only in what runs: somebody has put them there.
var spoken = []string{"TaskTemplate.ContainerSpec.Env.", "TaskTemplate.ContainerSpec.Args", "TaskTemplate.ContainerSpec.Command", "TaskTemplate.ContainerSpec.Mounts.",
	"TaskTemplate.ContainerSpec.Secrets.", "TaskTemplate.ContainerSpec.Configs.", "TaskTemplate.Networks.", "TaskTemplate.Placement.Constraints.", "EndpointSpec.Ports.", "Labels.", "TaskTemplate.Resources."}

// ofTheEngine tells of a difference whether it is one that no file could be without.
func ofTheEngine(c FieldChange, dotted string) bool {
	last := c.Path[len(c.Path)-1]
	switch {
	case c.After == nil && (last == "SecretID" || last == "ConfigID"):
		return true
	case dotted == "TaskTemplate.ContainerSpec.Image":
		runs, _ := c.Before.(string)
		file, _ := c.After.(string)
		tag, _, _ := strings.Cut(runs, "@")
		return tag == file
	case c.After == nil:
		return !slices.ContainsFunc(spoken, func(p string) bool { return strings.HasPrefix(dotted, p) })
	case c.Before == nil:
		n, ok := c.After.(json.Number)
		return ok && n.String() == "0"
	}
	return false
}

// Changed is the spec with the values that changes bring, and all others as they are.
func (s Spec) Changed(changes []FieldChange) Spec {
	root := s.keyedTree()
	for _, c := range changes {
		put(root, c.Path, c.After)
	}
	prune(root)
	return specOf(unkeyed(root).(map[string]any)) //nolint:forcetypeassert // an object stays one
}

// WithNetwork is the spec with its tasks on another network in place of one; both are names or ids.
func (s Spec) WithNetwork(old, other string) Spec {
	root := s.tree()
	list, _ := valueAt(root, "TaskTemplate", "Networks").([]any)
	for _, n := range list {
		if m, _ := n.(map[string]any); m != nil && m["Target"] == old {
			m["Target"] = other
		}
	}
	return specOf(root)
}

// ModeName is how the service runs: replicated, global, or one of the kinds of jobs.
func (s Spec) ModeName() string {
	mode, _ := valueAt(s.tree(), "Mode").(map[string]any)
	for _, name := range []string{"Global", "ReplicatedJob", "GlobalJob"} {
		if mode[name] != nil {
			return kebab(name)
		}
	}
	return "replicated"
}
