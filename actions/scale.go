package actions

import (
	"context"
	"fmt"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// ScaleTarget is a service and how many replicas it shall have.
type ScaleTarget struct {
	Service  string
	Replicas uint64
	// By, where set, counts from what it has now, and Replicas does not count: +1, -1. Never below 0.
	By int
}

// MaxReplicas bounds what is asked for: more is a slip of the finger.
const MaxReplicas = 10_000

// PlanScale plans other numbers of replicas. Services that have the number already are left out.
func (d *Deck) PlanScale(ctx context.Context, targets []ScaleTarget) (*Plan, error) {
	return d.planScale(ctx, targets, false)
}

// planScale plans other numbers of replicas; own: they are those that the services' own policies ask for.
func (d *Deck) planScale(ctx context.Context, targets []ScaleTarget, own bool) (*Plan, error) {
	snap, err := d.Ready(ctx)
	if err != nil {
		return nil, err
	}
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	p := &Plan{Action: Scale, Harm: Light}
	room := fleet.RoomOf(snap)
	var refused, same []string
	seen := map[string]bool{}
	states, err := d.states(ctx, names(targets))
	if err != nil {
		return nil, err
	}
	for i, t := range targets {
		st := &states[i]
		if seen[st.ID] {
			return nil, &Refusal{st.Name + " is named twice"}
		}
		seen[st.ID] = true
		now, replicated := st.Spec.Replicas()
		if why := whyNoScale(st, replicated); why != "" {
			refused = append(refused, st.Name+": "+why)
			continue
		}
		want := t.Replicas
		if t.By != 0 {
			want = uint64(max(int64(now)+int64(t.By), 0)) //nolint:gosec // bounded below
		}
		switch {
		case want > MaxReplicas:
			refused = append(refused, fmt.Sprintf("%s: %d replicas are more than %d", st.Name, want, MaxReplicas))
			continue
		case want == now:
			same = append(same, fmt.Sprintf("%s has %d already", st.Name, now))
			continue
		}
		p.Changes = append(p.Changes, d.change(st, st.Spec.WithReplicas(want), key))
		p.scaleWarnings(st, now, want, room)
		if limit := autoscaleLimits(st.Labels); limit != "" && !own {
			p.warn("%s: autoscaling is declared (%s): it may change the number again", st.Name, limit)
		}
	}
	if len(p.Changes) > severalServices {
		p.raise(Serious, "")
	}
	switch {
	case len(refused) > 0:
		p.Refused = strings.Join(refused, "; ")
	case len(p.Changes) == 0:
		p.Nothing = strings.Join(same, "; ")
	}
	return d.finish(p), nil
}

func names(targets []ScaleTarget) []string {
	out := make([]string, len(targets))
	for i := range targets {
		out[i] = targets[i].Service
	}
	return out
}

// severalServices is up to how many services at once one key is enough for.
const severalServices = 5

// manyServices is from how many services on all are read in one call.
const manyServices = 8

// states reads services in the order of their names.
func (d *Deck) states(ctx context.Context, names []string) ([]sources.ServiceState, error) {
	out := make([]sources.ServiceState, 0, len(names))
	if len(names) < manyServices {
		for _, name := range names {
			st, err := d.begin(ctx, name)
			if err != nil {
				return nil, err
			}
			out = append(out, st)
		}
		return out, nil
	}
	all, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	by := make(map[string]int, 2*len(all))
	for i := range all {
		by[all[i].ID] = i
	}
	for i := range all {
		by[all[i].Name] = i
	}
	for _, name := range names {
		i, ok := by[name]
		if !ok {
			return nil, d.unknownService(name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

func whyNoScale(st *sources.ServiceState, replicated bool) string {
	switch {
	case st.Mode == sources.Global:
		return "it is global: it runs once on each node that fits, so add nodes or change its constraints"
	case st.Mode.Job():
		return "it is a job: it runs to its end and is not scaled"
	case !replicated:
		return "it is not replicated"
	}
	return whyBusy(&st.Service)
}

func (p *Plan) scaleWarnings(st *sources.ServiceState, now, want uint64, room *fleet.Room) {
	switch {
	case want == 0:
		p.raise(Grave, "")
		p.warn("%s will not run at all: what calls it fails until it is scaled up again", st.Name)
	case want < now:
		p.raise(Serious, "")
	case want > now:
		if n, why := room.Place(&st.Service, int(want-now)); n < int(want-now) { //nolint:gosec // bounded by MaxReplicas
			p.raise(Serious, "")
			p.warn("%s: %d of the %d new replicas have no place now: %s", st.Name, int(want-now)-n, want-now, why) //nolint:gosec // as above
		}
		for _, m := range st.Mounts {
			if m.Type == "volume" {
				p.warn("%s: each node has its own volume %s: replicas on other nodes begin with an empty one", st.Name, orWords(m.Source, "(anonymous)"))
				break
			}
		}
	}
}

// autoscaleLimits is what a service's labels say of its autoscaling (STAGES.md, "Labels that declare policy"); "": nothing.
func autoscaleLimits(labels map[string]string) string {
	if on := labels["qd.autoscale.enable"]; on != "true" && on != "1" {
		return ""
	}
	mode := orWords(labels["qd.autoscale.mode"], "recommend")
	return fmt.Sprintf("mode %s, min %s, max %s", mode, orWords(labels["qd.autoscale.min"], "not set"), orWords(labels["qd.autoscale.max"], "not set"))
}
