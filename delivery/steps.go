package delivery

import (
	"fmt"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// short is a commit's hash as people say it.
func short(hash string) string { return hash[:min(len(hash), 8)] }

func commit(f *Facts, newest *sources.PipelineRun, runs string) Step {
	s := Step{Name: stepCommit, State: Unknown}
	switch {
	case f.Repository == "":
		s.State, s.Says = NA, "no repository is named: label "+sources.LabelRepository+", or bitbucket.repositories in the config"
	case f.NoRuns != "":
		s.Says = f.NoRuns
	case newest == nil:
		s.Says = "no pipeline has run on " + f.Branch
	default:
		s.State, s.At, s.Says = Done, newest.Created, short(newest.Commit)+" on "+f.Branch
		if runs != "" && !same(runs, newest.Commit) {
			s.Says += ", " + short(runs) + " runs"
		}
	}
	return s
}

func pipeline(f *Facts, newest *sources.PipelineRun) Step {
	s := Step{Name: stepPipeline, State: Unknown}
	if newest == nil {
		if s.Says = f.NoRuns; s.Says == "" {
			s.State, s.Says = NA, "none is read"
		}
		return s
	}
	s.At, s.Says = newest.Ended, fmt.Sprintf("number %d %s", newest.Number, newest.State)
	switch newest.State {
	case sources.PipelinePassed:
		s.State = Done
		if !newest.Ended.IsZero() {
			s.Says += " in " + newest.Ended.Sub(newest.Created).Round(1e9).String()
		}
	case sources.PipelineRunning:
		s.State = Running
	case sources.PipelineWaiting:
		s.State, s.Says = Running, s.Says+" for its turn"
	case sources.PipelinePaused:
		s.State, s.Says = Waiting, s.Says+": it waits for a person"
	case sources.PipelineFailed, sources.PipelineStopped:
		s.State = Failed
	}
	return s
}

func image(v *fleet.Service, f *Facts, newest *sources.PipelineRun, runs string) Step {
	s := Step{Name: stepImage, State: Unknown, At: f.Look.Created}
	switch {
	case f.NoImage != "":
		s.Says = f.NoImage
	case f.Gone:
		s.State, s.Says = Failed, "its registry has no "+v.Image+" any more"
	case f.Tag != "" && v.Digest != "" && f.Tag != v.Digest:
		s.State, s.Says = Done, "a newer one is under "+v.Image // whose commit is not read: it does not run
	case newest == nil:
		s.State, s.Says = Done, v.Image
	case runs == "":
		s.Says = v.Image + " does not say which commit it is of: no label org.opencontainers.image.revision"
	case same(runs, newest.Commit):
		s.State, s.Says = Done, v.Image+" is of "+short(runs)
	case newest.State == sources.PipelinePassed:
		s.State, s.Says = Waiting, v.Image+" is of "+short(runs)+": none of "+short(newest.Commit)+" is under that tag"
	default:
		s.State, s.Says = NA, "the pipeline has not made one yet"
	}
	return s
}

func scan(f *Facts) Step {
	s := Step{Name: stepScan, State: NA, Says: "its registry tells of none"}
	switch x := f.Scan; {
	case f.NoScan != "":
		s.State, s.Says = Unknown, f.NoScan
	case x == nil:
	case x.State == sources.ScanNone:
		s.State, s.Says = Unknown, "nobody has scanned it"
	case x.State == sources.ScanRunning:
		s.State, s.Says = Running, "is not done"
	case x.State == sources.ScanFailed:
		s.State, s.Says = Unknown, "the scan failed"
	default:
		s.State, s.At = Done, x.Ended
		if s.Says = fmt.Sprintf("%d critical, %d high, %d in all", x.Critical, x.High, x.Total); x.Critical > 0 {
			s.State = Failed
		}
	}
	return s
}

func deploy(v *fleet.Service, f *Facts) Step {
	s := Step{Name: stepDeploy, State: Done, At: v.Updated, Says: "as asked for"}
	switch {
	case strings.HasPrefix(v.UpdateState, "rollback"):
		s.State, s.Says = Failed, "it was taken back: "+v.UpdateState
	case v.UpdateState == "paused":
		s.State, s.Says = Failed, "the update is paused"
	case v.UpdateState == "updating":
		s.State, s.Says = Running, "the update goes on"
	case f.Stack.is(sources.StackDeploying):
		s.State, s.Says = Running, f.Stack.Manager+" deploys the stack "+f.Stack.Name
	case f.Stack.is(sources.StackFailed):
		s.State, s.Says = Failed, f.Stack.Manager+" could not deploy the stack "+f.Stack.Name
		if f.Stack.Managed.Says != "" {
			s.Says += ": " + f.Stack.Managed.Says
		}
	case f.Tag != "" && v.Digest != "" && f.Tag != v.Digest:
		s.State, s.Says = Waiting, "what is under "+v.Image+" now was not deployed"
	case f.Tag != "" && v.Digest == "":
		s.State, s.Says = Unknown, "its spec names no digest, so nobody can say which image runs"
	}
	if v.UpdateState != "" && v.UpdateMessage != "" && s.State == Failed {
		s.Says += ": " + v.UpdateMessage
	}
	return s
}

func healthy(v *fleet.Service) Step {
	s := Step{Name: stepHealthy, State: Unknown, Says: string(v.Health) + " " + v.Run()}
	if v.Reason != "" {
		s.Says += ": " + v.Reason
	}
	switch v.Health {
	case fleet.Healthy:
		s.State = Done
		for i := range v.Tasks {
			if t := &v.Tasks[i]; t.Generation == v.Generation && t.State == sources.TaskRunning && t.Since.After(s.At) {
				s.At = t.Since
			}
		}
	case fleet.Updating:
		s.State = Running
	case fleet.Degraded, fleet.Down:
		s.State = Failed
	case fleet.Idle:
		s.State = NA
	}
	return s
}
