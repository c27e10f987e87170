package stages

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// built is a repository whose newest run, and the scan in it, came out so at a moment.
func built(state sources.PipelineState, at time.Time) map[string]BuildFact {
	return map[string]BuildFact{"shop": {Branch: "main", Last: &sources.PipelineRun{Number: 7, State: state, Created: at}, Scan: &sources.PipelineStep{Name: "gitleaks", State: state}, Scanned: at}}
}

// pipelines are those of a server in memory; steps by run.
type pipelines struct {
	mu    sync.Mutex
	runs  map[string][]sources.PipelineRun
	steps map[string][]sources.PipelineStep
	err   error
	asked []string
}

func (p *pipelines) ask(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, what)
	return p.err
}

func (p *pipelines) Runs(_ context.Context, q sources.PipelineQuery) ([]sources.PipelineRun, error) {
	return p.runs[q.Repository], p.ask(q.Repository + " " + q.Branch)
}

func (p *pipelines) Steps(_ context.Context, _, run string) ([]sources.PipelineStep, error) {
	return p.steps[run], p.ask(run)
}

func (p *pipelines) Start(context.Context, string, string) (sources.PipelineRun, error) {
	return sources.PipelineRun{}, p.ask("start")
}

func serviceOf(name, repository string) *fleet.Service {
	return &fleet.Service{Service: sources.Service{Name: name, Mode: sources.Replicated, Desired: 1, Labels: map[string]string{sources.LabelRepository: repository}}}
}

func TestBuildsOfARepository(t *testing.T) {
	run := func(id string, s sources.PipelineState) sources.PipelineRun {
		return sources.PipelineRun{ID: id, State: s, Created: now}
	}
	step := func(name string, s sources.PipelineState) []sources.PipelineStep {
		return []sources.PipelineStep{{Name: "build", State: sources.PipelinePassed}, {Name: name, State: s, Ended: now}}
	}
	for _, c := range []struct {
		name  string
		runs  []sources.PipelineRun
		steps map[string][]sources.PipelineStep
		want  string // last, going, scan
	}{
		{"none", nil, nil, "- - -"},
		{"one that goes", []sources.PipelineRun{run("a", sources.PipelineRunning)}, nil, "- a -"},
		{"one that goes after one that passed", []sources.PipelineRun{run("b", sources.PipelineRunning), run("a", sources.PipelinePassed)}, map[string][]sources.PipelineStep{"a": step("Gitleaks", sources.PipelinePassed)}, "a b passed"},
		{"the scan of an older one", []sources.PipelineRun{run("b", sources.PipelineFailed), run("a", sources.PipelinePassed)}, map[string][]sources.PipelineStep{"b": step("secret scan", sources.PipelineSkipped), "a": step("trufflehog", sources.PipelineFailed)}, "b - failed"},
		{"one that waits for a person", []sources.PipelineRun{run("b", sources.PipelinePaused), run("a", sources.PipelineFailed)}, map[string][]sources.PipelineStep{"b": step("gitleaks", sources.PipelinePassed)}, "b - passed"},
		{"too old a scan", []sources.PipelineRun{run("d", sources.PipelinePassed), run("c", sources.PipelinePassed), run("b", sources.PipelinePassed), run("a", sources.PipelinePassed)}, map[string][]sources.PipelineStep{"a": step("gitleaks", sources.PipelinePassed)}, "d - -"},
	} {
		b := &Builds{Pipelines: &pipelines{runs: map[string][]sources.PipelineRun{"shop": c.runs}, steps: c.steps}, Branches: map[string]string{"shop": ""}}
		f := b.Look(t.Context(), nil, now)["shop"]
		got := []string{"-", "-", "-"}
		if f.Last != nil {
			got[0] = f.Last.ID
		}
		if f.Going != nil {
			got[1] = f.Going.ID
		}
		if f.Scan != nil {
			got[2] = string(f.Scan.State)
		}
		if s := strings.Join(got, " "); s != c.want || f.Reason != "" {
			t.Errorf("%s: %s %s, want %s", c.name, s, f.Reason, c.want)
		}
	}
}

// A round asks no more than the budget allows, each repository gets its turn, and what has ended is not asked for again.
func TestBuildsAskLittle(t *testing.T) {
	p := &pipelines{runs: map[string][]sources.PipelineRun{}, steps: map[string][]sources.PipelineStep{}}
	var services []*fleet.Service
	for i := range 20 {
		name := fmt.Sprintf("team/r%02d", i)
		p.runs[name] = []sources.PipelineRun{{ID: name + "1", State: sources.PipelinePassed, Created: now}}
		services = append(services, serviceOf(name, name))
	}
	services = append(services, serviceOf("a", "../x"), serviceOf("b", ""))
	b := &Builds{Pipelines: p, Budget: 7, Of: map[string]string{"b": "team/r00"}}
	for round := range 3 {
		facts := b.Look(t.Context(), services, now.Add(time.Duration(round)*time.Minute))
		if n := len(p.asked); n > 14*(round+1) || len(facts) != 20 {
			t.Fatalf("round %d: %d requests, %d facts", round, n, len(facts))
		}
	}
	if len(p.asked) != 40 {
		t.Errorf("%d requests until all were looked at", len(p.asked))
	}
	p.asked = nil
	b.Look(t.Context(), services, now.Add(buildAgain))
	if len(p.asked) != 7 || strings.Count(strings.Join(p.asked, ","), " main") != 7 {
		t.Errorf("what had ended was asked for again: %v", p.asked)
	}
	p.err = &sources.Error{Source: "bitbucket", Kind: sources.Unauthorised, Op: "x"}
	facts := b.Look(t.Context(), services[:1], now.Add(time.Hour))
	if !strings.Contains(facts["team/r00"].Reason, "unauthorised") {
		t.Errorf("%+v", facts)
	}
}

// Repositories are named by the label, else by the config; a service that names none is counted.
func TestGatherBuilds(t *testing.T) {
	p := &pipelines{runs: map[string][]sources.PipelineRun{"shop": {{ID: "1", Number: 3, State: sources.PipelineFailed, Created: now}}}}
	e := Gather(t.Context(), Sources{Fleet: good().Fleet, Builds: &Builds{Pipelines: p, Branches: map[string]string{"shop": "master"}, Of: map[string]string{"shop_web": "shop"}}}, now)
	settings := Defaults()
	r := Find("ci-green").run(e, &settings)
	if r.State != Fail || r.Value != "0 of 1 repository; 1 service names none" || r.Subjects[0].Name != "shop" || !strings.Contains(r.Subjects[0].Says, "pipeline 3 of master") || p.asked[0] != "shop master" {
		t.Errorf("%+v %v", r.Finding, p.asked)
	}
	if r := Find("git-no-credentials").run(e, &settings); r.State != Fail || !strings.Contains(r.Subjects[0].Says, "no") {
		t.Errorf("%+v", r.Finding)
	}
}
