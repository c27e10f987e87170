package actions_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// usage is a Prometheus that knows what some services used, the same all the time, by two tasks of each.
type usage struct {
	sources.Metrics
	cores, bytes map[string]float64 // of one task
}

func (u *usage) UsageAll(_ context.Context, figure string, w sources.Window) (map[string][]sources.Point, error) {
	out := map[string][]sources.Point{}
	for name := range u.cores {
		v := map[string]float64{"cpu": 2 * u.cores[name], "memory": 2 * u.bytes[name], "tasks": 2}[figure]
		for at := w.Start; !at.After(w.End); at = at.Add(w.Step) {
			out[name] = append(out[name], sources.Point{T: at, V: v})
		}
	}
	return out, nil
}

func reserves(cores float64, mebibytes int64) option {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{NanoCPUs: 5e8}, Reservations: &swarm.Resources{NanoCPUs: int64(cores * 1e9), MemoryBytes: mebibytes << 20}}
	}
}

// Reservations become what is used and a fifth, and come back; what cannot be is said.
func testRightsize(t *testing.T, p *platform) {
	name := p.running(t, reserves(0.2, 64))
	r := p.deck(t)
	before := p.service(t, name).Spec
	used := &usage{cores: map[string]float64{name: 0.05}, bytes: map[string]float64{name: 10 << 20}}
	if _, err := r.PlanRightsize(t.Context(), nil, 48*time.Hour); sources.KindOf(err) != sources.NotConfigured {
		t.Errorf("without Prometheus: %v", err)
	}
	r.Metrics = used
	plan := r.planned(r.PlanRightsize(t.Context(), nil, 48*time.Hour)) // of the others nothing is known
	if plan.Harm != actions.Serious || plan.Title() != "rightsize "+name || len(plan.Changes[0].Fields) != 2 {
		t.Errorf("%+v", plan)
	}
	report, err := r.run(plan, actions.ResultDone)
	if err != nil {
		t.Fatal(err)
	}
	if x := p.service(t, name).Spec.TaskTemplate.Resources; x.Reservations.NanoCPUs != 6e7 || x.Reservations.MemoryBytes != 12<<20 || x.Limits.NanoCPUs != 5e8 {
		t.Errorf("it reserves %+v", x.Reservations)
	}
	p.until(t, "it is seen", func() bool { return p.fleet.Snapshot().Service(name).Resources.ReserveNanoCPUs == 6e7 })
	if plan, err := r.PlanRightsize(t.Context(), []string{name}, 48*time.Hour); err != nil || !strings.Contains(plan.Nothing, name+": its reservations fit") {
		t.Errorf("again: %+v %v", plan, err)
	}
	used.cores[name] = 0.45
	if plan, err := r.PlanRightsize(t.Context(), []string{name}, 48*time.Hour); err != nil || !strings.Contains(plan.Refused, "its CPU would have to be reserved above its limit") {
		t.Errorf("%+v %v", plan, err)
	}
	if _, err := r.PlanRightsize(t.Context(), []string{name + "x"}, 48*time.Hour); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("no such service: %v", err)
	}
	if _, err = r.run(r.undo(report.Run), actions.ResultDone); err != nil || specJSON(t, p.service(t, name).Spec) != specJSON(t, before) {
		t.Errorf("taken back: %v", err)
	}
	// More, where it is asked for by name, and by what is reserved it is scaled.
	p.change(t, name, label("qd.autoscale.enable", "true"), label("qd.autoscale.max", "4"), label("qd.autoscale.cpu", "60"))
	used.cores[name] = 0.3
	p.until(t, "it is seen", func() bool { return p.fleet.Snapshot().Service(name).Labels["qd.autoscale.cpu"] != "" })
	if plan, err := r.PlanRightsize(t.Context(), nil, 48*time.Hour); err != nil || plan.Nothing == "" {
		t.Errorf("one that is scaled was taken without being named: %+v %v", plan, err)
	}
	p.well(t, name)
	plan = r.planned(r.PlanRightsize(t.Context(), []string{name}, 48*time.Hour))
	if _, after := plan.Changes[0].Fields[0].Text(); after != "0.36" || !strings.Contains(strings.Join(plan.Warnings, "\n"), "its autoscaling measures by what is reserved") {
		t.Errorf("%s, %q", after, plan.Warnings)
	}
}
