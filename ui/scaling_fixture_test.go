package ui

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/autoscale"
	"quarterdeck/sources"
)

// scaleMeter is a Prometheus that tells how many cores each service uses, and that an autoscaler decided half a minute ago.
type scaleMeter struct {
	*stub
	now   func() time.Time
	tasks func() map[string]int
	cores map[string]float64
	beat  time.Duration // how long ago; 0: none has told
	down  error
}

func (s *scaleMeter) ServiceLabel(context.Context) (string, string, error) {
	return "service", "set", s.down
}

func (s *scaleMeter) UsageAll(_ context.Context, _ string, w sources.Window) (map[string][]sources.Point, error) {
	s.calls.Add(1)
	out := map[string][]sources.Point{}
	for name, v := range s.cores {
		out[name] = pointsOf(w, func(time.Time) float64 { return v })
	}
	return out, s.down
}

func (s *scaleMeter) Range(_ context.Context, query string, w sources.Window) (a sources.MetricsAnswer, err error) {
	s.calls.Add(1)
	switch {
	case strings.HasPrefix(query, "count by"):
		for name, n := range s.tasks() {
			a.Series = append(a.Series, sources.Series{Labels: map[string]string{"service": name}, Points: pointsOf(w, func(time.Time) float64 { return float64(n) })})
		}
	case strings.HasPrefix(query, "count ("): // of the past: one less in the first half of the shown time
		name := strings.Split(query, `"`)[1]
		n := float64(s.tasks()[name])
		half := w.Start.Add(w.End.Sub(w.Start) / 2)
		a.Series = []sources.Series{{Points: pointsOf(w, func(t time.Time) float64 {
			if t.Before(half) {
				return n - 1
			}
			return n
		})}}
	case query == "depth":
		a.Series = []sources.Series{{Points: pointsOf(w, func(t time.Time) float64 { return 40 + 20*math.Sin(t.Sub(noon).Minutes()/7) })}}
	}
	return a, s.down
}

func (s *scaleMeter) Instant(context.Context, string, time.Time) (a sources.MetricsAnswer, err error) {
	s.calls.Add(1)
	if s.beat > 0 {
		at := s.now().Add(-s.beat)
		a.Series = []sources.Series{{Points: []sources.Point{{T: s.now(), V: float64(at.Unix())}}}}
	}
	return a, s.down
}

func pointsOf(w sources.Window, f func(time.Time) float64) (out []sources.Point) {
	for t := w.Start; !t.After(w.End); t = t.Add(w.Step) {
		out = append(out, sources.Point{T: t, V: f(t)})
	}
	return out
}

// policies are what the services of these tests declare: one that is to grow, one held by its maximum, one whose query answers nothing, one without a maximum, one that is switched off,
// one of which too much runs.
var policies = map[string]string{
	"shop_web":      "enable=true mode=enforce min=2 max=10 cpu=60 query.depth=depth target.depth=20/replica",
	"shop_api":      "enable=true max=2 cpu=60",
	"shop_store":    "enable=true max=4 query=lag target=10",
	"platform_loki": "enable=true",
	"shop_payments": "enable=false max=4",
	"shop_cart":     "enable=true min=1 max=6 cpu=60",
}

func labelsOf(text string) map[string]string {
	out := map[string]string{}
	for _, x := range strings.Fields(text) {
		k, v, _ := strings.Cut(x, "=")
		out["qd.autoscale."+k] = v
	}
	return out
}

// scaleRig is a rig on a swarm whose services have policies, with the decisions about them.
type scaleRig struct {
	*rig
	feed  *autoscale.Feed
	meter *scaleMeter
}

func newScaleRig(t testing.TB, w, h int, mend func(*Options)) *scaleRig {
	t.Helper()
	c := &clock{}
	hands := newHandsOf(c, filledAt(c.now))
	for i := range hands.world.Services {
		s := &hands.world.Services[i]
		s.Labels = labelsOf(policies[s.Name])
		s.Version++
		if s.Name == "shop_cart" {
			s.UpdateState = ""
		}
	}
	hands.tell()
	x := &scaleRig{meter: &scaleMeter{stub: &stub{}, now: c.now, beat: 30 * time.Second, cores: map[string]float64{"shop_web": 1.4, "shop_api": 1.3, "shop_cart": 0.02}}}
	x.meter.tasks = func() map[string]int {
		out := map[string]int{}
		for _, s := range hands.fleet.Snapshot().Services {
			out[s.Name] = s.Running
		}
		return out
	}
	x.feed = &autoscale.Feed{Fleet: hands.fleet.Snapshot, Metrics: x.meter, Timeout: time.Minute, Now: c.now}
	x.feed.Once(t.Context())
	x.rig = rigOn(t, stateDir(t), hands, w, h, func(o *Options) {
		o.Scaling, o.Metrics = x.feed, x.meter
		if mend != nil {
			mend(o)
		}
	})
	return x
}

// decide has it decided now, and shown.
func (x *scaleRig) decide() {
	x.t.Helper()
	x.feed.Once(x.t.Context())
	x.send(wakeMsg{snap: x.o.Fleet.Snapshot()})
}

// read does what the charts asked for, without waiting for their timer.
func (x *scaleRig) read() {
	x.t.Helper()
	x.Model.answer()
	if cmd := x.Model.metrics.requestCourse(x.Model, x.subject()); cmd != nil {
		x.Update(cmd())
	}
}

// row is the row of a service in the table.
func (x *scaleRig) row(name string) string {
	x.t.Helper()
	lines := strings.Split(x.screen(), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimLeft(l, " ▪"), name+" ") })
	if i < 0 {
		x.t.Fatalf("no row of %s:\n%s", name, x.screen())
	}
	row, _, _ := strings.Cut(lines[i], "│") // what stands beside the table is another's
	return row
}
