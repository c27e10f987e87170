package registry

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"quarterdeck/sources"
)

// platform is the one whose config is read where a reference names several: nearly all swarms run on it, and a health check is the same on all.
var platform = v1.Platform{OS: "linux", Architecture: "amd64"}

// revisionLabel names the commit that an image was built from (opencontainers/image-spec, annotations).
const revisionLabel = "org.opencontainers.image.revision"

// Look reads an image's manifest and config.
func (c *Client) Look(ctx context.Context, image string) (sources.ImageLook, error) {
	var out sources.ImageLook
	t, err := c.target(image)
	if err != nil {
		return out, err
	}
	op := "look at " + t.asked.Name()
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	defer cancel()
	auth, err := credentials(ctx, t)
	if err != nil {
		return out, c.failed(ctx, op, t, err)
	}
	d, err := remote.Get(t.ref, remote.WithContext(ctx), remote.WithAuth(auth), remote.WithTransport(c.transport(t)), remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithUserAgent("quarterdeck"), remote.WithPlatform(platform))
	if err != nil {
		return out, c.failed(ctx, op, t, err)
	}
	out.Digest = d.Digest.String()
	img, err := d.Image()
	if err != nil {
		return out, c.failed(ctx, op, t, err)
	}
	f, err := img.ConfigFile()
	if err != nil {
		return out, c.failed(ctx, op, t, err)
	}
	out.Created, out.Revision = f.Created.Time, f.Config.Labels[revisionLabel]
	if h := f.Config.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" {
		out.Healthcheck = true
	}
	return out, nil
}
