package stages

import (
	"fmt"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const imageEvidence = "GET /v2/NAME/manifests/DIGEST of the image's registry; of Harbor, GET /api/v2.0/projects/PROJECT/repositories/NAME/artifacts/DIGEST?with_scan_overview=true"

// fact is what is known of a service's image, or the subject that says why nothing is.
func (e *Evidence) fact(v *fleet.Service) (ImageFact, *Subject) {
	f, ok := e.Images[imageKey(v)]
	switch {
	case e.Images == nil:
		return f, &Subject{State: Unknown, Says: e.reason(imagesName, "no registry was looked at")}
	case !ok:
		return f, &Subject{State: Unknown, Says: v.Image + " was not looked at yet"}
	case f.Reason != "":
		return f, &Subject{State: Unknown, Says: f.Reason}
	}
	return f, nil
}

var imageTraceable = &Check{
	ID: "image-traceable", Stage: 3, Stack: "registry",
	Question: "is every image that runs still in its registry, with a scan that found nothing grave?",
	Why:      "A node that comes back empty has to pull what ran before. An image that was thrown away, or that only one node has, ends there; one with a known hole is pulled with it.",
	Threshold: func(*Settings) string {
		return "the digest that runs is found, and its scan found nothing high or critical; high, or no scan where the registry scans, is a warning; critical or absent fails"
	},
	Fix: "push the image again and redeploy (r), and keep what runs out of the registry's clean-up; build it anew on a mended base where its scan found something",
	judge: func(e *Evidence, _ *Settings) Finding {
		scanned := 0
		f, _ := e.each(imageEvidence, func(v *fleet.Service) *Subject {
			x, missing := e.fact(v)
			switch {
			case missing != nil:
				return missing
			case v.Digest == "":
				return &Subject{State: Unknown, Says: "its spec names no digest, so nobody can say which image runs: see image-pinned"}
			case !x.Found:
				return &Subject{State: Fail, Says: "its registry has no " + v.Image + "@" + v.Digest + " any more"}
			case x.ScanReason != "":
				return &Subject{State: Unknown, Says: "its scan could not be read: " + x.ScanReason}
			case x.Scan != nil:
				scanned++
				return scanSubject(x.Scan)
			}
			return nil
		})
		if n := len(e.services()); f.State != NA && f.Value != "" && e.Images != nil {
			switch {
			case scanned == 0:
				f.Value += "; their scans are not read"
			case scanned < n:
				f.Value += fmt.Sprintf("; the scans of %d are read", scanned)
			}
		}
		return f
	},
}

// scanSubject is what keeps a scanned image from passing; nil: nothing does.
func scanSubject(s *sources.ImageScan) *Subject {
	by := "its scan"
	if s.Scanner != "" {
		by += " by " + s.Scanner
	}
	switch {
	case s.State == sources.ScanNone:
		return &Subject{State: Warn, Says: "nobody has scanned it: let the registry scan what is pushed"}
	case s.State == sources.ScanFailed:
		return &Subject{State: Warn, Says: by + " failed"}
	case s.State == sources.ScanRunning:
		return &Subject{State: Unknown, Says: by + " is not done"}
	case s.Critical > 0:
		return &Subject{State: Fail, Says: fmt.Sprintf("%s found %d critical and %d high", by, s.Critical, s.High)}
	case s.High > 0:
		return &Subject{State: Warn, Says: fmt.Sprintf("%s found %d high", by, s.High)}
	}
	return nil
}

var oneKeyDeploy = &Check{
	ID: "one-key-deploy", Stage: 3,
	Question:  "can every service be deployed by one key?",
	Why:       "A deploy that takes a person with the right machine, the right login and the right order does not happen at night. One key, or a pipeline, does.",
	Threshold: func(*Settings) string { return "the tag of each service's image resolves; one that does not fails" },
	Fix:       "push the tag, or redeploy to one that is there (r)",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("quarterdeck redeploy SERVICE --dry-run: the tag's digest, as the registry has it", func(v *fleet.Service) *Subject {
			x, missing := e.fact(v)
			switch {
			case missing != nil:
				return missing
			case !x.Resolves:
				return &Subject{State: Fail, Says: "its registry has no " + v.Image + ": a redeploy cannot find what to run"}
			}
			return nil
		})
		return f
	},
}
