package actions

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/autoscale"
	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// PlanRightsize plans reservations that fit what was used over a time until now (capacity.Fit). Of the services that are named each is changed that does not fit, whether that
// saves or costs; where none is named, all those of which it saves. They are changed one after the other, each once the one before is well.
func (d *Deck) PlanRightsize(ctx context.Context, services []string, since time.Duration) (*Plan, error) {
	if d.Metrics == nil {
		return nil, &sources.Error{Source: fleet.PrometheusName, Kind: sources.NotConfigured, Op: "read what was used", Next: "set --prometheus, PROMETHEUS_URL or prometheus.address in the config"}
	}
	snap, err := d.Ready(ctx)
	if err != nil {
		return nil, err
	}
	h, err := capacity.Read(ctx, d.Metrics, since, d.Now())
	if err != nil {
		return nil, err
	}
	fits := capacity.Fits(snap, h)
	p := &Plan{Action: Rightsize, Harm: Serious}
	if len(services) == 0 {
		err = d.rightsizeAll(ctx, p, snap, fits)
	} else {
		err = d.rightsizeNamed(ctx, p, snap, fits, services)
	}
	if err != nil {
		return nil, err
	}
	return d.finish(p), nil
}

// rightsizeAll takes the services of which it saves, and that are nobody else's to change.
func (d *Deck) rightsizeAll(ctx context.Context, p *Plan, snap *fleet.Snapshot, fits []capacity.Fit) error {
	for i := range fits {
		f := &fits[i]
		v := snap.Service(f.Service)
		if f.Why != "" || !f.Spares() || v.Labels[sources.LabelRun] != "" || whyBusy(&v.Service) != "" || scaledByReservation(&v.Service) {
			continue
		}
		if _, err := d.rightsize(ctx, p, snap, f); err != nil {
			return err
		}
	}
	if len(p.Changes) == 0 {
		p.Nothing = "of no service would it save anything: see `quarterdeck cost --since 8d` for what fits each"
	}
	return nil
}

// rightsizeNamed takes those that were asked for, or says why not.
func (d *Deck) rightsizeNamed(ctx context.Context, p *Plan, snap *fleet.Snapshot, fits []capacity.Fit, services []string) error {
	var refused, same []string
	seen := map[string]bool{}
	for _, name := range services {
		v := snap.Service(name)
		if v == nil {
			return d.unknownService(name)
		}
		if seen[v.ID] {
			return &Refusal{v.Name + " is named twice"}
		}
		seen[v.ID] = true
		f := &fits[slices.IndexFunc(fits, func(x capacity.Fit) bool { return x.Service == v.Name })]
		switch busy := whyBusy(&v.Service); {
		case f.Fits():
			same = append(same, v.Name+": "+f.Why)
		case f.Why != "":
			refused = append(refused, v.Name+": "+f.Why)
		case busy != "":
			refused = append(refused, v.Name+": "+busy)
		default:
			st, err := d.rightsize(ctx, p, snap, f)
			if err != nil {
				return err
			}
			if scaledByReservation(&st.Service) {
				p.warn("%s: its autoscaling measures by what is reserved: with another reservation it scales at another load", st.Name)
			}
		}
	}
	switch {
	case len(refused) > 0:
		p.Refused = strings.Join(refused, "; ")
	case len(p.Changes) == 0:
		p.Nothing = strings.Join(same, "; ")
	}
	return nil
}

// rightsize adds one service to the plan.
func (d *Deck) rightsize(ctx context.Context, p *Plan, snap *fleet.Snapshot, f *capacity.Fit) (sources.ServiceState, error) {
	key, err := d.key()
	if err != nil {
		return sources.ServiceState{}, err
	}
	st, err := d.begin(ctx, f.Service)
	if err != nil {
		return st, err
	}
	c := d.change(&st, st.Spec.WithReservations(f.NanoCPUs, f.Bytes), key)
	c.Group = len(p.Changes)
	p.Changes = append(p.Changes, c)
	if !math.IsNaN(f.Saves) {
		p.Saves += f.Saves
	}
	d.rolloutWarnings(p, &st.Service, &c)
	if n, why := fleet.RoomOf(snap).Place(f.Resized(&st.Service), 1); n == 0 && (f.NanoCPUs > f.BeforeNanoCPUs || f.Bytes > f.BeforeBytes) {
		p.warn("%s: a task that reserves more finds no place beside those that run: %s", st.Name, why)
	}
	return st, nil
}

// scaledByReservation tells whether a service is scaled by how much it uses of what it reserves.
func scaledByReservation(s *sources.Service) bool {
	policy := autoscale.ParsePolicy(s)
	return policy.On && slices.ContainsFunc(policy.Metrics, func(m autoscale.Metric) bool { return m.Kind != autoscale.Query })
}

// SavesText is what a plan saves, in a few words; "": nothing that is known.
func (p *Plan) SavesText() string {
	switch {
	case p.Saves > 0:
		return fmt.Sprintf("saves %.4g an hour, by the nodes' prices", p.Saves)
	case p.Saves < 0:
		return fmt.Sprintf("costs %.4g more an hour, by the nodes' prices", -p.Saves)
	}
	return ""
}
