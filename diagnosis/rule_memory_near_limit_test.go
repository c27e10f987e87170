package diagnosis

import (
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// course makes points of a step that end at noon.
func course(step time.Duration, values ...float64) []sources.Point {
	out := make([]sources.Point, len(values))
	for i, v := range values {
		out[i] = sources.Point{T: noon.Add(-step * time.Duration(len(values)-1-i)), V: v}
	}
	return out
}

// line is n values from one to another, evenly.
func line(n int, from, to float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from + (to-from)*float64(i)/float64(n-1)
	}
	return out
}

func flat(n int, v float64) []float64 { return line(n, v, v) }

func join(lists ...[]float64) []float64 {
	var out []float64
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// filling is a scene of a healthy service with a limit of 200 MiB and one container.
func filling(near, far []float64) *Scene {
	v := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1, Created: noon.Add(-72 * time.Hour), Resources: sources.Resources{LimitBytes: 200 << 20}},
		Verdict: fleet.Verdict{Health: fleet.Healthy, Want: 1, Running: 1, Well: 1}}
	return &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{v}}, Service: v,
		Tasks:   []sources.Task{{ID: "t1", Slot: 1, State: sources.TaskRunning, Desired: sources.TaskRunning, Created: noon.Add(-48 * time.Hour), Since: noon.Add(-48 * time.Hour)}},
		Metrics: &MetricsSeen{Course: &MemoryCourse{Resident: math.NaN(), Query: "share", ResidentQuery: "rss", Of: []Course{{Container: "web.1.t1", Near: course(memoryNearStep, near...), Far: course(memoryFarStep, far...)}}}}}
}

// TestMemoryNearLimit: what climbs to the limit is told of before the kill, how sure is by how near; what always was there, or comes and goes, hardly or not.
func TestMemoryNearLimit(t *testing.T) {
	sawtooth := func(n int) []float64 {
		var out []float64
		for len(out) < n {
			out = append(out, line(20, 0.55, 0.88)...)
		}
		return out[:n]
	}
	usual := flat(180, 0.35)
	for name, c := range map[string]struct {
		near, far   []float64
		change      func(s *Scene)
		least, most float64 // of confidence; 0: no cause
		say         string
	}{
		"flat at 70 %":        {flat(80, 0.7), flat(180, 0.7), nil, 0, 0, ""},
		"flat at 88 %":        {flat(80, 0.88), flat(180, 0.88), nil, 0, 0, ""},
		"always at the limit": {flat(80, 0.95), flat(180, 0.95), nil, 0, 0, ""},
		"it stands and an alert": {flat(80, 0.95), flat(80, 0.95), func(s *Scene) {
			s.Snap.Alerts = []sources.Alert{{Name: "X", Service: "web", State: sources.Pending, Since: noon}}
		}, 0.3, 0.4, "stands"},
		"a fast leak":          {join(flat(60, 0.35), line(20, 0.35, 0.8)), usual, nil, 0.65, 0.79, "in about 2 min"},
		"a fast leak, early":   {join(flat(68, 0.35), line(12, 0.35, 0.6)), usual, nil, 0.55, 0.65, "in about 4 min"},
		"too early":            {join(flat(74, 0.3), line(6, 0.3, 0.45)), usual, nil, 0, 0, ""},
		"a slow leak":          {line(80, 0.79, 0.8), line(180, 0.35, 0.8), nil, 0.55, 0.65, "in about 2 h"},
		"it has filled up":     {join(flat(75, 0.35), []float64{0.7, 1, 1, 1, 1}), usual, nil, 0.7, 0.79, "has risen from 35% to 100%"},
		"it levels off":        {join(line(40, 0.3, 0.6), flat(40, 0.6)), usual, nil, 0, 0, ""},
		"garbage is collected": {sawtooth(79), sawtooth(179), nil, 0, 0, ""},
		"it starts":            {join(line(12, 0.2, 0.72)), line(2, 0.3, 0.72), nil, 0.3, 0.45, "warming up"},
		"noise":                {join(flat(40, 0.6), []float64{0.63, 0.58, 0.61, 0.64, 0.59, 0.62}), flat(180, 0.6), nil, 0, 0, ""},
		"it has ended":         {line(80, 0.35, 0.95), usual, func(s *Scene) { s.Tasks[0].State = sources.TaskFailed }, 0, 0, ""},
		"no figures":           {nil, nil, nil, 0, 0, ""},
		"pages of files":       {join(flat(60, 0.35), line(20, 0.35, 0.8)), usual, func(s *Scene) { s.Metrics.Course.Resident = 0.3 }, 0.4, 0.5, "pages of files"},
		"a deploy": {join(flat(60, 0.35), line(20, 0.35, 0.8)), usual, func(s *Scene) {
			s.Changes = []Change{{At: noon.Add(-6 * time.Minute), Text: "a deploy of web:2", Fields: []sources.FieldChange{{Field: "image"}}}}
		}, 0.65, 0.79, "a deploy of web:2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := filling(c.near, c.far)
			if c.change != nil {
				c.change(s)
			}
			got := memoryNearLimit(s, nil)
			if got == nil {
				if c.least > 0 {
					t.Fatal("nothing is found")
				}
				return
			}
			text := got.Title + " | " + got.Why + " | " + textOf(got.Evidence) + " | " + textOf(got.Against)
			if c.most == 0 || got.Confidence < c.least || got.Confidence > c.most || got.Confidence >= Confident {
				t.Errorf("%.2f sure: %s", got.Confidence, text)
			}
			if !strings.Contains(text, c.say) {
				t.Errorf("%q is not in %s", c.say, text)
			}
			if len(got.Evidence) == 0 || got.Evidence[0].Query != "share" || got.Since.IsZero() || len(got.Next) < 3 || got.Next[0].Action != "metrics" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestMemoryOfManyContainers: the one that leaks is told of, not the sum; what its like have reached before they were killed is not usual.
func TestMemoryOfManyContainers(t *testing.T) {
	s := filling(join(flat(60, 0.35), line(20, 0.35, 0.8)), flat(180, 0.35))
	s.Tasks = append(s.Tasks, sources.Task{ID: "t0", Slot: 1, State: sources.TaskFailed, ExitCode: 137, Err: "task: non-zero exit (137)", Since: noon.Add(-2 * time.Hour)})
	of := &s.Metrics.Course.Of
	*of = append(*of, Course{Container: "web.2.t2", Near: course(memoryNearStep, flat(80, 0.75)...), Far: course(memoryFarStep, flat(180, 0.75)...)},
		Course{Container: "web.1.t0", Far: course(memoryFarStep, line(100, 0.3, 0.99)...)[:80]})
	c := memoryNearLimit(s, nil)
	if c == nil || !strings.Contains(textOf(c.Evidence), "web.1: 3") || c.Confidence < 0.6 {
		t.Fatalf("%+v", c)
	}
	s.Tasks[1].State, s.Tasks[1].ExitCode, s.Tasks[1].Err = sources.TaskShutdown, 0, ""
	if c := memoryNearLimit(s, nil); c != nil && c.Confidence > 0.35 {
		t.Errorf("its like were there before and lived: %+v", c)
	}
}

// TestAKillTakesTheClimbOver: once something was killed for its memory the climb is its evidence.
func TestAKillTakesTheClimbOver(t *testing.T) {
	s := filling(join(flat(60, 0.35), line(20, 0.35, 0.8)), flat(180, 0.35))
	c := memoryNearLimit(s, nil)
	c.ID, c.Service = "memory-near-limit", "web"
	got := fold([]Cause{*c, {ID: "oom-killed", Service: "web", Grade: Signature, Confidence: 0.8, Title: "killed for its memory"}})
	if len(got) != 1 || got[0].ID != "oom-killed" || len(got[0].Effects) != 0 || !strings.Contains(textOf(got[0].Evidence), "an estimate") {
		t.Errorf("%+v", got)
	}
}

// TestWhereItRoseFrom: a rise to the limit is told of from its bottom, and not from its last step.
func TestWhereItRoseFrom(t *testing.T) {
	if k := risen(course(memoryNearStep, join(flat(10, 0.3), []float64{0.55, 0.84, 1, 1})...)); k == nil || k.from.V != 0.3 || k.to.V != 1 || k.to.T.Sub(k.from.T) != 3*memoryNearStep {
		t.Errorf("%+v", k)
	}
	if k := risen(course(memoryNearStep, flat(10, 0.95)...)); k != nil {
		t.Errorf("it stands: %+v", k)
	}
}
