package autoscale

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// loads are what a simulated service has to do, in cores, by the time since the start.
var loads = map[string]func(peak float64, t time.Duration) float64{
	"constant": func(peak float64, _ time.Duration) float64 { return peak },
	"daily": func(peak float64, t time.Duration) float64 {
		return peak * (0.55 - 0.45*math.Cos(2*math.Pi*t.Hours()/24))
	},
	"spike": func(peak float64, t time.Duration) float64 {
		if m := t % (2 * time.Hour); m > 20*time.Minute && m < 30*time.Minute {
			return peak
		}
		return peak / 10
	},
	"flash crowd": func(peak float64, t time.Duration) float64 {
		switch {
		case t < 20*time.Minute:
			return peak / 20
		case t < 21*time.Minute:
			return peak/20 + peak*19/20*(t-20*time.Minute).Minutes()
		}
		return math.Max(peak/20, peak*math.Exp(-(t-21*time.Minute).Hours()))
	},
	"sawtooth": func(peak float64, t time.Duration) float64 {
		const tooth = 12 * time.Minute
		return peak * float64(t%tooth) / float64(tooth)
	},
	"nothing":  func(float64, time.Duration) float64 { return 0 },
	"recorded": ridden(),
}

// ridden is the recorded load, again and again, as high as the others. Where nothing was measured it is as before.
func ridden() func(peak float64, t time.Duration) float64 {
	var doc struct {
		Step   int `json:"step_seconds"`
		Values []*float64
	}
	if err := json.Unmarshal(rideLoad, &doc); err != nil || len(doc.Values) < 90 || doc.Step <= 0 {
		panic(fmt.Sprintf("testdata/ride.json: %v, %d values", err, len(doc.Values)))
	}
	var values []float64
	for _, v := range doc.Values {
		if v == nil {
			v = &values[len(values)-1]
		}
		values = append(values, *v)
	}
	most := slices.Max(values)
	return func(peak float64, t time.Duration) float64 {
		return peak * values[int(t.Seconds())/doc.Step%len(values)] / most
	}
}

// rideLoad is what a real Prometheus had of ten times the load and back, with what was cut off from it meanwhile (docs/autoscale-ride.md).
//
//go:embed testdata/ride.json
var rideLoad []byte

var loadNames = []string{"constant", "daily", "spike", "flash crowd", "sawtooth", "nothing", "recorded"}

// simulation is one service under a load: its replicas start half a minute after they were asked for, cannot use more than they have reserved twice, and die with their node.
type simulation struct {
	policy  Policy
	load    func(time.Duration) float64
	start   time.Time
	passed  time.Duration // true time, since start
	skew    time.Duration // by which the clock is wrong
	history History

	replicas, running int
	before            int
	updated           time.Duration
	// lost is the share of the running replicas that a lost node has taken, blind: nothing is measured, unmeasured: of so many tasks nothing is.
	lost       float64
	blind      bool
	unmeasured int
	room       int // of the nodes, in replicas; 0: no bound
	made       []made
}

// made is a change of the number of replicas, in true time.
type made struct {
	at       time.Duration
	from, to int
}

func (x *simulation) now() time.Time { return x.start.Add(x.passed + x.skew) }

// round decides, carries it out, and lets half a minute go by.
func (x *simulation) round() Decision {
	up := x.running
	if x.lost > 0 {
		up = int(float64(up) * (1 - x.lost))
	}
	s := Sample{Value: min(x.load(x.passed), 2*float64(up)), Tasks: max(up-x.unmeasured, 0), At: x.now()}
	if up > 0 {
		s.Value *= float64(s.Tasks) / float64(up)
	}
	if x.blind {
		s = Sample{Missing: "Prometheus is away"}
	}
	in := Input{Policy: &x.policy, Samples: []Sample{s}, History: x.history, Now: x.now(),
		State: State{Replicas: x.replicas, Running: up, Pending: x.replicas - x.running, Before: x.before, Updated: x.start.Add(x.updated + x.skew), CPU: 1}}
	if x.room > 0 {
		in.Room = func(more int) (int, string) { return max(0, min(more, x.room-x.running)), "the nodes are full" }
	}
	d, h := Decide(&in)
	x.history = h
	x.running = min(x.replicas, d.Recommended)
	if x.room > 0 {
		x.running = min(x.running, x.room)
	}
	if d.Changes() {
		x.made = append(x.made, made{x.passed, x.replicas, d.Recommended})
		x.before, x.updated, x.replicas = x.replicas, x.passed, d.Recommended
	}
	x.passed += Every
	return d
}

// fault is what may happen to a simulation, and how it ends.
var faults = map[string]func(t *rapid.T, x *simulation){
	"metric outage": func(_ *rapid.T, x *simulation) { x.blind = true },
	"tasks unseen":  func(t *rapid.T, x *simulation) { x.unmeasured = rapid.IntRange(1, 5).Draw(t, "unseen") },
	"node loss":     func(t *rapid.T, x *simulation) { x.lost = rapid.Float64Range(0.1, 1).Draw(t, "lost") },
	// A small jump forward is seen by nobody: a process reckons spans by its monotonic clock, which does not jump.
	"clock jump": func(t *rapid.T, x *simulation) {
		back, forward := rapid.IntRange(-1e6, 0).Draw(t, "back"), rapid.IntRange(int(gap.Seconds()), 1e6).Draw(t, "forward")
		x.skew += time.Duration(rapid.SampledFrom([]int{back, forward}).Draw(t, "seconds")) * time.Second
	},
	"agent replaced": func(_ *rapid.T, x *simulation) { x.history = History{} },
	"full nodes":     func(t *rapid.T, x *simulation) { x.room = rapid.IntRange(1, 40).Draw(t, "room") },
	"by hand": func(t *rapid.T, x *simulation) {
		n := rapid.IntRange(1, 60).Draw(t, "replicas")
		x.before, x.updated, x.replicas, x.running = x.replicas, x.passed, n, min(n, x.running)
		x.made = nil
	},
	"all well": func(_ *rapid.T, x *simulation) { x.heal() },
}

var faultNames = []string{"metric outage", "tasks unseen", "node loss", "clock jump", "agent replaced", "full nodes", "by hand", "all well"}

func (x *simulation) heal() { x.blind, x.unmeasured, x.lost, x.room = false, 0, 0, 0 }

func newSimulation(t *rapid.T) *simulation {
	lo := rapid.IntRange(1, 8).Draw(t, "min")
	hi := rapid.IntRange(lo, 40).Draw(t, "max")
	p, err := ParseText(fmt.Sprintf("min=%d,max=%d,cpu=%d", lo, hi, rapid.IntRange(20, 120).Draw(t, "cpu")))
	if err != nil {
		t.Fatal(err)
	}
	load, peak := loads[rapid.SampledFrom(loadNames).Draw(t, "load")], rapid.Float64Range(0, 60).Draw(t, "peak")
	n := rapid.IntRange(1, 45).Draw(t, "replicas")
	return &simulation{policy: p, load: func(d time.Duration) float64 { return load(peak, d) }, start: noon, replicas: n, running: n}
}

// TestInvariants: whatever the load and whatever breaks, never under the minimum, never more above the maximum, nothing taken away while a sample is missing, never more than the step, and each decision has its reason.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newSimulation(t)
		for range rapid.IntRange(1, 6).Draw(t, "chapters") {
			faults[rapid.SampledFrom(faultNames).Draw(t, "fault")](t, x)
			for range rapid.IntRange(1, 50).Draw(t, "rounds") {
				x.check(t, x.round())
			}
		}
	})
}

func (x *simulation) check(t *rapid.T, d Decision) {
	lo, hi := x.policy.Min, x.policy.Max
	switch {
	case d.Reason == "" || d.Recommended < 1:
		t.Fatalf("%+v", d)
	case d.Recommended < lo && d.Limit != NoCapacity:
		t.Fatalf("under the minimum of %d: %s", lo, d.Reason)
	case d.Recommended < lo && d.Recommended < d.Current:
		t.Fatalf("taken away under the minimum of %d: %s", lo, d.Reason)
	case d.Recommended > hi && d.Recommended > d.Current:
		t.Fatalf("raised above the maximum of %d: %s", hi, d.Reason)
	case x.blind && d.Recommended < d.Current:
		t.Fatalf("taken away while nothing is measured: %s", d.Reason)
	case x.room > 0 && d.Recommended > d.Current && d.Recommended > x.room:
		t.Fatalf("more than the nodes hold, %d: %s", x.room, d.Reason)
	case d.Recommended < d.Current-1:
		t.Fatalf("more than one at once taken away: %s", d.Reason)
	}
	if len(x.made) == 0 || !d.Changes() {
		return
	}
	last := x.made[len(x.made)-1]
	from, came, went := last.from, 0, 0
	for i := len(x.made) - 1; i >= 0 && last.at-x.made[i].at < pace; i-- {
		c := x.made[i]
		from, came, went = c.from, came+max(c.to-c.from, 0), went+max(c.from-c.to, 0)
	}
	if went > 1 {
		t.Fatalf("%d taken away within a minute: %s", went, d.Reason)
	}
	if came > Step(from) && last.to > lo {
		t.Fatalf("%d added within a minute to %d: %s", came, from, d.Reason)
	}
}

// TestSettles: under a load that stays, and once all is well, the number comes to rest within so many periods: what goes down by one a minute, a window, and the calm after turns. Then there is enough.
func TestSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newSimulation(t)
		for range rapid.IntRange(0, 3).Draw(t, "chapters") {
			faults[rapid.SampledFrom(faultNames).Draw(t, "fault")](t, x)
			for range rapid.IntRange(1, 40).Draw(t, "rounds") {
				x.round()
			}
		}
		x.heal()
		v := x.load(x.passed)
		x.load = func(time.Duration) float64 { return v }
		periods := 2*60 + int(Window/Every) + int(calm/Every)
		for range periods {
			x.round()
		}
		rest := x.replicas
		for range 60 {
			d := x.round()
			if x.replicas != rest {
				t.Fatalf("after %d periods still %s", periods, d.Reason)
			}
		}
		if share := v / float64(rest) / x.policy.Metrics[0].Target; share > 1+tolerance+1e-9 && rest < x.policy.Max {
			t.Fatalf("at rest with %d of at most %d, and %.2f of the target", rest, x.policy.Max, share)
		}
		if rest > x.policy.Max {
			t.Fatalf("at rest with %d, above %d", rest, x.policy.Max)
		}
	})
}

// TestTenfold: how long a service is short of replicas when ten times the load comes at once, and that it comes back.
func TestTenfold(t *testing.T) {
	p, err := ParseText("min=2,max=40,cpu=60")
	if err != nil {
		t.Fatal(err)
	}
	x := &simulation{policy: p, start: noon, replicas: 2, running: 2, load: func(d time.Duration) float64 {
		if d >= 10*time.Minute && d < 40*time.Minute {
			return 12
		}
		return 1.2
	}}
	enough, back := time.Duration(0), time.Duration(0)
	for x.passed < 2*time.Hour {
		x.round()
		if enough == 0 && float64(x.running)*0.6*1.1 >= 12 {
			enough = x.passed - 10*time.Minute
		}
		if x.passed > 40*time.Minute && back == 0 && x.replicas == 2 {
			back = x.passed - 40*time.Minute
		}
	}
	t.Logf("enough after %s, back after %s", enough, back)
	if enough == 0 || enough > 8*time.Minute || back == 0 || back > 30*time.Minute {
		t.Errorf("enough after %s, back after %s", enough, back)
	}
}

// TestManyServices: ten thousand services with all loads, through an outage of everything, keep within their bounds.
func TestManyServices(t *testing.T) {
	p, err := ParseText("min=2,max=30,cpu=60")
	if err != nil {
		t.Fatal(err)
	}
	services, rounds := 10_000, 24
	if testing.Short() {
		services = 1000
	}
	changed, down := 0, 0
	for i := range services {
		load, peak := loads[loadNames[i%len(loadNames)]], float64(1+i%17)
		offset := time.Duration(i%1440) * time.Minute
		x := &simulation{policy: p, start: noon, replicas: 2 + i%20, running: 2 + i%20, load: func(d time.Duration) float64 { return load(peak, d+offset) }}
		for r := range rounds {
			x.blind = r >= 10 && r < 14
			d := x.round()
			if d.Changes() {
				changed++
			}
			if d.Recommended < d.Current {
				if down++; x.blind {
					t.Fatalf("taken away while nothing is measured: %s", d.Reason)
				}
			}
			if d.Recommended < 2 || d.Recommended > 30 {
				t.Fatalf("out of bounds: %s", d.Reason)
			}
		}
	}
	if changed < services || down < services/10 {
		t.Errorf("only %d changes, %d of them down: nothing was tried", changed, down)
	}
}
