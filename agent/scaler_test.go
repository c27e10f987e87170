package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/agent"
	"quarterdeck/autoscale"
	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// scaled is the service that these tests scale: it reserves CPU and has no volume.
const scaled = "shop_api"

// gauge is a Prometheus that tells, of one service, how much of its reservation each replica uses; NaN: nothing of it.
type gauge struct {
	sources.Metrics
	fleet *fleet.Fleet
	share atomic.Uint64
}

func (g *gauge) set(share float64) { g.share.Store(math.Float64bits(share)) }

func (g *gauge) ServiceLabel(context.Context) (string, string, error) { return "name", "set", nil }

func (g *gauge) UsageAll(_ context.Context, _ string, w sources.Window) (map[string][]sources.Point, error) {
	share, s := math.Float64frombits(g.share.Load()), g.fleet.Snapshot().Service(scaled)
	if math.IsNaN(share) {
		return map[string][]sources.Point{}, nil
	}
	return map[string][]sources.Point{scaled: {{T: w.End, V: share * autoscale.Reserved(&s.Service, autoscale.CPU) * float64(s.Desired)}}}, nil
}

func (g *gauge) Range(_ context.Context, _ string, w sources.Window) (sources.MetricsAnswer, error) {
	s := g.fleet.Snapshot().Service(scaled)
	return sources.MetricsAnswer{Series: []sources.Series{{Labels: map[string]string{"name": scaled}, Points: []sources.Point{{T: w.End, V: float64(s.Desired)}}}}}, nil
}

// hurry is by how much faster than ours the scalers' clock goes: a round of half a minute takes a fifth of a second.
const hurry = 150

// scaling is a scaler of this process.
type scaling struct {
	*agent.Scaler
	gauge *gauge
	deck  *actions.Deck
	stop  func()
}

// scales starts an autoscaler on a machine of its own.
func (r *rig) scales(host string, mode autoscale.Mode) *scaling {
	r.t.Helper()
	p := r.place(host)
	d, end, err := p.deck(time.Now)
	must(r.t, err)
	g := &gauge{fleet: d.Fleet}
	g.set(0.8)
	began := time.Now()
	x := &scaling{gauge: g, deck: d, Scaler: &agent.Scaler{Deck: d, Metrics: g, Mode: mode, Every: autoscale.Every / hurry, Only: "shop_*",
		Now: func() time.Time { return began.Add(hurry * time.Since(began)) }, Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)).With("scaler", host)}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = x.Run(ctx) })
	x.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); end() })
	r.t.Cleanup(x.stop)
	return x
}

// label sets labels of the service, each as NAME=VALUE.
func (r *rig) label(labels ...string) {
	r.t.Helper()
	x, err := r.api.ServiceInspect(r.t.Context(), scaled, client.ServiceInspectOptions{})
	must(r.t, err)
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		x.Service.Spec.Labels[k] = v
	}
	_, err = r.api.ServiceUpdate(r.t.Context(), x.Service.ID, client.ServiceUpdateOptions{Version: x.Service.Version, Spec: x.Service.Spec})
	must(r.t, err)
}

func (r *rig) replicas() int {
	r.t.Helper()
	x, err := r.api.ServiceInspect(r.t.Context(), scaled, client.ServiceInspectOptions{})
	must(r.t, err)
	return int(*x.Service.Spec.Mode.Replicated.Replicas)
}

// rounds waits until the scaler has decided so many times more.
func (r *rig) rounds(x *scaling, n int) {
	r.t.Helper()
	for range n {
		was := x.Status().Beat
		r.until("another round", func() bool { return x.Status().Beat.After(was) })
	}
}

// entries are the reasons that the scaler's journal has of an action.
func (x *scaling) entries(t *testing.T, action string) (out []string) {
	t.Helper()
	t.Helper()
	must(t, x.deck.Journal.Read(func(e journal.Entry) bool {
		if e.Action == action && e.Reason != "" {
			out = append(out, e.Phase+" "+e.Reason)
		}
		return true
	}))
	return out
}

// TestScaler: a load drives a service up to its maximum and down again, and the journal says why; stopped by a config, by a label or by a metric that is away, nothing is changed.
func TestScaler(t *testing.T) {
	r := newRig(t)
	r.label("qd.autoscale.mode=enforce", "qd.autoscale.max=6")
	x := r.scales("m1", "")
	before := r.replicas()
	r.rounds(x, 4)
	if n := r.replicas(); n != before {
		t.Fatalf("at its target it went from %d to %d", before, n)
	}
	x.gauge.set(1.6)
	r.until("the maximum", func() bool { return r.replicas() == 6 })
	st := x.Status()
	if st.Ups[scaled] < 1 || len(st.Decisions) != 1 || !st.Held || st.Asked != 2 {
		t.Errorf("%+v", st)
	}
	r.until("what it costs is told", func() bool {
		b := x.Status().Bill
		return b != nil && slices.ContainsFunc(b.Services, func(c capacity.ServiceCost) bool { return c.Service == scaled && c.Hour > 0 })
	})
	if got := strings.Join(x.entries(t, actions.Scale), "\n"); !strings.Contains(got, fmt.Sprintf("begin CPU 160%% of target 80%%, %d -> ", before)) {
		t.Errorf("the journal says\n%s", got)
	}

	must(t, x.deck.StopScaling(t.Context(), "a test"))
	must(t, x.deck.StopScaling(t.Context(), "again")) // is as good
	r.until("it is seen", func() bool { return strings.Contains(x.Status().Stopped, "stopped by agent") })
	x.gauge.set(0.01)
	r.rounds(x, 12)
	if d := x.Status().Decisions[0]; r.replicas() != 6 || d.Recommended != 5 {
		t.Errorf("stopped, it has %d: %s", r.replicas(), d.Reason)
	}
	must(t, x.deck.StartScaling(t.Context(), "enough"))
	r.until("it goes down", func() bool { return r.replicas() < 6 })

	x.gauge.set(math.NaN())
	r.until("it is seen", func() bool { return x.Status().Decisions[0].Limit == autoscale.ByMissing })
	n := r.replicas()
	r.rounds(x, 12)
	if r.replicas() != n {
		t.Errorf("nothing is measured, and it went from %d to %d", n, r.replicas())
	}
	if got := strings.Join(x.entries(t, actions.Autoscale), "\n"); !strings.Contains(got, "stop a test") || !strings.Contains(got, "start enough") || !strings.Contains(got, "decision CPU ? of target 80%") {
		t.Errorf("the journal says\n%s", got)
	}

	x.gauge.set(1.6)
	r.label("qd.autoscale.enable=false")
	r.until("it is seen", func() bool { return x.Status().Decisions[0].Skip == autoscale.Off })
	n = r.replicas()
	r.rounds(x, 4)
	if r.replicas() != n {
		t.Errorf("switched off, it went from %d to %d", n, r.replicas())
	}
}

// TestScalerRecommends: without a word that it is to be enforced nothing is changed, and what should be is told.
func TestScalerRecommends(t *testing.T) {
	r := newRig(t)
	x := r.scales("m1", autoscale.Recommend)
	x.gauge.set(1.6)
	before := r.replicas()
	r.until("it is told", func() bool {
		st := x.Status()
		return len(st.Decisions) == 1 && st.Decisions[0].Recommended > before
	})
	r.rounds(x, 3)
	if n := r.replicas(); n != before || len(x.entries(t, actions.Scale)) > 0 {
		t.Errorf("it went from %d to %d", before, n)
	}
	if got := strings.Join(x.entries(t, actions.Autoscale), "\n"); !strings.Contains(got, "decision CPU 160% of target 80%") {
		t.Errorf("the journal says\n%s", got)
	}
}

// TestOneScalerWorks: of two that see the same one writes; the other goes on where the first ends, and one whose lease was taken away writes nothing more.
func TestOneScalerWorks(t *testing.T) {
	r := newRig(t)
	r.label("qd.autoscale.max=8")
	a, b := r.scales("m1", autoscale.Enforce), r.scales("m2", autoscale.Enforce)
	a.gauge.set(1.6)
	b.gauge.set(1.6)
	r.until("the maximum", func() bool { return r.replicas() == 8 })
	both := func() (n, m int) { return len(a.entries(t, actions.Scale)), len(b.entries(t, actions.Scale)) }
	if n, m := both(); n > 0 && m > 0 || n+m == 0 || a.Status().Held == b.Status().Held {
		t.Fatalf("%d entries of one, %d of the other", n, m)
	}
	if b.Status().Held {
		a, b = b, a
	}
	a.stop()
	r.until("the other has it", func() bool { return b.Status().Held })
	b.gauge.set(0.01)
	r.until("it goes down", func() bool { return r.replicas() < 8 })

	c, err := r.api.ConfigInspect(t.Context(), actions.ScaleLease, client.ConfigInspectOptions{})
	must(t, err)
	c.Config.Spec.Labels["qd.holder"] = "a thief"
	_, err = r.api.ConfigUpdate(t.Context(), c.Config.ID, client.ConfigUpdateOptions{Version: c.Config.Version, Spec: c.Config.Spec})
	must(t, err)
	written := len(b.entries(t, actions.Scale))
	r.until("it knows", func() bool { return !b.Status().Held })
	if now := len(b.entries(t, actions.Scale)); now > written+2 { // what was under way
		t.Errorf("%d entries more after the lease was taken away", now-written)
	}
	n := r.replicas()
	b.gauge.set(1.6)
	for range 10 {
		was := b.Status().Turned
		r.until("another turn", func() bool { return b.Status().Turned.After(was) })
	}
	if r.replicas() != n {
		t.Errorf("without the lease it went from %d to %d", n, r.replicas())
	}
}
