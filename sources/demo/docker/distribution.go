package docker

import (
	"errors"
	"net/http"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"quarterdeck/sources/demo/world"
)

// distribution asks a reference's registry for its manifest, as `docker service update --image` has the engine do.
func (s *Server) distribution(rw http.ResponseWriter, r *http.Request) error {
	ref, ok := strings.CutSuffix(r.PathValue("ref"), "/json")
	if !ok {
		return problem{http.StatusNotFound, "page not found"}
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return problem{http.StatusBadRequest, err.Error()}
	}
	if host := reference.Domain(named); strings.HasSuffix(host, ".invalid") { // such a name is nobody's (RFC 2606)
		return problem{http.StatusInternalServerError, `Get "https://` + host + `/v2/": dial tcp: lookup ` + host + `: no such host`}
	}
	m, err := s.w.Resolve(ref)
	switch {
	case errors.Is(err, world.ErrNotFound):
		return problem{http.StatusNotFound, "manifest unknown: manifest unknown"}
	case err != nil:
		return err
	}
	return answer(rw, registry.DistributionInspect{
		Descriptor: ocispec.Descriptor{MediaType: world.ManifestType, Digest: digest.Digest(world.DigestOf(m)), Size: int64(len(m))},
		Platforms:  []ocispec.Platform{{Architecture: "amd64", OS: "linux"}},
	})
}
