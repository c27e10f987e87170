package bitbucket

import (
	"time"

	"quarterdeck/sources"
)

// The shapes are those of Bitbucket's published OpenAPI description (schemas pipeline, pipeline_step and the subtypes of their states), as of August 2026.

type wireRun struct {
	UUID        string
	BuildNumber int        `json:"build_number"`
	CreatedOn   time.Time  `json:"created_on"`
	CompletedOn *time.Time `json:"completed_on"`
	State       wireState
	Target      struct {
		RefType string `json:"ref_type"`
		RefName string `json:"ref_name"`
		Commit  struct{ Hash string }
	}
}

type wireStep struct {
	Name        string
	StartedOn   *time.Time `json:"started_on"`
	CompletedOn *time.Time `json:"completed_on"`
	State       wireState
}

type wireState struct {
	Name   string
	Result *struct{ Name string } // of COMPLETED
	Stage  *struct{ Name string } // of IN_PROGRESS
}

// words are the states by the server's own.
var words = map[string]sources.PipelineState{
	"PARSING": sources.PipelineWaiting, "PENDING": sources.PipelineWaiting, "READY": sources.PipelineWaiting,
	"IN_PROGRESS": sources.PipelineRunning, "RUNNING": sources.PipelineRunning, "BUILDING": sources.PipelineRunning,
	"PAUSED": sources.PipelinePaused, "HALTED": sources.PipelinePaused,
	"SUCCESSFUL": sources.PipelinePassed, "PASSED": sources.PipelinePassed, "FAILED": sources.PipelineFailed, "ERROR": sources.PipelineFailed,
	"STOPPED": sources.PipelineStopped, "EXPIRED": sources.PipelineStopped, "NOT_RUN": sources.PipelineSkipped,
}

func (s *wireState) state() sources.PipelineState {
	word := s.Name
	switch {
	case s.Result != nil:
		word = s.Result.Name
	case s.Stage != nil:
		word = s.Stage.Name
	}
	if x, ok := words[word]; ok {
		return x
	}
	return sources.PipelineUnknown
}

func (w *wireRun) run(repository string) sources.PipelineRun {
	out := sources.PipelineRun{ID: w.UUID, Number: w.BuildNumber, Repository: repository, Commit: w.Target.Commit.Hash, State: w.State.state(), Created: w.CreatedOn.UTC()}
	if w.Target.RefType == "branch" {
		out.Branch = w.Target.RefName
	}
	if w.CompletedOn != nil {
		out.Ended = w.CompletedOn.UTC()
	}
	return out
}

func (w *wireStep) step() sources.PipelineStep {
	out := sources.PipelineStep{Name: w.Name, State: w.State.state()}
	if w.StartedOn != nil {
		out.Started = w.StartedOn.UTC()
	}
	if w.CompletedOn != nil {
		out.Ended = w.CompletedOn.UTC()
	}
	return out
}
