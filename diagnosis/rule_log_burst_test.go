package diagnosis

import (
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// talking is a scene of a service that has run for days and now writes 40 lines a second where it used to write 2.
func talking() (*Scene, *Wide) {
	v := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1, Created: noon.Add(-72 * time.Hour)}, Verdict: fleet.Verdict{Health: fleet.Healthy, Want: 1, Running: 1, Well: 1}}
	s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{v}}, Service: v,
		Logs: &LogsSeen{Source: "loki", Burst: &Burst{Jump: Jump{Found: true, Now: 40, Before: 2, From: noon.Add(-45 * time.Second), Query: "sum(rate(all [60s]))"},
			Yesterday: 2.2, Most: sources.Pattern{Text: "cache miss key=<_>", Count: 900}, Sampled: 1000, Rate: 36, MostBefore: 0, Bytes: 100, MostQuery: "sum(rate(one [60s]))"}}}
	return s, &Wide{LinesNow: map[string]float64{"web": 40}, LinesBefore: map[string]float64{"web": 2}}
}

// TestLogBurst: how far it may be believed, and what speaks against it.
func TestLogBurst(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *Scene, w *Wide)
		least   float64 // of confidence; 0: it is no burst
		most    float64
		against string
	}{
		"as it is":           {func(*Scene, *Wide) {}, 0.6, 0.7, ""},
		"yesterday unknown":  {func(s *Scene, _ *Wide) { s.Logs.Burst.Yesterday = math.NaN() }, 0.5, 0.6, ""},
		"daily":              {func(s *Scene, _ *Wide) { s.Logs.Burst.Yesterday = 38 }, 0.1, 0.4, "yesterday"},
		"again and again":    {func(s *Scene, _ *Wide) { s.Logs.Burst.Again = 2 }, 0, 0, ""},
		"over":               {func(s *Scene, _ *Wide) { s.Logs.Burst.Jump = Jump{} }, 0, 0, ""},
		"not looked at":      {func(s *Scene, _ *Wide) { s.Logs = nil }, 0, 0, ""},
		"a new service":      {func(s *Scene, _ *Wide) { s.Service.Created = noon.Add(-10 * time.Minute) }, 0, 0, ""},
		"a task that starts": {func(s *Scene, _ *Wide) { s.Tasks = []sources.Task{{Created: noon.Add(-50 * time.Second)}} }, 0, 0, ""},
		"a task that started": {func(s *Scene, _ *Wide) {
			s.Tasks, s.Logs.Burst.Jump.From = []sources.Task{{Created: noon.Add(-3 * time.Minute)}}, noon.Add(-2*time.Minute)
		}, 0.6, 0.7, ""},
		"asked more": {func(s *Scene, _ *Wide) {
			s.Metrics = &MetricsSeen{Readings: map[string]sources.Reading{"requests": {Answer: sources.MetricsAnswer{Series: []sources.Series{{Points: series(1, 1, 1, 1, 1, 18, 20, 19)}}}}}}
		}, 0.1, 0.4, "requests"},
		"scaled": {func(s *Scene, _ *Wide) {
			s.Changes = []Change{{At: noon.Add(-50 * time.Second), Text: "scaled", Fields: []sources.FieldChange{{Field: "replicas"}}}}
		}, 0.1, 0.4, "scaled"},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := talking()
			c.change(s, w)
			got := logBurst(s, w)
			if got == nil || c.least == 0 {
				if (got == nil) != (c.least == 0) {
					t.Fatalf("%+v", got)
				}
				return
			}
			if got.Confidence < c.least || got.Confidence > c.most || got.Confidence >= Confident {
				t.Errorf("%.2f sure", got.Confidence)
			}
			if text := textOf(got.Against); c.against != "" && !strings.Contains(text, c.against) {
				t.Errorf("against it: %q", text)
			}
		})
	}
}

// TestLogBurstSays names how much, of what, the queries that show it and what it endangers.
func TestLogBurstSays(t *testing.T) {
	s, w := talking()
	c := logBurst(s, w)
	if c.Title != "it writes 40 lines/s, usually 2.0" || !strings.Contains(c.Why, "20 times") {
		t.Errorf("%s: %s", c.Title, c.Why)
	}
	if len(c.Evidence) != 2 || c.Evidence[0].Query != "sum(rate(all [60s]))" || c.Evidence[1].Query != "sum(rate(one [60s]))" || c.Evidence[1].Text != "36 lines/s of them are like this, before it no lines: cache miss key=<_>" {
		t.Errorf("%+v", c.Evidence)
	}
	if len(c.Effects) != 1 || !strings.Contains(c.Effects[0], "about 4 KiB a second, 330 MiB a day") || !strings.Contains(c.Effects[0], "under 1%") {
		t.Errorf("%q", c.Effects)
	}
	s.Logs.Burst.Rate, s.Logs.Burst.Bytes = math.NaN(), 4<<20
	if c := logBurst(s, w); c.Evidence[1].Text != "900 of its newest 1000 lines are like this, before it no lines: cache miss key=<_>" || !strings.Contains(c.Effects[0], "lines of all services are lost") {
		t.Errorf("%+v %q", c.Evidence[1], c.Effects)
	}
}

// TestABurstOfADeployIsItsEffect: what begins with a change of the service is that change's, and is not said twice.
func TestABurstOfADeployIsItsEffect(t *testing.T) {
	s, w := talking()
	s.Logs.Burst.Jump.From = noon.Add(-90 * time.Second)
	s.Changes = []Change{{At: noon.Add(-100 * time.Second), Text: "a deploy", Fields: []sources.FieldChange{{Field: "env LOG_LEVEL", Before: "info", After: "debug"}}}}
	s.Tasks = []sources.Task{{Created: noon.Add(-99 * time.Second)}}
	deploy := badDeploy(s, w)
	if deploy == nil || deploy.Confidence >= Confident || deploy.Confidence < 0.5 || !strings.Contains(textOf(deploy.Evidence), "LOG_LEVEL") || !strings.Contains(textOf(deploy.Evidence), "40 lines/s") {
		t.Fatalf("%+v", deploy)
	}
	burst := logBurst(s, w)
	deploy.ID, deploy.Service, burst.ID, burst.Service = "bad-deploy", "web", "log-burst", "web"
	if got := fold([]Cause{*burst, *deploy}); len(got) != 1 || got[0].ID != "bad-deploy" || !strings.Contains(strings.Join(got[0].Effects, " "), burst.Title) {
		t.Errorf("%+v", got)
	}
	s.Logs.Burst.Jump.From = noon.Add(-30 * time.Second) // it may be what a start has to say
	if got := badDeploy(s, w); got != nil {
		t.Errorf("%+v", got)
	}
}

// TestBurstNeedsABaseline: what is usual must be known, and the rise be more than a few lines.
func TestBurstNeedsABaseline(t *testing.T) {
	for name, c := range map[string]struct {
		now, before map[string]float64
		want        bool
	}{
		"many times":           {map[string]float64{"web": 40}, map[string]float64{"web": 2}, true},
		"nothing before":       {map[string]float64{"web": 40}, map[string]float64{"api": 2}, true},
		"nothing of anybody":   {map[string]float64{"web": 40}, map[string]float64{}, false},
		"not looked at":        {map[string]float64{"web": 40}, nil, false},
		"now not looked at":    {nil, map[string]float64{"web": 2}, false},
		"twice":                {map[string]float64{"web": 40}, map[string]float64{"web": 20}, false},
		"many times of little": {map[string]float64{"web": 4}, map[string]float64{"web": 0.1}, false},
	} {
		if got := (&Wide{LinesNow: c.now, LinesBefore: c.before}).burst("web"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (*Wide)(nil).burst("web") {
		t.Error("nothing was asked yet")
	}
}

// TestLineSteps: steps without a line count as such, those that are cut do not count.
func TestLineSteps(t *testing.T) {
	at := noon.Add(7 * time.Second)
	got := lineSteps([]sources.VolumePoint{{Time: noon.Add(-15 * time.Second), Counts: map[sources.Level]float64{sources.LevelInfo: 20, sources.LevelError: 10}}, {Time: noon, Counts: map[sources.Level]float64{sources.LevelInfo: 99}}}, at.Add(-time.Minute), at)
	if len(got) != 3 || got[0].V != 0 || got[1].V != 0 || got[2].V != 2 || !got[2].T.Equal(noon.Add(-15*time.Second)) {
		t.Errorf("%+v", got)
	}
}

// TestTheGrownPatternIsNamed: not the one that makes the most lines as ever, but the one that has come to them; the order of the answer does not matter.
func TestTheGrownPatternIsNamed(t *testing.T) {
	now := []sources.Pattern{{Text: "GET <_> 200", Count: 900}, {Text: "retry <_>", Count: 600, Sample: "retry 5"}, {Text: "cache <_>", Count: 600}}
	before := []sources.Pattern{{Text: "GET <_> 200", Count: 1800}, {Text: "retry 1", Count: 12, Sample: "retry 1"}}
	for range 2 {
		most, was := grownMost(now, before, 60, 120)
		if most.Text != "cache <_>" || was != 0 {
			t.Errorf("%s, before it %v a second", most.Text, was)
		}
		now[0], now[2] = now[2], now[0]
	}
	if most, was := grownMost(now[1:2], before, 60, 120); most.Text != "retry <_>" || was != 0.1 {
		t.Errorf("%s, before it %v a second", most.Text, was)
	}
}
