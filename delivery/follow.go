package delivery

import (
	"context"
	"strings"
	"sync"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
)

// Sources are what a delivery is followed in; what is nil is not configured.
type Sources struct {
	// Builds knows the repository of a service, and reads its pipelines.
	Builds *stages.Builds
	Images sources.Images
	Scans  sources.Scans
	// Stacks tells how stacks are deployed into the swarm with the id Swarm; "": that is not known.
	Stacks sources.StackManager
	Swarm  string
}

// Bounds of a look: so many services at once, and so many runs of a branch, among which the one of what runs is looked for.
const (
	atOnce = 4
	runs   = 30
)

// Follow says of each service how far its newest change has come. A repository is asked once, and so is who deploys stacks. An image is looked at by HEAD, which counts against no limit of
// pulls; its config is read only where a repository is known whose commit it may name.
func Follow(ctx context.Context, from Sources, services []*fleet.Service) []Delivery {
	f := follower{from: from, branches: map[string]*branch{}}
	out := make([]Delivery, len(services))
	tickets := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, v := range services {
		wait.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			facts := f.facts(ctx, v)
			out[i] = Judge(v, &facts)
		})
	}
	wait.Wait()
	return out
}

type follower struct {
	from     Sources
	mu       sync.Mutex
	branches map[string]*branch
	kept     kept
}

// branch is a repository's that counts, read once whoever asks first.
type branch struct {
	once sync.Once
	runs []sources.PipelineRun
	err  error
}

func (f *follower) facts(ctx context.Context, v *fleet.Service) Facts {
	var out Facts
	if b := f.from.Builds; b != nil {
		if out.Repository = b.Repository(v); out.Repository != "" {
			out.Branch = b.Branch(out.Repository)
			var err error
			if out.Runs, err = f.read(ctx, out.Repository, out.Branch); err != nil {
				out.Runs, out.NoRuns = nil, err.Error()
			}
		}
	}
	f.image(ctx, v, &out)
	out.Stack = f.stack(ctx, v)
	return out
}

func (f *follower) read(ctx context.Context, repository, name string) ([]sources.PipelineRun, error) {
	f.mu.Lock()
	b := f.branches[repository]
	if b == nil {
		b = &branch{}
		f.branches[repository] = b
	}
	f.mu.Unlock()
	b.once.Do(func() {
		b.runs, b.err = f.from.Builds.Pipelines.Runs(ctx, sources.PipelineQuery{Repository: repository, Branch: name, Most: runs})
	})
	return b.runs, b.err
}

func (f *follower) image(ctx context.Context, v *fleet.Service, out *Facts) {
	if f.from.Images == nil || v.Image == "" {
		out.NoImage = "no registry is looked at"
		return
	}
	image := v.Image
	if v.Digest != "" {
		image += "@" + v.Digest
	}
	var err error
	if out.Repository != "" && v.Labels[sources.LabelCommit] == "" {
		out.Look, err = f.from.Images.Look(ctx, image)
	} else {
		_, err = f.from.Images.Digest(ctx, image)
	}
	if sources.KindOf(err) == sources.NotFound {
		out.Gone = true
	} else if err != nil {
		out.NoImage = err.Error()
		return
	}
	if out.Tag, err = f.from.Images.Digest(ctx, v.Image); err != nil {
		out.Tag = "" // that the tag is gone, or was not told, keeps nothing that runs from running
	}
	if s := f.from.Scans; s != nil && !out.Gone && s.Covers(image) {
		x, err := s.Scan(ctx, image)
		if err != nil {
			out.NoScan = strings.TrimSpace(err.Error())
			return
		}
		out.Scan = &x
	}
}
