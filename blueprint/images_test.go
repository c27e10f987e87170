package blueprint

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/stages"
)

// exactVersion is one that names one release: two numbers at least, and no word as stable or latest. A variant may follow.
var exactVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z][a-z0-9.]*)?$`)

// pinnedState is what the check image-pinned says of a service with an image as docker writes it.
func pinnedState(t *testing.T, image string) stages.State {
	t.Helper()
	name, digest, _ := strings.Cut(image, "@")
	judged, _ := Judge([]sources.ServiceState{{Service: sources.Service{Name: "s", Image: name, Digest: digest}}}, nil, time.Now())
	i := slices.IndexFunc(judged, func(r stages.Result) bool { return r.Check.ID == "image-pinned" })
	if i < 0 {
		t.Fatal("image-pinned did not judge")
	}
	return judged[i].State
}

// TestImagesArePinned: each image of the files has an exact version; the check image-pinned warns of it, because no digest can be known before its registry is asked, and passes it
// once it has been. What the check fails is taken neither by default nor from a person.
func TestImagesArePinned(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	pins := map[string]ImagePin{}
	for _, s := range All {
		for _, p := range s.Images() {
			pins[p.Key] = p
		}
	}
	for _, p := range DatabaseImages() {
		if pins[p.Key] = p; engines[p.Key] == nil {
			t.Errorf("%s is no database of a new service", p.Key)
		}
	}
	if len(DatabaseImages()) != len(engines) {
		t.Errorf("%d databases have an image that is listed, of %d", len(DatabaseImages()), len(engines))
	}
	for key, p := range pins {
		image := p.Name + ":" + p.Version
		if !exactVersion.MatchString(p.Version) || p.Digest != "" {
			t.Errorf("%s: %+v names no one release", key, p)
		}
		if got := pinnedState(t, image); got != stages.Warn {
			t.Errorf("%s: image-pinned says %s of %s", key, got, image)
		}
		if err := Check("IMAGE_REDIS", image+digest); err != nil {
			t.Errorf("%s: a digest is refused: %v", key, err)
		}
		if got := pinnedState(t, image+digest); got != stages.Pass {
			t.Errorf("%s: image-pinned says %s of it with its digest", key, got)
		}
	}
	for _, p := range Params {
		if p.Image() && p.Default != "" && pins[p.Key].Version == "" {
			t.Errorf("%s is in no stack's images", p.Key)
		}
	}
	for _, bad := range []string{"redis", "redis:latest", "redis@sha256:0123", "redis:8@sha256:" + strings.Repeat("g", 64), "redis:8@md5:0123456789abcdef0123456789abcdef"} {
		if err := Check("IMAGE_REDIS", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestRenderedImagesArePinned: what the files deploy has the version of the list, or the digest that was given, and nothing is left of a variable.
func TestRenderedImagesArePinned(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	plain, resolved := filled(t, All), filled(t, All)
	for k := range resolved {
		if Find(k).Image() {
			resolved[k] += "@" + digest
		}
	}
	for want, values := range map[stages.State]Values{stages.Warn: plain, stages.Pass: resolved} {
		files, err := Render(All, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range All {
			c, err := load(s, files)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range c.Services {
				if got := pinnedState(t, x.Image); got != want {
					t.Errorf("%s of %s runs %s: image-pinned says %s, want %s", x.Name, s.Name, x.Image, got, want)
				}
			}
		}
	}
}
