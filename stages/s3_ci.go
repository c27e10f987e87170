package stages

import (
	"fmt"

	"quarterdeck/sources"
)

var ciGreen = &Check{
	ID: "ci-green", Stage: 3,
	Question: "does the main branch of every repository build?",
	Why:      "A fix at night is a commit and a deploy. Where the pipeline is red that day, the fix waits for somebody to mend what has nothing to do with it.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("the newest run succeeded; one of more than %s ago, or one that was stopped, is a warning, a failed one fails", inDays(s.BuildPass))
	},
	Fix: "mend the pipeline; `quarterdeck delivery` says where it is stuck",
	judge: func(e *Evidence, s *Settings) Finding {
		return e.eachRepository("GET /2.0/repositories/WORKSPACE/REPOSITORY/pipelines/?target.branch=BRANCH&sort=-created_on", func(f *BuildFact) *Subject {
			if f.Last == nil {
				says := "no pipeline has ended on " + f.Branch
				if f.Going != nil {
					says += fmt.Sprintf("; number %d is %s", f.Going.Number, f.Going.State)
				}
				return &Subject{State: Warn, Says: says}
			}
			what := fmt.Sprintf("pipeline %d of %s on %s", f.Last.Number, f.Branch, day(f.Last.Created))
			switch {
			case f.Last.State == sources.PipelineFailed:
				return &Subject{State: Fail, Says: what + " failed"}
			case f.Last.State == sources.PipelineStopped:
				return &Subject{State: Warn, Says: what + " was stopped"}
			case e.Now.Sub(f.Last.Created) > s.BuildPass:
				return &Subject{State: Warn, Says: what + " is the newest"}
			}
			return nil
		})
	},
}
