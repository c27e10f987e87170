package delivery

import (
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// State is how a step stands.
type State string

// The states of a step. Unknown is "could not look", NA that there is nothing to look at.
const (
	Done    State = "done"
	Running State = "running"
	Waiting State = "waiting"
	Failed  State = "failed"
	Unknown State = "unknown"
	NA      State = "na"
)

// Step is one of a delivery's.
type Step struct {
	// Name is commit, pipeline, image, scan, deploy or healthy.
	Name  string
	State State
	// At is when it was reached; zero: it was not, or that is not known.
	At time.Time
	// Says is one line. It quotes servers: untrusted.
	Says string
}

// Delivery is how far the newest change to a service has come.
type Delivery struct {
	Service, Repository string
	// Commit is the newest of the branch that counts, Runs the one that runs; "": not known.
	Commit, Runs string
	Steps        []Step
	// Stuck is the step that keeps the change from the users, Next what to do about it; "": none does.
	Stuck, Next string
	// Lead is how long what runs took from its pipeline's start to its deploy; 0: not known.
	Lead time.Duration
	// Stack is how the service's stack is deployed; nil: nobody was asked.
	Stack *Stack
}

// Facts are what the sources said of one service.
type Facts struct {
	Repository, Branch string
	// Runs are the newest of the branch, the newest first; NoRuns is why they could not be read.
	Runs   []sources.PipelineRun
	NoRuns string
	// Look is the image that runs, Tag the digest that its tag names now; NoImage is why that could not be read, Gone that the registry has it no more.
	Look    sources.ImageLook
	Tag     string
	NoImage string
	Gone    bool
	// Scan is nil where nobody tells; NoScan is why it could not be read.
	Scan   *sources.ImageScan
	NoScan string
	// Stack is nil where nobody tells.
	Stack *Stack
}

// Names of the steps, in order.
const (
	stepCommit   = "commit"
	stepPipeline = "pipeline"
	stepImage    = "image"
	stepScan     = "scan"
	stepDeploy   = "deploy"
	stepHealthy  = "healthy"
)

// Judge says how far the newest change has come, by what the sources said.
func Judge(v *fleet.Service, f *Facts) Delivery {
	d := Delivery{Service: v.Name, Repository: f.Repository, Runs: f.Look.Revision, Stack: f.Stack}
	if c := v.Labels[sources.LabelCommit]; c != "" {
		d.Runs = c
	}
	var newest *sources.PipelineRun
	if len(f.Runs) > 0 {
		newest = &f.Runs[0]
		d.Commit = newest.Commit
	}
	for i := range f.Runs {
		if r := &f.Runs[i]; same(r.Commit, d.Runs) && v.Updated.After(r.Created) {
			d.Lead = v.Updated.Sub(r.Created) // of several runs for a commit the oldest counts
		}
	}
	d.Steps = []Step{commit(f, newest, d.Runs), pipeline(f, newest), image(v, f, newest, d.Runs), scan(f), deploy(v, f), healthy(v)}
	for i := range d.Steps {
		if s := &d.Steps[i]; s.Name != stepScan && (s.State == Running || s.State == Waiting || s.State == Failed) { // what a scan found holds nothing up
			d.Stuck, d.Next = s.Name, next(s, v, f)
			break
		}
	}
	return d
}

// same tells whether two hashes name one commit: either may be cut short.
func same(a, b string) bool {
	const least = 7
	n := min(len(a), len(b))
	return n >= least && a[:n] == b[:n]
}

func next(s *Step, v *fleet.Service, f *Facts) string {
	switch s.Name {
	case stepPipeline:
		switch s.State {
		case Running:
			return "wait for the pipeline"
		case Waiting:
			return "go on with it on Bitbucket's page of the pipeline"
		}
		return "mend the pipeline of " + f.Repository + " on " + f.Branch
	case stepImage:
		return "push the image of the newest commit, with the label org.opencontainers.image.revision"
	case stepDeploy:
		switch {
		case s.State == Running:
			return "wait for the update; quarterdeck status --watch"
		case s.State == Failed && f.Stack.is(sources.StackFailed) && v.UpdateState == "":
			return "look at the stack " + f.Stack.Name + " in " + f.Stack.Manager
		}
		return "quarterdeck redeploy " + v.Name
	case stepHealthy:
		return "quarterdeck investigate " + v.Name
	}
	return ""
}
