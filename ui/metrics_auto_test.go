package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// autoRig is a console on shop_api, a healthy service, whose clock, figures and alerts a test sets.
type autoRig struct {
	t   *testing.T
	m   *Model
	now time.Time
}

func newAutoRig(t *testing.T) *autoRig {
	r := &autoRig{t: t, now: noon}
	r.m, _ = console(t, 160, 48, func(o *Options) {
		o.Now = func() time.Time { return r.now }
		o.Fleet = filledAt(o.Now)
	})
	r.m.services.selectID("shop_api")
	r.wake(time.Second)
	return r
}

// wake lets time pass and shows the fleet as it is then.
func (r *autoRig) wake(d time.Duration) {
	r.now = r.now.Add(d)
	r.m.o.Fleet.SetNodeUsage("cpu", sources.Usage{"node1": r.now.Sub(noon).Seconds()}) // so that there is a snapshot of this moment
	r.m.Update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
}

// figures answers the question that is open, with series of these values.
func (r *autoRig) figures(by map[string][]float64) {
	w := sources.Window{Start: r.now.Add(-time.Hour), End: r.now}
	var out []sources.Reading
	names := r.m.metrics.names()
	for name := range by {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		x := sources.Reading{Name: name, Reason: "none"}
		if v := by[name]; v != nil {
			s := sources.Series{}
			for i, y := range v {
				s.Points = append(s.Points, sources.Point{T: w.Start.Add(time.Duration(i+1) * time.Hour / time.Duration(len(v))), V: y})
			}
			x = sources.Reading{Name: name, Answer: sources.MetricsAnswer{Series: []sources.Series{s}}}
		}
		out = append(out, x)
	}
	r.m.Update(readingsMsg{generation: r.m.metrics.generation, service: r.m.subject(), window: w, readings: out})
}

// shows checks which charts are drawn and what the title says of it.
func (r *autoRig) shows(about, first, second, why string) {
	r.t.Helper()
	pair, words := r.m.metrics.shownPair(), r.m.metrics.autoWords(r.m.subject())
	if graphs[pair[0]].title != first || graphs[pair[1]].title != second || words != why {
		r.t.Fatalf("%s: %s, %q; want %s and %s, %q", about, pairWords(pair), words, first, second, why)
	}
	frame := shown(r.m)
	if why != "" && !strings.Contains(frame, why) || why == "" && strings.Contains(frame, "auto: ") || !strings.Contains(frame, first) || !strings.Contains(frame, second) {
		r.t.Fatalf("%s: the frame does not say so:\n%s", about, frame)
	}
}

func alert(name, service string) sources.Alert {
	return sources.Alert{Fingerprint: name + service, Name: name, Service: service, State: sources.Firing, Since: noon}
}

var calmUse = map[string][]float64{"cpu": {0.1, 0.1}, "memory": {1e8, 1e8}, "memory-of-limit": {0.4, 0.4}, "memory-limit": {2e8, 2e8}}

func with(by map[string][]float64, name string, v ...float64) map[string][]float64 {
	out := map[string][]float64{name: v}
	for k, x := range by {
		if k != name {
			out[k] = x
		}
	}
	return out
}

// What is wrong with the selected service comes first, by what is known anyway; it does not flap, and a key overrides it.
func TestAutoCharts(t *testing.T) {
	r := newAutoRig(t)
	r.figures(calmUse)
	r.shows("nothing is wrong", "CPU", "memory", "")
	r.figures(with(calmUse, "memory-of-limit", 0.5, 0.95))
	r.shows("memory near its limit", "memory", "restarts", "auto: memory at 95 % of its limit")
	r.wake(time.Minute)
	r.figures(with(calmUse, "memory-of-limit", 0.5, 0.87))
	r.shows("a little less", "memory", "restarts", "auto: memory at 87 % of its limit")
	r.wake(time.Minute)
	r.figures(with(calmUse, "memory-of-limit", 0.5, 0.6))
	r.shows("only just over", "memory", "restarts", "auto: memory at 87 % of its limit")
	r.wake(autoHold)
	r.shows("it is over", "CPU", "memory", "")

	r.m.o.Fleet.SetAlerts([]sources.Alert{alert("HighLatency", "shop_web"), alert("NodeWeird", "shop_api"), alert("HighErrorRate", "shop_api")})
	r.wake(time.Second)
	r.shows("an alert of it", "errors", "latency", "auto: alert HighErrorRate")
	r.figures(map[string][]float64{"errors": {0, 0, 0.2}, "p50": {1, 1}, "p95": {1, 1}, "p99": {1, 1}})
	r.m.o.Fleet.SetAlerts(nil)
	r.wake(autoHold + time.Second)
	r.shows("the figure still says it", "errors", "latency", "auto: errors rose to 20 %")
	r.figures(map[string][]float64{"errors": {0.002, 0.002, 0.002}, "p50": {0.1, 0.1}, "p95": {0.1, 0.1, 0.3}})
	r.wake(autoHold + time.Second)
	r.shows("slow is what is left", "latency", "errors", "auto: p95 is 3.0 times the usual")

	press(t, r.m, "v")
	r.shows("chosen by key", "CPU", "memory", "")
	r.m.o.Fleet.SetAlerts([]sources.Alert{alert("Throttling", "shop_api")})
	r.wake(autoHold * 2)
	r.shows("and it stays", "CPU", "memory", "")
	press(t, r.m, "v", "v", "v", "v")
	r.shows("after all the others", "throttled", "CPU", "auto: alert Throttling")
	r.figures(map[string][]float64{"cpu": {1, 1}})
	r.shows("a chart without figures is not put first", "CPU", "memory", "")
	r.m.services.selectID("shop_web")
	r.m.o.Fleet.SetAlerts(nil)
	r.wake(time.Second)
	r.shows("another service", "CPU", "memory", "")
}

// Its tasks and its error lines tell as well.
func TestAutoChartsOfTasksAndLines(t *testing.T) {
	r := newAutoRig(t)
	r.m.services.selectID("shop_payments")
	r.figures(with(calmUse, "restarts", 0, 1))
	r.wake(time.Second)
	r.shows("three of its tasks failed", "restarts", "memory", "auto: 3 tasks failed")
	r.m.services.selectID("shop_web") // 0.02 error lines a second
	r.wake(time.Second)
	r.figures(calmUse)
	r.shows("few error lines", "CPU", "memory", "")
	r.m.o.Fleet.SetRates(map[string]float64{"shop_web": 3})
	r.wake(time.Second)
	r.shows("many", "errors", "latency", "auto: error lines rose to 3/s")
	press(t, r.m, "<") // a past moment keeps the charts
	r.m.o.Fleet.SetRates(map[string]float64{"shop_web": 0})
	r.wake(2 * autoHold)
	if got := r.m.metrics.shownPair(); got != errorsFirst {
		t.Errorf("at a past moment: %s", pairWords(got))
	}
}

// To choose asks for nothing, and without news it chooses nothing.
func TestAutoChartsAskNothing(t *testing.T) {
	r := newAutoRig(t)
	r.figures(calmUse)
	asked, generation := r.m.metrics.asked, r.m.metrics.generation
	for range 5 {
		r.wake(5 * time.Second)
		press(t, r.m, "tab")
	}
	if r.m.metrics.asked != asked || r.m.metrics.generation != generation {
		t.Errorf("asked again: %q, then %q", asked, r.m.metrics.asked)
	}
	for name, want := range map[string][2]int{"Http5xxSpike": errorsFirst, "OOMKills": memoryFirst, "SlowRequests": latencyFirst, "PodRestarts": restartsFirst} {
		if got, ok := alertPair(name); !ok || got != want {
			t.Errorf("%s: %s %v", name, pairWords(got), ok)
		}
	}
	if _, ok := alertPair("BackupOverdue"); ok {
		t.Error("a guess where there is nothing to guess")
	}
	if !slices.Contains(overviewPairs[:], usual) {
		t.Error("the usual charts cannot be chosen by key")
	}
}
