package stages

import (
	"strings"

	"quarterdeck/sources/fleet"
)

var imagePinned = &Check{
	ID: "image-pinned", Stage: 1,
	Question:  "does every service name the very image that it runs?",
	Why:       "A tag can be moved: two nodes may then run two programs under one name, and a rollback brings back what nobody has tried. A digest is the program itself.",
	Threshold: func(*Settings) string { return "by digest; a tag is a warning; latest, or no tag, fails" },
	Fix:       "`quarterdeck redeploy SERVICE` resolves the tag to its digest",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("docker service inspect SERVICE: Spec.TaskTemplate.ContainerSpec.Image", func(v *fleet.Service) *Subject {
			last := v.Image[strings.LastIndex(v.Image, "/")+1:]
			_, tag, _ := strings.Cut(last, ":")
			switch {
			case v.Digest != "":
				return nil
			case tag == "" || tag == "latest":
				return &Subject{State: Fail, Says: "it runs " + v.Image + ", which is whatever was pushed last"}
			}
			return &Subject{State: Warn, Says: "it runs " + v.Image + ", without a digest"}
		})
		return f
	},
}
