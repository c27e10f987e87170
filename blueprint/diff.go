package blueprint

import (
	"crypto/rand"
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
		fields := sources.FileDiff(running[at].Spec.Masked(key), want.Spec.Masked(key), "TaskTemplate.Networks.")
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
