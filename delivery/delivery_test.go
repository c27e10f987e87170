package delivery

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
)

var (
	t0    = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	good  = "0123456789abcdef0123456789abcdef01234567"
	next1 = "fedcba9876543210fedcba9876543210fedcba98"
)

func service(change ...func(*fleet.Service)) *fleet.Service {
	v := &fleet.Service{Service: sources.Service{Name: "shop_web", Image: "r/web:1", Digest: "sha256:aa", Generation: "g", Updated: t0.Add(10 * time.Minute), Labels: map[string]string{}},
		Verdict: fleet.Verdict{Health: fleet.Healthy, Want: 2, Running: 2}}
	v.Tasks = []sources.Task{{Generation: "g", State: sources.TaskRunning, Since: t0.Add(11 * time.Minute)}, {Generation: "old", State: sources.TaskRunning, Since: t0.Add(time.Hour)}}
	for _, c := range change {
		c(v)
	}
	return v
}

func built(commit string, state sources.PipelineState) sources.PipelineRun {
	return sources.PipelineRun{Number: 7, Commit: commit, State: state, Created: t0, Ended: t0.Add(5 * time.Minute)}
}

func facts(change ...func(*Facts)) *Facts {
	f := &Facts{Repository: "shop", Branch: "main", Runs: []sources.PipelineRun{built(good, sources.PipelinePassed)}, Look: sources.ImageLook{Digest: "sha256:aa", Revision: good, Created: t0.Add(4 * time.Minute)}, Tag: "sha256:aa"}
	for _, c := range change {
		c(f)
	}
	return f
}

func TestWhereItIsStuck(t *testing.T) {
	newer := func(s sources.PipelineState) func(*Facts) {
		return func(f *Facts) { f.Runs = append([]sources.PipelineRun{built(next1, s)}, f.Runs...) }
	}
	for _, c := range []struct {
		name    string
		service func(*fleet.Service)
		facts   func(*Facts)
		states  string
		stuck   string
	}{
		{"all the way", nil, nil, "done done done na done done", ""},
		{"with a scan", nil, func(f *Facts) { f.Scan = &sources.ImageScan{State: sources.ScanDone, High: 1, Ended: t0} }, "done done done done done done", ""},
		{"with a hole", nil, func(f *Facts) { f.Scan = &sources.ImageScan{State: sources.ScanDone, Critical: 1} }, "done done done failed done done", ""},
		{"a red pipeline", nil, newer(sources.PipelineFailed), "done failed na na done done", "pipeline"},
		{"one that goes", nil, newer(sources.PipelineRunning), "done running na na done done", "pipeline"},
		{"one that waits for a person", nil, newer(sources.PipelinePaused), "done waiting na na done done", "pipeline"},
		{"no image of it", nil, newer(sources.PipelinePassed), "done done waiting na done done", "image"},
		{"not deployed", nil, func(f *Facts) { newer(sources.PipelinePassed)(f); f.Tag = "sha256:bb" }, "done done done na waiting done", "deploy"},
		{"an image without a commit", nil, func(f *Facts) { f.Look.Revision = "" }, "done done unknown na done done", ""},
		{"a label in its place", func(v *fleet.Service) { v.Labels["qd.commit"] = good[:8] }, func(f *Facts) { f.Look.Revision = "" }, "done done done na done done", ""},
		{"updating", func(v *fleet.Service) { v.UpdateState, v.Health = "updating", fleet.Updating }, nil, "done done done na running running", "deploy"},
		{"paused", func(v *fleet.Service) { v.UpdateState = "paused" }, nil, "done done done na failed done", "deploy"},
		{"taken back", func(v *fleet.Service) { v.UpdateState = "rollback_completed" }, nil, "done done done na failed done", "deploy"},
		{"sick", func(v *fleet.Service) { v.Health, v.Reason = fleet.Down, "no task runs" }, nil, "done done done na done failed", "healthy"},
		{"an image that is gone", nil, func(f *Facts) { f.Gone = true }, "done done failed na done done", "image"},
		{"of nobody's", nil, func(f *Facts) { *f = Facts{Tag: "sha256:aa"} }, "na na done na done done", ""},
		{"nobody answers", nil, func(f *Facts) {
			*f = Facts{Repository: "shop", NoRuns: "unreachable", NoImage: "unreachable", NoScan: "unreachable"}
		}, "unknown unknown unknown unknown done done", ""},
		{"no run yet", nil, func(f *Facts) { f.Runs = nil }, "unknown na done na done done", ""},
	} {
		v, f := service(), facts()
		if c.service != nil {
			c.service(v)
		}
		if c.facts != nil {
			c.facts(f)
		}
		d := Judge(v, f)
		var states []string
		for _, s := range d.Steps {
			states = append(states, string(s.State))
			if s.Says == "" {
				t.Errorf("%s: %s says nothing", c.name, s.Name)
			}
		}
		if got := strings.Join(states, " "); got != c.states || d.Stuck != c.stuck || (d.Stuck == "") != (d.Next == "") {
			t.Errorf("%s: %s, stuck %q (%s), want %s, %q", c.name, got, d.Stuck, d.Next, c.states, c.stuck)
		}
	}
}

// The times are the servers' own, and the lead is from the first run for the commit that runs.
func TestTimes(t *testing.T) {
	f := facts(func(f *Facts) {
		again := built(good, sources.PipelinePassed)
		again.Created = t0.Add(8 * time.Minute)
		f.Runs = []sources.PipelineRun{built(next1, sources.PipelineRunning), again, f.Runs[0]}
	})
	d := Judge(service(), f)
	if d.Lead != 10*time.Minute || d.Commit != next1 || d.Runs != good || !d.Steps[4].At.Equal(t0.Add(10*time.Minute)) || !d.Steps[5].At.Equal(t0.Add(11*time.Minute)) {
		t.Errorf("%+v", d)
	}
}

type server struct {
	mu    sync.Mutex
	asked []string
	err   error
}

func (s *server) ask(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
	return s.err
}

func (s *server) Runs(_ context.Context, q sources.PipelineQuery) ([]sources.PipelineRun, error) {
	return []sources.PipelineRun{built(good, sources.PipelinePassed)}, s.ask("runs " + q.Repository + " " + q.Branch)
}
func (s *server) Steps(context.Context, string, string) ([]sources.PipelineStep, error) {
	return nil, s.ask("steps")
}
func (s *server) Start(context.Context, string, string) (sources.PipelineRun, error) {
	return sources.PipelineRun{}, s.ask("start")
}
func (s *server) Digest(_ context.Context, image string) (string, error) {
	return "sha256:aa", s.ask("head " + image)
}
func (s *server) Look(_ context.Context, image string) (sources.ImageLook, error) {
	return sources.ImageLook{Digest: "sha256:aa", Revision: good}, s.ask("look " + image)
}
func (s *server) Covers(image string) bool { return strings.HasPrefix(image, "r/") }
func (s *server) Scan(_ context.Context, image string) (sources.ImageScan, error) {
	return sources.ImageScan{State: sources.ScanDone}, s.ask("scan " + image)
}

// A repository is asked once for all its services, and an image's config is read only where it may name a commit.
func TestFollowAsksLittle(t *testing.T) {
	s := &server{}
	from := Sources{Builds: &stages.Builds{Pipelines: s, Branches: map[string]string{"shop": "trunk"}, Of: map[string]string{"shop_web": "shop", "shop_api": "shop"}}, Images: s, Scans: s}
	other := func(name, image string) *fleet.Service {
		return service(func(v *fleet.Service) { v.Name, v.Image = name, image })
	}
	got := Follow(t.Context(), from, []*fleet.Service{other("shop_web", "r/web:1"), other("shop_api", "r/api:1"), other("cache", "redis:7")})
	all := strings.Join(s.asked, ", ")
	if strings.Count(all, "runs shop trunk") != 1 || strings.Count(all, "look ") != 2 || strings.Contains(all, "look redis") || strings.Count(all, "scan ") != 2 || strings.Contains(all, "scan redis") {
		t.Error(all)
	}
	if len(got) != 3 || got[0].Service != "shop_web" || got[0].Stuck != "" || got[0].Lead != 10*time.Minute || got[2].Repository != "" {
		t.Errorf("%+v", got)
	}
	s.err = &sources.Error{Source: "x", Kind: sources.Unauthorised, Op: "look"}
	for _, d := range Follow(t.Context(), from, []*fleet.Service{service()}) {
		for _, step := range d.Steps[:3] {
			if step.State != Unknown || !strings.Contains(step.Says, "unauthorised") {
				t.Error(fmt.Sprintf("%+v", step))
			}
		}
	}
	if got := Follow(t.Context(), Sources{}, []*fleet.Service{service()}); got[0].Stuck != "" || got[0].Steps[5].State != Done {
		t.Errorf("without sources: %+v", got)
	}
}
