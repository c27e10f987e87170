package fleet

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quarterdeck/sources"
)

// errDead is what a source that cannot be reached says.
var errDead = &sources.Error{Source: "x", Kind: sources.Unreachable, Op: "read"}

// feed is a source whose answers are set by the test.
type feed struct {
	name      string
	err       error
	hang      bool // until the context ends
	deaf      chan struct{}
	calls     int
	counts    int // questions about lines of any level
	usual     int // the same about what is usual
	asked     []sources.Window
	value     float64
	rules     []sources.Rule
	unruly    error // of the rules alone
	alertless error // of the active alerts alone
}

// turn orders what the test sets and reads after what the sources read and set: see pass.
var turn sync.Mutex

func (x *feed) now() feed {
	turn.Lock()
	defer turn.Unlock()
	return *x
}

func (x *feed) answer(ctx context.Context) error {
	turn.Lock()
	x.calls++
	turn.Unlock()
	now := x.now()
	if now.deaf != nil { // does not even hear the context
		<-now.deaf
	}
	if now.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return now.err
}

type alertSource = sources.Alerts

type fakeAlerts struct {
	alertSource
	*feed
}

func (x fakeAlerts) Alerts(ctx context.Context) ([]sources.Alert, error) {
	return []sources.Alert{{Name: "A", State: sources.Firing, Since: time.Now().Truncate(time.Hour)}}, x.answer(ctx)
}

func (x fakeAlerts) Silences(context.Context) ([]sources.Silence, error) {
	return []sources.Silence{{ID: "s1", State: "active", Author: "ada", Comment: "c", Starts: time.Now().Truncate(time.Hour), Ends: time.Now().Truncate(time.Hour).Add(24 * time.Hour)}}, nil
}

type fakeMetrics struct {
	sources.Metrics
	*feed
}

func (x fakeMetrics) UsageAll(ctx context.Context, name string, w sources.Window) (map[string][]sources.Point, error) {
	if name == "cpu" {
		turn.Lock()
		x.asked = append(x.asked, w)
		turn.Unlock()
	}
	if err := x.answer(ctx); err != nil {
		return nil, err
	}
	var p []sources.Point
	for at := w.Start; !at.After(w.End); at = at.Add(w.Step) {
		p = append(p, sources.Point{T: at, V: x.now().value})
	}
	return map[string][]sources.Point{"web": p}, nil
}

func (x fakeMetrics) NodeUsage(_ context.Context, _ string, _ time.Time) (sources.Usage, error) {
	return sources.Usage{"name-n1": x.now().value}, nil
}

func (x fakeMetrics) Rules(context.Context) ([]sources.Rule, error) {
	return x.now().rules, x.now().unruly
}

func (x fakeMetrics) ActiveAlerts(ctx context.Context) ([]sources.Alert, error) {
	if err := x.now().alertless; err != nil {
		return nil, err
	}
	rules, err := x.Rules(ctx)
	var all []sources.Alert
	for i := range rules {
		all = append(all, rules[i].Alerts...)
	}
	return all, err
}

type fakeLogs struct {
	sources.Logs
	*feed
}

func (x fakeLogs) Name() string { return x.feed.name }

func (x fakeLogs) Rates(ctx context.Context, _ time.Time, _ time.Duration) (map[string]float64, error) {
	return map[string]float64{"web": x.now().value}, x.answer(ctx)
}

func (x fakeLogs) LineRates(ctx context.Context, _ time.Time, window time.Duration) (map[string]float64, error) {
	turn.Lock()
	if window == UsualSpan {
		x.usual++
	} else {
		x.counts++
	}
	turn.Unlock()
	return map[string]float64{"web": 10 * x.now().value}, x.answer(ctx)
}

// fakeSwarm gives one world; its watch can end by itself, which it must not.
type fakeSwarm struct {
	sources.Orchestrator
	starts int
	ends   int // so many watches end early
}

func (x *fakeSwarm) Watch(ctx context.Context, emit func(sources.Change)) error {
	turn.Lock()
	x.starts++
	early := x.starts <= x.ends
	turn.Unlock()
	emit(shop())
	emit(sources.Change{Status: &sources.Status{Name: SwarmName, State: sources.Live}})
	if early {
		return errors.New("gone")
	}
	<-ctx.Done()
	return ctx.Err()
}

// running runs a fleet in a bubble of time of its own; goleak and synctest see that all its goroutines end.
func running(t *testing.T, feeds Feeds, body func(f *Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := New(nil, SwarmName, LokiName, DockerLogsName, PrometheusName, AlertmanagerName)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.Run(ctx, feeds); close(done) }()
		synctest.Wait()
		body(f)
		cancel()
		<-done
	})
}

func pass(d time.Duration) {
	turn.Lock()
	turn.Unlock() //nolint:staticcheck // the pair orders memory, see turn
	time.Sleep(d)
	synctest.Wait()
	turn.Lock()
	turn.Unlock() //nolint:staticcheck // likewise
}

func wantState(t *testing.T, f *Fleet, name string, state sources.State, since time.Time) sources.Status {
	t.Helper()
	s := f.Snapshot().Source(name)
	if s.State != state || !since.IsZero() && !s.Since.Equal(since) {
		t.Errorf("%s is %s since %v (%s), want %s since %v", name, s.State, s.Since, s.Detail, state, since)
	}
	return s
}

func TestRunAbsent(t *testing.T) {
	running(t, Feeds{}, func(f *Fleet) {
		for _, s := range f.Snapshot().Sources {
			wantState(t, f, s.Name, sources.Absent, time.Time{})
		}
		if len(f.Snapshot().History) != 0 {
			t.Errorf("what is not configured is no happening: %v", f.Snapshot().History)
		}
	})
}

func TestRunReadsTheBackups(t *testing.T) {
	store := &feed{}
	running(t, Feeds{Backups: store.answer}, func(f *Fleet) {
		start := time.Now()
		wantState(t, f, BackupsName, sources.Live, start)
		pass(10 * BackupPeriod)
		if store.calls < 10 || store.calls > 12 {
			t.Errorf("%d readings in ten periods", store.calls)
		}
		turn.Lock()
		store.hang = true
		turn.Unlock()
		pass(stalePeriods*BackupPeriod + 2*BackupPeriod)
		if s := f.Snapshot().Source(BackupsName); s.OK() {
			t.Errorf("one that does not answer is %s", s.State)
		}
	})
}

func TestRunFailsAndRecovers(t *testing.T) {
	am := &feed{}
	running(t, Feeds{Alerts: fakeAlerts{feed: am}}, func(f *Fleet) {
		start := time.Now()
		wantState(t, f, AlertmanagerName, sources.Live, start)
		if f.Snapshot().Counts.Firing != 1 {
			t.Error("the alert is not there")
		}
		am.err = errDead
		pass(AlertPeriod)
		lost := time.Now()
		s := wantState(t, f, AlertmanagerName, sources.Reconnecting, lost)
		if !s.Fresh.Equal(start) || !strings.Contains(s.Detail, "unreachable") {
			t.Errorf("%+v", s)
		}
		if f.Snapshot().Counts.Firing != 1 {
			t.Error("what was known is forgotten when a source is lost")
		}
		calls := am.calls
		pass(10 * time.Minute)
		if n := am.calls - calls; n < 10 || n > 60 {
			t.Errorf("%d tries in 10 minutes: backoff of 1 s up to 30 s", n)
		}
		wantState(t, f, AlertmanagerName, sources.Reconnecting, lost)
		am.err = &sources.Error{Source: AlertmanagerName, Kind: sources.Unauthorised}
		pass(time.Minute)
		wantState(t, f, AlertmanagerName, sources.NoAuth, time.Time{})
		am.err = nil
		pass(time.Minute)
		if s := wantState(t, f, AlertmanagerName, sources.Live, time.Time{}); time.Since(s.Fresh) > AlertPeriod || s.Detail != "" {
			t.Errorf("%+v", s)
		}
		am.err = errDead
		for f.Snapshot().Source(AlertmanagerName).State == sources.Live {
			pass(100 * time.Millisecond)
		}
		am.err = nil
		pass(1500 * time.Millisecond) // the first retry of a new outage is quick again: 1 s and half of it as jitter
		wantState(t, f, AlertmanagerName, sources.Live, time.Time{})
	})
}

// A call that hangs: STALE after three periods, an error after four, LIVE again by itself.
func TestRunHangs(t *testing.T) {
	am := &feed{}
	running(t, Feeds{Alerts: fakeAlerts{feed: am}}, func(f *Fleet) {
		am.hang = true
		pass(AlertPeriod + 3*AlertPeriod - time.Second)
		wantState(t, f, AlertmanagerName, sources.Live, time.Time{})
		pass(time.Second)
		s := wantState(t, f, AlertmanagerName, sources.Stale, time.Now())
		if s.OK() || !strings.Contains(s.Detail, "no answer for 30s") {
			t.Errorf("%+v", s)
		}
		pass(AlertPeriod)
		s = wantState(t, f, AlertmanagerName, sources.Reconnecting, time.Now())
		if !strings.Contains(s.Detail, "no answer within 40s") {
			t.Errorf("%+v", s)
		}
		since := s.Since
		pass(10 * time.Minute)
		wantState(t, f, AlertmanagerName, sources.Reconnecting, since)
		am.hang = false
		pass(2 * time.Minute)
		wantState(t, f, AlertmanagerName, sources.Live, time.Time{})
	})
}

// A source that never hears its context is STALE for as long as it says nothing.
func TestRunDeaf(t *testing.T) {
	am := &feed{}
	running(t, Feeds{Alerts: fakeAlerts{feed: am}}, func(f *Fleet) {
		am.deaf = make(chan struct{})
		pass(time.Hour)
		wantState(t, f, AlertmanagerName, sources.Stale, time.Now().Add(-time.Hour+4*AlertPeriod))
		deaf := am.deaf
		am.deaf = nil
		pass(0)
		close(deaf)
		synctest.Wait()
		pass(AlertPeriod)
		wantState(t, f, AlertmanagerName, sources.Live, time.Time{})
	})
}

func TestRunUsage(t *testing.T) {
	m := &feed{value: 1}
	running(t, Feeds{Swarm: &fakeSwarm{}, Metrics: fakeMetrics{feed: m}}, func(f *Fleet) {
		start := time.Now()
		web := f.Snapshot().Service("web")
		if len(web.CPU) != 31 || web.CPUNow != 1 || web.MemoryNow != 1 || f.Snapshot().Node("n1").CPUUsed != 1 {
			t.Errorf("at first: %d points, now %v", len(web.CPU), web.CPUNow)
		}
		m.value = 2
		pass(UsagePeriod)
		if now := f.Snapshot().Service("web").CPUNow; now != 2 {
			t.Errorf("after a period, now is %v", now)
		}
		if w := m.asked[1]; w.Start != w.End {
			t.Errorf("the second question is for all: %+v", w)
		}
		pass(45 * time.Minute)
		web = f.Snapshot().Service("web")
		if n := len(web.CPU); n < 30 || n > 32 {
			t.Errorf("%d points in half an hour", n)
		}
		for i, p := range web.CPU {
			if i > 0 && !p.T.After(web.CPU[i-1].T) || p.T.Before(time.Now().Add(-SparkSpan-SparkStep)) {
				t.Errorf("point %d at %v", i, p.T)
			}
		}
		m.err = errDead
		pass(time.Hour)
		st := f.Snapshot().UsageStatus()
		if st.OK() || st.Fresh.Before(start) || time.Since(st.Fresh) < 50*time.Minute {
			t.Errorf("figures an hour old: %+v", st)
		}
		if now := f.Snapshot().Service("web").CPUNow; math.IsNaN(now) {
			t.Error("the last figure is forgotten; it is to be shown with its date")
		}
		m.err = nil
		asked := len(m.asked)
		pass(time.Minute)
		if w := m.asked[len(m.asked)-1]; len(m.asked) == asked || w.Start != w.End {
			t.Error("not asked again")
		}
		full := false
		for _, w := range m.asked[asked:] {
			full = full || w.End.Sub(w.Start) == SparkSpan
		}
		if !full {
			t.Error("after a failure the half hour is to be read whole again")
		}
	})
}

func TestRunRates(t *testing.T) {
	logs := &feed{name: "loki", value: 3}
	running(t, Feeds{Swarm: &fakeSwarm{}, Logs: fakeLogs{feed: logs}}, func(f *Fleet) {
		s := f.Snapshot()
		if s.Service("web").LineRate != 30 || s.Service("db").LineRate != 0 {
			t.Errorf("%v and %v lines a second", s.Service("web").LineRate, s.Service("db").LineRate)
		}
		if s.Service("web").ErrorRate != 3 || s.RateStatus().Name != LokiName || !s.RateStatus().OK() {
			t.Errorf("%v by %+v", s.Service("web").ErrorRate, s.RateStatus())
		}
		f.SetStatus(sources.Status{Name: LokiName, State: sources.Dropped, Lost: 7})
		pass(UsagePeriod)
		if s := wantState(t, f, LokiName, sources.Dropped, time.Time{}); s.Lost != 7 {
			t.Errorf("what the stream lost is forgotten: %+v", s)
		}
		logs.err = &sources.Error{Source: "loki", Kind: sources.NotFound}
		pass(UsagePeriod)
		wantState(t, f, LokiName, sources.Dropped, time.Time{})
		if v := f.Snapshot().Service("web").ErrorRate; !math.IsNaN(v) {
			t.Errorf("it cannot count any more, yet %v", v)
		}
		if n := logs.now().counts; n != 2 {
			t.Errorf("three readings of the error rate with %d of the lines", n)
		}
		if n := logs.now().usual; n != 1 {
			t.Errorf("what is usual was asked for %d times within a minute", n)
		}
		if v := f.Snapshot().Service("web").LineRate; !math.IsNaN(v) {
			t.Errorf("it cannot count any more, yet %v lines", v)
		}
	})
	running(t, Feeds{Logs: fakeLogs{feed: &feed{name: "docker"}}}, func(f *Fleet) {
		wantState(t, f, LokiName, sources.Absent, time.Time{})
		if s := f.Snapshot().RateStatus(); s.Name != DockerLogsName || s.State != sources.Live {
			t.Errorf("%+v", s)
		}
	})
}

func TestRunPendingAlerts(t *testing.T) {
	m := &feed{rules: []sources.Rule{{Alerts: []sources.Alert{{Name: "P", State: sources.Pending}, {Name: "A", State: sources.Firing}}}}}
	running(t, Feeds{Alerts: fakeAlerts{feed: &feed{}}, Metrics: fakeMetrics{feed: m}}, func(f *Fleet) {
		if c := f.Snapshot().Counts; c.Firing != 1 || c.Pending != 1 {
			t.Errorf("firing from Alertmanager and pending from Prometheus, each once: %+v", c)
		}
		for _, kind := range []sources.Kind{sources.NotFound, sources.Forbidden} {
			turn.Lock()
			m.alertless = &sources.Error{Source: PrometheusName, Kind: kind, Op: "list active alerts"}
			turn.Unlock()
			pass(2 * AlertPeriod)
			if c := f.Snapshot().Counts; c.Firing != 1 || c.Pending != 1 {
				t.Errorf("only the rules can be asked (%s): %+v", kind, c)
			}
		}
	})
}

// TestRunAlertsFromRules: without Alertmanager the rules tell what fires and is pending. That they cannot be read is told apart from there
// being none, and what was known stays.
func TestRunAlertsFromRules(t *testing.T) {
	active := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Hour)
	m := &feed{rules: []sources.Rule{{For: time.Minute, Alerts: []sources.Alert{{Name: "P", State: sources.Pending, Since: active}, {Name: "A", Service: "web", State: sources.Firing, Since: active}}}}}
	running(t, Feeds{Metrics: fakeMetrics{feed: m}}, func(f *Fleet) {
		s := f.Snapshot()
		if c := s.Counts; c.Firing != 1 || c.Pending != 1 || s.AlertsBy() != PrometheusName || !s.AlertStatus().OK() {
			t.Errorf("%+v by %s, %+v", c, s.AlertsBy(), s.AlertStatus())
		}
		if a := s.Alerts[0]; !a.Since.Equal(active.Add(time.Minute)) {
			t.Errorf("it fires since %s", a.Since)
		}
		if h := s.History; len(h) != 1 || h[0].Kind != AlertFiring || h[0].Source != PrometheusName {
			t.Errorf("history %+v", h)
		}
		wantState(t, f, AlertmanagerName, sources.Absent, time.Time{})
		turn.Lock()
		m.unruly = &sources.Error{Source: PrometheusName, Kind: sources.Forbidden, Op: "list rules"}
		turn.Unlock()
		pass(2 * AlertPeriod)
		s = f.Snapshot()
		if st := s.AlertStatus(); st.State != sources.Denied || st.Name != PrometheusName || s.Counts.Firing != 1 {
			t.Errorf("%+v, %d firing", st, s.Counts.Firing)
		}
		wantState(t, f, PrometheusName, sources.Live, time.Time{})
		turn.Lock()
		m.unruly, m.rules = nil, nil
		turn.Unlock()
		pass(AlertPeriod + time.Minute)
		if s = f.Snapshot(); !s.AlertStatus().OK() || len(s.Alerts) != 0 {
			t.Errorf("%+v, %v", s.AlertStatus(), s.Alerts)
		}
	})
}

func TestRunWatchEndsEarly(t *testing.T) {
	swarm := &fakeSwarm{ends: 2}
	running(t, Feeds{Swarm: swarm}, func(f *Fleet) {
		s := wantState(t, f, SwarmName, sources.Reconnecting, time.Time{})
		if !strings.Contains(s.Detail, "gone") {
			t.Errorf("%+v", s)
		}
		pass(time.Minute)
		wantState(t, f, SwarmName, sources.Live, time.Time{})
		if swarm.starts != 3 {
			t.Errorf("%d starts", swarm.starts)
		}
	})
}

// A verdict that time alone changes wakes the readers, once; without one the fleet is silent.
func TestRunWakesWhenDue(t *testing.T) {
	running(t, Feeds{}, func(f *Fleet) {
		one := *web(replicas(1))
		x := task(1, "n1")
		x.Created, x.Since, one.Created, one.Updated = time.Now(), time.Now(), time.Now(), time.Now()
		f.Fold(world([]*sources.Service{&one}, []sources.Task{x}, node("n1")))
		if v := f.Snapshot().Service("web"); v.Health != Updating {
			t.Fatalf("%+v", v.Verdict)
		}
		woken(f)
		pass(DefaultWindow + 5*time.Second)
		if !woken(f) {
			t.Error("nobody was woken")
		}
		s := f.Snapshot()
		if s.Service("web").Health != Healthy {
			t.Errorf("%+v", s.Service("web").Verdict)
		}
		pass(time.Hour)
		if woken(f) || f.Snapshot() != s {
			t.Error("woken though nothing changed")
		}
	})
}
