package autoscale

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// beating is a meter that also tells when an autoscaler decided last.
type beating struct {
	*meter
	beat  []sources.Series
	fails error
}

func (b *beating) Instant(_ context.Context, query string, _ time.Time) (sources.MetricsAnswer, error) {
	b.asked.Add(1)
	if query != heartbeat {
		return sources.MetricsAnswer{}, errors.New("asked for something else")
	}
	return sources.MetricsAnswer{Series: b.beat}, b.fails
}

// fed is a feed of a swarm that can be changed, at a time that can be.
func fed(snap **fleet.Snapshot, now *time.Time, m sources.Metrics) *Feed {
	return &Feed{Fleet: func() *fleet.Snapshot { return *snap }, Metrics: m, Timeout: time.Minute, Now: func() time.Time { return *now }}
}

// TestFeed: what it says is what a recommendation that stands alone says; without a policy nothing is asked.
func TestFeed(t *testing.T) {
	on := []string{"enable=true", "min=1", "max=9", "cpu=60"}
	snap := world(64, scaled("a", 4, on...), scaled("b", 2, "enable=true", "max=many"), scaled("c", 2))
	at := noon.Add(-20 * time.Second)
	m := &beating{meter: &meter{cpu: map[string][]sources.Point{"a": flat(4)}, counted: map[string]float64{"a": 4}}, beat: []sources.Series{{Points: []sources.Point{{T: noon, V: float64(at.UnixMilli()) / 1000}}}}}
	now := noon
	f := fed(&snap, &now, m)
	f.Once(t.Context())
	a := f.Advice()
	d, p := a.Of(snap.Service("a"))
	if d == nil || d.Recommended != 6 || d.Reason != one(t, Recommendations(t.Context(), snap, m, noon), "a").Reason || p.Max != 9 {
		t.Fatalf("%+v, %+v", d, p)
	}
	if d, p := a.Of(snap.Service("b")); d == nil || d.Skip != BadPolicy || p == nil {
		t.Errorf("a policy that is wrong is not told of: %+v", d)
	}
	if d, p := a.Of(snap.Service("c")); d != nil || p != nil {
		t.Errorf("of one without a policy: %+v", d)
	}
	if !a.Beat.Equal(at) || a.NoBeat != "" {
		t.Errorf("the heartbeat is of %s (%s)", a.Beat, a.NoBeat)
	}
	six := *snap.Service("a")
	six.Desired = 6
	if d, p := a.Of(&six); d != nil || p == nil {
		t.Errorf("a decision about 4 replicas is shown of 6: %+v", d)
	}
	select {
	case <-f.Changed():
	default:
		t.Error("nobody was told")
	}
	snap = world(64, scaled("c", 2))
	before := m.asked.Load()
	f.Once(t.Context())
	if n := m.asked.Load() - before; n != 0 || len(f.Advice().Decisions) != 0 {
		t.Errorf("%d questions, though no service has a policy", n)
	}
}

// TestFeedWithoutFigures: what cannot be asked is said, and an earlier word does not stay.
func TestFeedWithoutFigures(t *testing.T) {
	snap, now := world(64, scaled("a", 4, "enable=true", "max=9")), noon
	away := errors.New("prometheus is away")
	for name, x := range map[string]struct {
		m    sources.Metrics
		says string
	}{
		"none": {nil, "no Prometheus is configured"},
		"away": {&beating{meter: &meter{down: away}, fails: away}, "prometheus is away"},
	} {
		f := fed(&snap, &now, x.m)
		f.Once(t.Context())
		d, _ := f.Advice().Of(snap.Service("a"))
		if d == nil || d.Limit != ByMissing || !strings.Contains(d.Reason, x.says) || !strings.Contains(f.Advice().NoBeat, x.says) {
			t.Errorf("%s: %+v, heartbeat %q", name, d, f.Advice().NoBeat)
		}
	}
	f := fed(&snap, &now, &beating{meter: &meter{}, beat: []sources.Series{{Points: []sources.Point{{V: 1e300}}}}})
	f.Once(t.Context())
	if a := f.Advice(); !a.Beat.IsZero() || a.NoBeat == "" {
		t.Errorf("1e300 is no time: %s", a.Beat)
	}
	if a := f.Advice(); a.Stale(noon.Add(time.Minute)) || !a.Stale(noon.Add(3*time.Minute)) {
		t.Error("stale after three minutes, and not after one")
	}
}

// TestFeedRuns: it waits for the swarm, decides, decides again when it is asked to, and ends.
func TestFeedRuns(t *testing.T) {
	snap, now := world(64, scaled("a", 4, "enable=true", "max=9")), noon
	f := fed(&snap, &now, &beating{meter: &meter{}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(ctx) }()
	for range 2 {
		select {
		case <-f.Changed():
		case <-time.After(time.Minute):
			t.Fatal("nothing was decided")
		}
		f.mu.Lock()
		f.advice.At = noon.Add(-time.Minute) // old enough to be made anew
		f.mu.Unlock()
		f.Refresh()
	}
	cancel()
	<-ended
	var none *Feed
	if none.Refresh(); none.Advice() != nil || none.Changed() != nil {
		t.Error("a feed that is none says something")
	}
}

// TestRound: a loop that was asked too soon, or after a gap, begins anew; else it goes on with what it remembers, and asks for less.
func TestRound(t *testing.T) {
	snap := world(64, scaled("a", 4, "enable=true", "min=1", "max=9", "cpu=60"))
	windows := &windowed{meter: &meter{cpu: map[string][]sources.Point{"a": flat(4)}, counted: map[string]float64{"a": 4}}}
	l := &Loop{}
	now := noon.Add(-9 * time.Minute)
	for _, x := range []struct {
		after, back time.Duration
	}{{0, look}, {Every, 2 * Every}, {Every, 2 * Every}, {time.Second, look}, {gap + time.Second, look}, {Every, 2 * Every}} {
		now = now.Add(x.after)
		l.Round(t.Context(), snap, windows, now)
		if windows.back != x.back {
			t.Errorf("after %s it asks for %s, not for %s", x.after, windows.back, x.back)
		}
	}
}

// windowed tells how much was asked for.
type windowed struct {
	*meter
	back time.Duration
}

func (m *windowed) UsageAll(ctx context.Context, name string, w sources.Window) (map[string][]sources.Point, error) {
	m.back = w.End.Sub(w.Start)
	return m.meter.UsageAll(ctx, name, w)
}

// TestCourse: the target moves with the replicas that there were, and the policy's own number stands beside them.
func TestCourse(t *testing.T) {
	s := scaled("a", 4, "enable=true", "min=1", "max=9", "cpu=60", "query=lag", "target=0.25", "query.depth=depth", "target.depth=10/replica", "memory=50")
	s.Resources.ReserveBytes = 100
	p := ParsePolicy(&s)
	from := noon.Add(-8 * time.Minute)
	m := &historian{from: from, replicas: func(i int) float64 { return float64(2 + 2*(i/5)) }, cpu: 2}
	c, err := ReadCourse(t.Context(), m, &s, &p, from, noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Replicas) != 9 || c.Replicas[0].V != 2 || c.Replicas[8].V != 4 || len(c.Least) != len(c.Should) || len(c.Should) == 0 || c.Should[0].V != 2 {
		t.Errorf("replicas %v, should %v", c.Replicas, c.Should)
	}
	for id, want := range map[string][2]float64{"cpu": {1.2, 2.4}, "memory": {100, 200}, "query": {0.25, 0.25}, "query.depth": {20, 40}} {
		found := false
		for _, x := range c.Metrics {
			if x.Metric.ID() == id {
				found = true
				if n := len(x.Target); n != 9 || x.Target[0].V != want[0] || x.Target[n-1].V != want[1] {
					t.Errorf("%s: target %v, want %v", id, x.Target, want)
				}
			}
		}
		if !found {
			t.Errorf("nothing of %s", id)
		}
	}
	if c.Metrics[0].Metric.Kind != CPU || len(c.Metrics[0].Value) != 9 || c.Metrics[0].Value[0].V != 2 || c.Metrics[1].Missing == "" {
		t.Errorf("%+v", c.Metrics)
	}
	m.fails = errors.New("prometheus is away")
	if _, err := ReadCourse(t.Context(), m, &s, &p, from, noon); err == nil {
		t.Error("of what cannot be read nothing is said")
	}
}

// historian is a Prometheus that remembers one service.
type historian struct {
	sources.Metrics
	from     time.Time
	replicas func(int) float64
	cpu      float64
	fails    error
}

func (h *historian) ServiceLabel(context.Context) (string, string, error) {
	return label, "set", h.fails
}

func (h *historian) Range(_ context.Context, query string, w sources.Window) (sources.MetricsAnswer, error) {
	return sources.MetricsAnswer{Series: []sources.Series{{Points: h.points(w, func(i int) float64 {
		if strings.HasPrefix(query, "count (") {
			return h.replicas(i)
		}
		return 1
	})}}}, nil
}

func (h *historian) Standard(_ context.Context, _ string, w sources.Window, names ...string) ([]sources.Reading, error) {
	if names[0] != "cpu" {
		return []sources.Reading{{Name: names[0], Reason: "nothing of it"}}, nil
	}
	return []sources.Reading{{Name: "cpu", Answer: sources.MetricsAnswer{Series: []sources.Series{{Points: h.points(w, func(int) float64 { return h.cpu })}}}}}, nil
}

func (h *historian) points(w sources.Window, f func(int) float64) (out []sources.Point) {
	for i, t := 0, w.Start; !t.After(w.End); i, t = i+1, t.Add(w.Step) {
		out = append(out, sources.Point{T: t, V: f(i)})
	}
	return out
}

// TestStop: who has stopped them, and why, as far as it is known.
func TestStop(t *testing.T) {
	made := sources.Reference{Name: StopConfig, Created: noon, Labels: map[string]string{"qd.who": "ada", "qd.note": "a flood", sources.LabelRun: "r1"}}
	for _, x := range []struct {
		configs []sources.Reference
		words   string
	}{
		{[]sources.Reference{{Name: "other"}}, ""},
		{[]sources.Reference{{Name: "other"}, made}, "stopped by ada on " + noon.UTC().Format("2006-01-02 15:04:05Z") + " (config qd-autoscale-stop): a flood"},
		{[]sources.Reference{{Name: StopConfig, Created: noon}}, "stopped by somebody on " + noon.UTC().Format("2006-01-02 15:04:05Z") + " (config qd-autoscale-stop)"},
	} {
		if got := Stopped(&fleet.Snapshot{Configs: x.configs}); got != x.words {
			t.Errorf("%q, want %q", got, x.words)
		}
	}
	if s := StopOf(&made); s.Run != "r1" || !s.At.Equal(noon) {
		t.Errorf("%+v", s)
	}
}

func TestPolicyText(t *testing.T) {
	p := ParsePolicy(labelled("enable=true", "min=2", "max=10", "cpu=60", "query.depth=depth", "target.depth=100/replica", "schedule=0 8 * * 1-5 for 10h min 4", "warm-up=2m"))
	want := `2 to 10 replicas, CPU 60%, query depth 100 a replica, at least 4 in "0 8 * * 1-5 for 10h min 4", warm-up 2m`
	if got := p.Text(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
