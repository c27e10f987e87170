package actions

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"quarterdeck/sources"
)

// MaxMaterial bounds a secret's or a config's value, in bytes: the orchestrator's own limits are 500 KiB and 1,000 KiB (swarmkit, api/validation/secrets.go,
// MaxSecretSize; manager/controlapi/config.go, MaxConfigSize).
const (
	MaxSecret = 500 << 10
	MaxConfig = 1000 << 10
)

// RotateOptions say what is rotated. Data is the new value; it is never shown or written down.
type RotateOptions struct {
	Kind sources.MaterialKind
	Name string
	Data []byte
	// NewName, where set, is the new one's name; else the old name with its version one up.
	NewName string
	// Keep leaves the old one there after the proof.
	Keep bool
}

// PlanRotate plans a new version of a secret or config: it is made, the services that use the old one are moved over, and the old one
// is removed once they are well with it.
func (d *Deck) PlanRotate(ctx context.Context, o RotateOptions) (*Plan, error) {
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	limit := MaxSecret
	if o.Kind == sources.Config {
		limit = MaxConfig
	}
	switch {
	case len(o.Data) == 0:
		return nil, &sources.Error{Source: "swarm", Kind: sources.BadQuestion, Op: "rotate " + o.Name, Err: fmt.Errorf("the new value is empty"), Next: "give it as a file or on standard input"}
	case len(o.Data) > limit:
		return nil, &sources.Error{Source: "swarm", Kind: sources.BadQuestion, Op: "rotate " + o.Name, Err: fmt.Errorf("the new value has %d bytes, and at most %d are taken", len(o.Data), limit), Next: "the engine takes no larger one"}
	}
	list, err := d.Hands.Materials(ctx, o.Kind)
	if err != nil {
		return nil, err
	}
	var old *sources.Reference
	taken := map[string]bool{}
	for i := range list {
		taken[list[i].Name] = true
		if list[i].Name == o.Name || list[i].ID == o.Name {
			old = &list[i]
		}
	}
	if old == nil {
		return nil, &sources.Error{Source: "swarm", Kind: sources.BadQuestion, Op: fmt.Sprintf("find %s %s", o.Kind, o.Name), Next: fmt.Sprintf("see `docker %s ls` for the names there are", o.Kind)}
	}
	name := o.NewName
	if name == "" {
		name = nextName(old.Name, taken)
	}
	p := &Plan{Action: Rotate, Harm: Serious}
	if taken[name] {
		p.Refused = fmt.Sprintf("%s %s is there already", o.Kind, name)
	}
	p.Material = &MaterialChange{Kind: o.Kind, Old: old.Name, OldID: old.ID, New: name, Labels: old.Labels, data: o.Data}
	if o.Keep {
		p.Material.OldID = ""
	}
	all, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	groups := groupsOf(all)
	for i := range all {
		st := &all[i]
		after, used := st.Spec.WithMaterial(o.Kind, old.Name, pendingID, name)
		if !used {
			continue
		}
		if st.Mode.Job() {
			p.warn("%s is a job and is moved over by hand: the old one stays", st.Name)
			p.Material.OldID = ""
			continue
		}
		if why := whyBusy(&st.Service); why != "" {
			p.Refused = st.Name + ": " + why
		}
		c := d.change(st, after, key)
		c.Group = groups[st.Name]
		p.Changes = append(p.Changes, c)
		d.rolloutWarnings(p, &st.Service, &c)
	}
	if len(p.Changes) == 0 && p.Refused == "" {
		p.warn("no service uses %s: the new one is made, and nobody proves that it is right; the old one stays", old.Name)
		p.Material.OldID = ""
	}
	p.packGroups()
	return d.finish(p), nil
}

// pendingID stands in a plan for the id of what is not made yet.
const pendingID = "(new)"

var versionAtEnd = regexp.MustCompile(`^(.*?)([._-]?v?)(\d+)$`)

// nextName counts a name's version up: cert becomes cert_v2, cert_v2 becomes cert_v3.
func nextName(name string, taken map[string]bool) string {
	base, sep, n := name, "_v", 1
	if m := versionAtEnd.FindStringSubmatch(name); m != nil && m[2] != "" {
		if v, err := strconv.Atoi(m[3]); err == nil { // more digits than a number has are a name
			base, sep, n = m[1], m[2], v
		}
	}
	for {
		n++
		next := fmt.Sprintf("%s%s%d", strings.TrimSuffix(base, sep), sep, n)
		if !taken[next] {
			return next
		}
	}
}
