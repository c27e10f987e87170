package diagnosis

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// series makes points that end at noon, a step apart.
func series(values ...float64) []sources.Point {
	out := make([]sources.Point, len(values))
	for i, v := range values {
		out[i] = sources.Point{T: noon.Add(time.Duration(i+1-len(values)) * figuresStep), V: v}
	}
	return out
}

func TestJump(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		values []float64
		rise   float64
		steps  int // before noon that it is said to begin; -1: there is none
	}{
		"nothing":             {[]float64{}, 1, -1},
		"too short":           {[]float64{0, 0, 0, 9, 9}, 1, -1},
		"as usual":            {[]float64{1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, 1, -1},
		"a rise":              {[]float64{0, 0, 0, 0, 0, 0, 5, 6}, 2, 1},
		"one point is none":   {[]float64{0, 0, 0, 0, 0, 0, 0, 6}, 2, -1},
		"it is over":          {[]float64{0, 0, 0, 0, 0, 6, 6, 0}, 2, -1},
		"a ramp":              {[]float64{0, 0, 0, 0, 0, 3, 6, 9}, 2, 2},
		"within the noise":    {[]float64{10, 14, 9, 13, 11, 8, 15, 14}, 1, -1},
		"less than the least": {[]float64{0, 0, 0, 0, 0, 0, 1, 1}, 2, -1},
		"gaps":                {[]float64{0, nan, 0, 0, nan, 0, 0, 0, 7, nan, 8}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			j := jump(series(c.values...), c.rise)
			if c.steps < 0 && j.Found || c.steps >= 0 && (!j.Found || !j.From.Equal(noon.Add(-time.Duration(c.steps)*figuresStep))) {
				t.Errorf("%+v", j)
			}
		})
	}
}

// erring is a scene of a service that runs, whose error lines have risen, and that was changed at a moment.
func erring(changed time.Time) *Scene {
	v := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1}, Verdict: fleet.Verdict{Health: fleet.Healthy, Want: 1, Running: 1, Well: 1}}
	return &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{v}}, Service: v,
		Changes: []Change{{At: changed, Text: "redeploy", Fields: []sources.FieldChange{{Field: "image"}}}, {At: noon.Add(-time.Hour), First: true}},
		Logs:    &LogsSeen{Source: "loki", Jump: Jump{Name: "error lines", Found: true, Now: 9, From: noon.Add(-30 * time.Second)}}}
}

// TestBadDeployNeedsTheChangeBefore: a deploy just before, or within the step in which the errors rose, is the cause; one after, or long before, is not;
// nor is one that scaled alone.
func TestBadDeployNeedsTheChangeBefore(t *testing.T) {
	rose := noon.Add(-30 * time.Second)
	for name, c := range map[string]struct {
		changed time.Time
		found   bool
	}{"just before": {rose.Add(-10 * time.Second), true}, "within the step": {rose.Add(10 * time.Second), true}, "after": {rose.Add(figuresStep + clockSlack + time.Second), false},
		"long before": {rose.Add(-JustBefore - time.Minute), false}} {
		t.Run(name, func(t *testing.T) {
			got := badDeploy(erring(c.changed), nil)
			if (got != nil) != c.found {
				t.Fatalf("%+v", got)
			}
			if got != nil && (got.Confidence < Confident || len(got.Evidence) < 2) {
				t.Errorf("%+v", got)
			}
		})
	}
	s := erring(rose.Add(-10 * time.Second))
	s.Changes[0].Fields = []sources.FieldChange{{Field: "replicas"}}
	if got := badDeploy(s, nil); got != nil {
		t.Errorf("scaling: %+v", got)
	}
}

// TestErrorsBeganWithTheDeploy: where the first error line follows a deploy and none is known of before it, that is when it began, though the figure was seen
// to rise later; not where there were errors before the deploy, or the oldest lines could not be read.
func TestErrorsBeganWithTheDeploy(t *testing.T) {
	const rose, changed = 30 * time.Second, 80 * time.Second // before noon
	for name, c := range map[string]struct {
		errors   []time.Duration // before noon
		headless bool
		since    time.Duration
	}{
		"first after the deploy":   {[]time.Duration{78 * time.Second, 20 * time.Second}, false, 78 * time.Second},
		"errors before the deploy": {[]time.Duration{90 * time.Second, 78 * time.Second}, false, rose},
		"the oldest are not read":  {[]time.Duration{78 * time.Second, 20 * time.Second}, true, rose},
		"none before the rise":     {[]time.Duration{20 * time.Second}, false, rose},
	} {
		t.Run(name, func(t *testing.T) {
			s := erring(noon.Add(-changed))
			s.Logs.Jump.From, s.Logs.From, s.Logs.Headless, s.Logs.Errors = noon.Add(-rose), noon.Add(-Span), c.headless, nil
			for _, ago := range c.errors {
				s.Logs.Errors = append(s.Logs.Errors, sources.Entry{Time: noon.Add(-ago), Level: sources.LevelError, Line: "refused"})
			}
			got := badDeploy(s, nil)
			if got == nil || got.Since != noon.Add(-c.since) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestSaidBefore: what a structured line says counts, not the values beside it.
func TestSaidBefore(t *testing.T) {
	old := []sources.Entry{{Line: `{"level":"warn","msg":"slow request","path":"/a"}`}, {Line: `ts=1 level=warn msg="no \"quotes\" here" n=1`}}
	for line, want := range map[string]bool{
		`{"level":"warn","msg":"slow request","path":"/orders/1","x":2}`: true,
		`ts=2 msg="no \"quotes\" here" other=3`:                          true,
		`{"level":"warn","msg":"slow requests"}`:                         false,
		`no message at all`:                                              false,
	} {
		if got := saidBefore(line, nil, old); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// TestEngineRestartIsNoFailingCheck: tasks that ended well, on an engine that counts failed checks, were not ended by a check where all that ran there
// ended with them.
func TestEngineRestartIsNoFailingCheck(t *testing.T) {
	task := func(state sources.TaskState, ago time.Duration) sources.Task {
		return sources.Task{ID: "t" + ago.String(), NodeID: "n2", Slot: 1, State: state, Desired: state, Created: noon.Add(-time.Hour), Since: noon.Add(-ago)}
	}
	for name, c := range map[string]struct {
		other time.Duration // since when another service runs there
		found bool
	}{"all went": {2 * time.Minute, false}, "another one stayed": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			web := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1}, Tasks: []sources.Task{task(sources.TaskRunning, 2*time.Minute), task(sources.TaskComplete, 3*time.Minute)}}
			api := &fleet.Service{Service: sources.Service{Name: "api", Mode: sources.Replicated, Desired: 1}, Tasks: []sources.Task{task(sources.TaskRunning, c.other)}}
			snap := &fleet.Snapshot{At: noon, Services: []*fleet.Service{web, api}, Nodes: []fleet.Node{{Node: sources.Node{ID: "n2", Name: "node2"}}}}
			s := &Scene{At: noon, Snap: snap, Service: web, Tasks: web.Tasks}
			if got := healthcheckFailing(s, &Wide{HealthFails: map[string]float64{"node2": 9}}); (got != nil) != c.found {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestNewPatternOfAYoungService: with nothing of before, a pattern is new where the service spoke so long without it that it would have come.
func TestNewPatternOfAYoungService(t *testing.T) {
	lines := make([]sources.Entry, 20)
	for i := range lines {
		lines[i] = sources.Entry{Time: noon.Add(time.Duration(i-20) * 2 * time.Second), Level: sources.LevelWarn, Line: "replica lag above threshold"}
	}
	for name, c := range map[string]struct {
		spoke time.Duration // before the first line
		found bool
	}{"long before": {time.Minute, true}, "just before": {29 * time.Second, false}, "by ten of its gaps": {30 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			s := erring(noon.Add(-time.Hour))
			s.Logs = &LogsSeen{Source: "loki", Errors: lines, Spoke: lines[0].Time.Add(-c.spoke)}
			if got := logPatternNew(s, nil); (got != nil) != c.found || got != nil && got.Confidence >= 0.45 {
				t.Errorf("%+v", got)
			}
			// Another warning while it starts says nothing about this one.
			s.Logs.Errors = append([]sources.Entry{{Time: s.Logs.Spoke.Add(time.Second), Level: sources.LevelWarn, Line: "slow request"}}, lines...)
			if got := logPatternNew(s, nil); (got != nil) != c.found {
				t.Errorf("beside another one: %+v", got)
			}
			s.Logs.Spoke = time.Time{}
			if got := logPatternNew(s, nil); got != nil {
				t.Errorf("with nothing known of before: %+v", got)
			}
		})
	}
}

// TestBadDeploySlowAtFirst: that a service is slow while it starts, or was before it was changed, is no sure sign of a bad deploy.
func TestBadDeploySlowAtFirst(t *testing.T) {
	for name, c := range map[string]struct {
		changed, slow time.Duration // before noon
		sure          bool
	}{"slow since a minute, which a deploy just before has brought": {70 * time.Second, 60 * time.Second, true}, "it has just started": {20 * time.Second, 15 * time.Second, false},
		"slow before the deploy": {57 * time.Second, 60 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			s := erring(noon.Add(-c.changed))
			s.Logs = nil
			s.Metrics = &MetricsSeen{Jumps: map[string]Jump{"p95": {Name: "p95", Unit: "s", Found: true, Now: 0.4, Before: 0.04, From: noon.Add(-c.slow)}}}
			got := badDeploy(s, nil)
			if got == nil || got.Confidence >= Confident != c.sure || len(got.Against) > 0 == c.sure {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestWhatIsOverIsNoCause: lines about another service count while they go on, or while the service that said them is down.
func TestWhatIsOverIsNoCause(t *testing.T) {
	for name, c := range map[string]struct {
		gap, ago time.Duration // between lines; since the last
		health   fleet.Health
		counts   bool
	}{
		"now":                         {time.Second, 10 * time.Second, fleet.Healthy, true},
		"while it started":            {100 * time.Millisecond, 4 * time.Minute, fleet.Healthy, false},
		"seldom, as it is called":     {time.Minute, 4 * time.Minute, fleet.Healthy, true},
		"it is down since it said so": {100 * time.Millisecond, 4 * time.Minute, fleet.Down, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := neighbours(nil, nil)
			api := s.Snap.Services[1]
			api.Health, api.Running, api.Want = c.health, 1, 1
			caller := &Scene{At: noon, Snap: s.Snap, Service: api, Logs: &LogsSeen{Source: "loki", BeforeSeen: true, Jump: Jump{Found: true}}}
			for i := range 5 {
				caller.Logs.Errors = append(caller.Logs.Errors, sources.Entry{Time: noon.Add(-c.ago - time.Duration(4-i)*c.gap), Level: sources.LevelError, Line: "lookup db:5432: context deadline exceeded"})
			}
			learnLinks(caller)
			x := &inquiry{scenes: map[string]*Scene{"s_api": caller, "s_db": s}}
			if got := x.quotesOf("s_db"); len(got) > 0 != c.counts {
				t.Errorf("quotes: %+v", got)
			}
			got := caller.after(s.Service, Link{Service: "s_db", How: "declared"}, &Wide{})
			if (got != nil) != c.counts {
				t.Errorf("its cause: %+v", got)
			}
		})
	}
}

// TestQuietlyUnhealthy: a program that ends well on SIGTERM hides that its check fails. That it was told to stop though the swarm did not want that, and
// that it has a check, tells; the engine's count need not.
func TestQuietlyUnhealthy(t *testing.T) {
	const spec, image, off = "CMD wget -q localhost", "", "none"
	for name, c := range map[string]struct {
		check       string  // in the specification
		seen        float64 // by the exporter: 1 passed, 0 not, -1 none, 9 not known
		told        bool    // its last lines speak of a signal
		failed      float64 // as the engine counts
		tasks       int
		least, most float64 // how sure of the check; 0: not at all
		exits       float64 // how sure it may be at most that it ends by itself
	}{
		"it is told, and has a check":           {spec, 9, true, 0, 2, 0.8, 0.9, 0.4},
		"the exporter knows that it has one":    {image, 1, true, 0, 2, 0.8, 0.9, 0.4},
		"told once":                             {spec, 9, true, 0, 1, 0.6, 0.7, 0},
		"whether it has one is not known":       {image, 9, true, 0, 3, 0.55, 0.65, 0.4},
		"told once, whether it has one":         {image, 9, true, 0, 1, 0.4, 0.5, 0},
		"it has none":                           {image, -1, true, 0, 3, 0, 0, 0.4},
		"it is switched off":                    {off, 9, true, 0, 3, 0, 0, 0.4},
		"nobody told it":                        {spec, 1, false, 0, 3, 0, 0, 0.85},
		"nobody told it, and it has none":       {image, -1, false, 0, 3, 0, 0, 0.9},
		"checks failed there, of whom":          {image, 9, false, 7, 3, 0.4, 0.5, 0.7},
		"not passed, and checks failed there":   {image, 0, false, 7, 3, 0.8, 0.9, 0.7},
		"not passed: it ended while it started": {image, 0, false, 0, 3, 0, 0, 0.85},
	} {
		t.Run(name, func(t *testing.T) {
			web := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1, Healthcheck: c.check}}
			s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{web}, Nodes: []fleet.Node{{Node: sources.Node{ID: "n2", Name: "node2"}}}},
				Service: web, Logs: &LogsSeen{Source: "loki", DeadQuery: "last lines"}, Metrics: &MetricsSeen{Health: map[string]float64{}}}
			for i := range c.tasks {
				id, end := fmt.Sprintf("t%d", i), noon.Add(-time.Duration(i)*24*time.Second)
				s.Tasks = append(s.Tasks, sources.Task{ID: id, NodeID: "n2", Slot: 1, State: sources.TaskComplete, Desired: sources.TaskShutdown, Created: end.Add(-23 * time.Second), Since: end})
				line := "bye"
				if c.told {
					line = "SIGTERM received, draining"
				}
				s.Logs.Dead = append(s.Logs.Dead, sources.Entry{Time: end, Line: line, Stream: &sources.Stream{Service: "web", Task: id}})
				if c.seen != 9 {
					s.Metrics.Health[id] = c.seen
				}
			}
			wide := &Wide{HealthFails: map[string]float64{"node2": c.failed}}
			got := healthcheckFailing(s, wide)
			if (got != nil) != (c.most > 0) || got != nil && (got.Confidence < c.least || got.Confidence > c.most) {
				t.Errorf("%+v", got)
			}
			if got != nil && c.tasks > 1 && !strings.Contains(textOf(got.Evidence), "lived 23 s each") {
				t.Errorf("nothing of how regular that is: %s", textOf(got.Evidence))
			}
			exits := exitsCleanly(s, wide)
			if (exits != nil) != (c.exits > 0) || exits != nil && exits.Confidence != c.exits {
				t.Errorf("ends by itself: %+v", exits)
			}
		})
	}
}

// TestCrashedAfterALongLife: tasks that ran well for long and all end with an error are told of at once, and one of many is not.
func TestCrashedAfterALongLife(t *testing.T) {
	for name, c := range map[string]struct {
		dead, running int
		found         bool
	}{"all of them": {3, 0, true}, "one of them": {1, 2, false}, "two, and one runs": {2, 1, false}} {
		t.Run(name, func(t *testing.T) {
			web := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 3}, Verdict: fleet.Verdict{Health: fleet.Degraded, Want: 3, Running: c.running}}
			s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{web}}, Service: web}
			for i := range c.dead {
				s.Tasks = append(s.Tasks, sources.Task{ID: fmt.Sprint(i), Slot: i + 1, State: sources.TaskFailed, ExitCode: 1, Err: "task: non-zero exit (1)", Created: noon.Add(-9 * time.Hour), Since: noon.Add(-time.Duration(i+1) * time.Second)})
			}
			got := crashLoop(s, nil)
			if (got != nil) != c.found || got != nil && (got.Confidence >= Confident || len(got.Evidence) == 0) {
				t.Errorf("%+v", got)
			}
		})
	}
}
