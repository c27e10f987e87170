package world

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

// ManifestType is the media type of the demo's manifests.
const ManifestType = "application/vnd.docker.distribution.manifest.v2+json"

// Manifest is what the demo's registries have under a reference: its bytes are the same each time.
func Manifest(ref string) []byte {
	config := ImageConfig(ref)
	type blob struct {
		MediaType string `json:"mediaType"`
		Size      int    `json:"size"`
		Digest    string `json:"digest"`
	}
	b, _ := json.MarshalIndent(struct { // these types always marshal
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
		Config        blob   `json:"config"`
		Layers        []blob `json:"layers"`
	}{2, ManifestType, blob{"application/vnd.docker.container.image.v1+json", len(config), DigestOf(config)}, []blob{{"application/vnd.docker.image.rootfs.diff.tar.gzip", 2853661, DigestOf([]byte("layer " + ref))}}}, "", "   ")
	return b
}

// ImageConfig is the config of the image under a reference. Those of exporters have a health check of their own, as some do in the world; most have none.
func ImageConfig(ref string) []byte {
	type health struct {
		Test []string
	}
	var c struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       struct {
			Labels      map[string]string
			Healthcheck *health `json:",omitempty"`
		} `json:"config"`
		RootFS struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	c.Architecture, c.OS, c.RootFS.Type = "amd64", "linux", "layers"
	c.RootFS.DiffIDs = []string{DigestOf([]byte("content " + ref))}
	c.Config.Labels = map[string]string{"org.opencontainers.image.ref.name": ref}
	if strings.Contains(ref, "exporter") {
		c.Config.Healthcheck = &health{[]string{"CMD", "/bin/healthcheck"}}
	}
	b, _ := json.Marshal(c) // these types always marshal
	return b
}

// Config is the config with a digest that an image of a repository has; ErrNotFound: none has.
func (w *World) Config(repository, digest string) ([]byte, error) {
	for _, tag := range w.Tags(repository) {
		if c := ImageConfig(repository + ":" + tag); DigestOf(c) == digest {
			return c, nil
		}
	}
	return nil, ErrNotFound
}

// digestOf is the digest that the demo's registries give to an image reference: that of its manifest.
func digestOf(ref string) string { return DigestOf(Manifest(familiar(ref))) }

// DigestOf is the digest of what a registry has: a manifest, a blob.
func DigestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// familiar is a reference as docker shows it, with a tag: "docker.io/library/postgres" is "postgres:latest".
func familiar(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	if tagged, ok := named.(reference.Tagged); ok {
		return reference.FamiliarName(named) + ":" + tagged.Tag()
	}
	return reference.FamiliarName(named) + ":latest"
}

// Resolve gives the manifest of a reference, by its digest where it has one, else by its tag; ErrNotFound where no
// registry has it.
func (w *World) Resolve(ref string) ([]byte, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	digested, byDigest := named.(reference.Digested)
	if !byDigest {
		if missing(familiar(ref)) {
			return nil, ErrNotFound
		}
		return Manifest(familiar(ref)), nil
	}
	name := reference.FamiliarName(named)
	for _, tag := range w.Tags(name) {
		if m := Manifest(name + ":" + tag); DigestOf(m) == digested.Digest().String() {
			return m, nil
		}
	}
	return nil, ErrNotFound
}

// Repositories are the names of the image repositories that services use or used, as docker shows them, sorted.
func (w *World) Repositories() []string {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	return slices.Sorted(maps.Keys(w.deployed()))
}

// Tags are the tags of a repository in lexical order, none where there is no such repository: those that services
// have or had, and older and newer versions of these.
func (w *World) Tags(repository string) []string {
	w.settle()
	w.mu.RLock()
	seen := w.deployed()[repository]
	w.mu.RUnlock()
	tags := map[string]bool{}
	for tag := range seen {
		tags[tag] = true
		for _, other := range around(tag) {
			tags[other] = true
		}
	}
	for tag := range tags {
		if missing(repository + ":" + tag) {
			delete(tags, tag)
		}
	}
	return slices.Sorted(maps.Keys(tags))
}

// deployed is the tags of all services' images, those of founding and previous specs among them, by repository.
func (w *World) deployed() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	add := func(image string) {
		ref, _, _ := strings.Cut(image, "@")
		name, tag, _ := cutTag(familiar(ref))
		if out[name] == nil {
			out[name] = map[string]bool{}
		}
		out[name][tag] = true
	}
	for _, s := range w.services {
		for _, spec := range []*swarm.ServiceSpec{&s.Spec, s.PreviousSpec} {
			if spec != nil && spec.TaskTemplate.ContainerSpec != nil {
				add(spec.TaskTemplate.ContainerSpec.Image)
			}
		}
		if s.founded != "" {
			add(s.founded)
		}
	}
	return out
}

func cutTag(ref string) (name, tag string, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 || strings.Contains(ref[i:], "/") {
		return ref, "", false
	}
	return ref[:i], ref[i+1:], true
}

var release = regexp.MustCompile(`^(v?\d+\.)(\d+)(?:\.(\d+))?$`)

// around are the releases before and after one: the patches up to it, the last minor releases, and the next ones, of
// which one does not start.
func around(tag string) []string {
	m := release.FindStringSubmatch(tag)
	if m == nil {
		return nil
	}
	minor, _ := strconv.Atoi(m[2])
	out := []string{"latest"}
	if m[3] == "" {
		for i := max(minor-8, 0); i <= minor+1; i++ {
			out = append(out, m[1]+itoa(i))
		}
		return append(out, m[1]+itoa(minor+1)+"-bad")
	}
	patch, _ := strconv.Atoi(m[3])
	for i := max(patch-4, 0); i <= patch; i++ {
		out = append(out, m[1]+m[2]+"."+itoa(i))
	}
	for i := max(minor-3, 0); i < minor; i++ {
		out = append(out, m[1]+itoa(i)+".0", m[1]+itoa(i)+".1", m[1]+itoa(i)+".2")
	}
	next := m[1] + itoa(minor+1) + ".0"
	return append(out, m[1]+m[2]+"."+itoa(patch+1), next+"-rc1", next, next+"-bad")
}

// tagHas tells whether an image's tag has a word in it.
func tagHas(image, word string) bool {
	ref, _, _ := strings.Cut(image, "@")
	_, tag, _ := cutTag(ref)
	return strings.Contains(tag, word)
}

// missing tells whether no registry has an image: by the demo's convention, its tag begins with "missing".
func missing(image string) bool {
	ref, _, _ := strings.Cut(image, "@")
	_, tag, _ := cutTag(ref)
	return strings.HasPrefix(tag, "missing")
}

// broken tells whether an image crashes: by the demo's convention, its tag contains "bad" or "broken".
func broken(image string) bool { return tagHas(image, "bad") || tagHas(image, "broken") }

// sick tells whether a container never gets healthy: by the demo's convention its tag contains "unhealthy", or its
// spec's health check can do nothing but fail.
func sick(c *swarm.ContainerSpec) bool {
	if tagHas(c.Image, "unhealthy") {
		return !unchecked(c.Healthcheck)
	}
	return c.Healthcheck != nil && hopeless(c.Healthcheck.Test)
}

// unchecked tells whether a spec turns off the image's own health check.
func unchecked(h *container.HealthConfig) bool {
	return h != nil && len(h.Test) == 1 && h.Test[0] == "NONE"
}

var nonZero = regexp.MustCompile(`^(/usr)?(/bin/)?false$|^exit [1-9]\d*$`)

// asked is the port of its own that a health check asks; the demo's images serve 8080 alone.
var asked = regexp.MustCompile(`https?://(?:127\.0\.0\.1|localhost):(\d+)`)

func hopeless(test []string) bool {
	if len(test) < 2 {
		return false
	}
	if test[0] == "CMD" && len(test) == 4 && test[2] == "-c" { // sh -c "exit 1"
		return nonZero.MatchString(strings.TrimSpace(test[3]))
	}
	if m := asked.FindStringSubmatch(test[len(test)-1]); m != nil && m[1] != "8080" {
		return true
	}
	return len(test) == 2 && nonZero.MatchString(strings.TrimSpace(test[1]))
}
