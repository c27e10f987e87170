package fleet

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
)

// at makes a fleet whose clock is moved by hand.
func at(start time.Time, order ...string) (*Fleet, *time.Time) {
	now := start
	return New(func() time.Time { return now }, order...), &now
}

func world(services []*sources.Service, tasks []sources.Task, nodes ...sources.Node) sources.Change {
	w := &sources.World{At: noon, Nodes: nodes, Tasks: tasks}
	for _, s := range services {
		w.Services = append(w.Services, *s)
	}
	return sources.Change{World: w}
}

func shop() sources.Change {
	db := *web(replicas(1))
	db.ID, db.Name, db.Stack = "db", "db", "shop"
	return world([]*sources.Service{web(), &db}, all(), node("n3"), node("n1"), node("n2"))
}

// woken drains the wake-up.
func woken(f *Fleet) bool {
	select {
	case <-f.Changed():
		return true
	default:
		return false
	}
}

// Nothing changed, so an idle terminal stays idle: no wake-up, the same pointer.
func TestNoNewsNoFrame(t *testing.T) {
	points := func(v float64) map[string][]sources.Point {
		return map[string][]sources.Point{"web": {{T: ago(time.Minute), V: math.NaN()}, {T: noon, V: v}}, "not-of-the-swarm": {{T: noon, V: v}}}
	}
	news := map[string]func(*Fleet){
		"world":       func(f *Fleet) { f.Fold(shop()) },
		"later world": func(f *Fleet) { c := shop(); c.World.At = c.World.At.Add(time.Minute); f.Fold(c) },
		"same tasks":  func(f *Fleet) { f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: all()}) },
		"same tasks, turned": func(f *Fleet) {
			x := all()
			slices.Reverse(x)
			f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: x})
		},
		"same service":    func(f *Fleet) { f.Fold(sources.Change{Services: []sources.Service{*web()}}) },
		"same nodes":      func(f *Fleet) { f.Fold(sources.Change{Nodes: []sources.Node{node("n2"), node("n3"), node("n1")}}) },
		"unknown removed": func(f *Fleet) { f.Fold(sources.Change{Removed: []string{"gone"}}) },
		"container event": func(f *Fleet) {
			f.Fold(sources.Change{Event: &sources.Event{Time: noon, Type: "container", Action: "start"}})
		},
		"network event": func(f *Fleet) {
			f.Fold(sources.Change{Event: &sources.Event{Time: noon, Type: "network", Action: "create", Name: "n"}})
		},
		"fresher date": func(f *Fleet) {
			f.SetStatus(sources.Status{Name: PrometheusName, State: sources.Live, Fresh: noon.Add(time.Hour)})
		},
		"same usage":      func(f *Fleet) { f.SetUsage("cpu", points(1)) },
		"same node usage": func(f *Fleet) { f.SetNodeUsage("cpu", sources.Usage{"name-n1": math.NaN()}) },
		"same lines":      func(f *Fleet) { f.SetLineRates(map[string]float64{"web": 3}) },
		"same rates":      func(f *Fleet) { f.SetRates(map[string]float64{"web": 2, "other": 7}) },
		"same alerts": func(f *Fleet) {
			f.SetAlerts([]sources.Alert{{Name: "B", State: sources.Pending}, {Name: "A", State: sources.Firing, Since: noon}})
		},
		"nothing": func(f *Fleet) { f.Fold(sources.Change{}) },
	}
	f, _ := at(noon, SwarmName, PrometheusName)
	for _, tell := range news {
		tell(f)
	}
	first := f.Snapshot()
	woken(f)
	for name, tell := range news {
		tell(f)
		if woken(f) {
			t.Errorf("%s: a wake-up though nothing changed", name)
		}
		if f.Snapshot() != first {
			t.Errorf("%s: another snapshot though nothing changed", name)
			first = f.Snapshot()
		}
	}
}

// What differs makes one wake-up and one new snapshot, and shares what did not change.
func TestNewsMakesAFrame(t *testing.T) {
	for name, tell := range map[string]func(*Fleet){
		"task":       func(f *Fleet) { f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: all()[:2]}) },
		"no tasks":   func(f *Fleet) { f.Fold(sources.Change{TasksOf: []string{"web"}}) },
		"service":    func(f *Fleet) { f.Fold(sources.Change{Services: []sources.Service{*web(replicas(9))}}) },
		"removed":    func(f *Fleet) { f.Fold(sources.Change{Removed: []string{"web"}}) },
		"node":       func(f *Fleet) { f.Fold(sources.Change{Nodes: []sources.Node{node("n1", downNode)}}) },
		"networks":   func(f *Fleet) { f.Fold(sources.Change{Networks: []sources.Network{{ID: "x"}}}) },
		"secrets":    func(f *Fleet) { f.Fold(sources.Change{Secrets: []sources.Reference{{ID: "x"}}}) },
		"configs":    func(f *Fleet) { f.Fold(sources.Change{Configs: []sources.Reference{{ID: "x"}}}) },
		"usage":      func(f *Fleet) { f.SetUsage("cpu", map[string][]sources.Point{"web": {{T: noon, V: 1}}}) },
		"node usage": func(f *Fleet) { f.SetNodeUsage("cpu", sources.Usage{"name-n1": 1}) },
		"rates":      func(f *Fleet) { f.SetRates(map[string]float64{}) },
		"lines":      func(f *Fleet) { f.SetLineRates(map[string]float64{}) },
		"alerts":     func(f *Fleet) { f.SetAlerts([]sources.Alert{{Name: "A", State: sources.Firing, Service: "web"}}) },
		"state":      func(f *Fleet) { f.SetStatus(sources.Status{Name: SwarmName, State: sources.Polling}) },
		"detail": func(f *Fleet) {
			f.Fold(sources.Change{Status: &sources.Status{Name: SwarmName, State: sources.Connecting, Detail: "x"}})
		},
		"note":   func(f *Fleet) { f.Note(Happening{Time: noon, Kind: OtherHappening, Text: "x"}) },
		"engine": func(f *Fleet) { c := shop(); c.World.Engine.Version = "29"; f.Fold(c) },
	} {
		f, _ := at(noon, SwarmName)
		f.Fold(shop())
		first := f.Snapshot()
		woken(f)
		was := dump(first, true)
		tell(f)
		if !woken(f) || woken(f) {
			t.Errorf("%s: want exactly one wake-up", name)
		}
		next := f.Snapshot()
		if next == first || next.Seq != first.Seq+1 || dump(next, true) == was {
			t.Errorf("%s: no new snapshot", name)
		}
		if dump(first, true) != was {
			t.Errorf("%s: the snapshot handed out before has changed", name)
		}
		if name != "node" && name != "rates" && name != "lines" && next.Service("db") != first.Service("db") {
			t.Errorf("%s: a service that did not change was built anew", name)
		}
	}
}

func TestStatus(t *testing.T) {
	f, now := at(noon, LokiName)
	tell := func(state sources.State, change ...func(*sources.Status)) sources.Status {
		*now = now.Add(time.Minute)
		s := sources.Status{Name: LokiName, State: state}
		for _, c := range change {
			c(&s)
		}
		f.SetStatus(s)
		return f.Snapshot().Source(LokiName)
	}
	if s := f.Snapshot().Source(LokiName); s.State != sources.Connecting || !s.Since.Equal(noon) {
		t.Errorf("at first %+v", s)
	}
	live := tell(sources.Live, func(s *sources.Status) { s.Fresh, s.Version, s.Address = *now, "3.7", "http://loki" })
	if !live.Since.Equal(noon.Add(time.Minute)) {
		t.Errorf("live since %v: a new state began when it was told", live.Since)
	}
	lost := tell(sources.Reconnecting, func(s *sources.Status) { s.Detail = "refused" })
	if !lost.Since.Equal(noon.Add(2*time.Minute)) || !lost.Fresh.Equal(live.Fresh) || lost.Version != "3.7" || lost.Address != "http://loki" {
		t.Errorf("lost: %+v: since then, as fresh as the last good answer, still the same server", lost)
	}
	if again := tell(sources.Reconnecting, func(s *sources.Status) { s.Detail = "no route"; s.Since = *now }); !again.Since.Equal(lost.Since) || again.Detail != "no route" {
		t.Errorf("lost still: %+v, want since %v", again, lost.Since)
	}
	if back := tell(sources.Live, func(s *sources.Status) { s.Since = noon.Add(3 * time.Hour) }); !back.Since.Equal(noon.Add(3*time.Hour)) || back.Detail != "" {
		t.Errorf("back: %+v", back)
	}
	var kinds []string
	for _, h := range f.Snapshot().History {
		kinds = append(kinds, h.Text)
	}
	if got := strings.Join(kinds, ", "); got != "loki RECONNECTING, loki LIVE" {
		t.Errorf("history: %s", got)
	}
	f.SetStatus(sources.Status{Name: "new", State: sources.Live})
	if s := f.Snapshot(); len(s.Sources) != 2 || s.Sources[1].Name != "new" || s.Source("other").State != sources.Absent {
		t.Errorf("sources: %+v", s.Sources)
	}
}

// What is not known any more must not look fresh.
func TestFiguresAge(t *testing.T) {
	f, now := at(noon, PrometheusName, LokiName)
	f.Fold(shop())
	s := f.Snapshot().Service("web")
	if !math.IsNaN(s.CPUNow) || !math.IsNaN(s.MemoryNow) || !math.IsNaN(s.ErrorRate) || s.CPU != nil {
		t.Errorf("not known must be NaN, not 0: %v %v %v", s.CPUNow, s.MemoryNow, s.ErrorRate)
	}
	now2 := func(v float64) float64 {
		f.SetUsage("cpu", map[string][]sources.Point{"web": {{T: noon, V: 0.5}, {T: noon.Add(time.Minute), V: v}}})
		return f.Snapshot().Service("web").CPUNow
	}
	*now = noon.Add(time.Minute)
	if got := now2(0.7); got != 0.7 {
		t.Errorf("now %v", got)
	}
	if got := now2(math.NaN()); !math.IsNaN(got) {
		t.Errorf("the newest point has no value, yet %v is shown as now", got)
	}
	*now = noon.Add(3*time.Minute + time.Second)
	if got := now2(0.7); !math.IsNaN(got) {
		t.Errorf("the newest point is two minutes old, yet %v is shown as now", got)
	}
	f.SetRates(map[string]float64{"db": 3})
	if s := f.Snapshot(); s.Service("web").ErrorRate != 0 || s.Service("db").ErrorRate != 3 {
		t.Error("a source that counts and names no errors of a service says 0")
	}
	f.SetStatus(sources.Status{Name: LokiName, State: sources.Live, Fresh: *now})
	f.SetStatus(sources.Status{Name: LokiName, State: sources.Reconnecting})
	if st := f.Snapshot().RateStatus(); st.OK() || !st.Fresh.Equal(*now) {
		t.Errorf("error rates are as of %v, said %+v", *now, st)
	}
	f.SetRates(nil)
	if got := f.Snapshot().Service("web").ErrorRate; !math.IsNaN(got) {
		t.Errorf("rates are not known any more, yet %v", got)
	}
	if st := (*Snapshot)(nil).UsageStatus(); st.State != sources.Absent {
		t.Errorf("%+v", st)
	}
}

func TestAppendPoints(t *testing.T) {
	p := func(spec string) (out []sources.Point) { // "0:1 15:2": seconds after noon and value
		for _, part := range strings.Fields(spec) {
			var s int
			v := math.NaN()
			if _, err := fmt.Sscanf(strings.Replace(part, ":", " ", 1), "%d %g", &s, &v); err != nil {
				t.Fatal(part, err)
			}
			out = append(out, sources.Point{T: noon.Add(time.Duration(s) * time.Second), V: v})
		}
		return out
	}
	for _, c := range []struct{ old, add, want string }{
		{"", "", ""},
		{"", "0:1 60:2", "0:1 60:2"},
		{"0:1 60:2", "75:3", "0:1 75:3"}, // one a minute, the newest wins
		{"0:1 60:2", "120:3", "0:1 60:2 120:3"},
		{"0:1 60:2 120:3", "60:9 120:8", "0:1 60:9 120:8"}, // the tail is replaced
		{"0:1 60:NaN", "120:3", "0:1 120:3"},
		{"0:1", "60:NaN", "0:1 60:NaN"},
		{"-600:1 0:2", "60:3", "0:2 60:3"}, // too old
		{"0:1 60:2", "-600:9", "0:1 60:2"},
	} {
		got := appendPoints(p(c.old), p(c.add), ago(5*time.Minute))
		if !slices.EqualFunc(got, p(c.want), samePoint) {
			t.Errorf("%q + %q = %v, want %q", c.old, c.add, got, c.want)
		}
	}
}

func TestHistory(t *testing.T) {
	var h history
	add := func(minute int, text string) bool {
		return h.add(Happening{Time: noon.Add(time.Duration(minute) * time.Minute), Kind: "k", Text: text})
	}
	if !add(5, "b") || add(5, "b") || !add(3, "a") || !add(9, "c") || add(9, "c") {
		t.Error("each key once")
	}
	h.settle()
	held := h.list
	if add(5, "b") {
		t.Error("each key once, also after settling")
	}
	add(1, "z")
	add(10, "d")
	h.settle()
	if len(held) != 3 || held[0].Text != "a" || held[2].Text != "c" {
		t.Errorf("a list that was handed out has changed: %v", held)
	}
	if h.add(Happening{Kind: "k", Text: "no time"}) {
		t.Error("without a time it is not in the history")
	}
	for i := range 5 { // one by one, so that the array has room to spare
		add(11+i, "grow")
		h.settle()
		held, text := h.list, fmt.Sprint(h.list)
		add(2, fmt.Sprint("late ", i))
		h.settle()
		if fmt.Sprint(held) != text {
			t.Errorf("a list that was handed out has changed: %v, was %s", held, text)
		}
	}
	for i := range 3 * HistoryCap {
		add(20+i, "many")
	}
	h.settle()
	if len(h.list) != HistoryCap || len(h.keys) != HistoryCap {
		t.Errorf("%d entries, %d keys, want %d", len(h.list), len(h.keys), HistoryCap)
	}
	if !slices.IsSortedFunc(h.list, byTime) || !h.list[HistoryCap-1].Time.Equal(noon.Add(time.Duration(19+3*HistoryCap)*time.Minute)) {
		t.Error("not in order, or the newest are not those that stayed")
	}
	if add(1, "z") {
		t.Error("what is older than a full history is no news")
	}
}

// texts are the history's words of some kinds.
func texts(s *Snapshot, kinds ...string) (out []string) {
	for _, h := range s.History {
		if slices.Contains(kinds, h.Kind) {
			out = append(out, strings.TrimSpace(h.Kind+" "+h.Service+h.Node+": "+h.Text))
		}
	}
	return out
}

func TestHistoryOfADeploy(t *testing.T) {
	f, now := at(noon)
	f.Fold(shop())
	f.Snapshot()
	later := func(d time.Duration, c sources.Change) {
		*now = now.Add(d)
		c.At = *now
		f.Fold(c)
		f.Snapshot()
	}
	s := *web(replicas(2), update("updating", ""))
	s.Version, s.Image, s.Generation, s.Updated, s.UpdateStarted = 5, "web:3", "g3", noon.Add(time.Minute), noon.Add(time.Minute)
	later(time.Minute, sources.Change{Services: []sources.Service{s}})
	later(time.Second, sources.Change{Services: []sources.Service{s}}) // told twice, happened once
	bad := task(3, "n3", func(t *sources.Task) {
		t.Generation, t.State, t.Desired, t.ExitCode, t.Err = "g3", sources.TaskFailed, sources.TaskShutdown, 137, "unhealthy"
		t.Created, t.Since = *now, *now
	})
	later(time.Second, sources.Change{TasksOf: []string{"web"}, Tasks: append(all(), bad)})
	later(time.Second, sources.Change{TasksOf: []string{"web"}, Tasks: append(all()[:2], bad)})
	s.Version, s.UpdateState, s.UpdateMessage, s.UpdateCompleted = 6, "rollback_completed", "rollback completed", *now
	later(time.Second, sources.Change{Services: []sources.Service{s}})
	later(time.Second, sources.Change{Nodes: []sources.Node{node("n1"), node("n2", downNode, func(n *sources.Node) { n.Message = "heartbeat failure" }), node("n4")}})
	later(time.Second, sources.Change{Removed: []string{"db"}})
	want := []string{"deploy web: web:2 → web:3", "scaled web: 3 → 2", "task failed webname-n3: web.3: unhealthy (exit 137)",
		"rolled back web: rollback completed", "node name-n2: down: heartbeat failure", "node name-n4: joined as worker", "node name-n3: left", "removed db: web:2"}
	if got := texts(f.Snapshot(), DeployStarted, Scaled, TaskDied, RolledBack, NodeChanged, Removed); !slices.Equal(got, want) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if h := texts(f.Snapshot(), HealthChanged); len(h) == 0 || !strings.HasPrefix(h[0], "health web: healthy → ") {
		t.Errorf("health: %q", h)
	}
	if v := f.Snapshot().Service("web"); v.HealthSince.Before(noon) {
		t.Errorf("health since %v", v.HealthSince)
	}
}

func TestAlertsInHistory(t *testing.T) {
	f, now := at(noon)
	f.Fold(shop())
	a := sources.Alert{Fingerprint: "f1", Name: "Slow", Service: "web", Severity: "warning", State: sources.Firing, Since: ago(time.Minute), Summary: "p95"}
	b := sources.Alert{Fingerprint: "f2", Name: "Dead", Service: "web", Severity: "critical", State: sources.Firing, Since: ago(time.Hour)}
	given := []sources.Alert{a, b}
	f.SetAlerts(given)
	s := f.Snapshot()
	if given[0].Name != "Slow" || s.Alerts[0].Name != "Dead" || s.Service("web").Firing != 2 || s.Counts.Firing != 2 {
		t.Errorf("order %v, firing %d", s.Alerts, s.Service("web").Firing)
	}
	*now = noon.Add(time.Minute)
	a.Summary = "p95 worse"
	f.SetAlerts([]sources.Alert{a})
	want := []string{"alert web: Dead", "alert web: Slow: p95", "resolved web: Dead"}
	if got := texts(f.Snapshot(), AlertFiring, AlertResolved); !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
	if s.Counts.Firing != 2 || len(s.Alerts) != 2 {
		t.Error("the snapshot before has changed")
	}
}

// TestAlertsOnWhatIsGone: alerts about services that the swarm does not have stand behind all others, and are told; before the swarm was read they are not.
func TestAlertsOnWhatIsGone(t *testing.T) {
	f, _ := at(noon, SwarmName)
	alert := func(name, service, severity string) sources.Alert {
		return sources.Alert{Fingerprint: name, Name: name, Service: service, Severity: severity, State: sources.Firing, Since: ago(time.Hour)}
	}
	f.SetAlerts([]sources.Alert{alert("Dead", "gone", "critical"), alert("Slow", "web", "warning"), alert("Disk", "", "warning")})
	s := f.Snapshot()
	if s.Stray(&s.Alerts[0]) || s.Alerts[0].Name != "Dead" {
		t.Errorf("before the swarm was read: %v", s.Alerts)
	}
	f.Fold(shop())
	f.SetStatus(sources.Status{Name: SwarmName, State: sources.Live, Fresh: noon})
	s = f.Snapshot()
	if last := &s.Alerts[2]; last.Name != "Dead" || !s.Stray(last) || s.Stray(&s.Alerts[0]) || s.Stray(&s.Alerts[1]) || s.Counts.Firing != 3 {
		t.Errorf("%v, %d fire", s.Alerts, s.Counts.Firing)
	}
}

// A node whose clock is an hour behind, or ahead: what we saw happen is news all the same.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour, 0} {
		f, now := at(noon)
		f.Fold(shop())
		*now = noon.Add(10 * time.Minute)
		f.Fold(shop())
		f.Snapshot()
		there := now.Add(skew) // what the node's clock says
		crashed := func(id string) sources.Task {
			x := task(3, "n3", failed(0, "boom"))
			x.ID, x.Created, x.Since = id, there, there
			return x
		}
		running := task(3, "n3")
		running.ID, running.Created, running.Since = "new", there, there
		f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: append(all()[:2], crashed("a"), crashed("b"), running)})
		v := f.Snapshot().Service("web")
		if v.Failures != 2 || v.Health != Degraded || !strings.Contains(v.Reason, "crash loop") {
			t.Errorf("skew %v: %+v", skew, v.Verdict)
		}
		*now = now.Add(FailureWindow + 11*time.Minute)
		if v := f.Snapshot().Service("web"); v.Failures != 0 || v.Health != Healthy {
			t.Errorf("skew %v, later: %+v", skew, v.Verdict)
		}
		if got := f.Snapshot().Service("web").Tasks[2]; !got.Since.Equal(there) {
			t.Errorf("skew %v: readers get the node's own date, got %v", skew, got.Since)
		}
	}
}

func TestSlots(t *testing.T) {
	f, _ := at(noon)
	g := *web(global)
	g.ID, g.Name = "g", "g"
	x, y := task(0, "n1"), task(0, "n2")
	x.ServiceID, y.ServiceID = "g", "g"
	f.Fold(world([]*sources.Service{web(), &g}, append(all(), task(2, "n1", failed(time.Minute, "x")), x, y), node("n1"), node("n2")))
	s := f.Snapshot()
	slots := s.Service("web").Slots()
	if len(slots) != 3 || len(slots[1].Tasks) != 2 || slots[1].Number != 2 || slots[1].Tasks[0].State != sources.TaskFailed {
		t.Errorf("%+v", slots)
	}
	if slots := s.Service("g").Slots(); len(slots) != 2 || slots[1].NodeID != "n2" {
		t.Errorf("%+v", slots)
	}
	if s.Node("n1").Running != 2 || s.Node("n9") != nil || s.Service("nobody") != nil {
		t.Errorf("%+v", s.Nodes)
	}
}

func TestManyGoroutines(*testing.T) {
	f := New(nil, SwarmName)
	f.Fold(shop())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 100 {
				switch (i + j) % 5 {
				case 0:
					f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: all()[:j%4]})
				case 1:
					f.SetUsage("cpu", map[string][]sources.Point{"web": {{T: time.Now(), V: float64(j)}}})
				case 2:
					f.Note(Happening{Time: noon.Add(time.Duration(j*i) * time.Second), Text: fmt.Sprint(i, j)})
				case 3:
					f.Fold(shop())
				case 4:
					f.SetAlerts([]sources.Alert{{Name: fmt.Sprint(j), State: sources.Firing, Since: noon}})
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				s := f.Snapshot()
				_ = dump(s, true) // reads all of it
				f.Due()
			}
		})
	}
	wg.Wait()
}

// TestForbiddenTasksAreUnknownNotDown: 'could not look' is never 'nothing there'.
func TestForbiddenTasksAreUnknownNotDown(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f := New(func() time.Time { return now }, SwarmName)
	w := &sources.World{At: now, Services: []sources.Service{{ID: "a", Name: "web", Mode: sources.Replicated, Desired: 3, Updated: now.Add(-time.Hour)}}, Missing: []string{"tasks"}}
	f.Fold(sources.Change{World: w})
	if v := f.Snapshot().Service("web"); v.Health != Unknown || !v.Unread || v.Run() != "?/3" || v.Reason == "" {
		t.Fatalf("%+v", v.Verdict)
	}
	again := *w
	again.Missing = nil
	f.Fold(sources.Change{World: &again})
	if v := f.Snapshot().Service("web"); v.Health != Down || v.Unread {
		t.Fatalf("read again: %+v", v.Verdict)
	}
}
