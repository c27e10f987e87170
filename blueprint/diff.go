package blueprint

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	"quarterdeck/sources"
)

// The ways in which a service can be other than its file.
const (
	Missing = "missing" // the file has it, and it does not run
	Extra   = "extra"   // it runs under the stack's name, and the file does not have it
	Differs = "differs"
)

// Difference is what is other in the swarm than in the files.
type Difference struct {
	Service, Stack, State string
	// Fields are what differs: Before is what runs, After what the file says.
	Fields []sources.FieldChange
}

// Compare holds the services of the files of stacks against those that run. What only the engine knows is left out: ids, the networks' ids, the digest of
// an image that the file names by its tag, and what it fills in where a file says nothing. Values that look like credentials are masked, each value by a mask of its own.
func Compare(stacks []*Stack, files, running []sources.ServiceState) []Difference {
	var out []Difference
	key := []byte(rand.Text())
	for i := range files {
		want := &files[i]
		at := slices.IndexFunc(running, func(h sources.ServiceState) bool { return h.Name == want.Name })
		if at < 0 {
			out = append(out, Difference{Service: want.Name, Stack: want.Stack, State: Missing})
			continue
		}
		fields := slices.DeleteFunc(sources.Diff(running[at].Spec.Masked(key), want.Spec.Masked(key)), func(c sources.FieldChange) bool { return theEngines(c, want) })
		if len(fields) > 0 {
			out = append(out, Difference{want.Name, want.Stack, Differs, fields})
		}
	}
	for i := range running {
		h := &running[i]
		of := func(s *Stack) bool { return s.Name == h.Stack }
		if slices.ContainsFunc(stacks, of) && !slices.ContainsFunc(files, func(w sources.ServiceState) bool { return w.Name == h.Name }) {
			out = append(out, Difference{Service: h.Name, Stack: h.Stack, State: Extra})
		}
	}
	slices.SortStableFunc(out, func(a, b Difference) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// spoken are the fields that differ too where they are only in what runs: somebody has put them there.
var spoken = []string{"TaskTemplate.ContainerSpec.Env.", "TaskTemplate.ContainerSpec.Args", "TaskTemplate.ContainerSpec.Command", "TaskTemplate.ContainerSpec.Mounts.",
	"TaskTemplate.ContainerSpec.Secrets.", "TaskTemplate.ContainerSpec.Configs.", "TaskTemplate.Placement.Constraints.", "EndpointSpec.Ports.", "Labels.", "TaskTemplate.Resources."}

// theEngines tells of a difference whether it is one that no file could be without.
func theEngines(c sources.FieldChange, want *sources.ServiceState) bool {
	dotted, last := strings.Join(c.Path, "."), c.Path[len(c.Path)-1]
	switch {
	case strings.HasPrefix(dotted, "TaskTemplate.Networks."), last == "SecretID", last == "ConfigID":
		return true
	case dotted == "TaskTemplate.ContainerSpec.Image" && want.Digest == "":
		runs, _ := c.Before.(string)
		tag, _, _ := strings.Cut(runs, "@")
		return tag == c.After
	case c.After == nil:
		return !slices.ContainsFunc(spoken, func(p string) bool { return strings.HasPrefix(dotted, p) })
	case c.Before == nil:
		n, ok := c.After.(json.Number)
		return ok && n.String() == "0"
	}
	return false
}
