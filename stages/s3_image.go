package stages

import (
	"quarterdeck/sources/fleet"
)

const imageEvidence = "GET /v2/NAME/manifests/DIGEST of the image's registry"

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
	ID: "image-traceable", Stage: 3,
	Question:  "is every image that runs still in its registry?",
	Why:       "A node that comes back empty has to pull what ran before. An image that was thrown away, or that only one node has, ends there.",
	Threshold: func(*Settings) string { return "the digest that runs is found; absent fails" },
	Fix:       "push the image again and redeploy (r), and keep what runs out of the registry's clean-up",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each(imageEvidence, func(v *fleet.Service) *Subject {
			x, missing := e.fact(v)
			switch {
			case missing != nil:
				return missing
			case v.Digest == "":
				return &Subject{State: Unknown, Says: "its spec names no digest, so nobody can say which image runs: see image-pinned"}
			case !x.Found:
				return &Subject{State: Fail, Says: "its registry has no " + v.Image + "@" + v.Digest + " any more"}
			}
			return nil
		})
		if f.State == Pass {
			f.Value += "; their scans are not read"
		}
		return f
	},
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
