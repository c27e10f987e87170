package fleet

import (
	"math"
	"testing"
	"time"

	"quarterdeck/sources"
)

// steady is a service that has run for a day, with its figures.
func steady(change func(*Service)) *Service {
	v := &Service{Service: sources.Service{ID: "s", Name: "web", Created: noon.Add(-24 * time.Hour), Desired: 2}, CPUNow: math.NaN(), MemoryNow: math.NaN(), ErrorRate: math.NaN(), LineRate: math.NaN()}
	for _, id := range []string{"a", "b"} {
		v.Tasks = append(v.Tasks, sources.Task{ID: id, State: sources.TaskRunning, Desired: sources.TaskRunning, Since: noon.Add(-time.Hour)})
	}
	v.Running = 2
	change(v)
	return v
}

func TestUnusual(t *testing.T) {
	usual := usuals{errors: map[string]float64{"web": 0.02, "db": 1}, lines: map[string]float64{"web": 4}, from: noon.Add(-time.Hour)}
	limits := sources.Resources{LimitBytes: 192 << 20, LimitNanoCPUs: 5e8}
	for name, c := range map[string]struct {
		change func(*Service)
		was    Unusual
		want   Unusual
	}{
		"as always":                  {func(v *Service) { v.ErrorRate, v.LineRate = 0.03, 5 }, Unusual{}, Unusual{}},
		"nothing is known":           {func(*Service) {}, Unusual{}, Unusual{}},
		"error lines":                {func(v *Service) { v.ErrorRate = 0.3 }, Unusual{}, Unusual{Errors: true, UsualErrors: 0.02}},
		"calmer errors":              {func(v *Service) { v.ErrorRate = 0.06 }, Unusual{}, Unusual{}},
		"calmer, and marked":         {func(v *Service) { v.ErrorRate = 0.06 }, Unusual{Errors: true}, Unusual{Errors: true, UsualErrors: 0.02}},
		"calm again":                 {func(v *Service) { v.ErrorRate = 0.04 }, Unusual{Errors: true}, Unusual{}},
		"a burst":                    {func(v *Service) { v.LineRate = 670 }, Unusual{}, Unusual{Lines: true, UsualLines: 4}},
		"a burst of a start":         {func(v *Service) { v.LineRate, v.Tasks[1].Since = 670, noon.Add(-time.Minute) }, Unusual{}, Unusual{}},
		"a service of this hour":     {func(v *Service) { v.LineRate, v.Created = 670, noon.Add(-50*time.Minute) }, Unusual{}, Unusual{}},
		"memory of two tasks":        {func(v *Service) { v.MemoryNow, v.Resources = 383<<20, limits }, Unusual{}, Unusual{Memory: true}},
		"memory of one of two tasks": {func(v *Service) { v.MemoryNow, v.Resources = 192<<20, limits }, Unusual{}, Unusual{}},
		"memory without a limit":     {func(v *Service) { v.MemoryNow = 383 << 20 }, Unusual{}, Unusual{}},
		"CPU":                        {func(v *Service) { v.CPUNow, v.Resources = 0.95, limits }, Unusual{}, Unusual{CPU: true}},
		"CPU of three in an update": {func(v *Service) {
			v.CPUNow, v.Resources = 0.95, limits
			v.Tasks = append(v.Tasks, sources.Task{ID: "old", State: sources.TaskRunning, Desired: sources.TaskShutdown, Since: noon.Add(-time.Hour)})
		}, Unusual{}, Unusual{}},
	} {
		if got := usual.unusual(steady(c.change), c.was, noon); got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
	none := usuals{errors: map[string]float64{}, lines: map[string]float64{}}
	if got := none.unusual(steady(func(v *Service) { v.ErrorRate, v.LineRate = 9, 670 }), Unusual{}, noon); got.Any() {
		t.Errorf("where nothing is kept of before nothing is unusual: %+v", got)
	}
}

// What is usual makes a frame only where it changes what is marked.
func TestUsualWakesForWhatItMarks(t *testing.T) {
	f, now := at(noon)
	f.Fold(shop())
	f.SetLineRates(map[string]float64{"web": 670})
	*now = noon.Add(time.Hour)
	f.Snapshot()
	woken(f)
	f.SetUsual(map[string]float64{"web": 0}, map[string]float64{"web": 600}, now.Add(-time.Minute))
	if woken(f) || f.Snapshot().Service("web").Unusual.Any() {
		t.Error("670 lines where 600 are usual are none to wake for")
	}
	f.SetUsual(map[string]float64{"web": 0}, map[string]float64{"web": 4}, now.Add(-time.Minute))
	if !woken(f) || !f.Snapshot().Service("web").Unusual.Lines {
		t.Errorf("%+v", f.Snapshot().Service("web").Unusual)
	}
}

// A node whose exporter has gone silent is told of while the engine still calls it ready; where nobody's figures come it is not the nodes'.
func TestNoNewsFromANode(t *testing.T) {
	f, now := at(noon)
	f.Fold(world(nil, nil, sources.Node{ID: "n1", Name: "one", State: "ready"}, sources.Node{ID: "n2", Name: "two", State: "ready"}, sources.Node{ID: "n3", Name: "bare", State: "ready"}))
	both := sources.Usage{"one": 1, "two": 1}
	f.SetNodeUsage("memory", both)
	heard := func() (out []string) {
		s := f.Snapshot()
		for i := range s.Nodes {
			if !s.Nodes[i].Heard.IsZero() {
				out = append(out, s.Nodes[i].Name+" "+s.Nodes[i].Heard.Format("15:04:05"))
			}
		}
		return out
	}
	*now = noon.Add(15 * time.Second)
	f.SetNodeUsage("memory", sources.Usage{})
	if got := heard(); got != nil {
		t.Errorf("nobody's figures come: %v", got)
	}
	f.SetNodeUsage("memory", sources.Usage{"one": 1})
	if got := heard(); len(got) != 1 || got[0] != "two 12:00:00" {
		t.Errorf("%v", got)
	}
	f.SetNodeUsage("memory", both)
	if got := heard(); got != nil {
		t.Errorf("it is heard again: %v", got)
	}
}
