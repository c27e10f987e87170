package stages

import (
	"fmt"

	"quarterdeck/sources"
)

var gitNoCredentials = &Check{
	ID: "git-no-credentials", Stage: 1,
	Question: "is no credential in any git repository?",
	Why:      "What was pushed once is in every clone for ever, whatever is deleted later. A scan in each pipeline finds it on the day that it can still be changed in peace.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("the scan of each repository passed in the last %s; older is a warning, a failed one or none fails", inDays(s.ScanPass))
	},
	Fix: "run gitleaks in the pipeline, in a step with its name; `quarterdeck delivery`",
	judge: func(e *Evidence, s *Settings) Finding {
		return e.eachRepository("the steps of the newest runs whose name has gitleaks, trufflehog or secret: GET /2.0/repositories/WORKSPACE/REPOSITORY/pipelines/UUID/steps", func(f *BuildFact) *Subject {
			switch {
			case f.Last == nil:
				return &Subject{State: Unknown, Says: "no pipeline has ended on " + f.Branch}
			case f.Scan == nil:
				return &Subject{State: Fail, Says: fmt.Sprintf("none of the newest %d pipelines on %s has a step that scans for secrets", runsScanned, f.Branch)}
			case f.Scan.State == sources.PipelineFailed:
				return &Subject{State: Fail, Says: "the step " + f.Scan.Name + " failed on " + day(f.Scanned) + ": it has found something, or did not run"}
			case e.Now.Sub(f.Scanned) > s.ScanPass:
				return &Subject{State: Warn, Says: "the last scan passed on " + day(f.Scanned)}
			}
			return nil
		})
	},
}

// eachRepository asks of every repository whose pipeline is read; evidence is the API's call.
func (e *Evidence) eachRepository(evidence string, look func(*BuildFact) *Subject) Finding {
	if e.Builds == nil {
		return unknown(evidence, e.reason(buildsName, "no pipeline is read"))
	}
	if len(e.Builds) == 0 {
		return unknown(evidence, "no repository is named: set bitbucket.repositories in the config, or the label "+sources.LabelRepository+" on the services")
	}
	f := Finding{Evidence: evidence}
	for name, b := range e.Builds {
		x := &Subject{State: Unknown, Says: b.Reason}
		if b.Reason == "" {
			x = look(&b)
		}
		if x != nil {
			x.Name = name
			f.Subjects = append(f.Subjects, *x)
		}
	}
	sortByName(f.Subjects)
	f.State, f.Value = worst(f.Subjects), fmt.Sprintf("%d of %s", len(e.Builds)-len(f.Subjects), counted(len(e.Builds), "repository", "repositories"))
	if f.State == Unknown {
		f.Reason = f.Subjects[0].Says
	}
	if e.Unbuilt > 0 {
		f.Value += "; " + counted(e.Unbuilt, "service names", "services name") + " none"
	}
	return f
}
