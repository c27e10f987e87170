package stages

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// BuildFact is what is known of a repository's pipeline on its main branch.
type BuildFact struct {
	Branch string
	// Last is the newest run that has ended or waits for a person, Going a newer one that has not; nil: there is none.
	Last, Going *sources.PipelineRun
	// Scan is the newest step that scanned for credentials, Scanned when it ended; nil: none of the runs that were looked at has one.
	Scan    *sources.PipelineStep
	Scanned time.Time
	// Reason is why it could not be looked at; "": it was.
	Reason string

	at    time.Time
	steps map[string][]sources.PipelineStep // of runs that have ended, which do not change
}

// Bounds of a look at pipelines.
const (
	buildAgain = 5 * time.Minute
	// runsRead is how many runs of a branch are read, runsScanned in how many of them a scan is looked for.
	runsRead    = 10
	runsScanned = 3
	buildsKept  = 1000
	mainBranch  = "main"
)

// Builds reads the pipelines of repositories, and remembers what it saw. Safe for concurrent use.
type Builds struct {
	Pipelines sources.Pipelines
	// Branches are the repositories that are configured, with the branch that counts; "" is main.
	Branches map[string]string
	// Of are the repositories of services, as configured; a service's label qd.repository comes before it.
	Of map[string]string
	// Budget is how many repositories are looked at in one gathering, each with up to four requests; 0: all of them.
	Budget int

	mu    sync.Mutex
	known map[string]BuildFact
}

// Repository is the one that a service is built from; "": nobody says.
func (b *Builds) Repository(v *fleet.Service) string {
	if r := v.Labels[sources.LabelRepository]; sources.IsRepository(r) {
		return r
	}
	return b.Of[v.Name]
}

// Branch is the one of a repository that counts.
func (b *Builds) Branch(repository string) string { return cmp.Or(b.Branches[repository], mainBranch) }

// Look gives what is known of the repositories, those of the config and of the services, once as many were looked at as the budget allows.
func (b *Builds) Look(ctx context.Context, services []*fleet.Service, now time.Time) map[string]BuildFact {
	var want []string
	for r := range b.Branches {
		want = append(want, r)
	}
	for _, v := range services {
		if r := b.Repository(v); r != "" {
			want = append(want, r)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	tickets := make(chan struct{}, looksAtOnce)
	var wait sync.WaitGroup
	for _, r := range b.due(want, now) {
		wait.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			b.mu.Lock()
			before := b.known[r]
			b.mu.Unlock()
			f := b.look(ctx, r, before)
			f.at = now
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.known) >= buildsKept {
				clear(b.known)
			}
			b.known[r] = f
		})
	}
	wait.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]BuildFact{}
	for _, r := range want {
		f, ok := b.known[r]
		if !ok {
			f = BuildFact{Branch: b.Branch(r), Reason: "it was not looked at yet"}
		}
		out[r] = f
	}
	return out
}

// due are the repositories to look at now: those first that were never looked at, then those whose look is the longest ago.
func (b *Builds) due(want []string, now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[string]BuildFact{}
	}
	out := slices.DeleteFunc(slices.Clone(want), func(r string) bool {
		f, ok := b.known[r]
		return ok && now.Sub(f.at) < buildAgain
	})
	slices.SortStableFunc(out, func(x, y string) int { return b.known[x].at.Compare(b.known[y].at) })
	if b.Budget > 0 {
		out = out[:min(len(out), b.Budget)]
	}
	return out
}

func (b *Builds) look(ctx context.Context, repository string, before BuildFact) BuildFact {
	f := BuildFact{Branch: b.Branch(repository), steps: map[string][]sources.PipelineStep{}}
	runs, err := b.Pipelines.Runs(ctx, sources.PipelineQuery{Repository: repository, Branch: f.Branch, Most: runsRead})
	if err != nil {
		f.Reason = reasonOf(ctx, err)
		return f
	}
	looked := 0
	for i := range runs {
		r := &runs[i]
		if !r.State.Ended() && r.State != sources.PipelinePaused {
			if f.Last == nil && f.Going == nil {
				f.Going = r
			}
			continue
		}
		if f.Last == nil {
			f.Last = r
		}
		if f.Scan != nil || looked == runsScanned {
			continue
		}
		looked++
		steps, ok := before.steps[r.ID]
		if !ok {
			if steps, err = b.Pipelines.Steps(ctx, repository, r.ID); err != nil {
				f.Reason = reasonOf(ctx, err)
				return f
			}
		}
		if r.State.Ended() {
			f.steps[r.ID] = steps
		}
		f.scan(r, steps)
	}
	return f
}

// scan keeps the step of a run that has scanned for credentials.
func (f *BuildFact) scan(r *sources.PipelineRun, steps []sources.PipelineStep) {
	for i := range steps {
		s := &steps[i]
		if !s.Scans() || s.State != sources.PipelinePassed && s.State != sources.PipelineFailed {
			continue
		}
		at := s.Ended
		if at.IsZero() {
			at = r.Created
		}
		if f.Scan == nil || s.State == sources.PipelineFailed { // of several the one that failed tells
			f.Scan, f.Scanned = s, at
		}
	}
}
